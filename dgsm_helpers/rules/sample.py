"""The bundled recording and what is said in it.

Eleven seconds of public-domain speech (``data/jfk.wav``: 16 kHz, mono, 16-bit) with its exact transcript and word times
(``data/jfk.json``). Both sides use it: load clients stream it, and the embedded AWS's ``metered`` engine knows its
words.
"""

from __future__ import annotations

import json
import wave
from dataclasses import dataclass
from functools import cache
from importlib.resources import files


@dataclass(frozen=True)
class Word:
    """One word of the sample. ``start`` and ``end`` are seconds from the beginning of the recording."""

    punctuated_word: str
    start: float
    end: float

    @property
    def word(self) -> str:
        """The word as Deepgram's ``word`` field has it: lower case, no punctuation."""
        return "".join(c for c in self.punctuated_word.lower() if c.isalnum() or c == "'")


@dataclass(frozen=True)
class Sample:
    """A mono 16-bit little-endian recording.

    ``pcm`` is the raw linear16 audio (no header), ``sample_rate`` its rate in Hz, ``words`` its words in order,
    ``transcript`` the exact text.
    """

    pcm: bytes
    sample_rate: int
    transcript: str
    words: tuple[Word, ...]
    source: str

    @property
    def duration_s(self) -> float:
        """Length in seconds."""
        return len(self.pcm) / 2 / self.sample_rate


def sample_wav() -> bytes:
    """The bundled recording as a WAV file, header included: what `InvokeEndpoint` takes."""
    return (files("dgsm_helpers") / "data" / "jfk.wav").read_bytes()


@cache
def bundled_sample() -> Sample:
    """The bundled recording with its words."""
    data = files("dgsm_helpers") / "data"
    facts = json.loads((data / "jfk.json").read_text())
    with (data / "jfk.wav").open("rb") as file, wave.open(file) as recording:
        pcm, rate = recording.readframes(recording.getnframes()), recording.getframerate()
    words = tuple(Word(**w) for w in facts["words"])
    return Sample(pcm=pcm, sample_rate=rate, transcript=facts["transcript"], words=words, source=facts["source"])
