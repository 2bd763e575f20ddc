"""Recordings, and the bundled one with what is said in it.

Eleven seconds of public-domain speech (``data/jfk.wav``: 16 kHz, mono, 16-bit) with its exact transcript and word times
(``data/jfk.json``). Both sides use it: load clients stream it, and the embedded AWS's ``metered`` engine knows its
words.
"""

import io
import json
import re
import wave
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from dgsm_helpers.errors import InvalidInput

BYTES_PER_SAMPLE = 2
TIME_DIGITS = 6
"""Of seconds, far below a sample: what ends with the last sample of a stretch has ended in it."""


def plain_word(text: str) -> str:
    """A word as it is compared: lower case, no punctuation."""
    return "".join(c for c in text.lower() if c.isalnum() or c == "'")


@dataclass(frozen=True)
class Word:
    """One word of the sample. ``start`` and ``end`` are seconds from the beginning of the recording."""

    punctuated_word: str
    start: float
    end: float

    @property
    def word(self) -> str:
        """The word as Deepgram's ``word`` field has it: lower case, no punctuation."""
        return plain_word(self.punctuated_word)


@dataclass(frozen=True)
class Recording:
    """A mono 16-bit recording.

    ``pcm`` is raw linear16 without a header (half a sample at its end is left out), ``sample_rate`` its rate in Hz,
    ``transcript`` what is said in it (None when unknown: then no word error rate can be given), ``source`` where it
    comes from.
    """

    pcm: bytes
    sample_rate: int
    transcript: str | None = None
    source: str = ""

    def __post_init__(self) -> None:
        # A loop over half a sample would swap the bytes of every second turn.
        object.__setattr__(self, "pcm", self.pcm[: len(self.pcm) // BYTES_PER_SAMPLE * BYTES_PER_SAMPLE])

    @property
    def duration_s(self) -> float:
        return len(self.pcm) / BYTES_PER_SAMPLE / self.sample_rate

    def to_wav(self, duration_s: float | None = None) -> bytes:
        """The recording as a WAV file, looped or cut to ``duration_s`` seconds when given."""
        size = len(self.pcm) if duration_s is None else round(duration_s * self.sample_rate) * BYTES_PER_SAMPLE
        target = io.BytesIO()
        with wave.open(target, "wb") as file:
            file.setnchannels(1)
            file.setsampwidth(BYTES_PER_SAMPLE)
            file.setframerate(self.sample_rate)
            file.writeframes(self.part(0, size))
        return target.getvalue()

    def to_mp3(self) -> bytes:
        """The recording as an MP3 file, a tenth of a WAV's size: for pages."""
        import numpy as np
        import soundfile

        file = io.BytesIO()
        soundfile.write(file, np.frombuffer(self.pcm, "<i2"), self.sample_rate, format="MP3")
        return file.getvalue()

    def word_error_rate(self, heard: str) -> float:
        """How much of it was heard wrongly (0 is perfect), case and punctuation aside. Measure: the jiwer package's.

        Raises:
            InvalidInput: what is said in it is not known.
        """
        import jiwer  # slow to import, and only this needs it

        if self.transcript is None:
            raise InvalidInput("What is said in the recording is not known.", hint="Give it a transcript.")
        truth, words = _words(self.transcript), _words(heard)
        if not truth:
            return 0.0 if not words else 1.0
        return float(jiwer.wer(truth, words)) if words else 1.0

    def part(self, position: int, size: int) -> bytes:
        """``size`` bytes from ``position`` on, going round at the end.

        Raises:
            InvalidInput: they are asked of a recording without a single sample.
        """
        if not size:
            return b""
        if not self.pcm:
            raise InvalidInput("The recording has no sample.", hint="Give one with sound in it.")
        position %= len(self.pcm)
        part = self.pcm[position : position + size]
        if missing := size - len(part):
            rounds, rest = divmod(missing, len(self.pcm))
            part += self.pcm * rounds + self.pcm[:rest]
        return part


def _words(text: str) -> str:
    return " ".join(re.sub(r"[^\w' ]", " ", text.lower()).split())


@dataclass(frozen=True)
class Sample(Recording):
    """The bundled recording with its words in order."""

    words: tuple[Word, ...] = ()


def sample_wav() -> bytes:
    """The bundled recording as a WAV file, header included: what `InvokeEndpoint` takes."""
    return (files("dgsm_helpers") / "data" / "jfk.wav").read_bytes()


@cache
def bundled_sample() -> Sample:
    data = files("dgsm_helpers") / "data"
    facts = json.loads((data / "jfk.json").read_text())
    with (data / "jfk.wav").open("rb") as file, wave.open(file) as recording:
        pcm, rate = recording.readframes(recording.getnframes()), recording.getframerate()
    words = tuple(Word(**w) for w in facts["words"])
    return Sample(pcm=pcm, sample_rate=rate, transcript=facts["transcript"], words=words, source=facts["source"])
