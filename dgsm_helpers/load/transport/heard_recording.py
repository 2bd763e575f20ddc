"""A recording beside what was heard in it: a player whose captions come when they came to the caller."""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from typing import Self

from dgsm_helpers.load.transport.trace import StreamTrace
from dgsm_helpers.rules.foreign_text import in_html
from dgsm_helpers.rules.sample import Recording

type Caption = tuple[float, str, str]
"""Seconds into the recording at which it came, what of the text was final by then, and what could still change."""

_SHOWN_CHARACTERS = 150
"""Of the final text in a caption: two lines, which can be read meanwhile."""
_LAST_S = 0.2
"""Before the end of the sound: what comes after it is shown from there on."""
_STYLE = "max-width:38em;min-height:3em;margin:.3em 0;padding:.4em 1em;background:#202124;color:#fff;border-radius:.5em"
_SCRIPT = """
const show = () => {
  const [, said, guess] = cues.filter(([at]) => at <= sound.currentTime).pop() ?? [0, "", ""];
  [text.children[0].textContent, text.children[1].textContent] = [said, guess];
};
sound.addEventListener("timeupdate", show);
"""


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
        return player_html(self.recording, self.captions) + f"<div>{in_html(self.transcript)}</div>"


def player_html(recording: Recording, captions: Sequence[Caption]) -> str:
    """The recording as a player that shows the captions, each from when it came.

    A script of its own shows them: Chromium draws none beside a sound. Where no script runs, the sound plays alone.
    """
    cues = json.dumps(shown_captions(captions, duration_s=recording.duration_s)).replace("<", "\\u003c")
    return (
        f'<div><audio controls style="width:100%;max-width:40em" src="{audio_source(recording)}"></audio>'
        f'<p style="{_STYLE}"><span></span> <i style="opacity:.75"></i></p>'
        f"<script>(([sound, text], cues) => {{ {_SCRIPT} }})(document.currentScript.parentNode.children, {cues});"
        "</script></div>"
    )


def audio_source(recording: Recording) -> str:
    """The recording inside a page."""
    return f"data:audio/mpeg;base64,{b64encode(recording.to_mp3()).decode()}"


def shown_captions(captions: Sequence[Caption], *, duration_s: float) -> list[Caption]:
    """The captions as they are shown: of a long text its end, and what came after the sound just before its end."""
    last_s = duration_s - _LAST_S
    return [(min(max(at_s, 0.0), last_s), _shortened(said), guess) for at_s, said, guess in captions]


def _shortened(said: str) -> str:
    return said if len(said) <= _SHOWN_CHARACTERS else "… " + said[-_SHOWN_CHARACTERS:].partition(" ")[2]
