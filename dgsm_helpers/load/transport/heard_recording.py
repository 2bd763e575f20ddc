"""A recording beside what was heard in it: a player whose captions come when they came to the caller.

The player is HTML's own ``video``, which shows captions beside a sound without any script.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from html import escape
from typing import Self

from dgsm_helpers.load.transport.trace import StreamTrace
from dgsm_helpers.rules.sample import Recording

type Caption = tuple[float, str, str]
"""Seconds into the recording at which it came, what of the text was final by then, and what could still change."""

_SHOWN_CHARACTERS = 150
"""Of the final text in a caption: two lines, which can be read meanwhile."""
_LAST_S = 0.2
"""Before the end of the sound: what comes after it is shown from there on."""
_STYLE = "width:100%;max-width:40em;height:9.5em;background:#202124;border-radius:.5em"


@dataclass(frozen=True, eq=False, repr=False)
class HeardRecording(StreamTrace):
    """A stream of a recording; a notebook shows it as a player with captions, anything else its transcript."""

    recording: Recording = field(kw_only=True)

    @classmethod
    def of(cls, trace: StreamTrace, recording: Recording) -> Self:
        return cls(**{item.name: getattr(trace, item.name) for item in fields(trace)}, recording=recording)

    @property
    def captions(self) -> tuple[Caption, ...]:
        """One for each result, in order."""
        begin_s = float(self.scheduled_s[0]) if len(self.scheduled_s) else 0.0
        captions, said = [], ""
        for result in self.results:
            final = result.is_final or result.ends_turn
            if final:
                said = f"{said} {result.transcript}".strip()
            captions.append((round(result.received_s - begin_s, 2), said, "" if final else result.transcript))
        return tuple(captions)

    def __repr__(self) -> str:
        return self.transcript

    def _repr_html_(self) -> str:
        return player_html(self.recording, self.captions) + f"<div>{escape(self.transcript)}</div>"


def player_html(recording: Recording, captions: Sequence[Caption]) -> str:
    """The recording as a player that shows the captions, each from when it came."""
    track = b64encode(captions_vtt(captions, duration_s=recording.duration_s).encode()).decode()
    return (
        f'<video controls style="{_STYLE}" src="{audio_source(recording)}">'
        f'<track default kind="captions" label="as it was heard" src="data:text/vtt;base64,{track}"></video>'
    )


def audio_source(recording: Recording) -> str:
    """The recording inside a page."""
    return f"data:audio/mpeg;base64,{b64encode(recording.to_mp3()).decode()}"


def captions_vtt(captions: Sequence[Caption], *, duration_s: float) -> str:
    """The captions as WebVTT: final text as it is, what may still change in italics."""
    begins = [min(max(at_s, 0.0), duration_s - _LAST_S) for at_s, _, _ in captions]
    ends = [*begins, duration_s + 60][1:]
    cues = [
        f"{_clock(begin_s)} --> {_clock(end_s)}\n{_cue(said, guess)}\n"
        for begin_s, end_s, (_, said, guess) in zip(begins, ends, captions, strict=True)
        if end_s > begin_s and (said or guess)
    ]
    return "\n".join(["WEBVTT\n", *cues])


def _cue(said: str, guess: str) -> str:
    if len(said) > _SHOWN_CHARACTERS:
        said = "… " + said[-_SHOWN_CHARACTERS:].partition(" ")[2]
    parts = (escape(said, quote=False), f"<i>{escape(guess, quote=False)}</i>" if guess else "")
    return " ".join(filter(None, parts))


def _clock(seconds: float) -> str:
    return f"{int(seconds // 60):02d}:{seconds % 60:06.3f}"
