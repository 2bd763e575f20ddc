"""Recognises the bundled sample by its bytes, wherever a stream starts in it and however often it loops.

Whatever else it hears it answers with the sample's words from the start, and says so in the model's name.
"""

from bisect import bisect_right
from functools import cache

from dgsm_helpers.rules.sample import TIME_DIGITS, bundled_sample
from embedded_aws.engines.base import SpokenWord

LOCATED = "metered: bundled sample"
UNLOCATED = "metered: unknown audio, answered with the bundled sample's words from its start"

_MIN_LOCATABLE_BYTES = 320
"""10 ms: shorter pieces are too likely to occur twice."""


@cache
def _two_turns() -> bytes:
    """The recording twice, so that a piece that crosses the loop's seam is found too."""
    pcm = bundled_sample().pcm
    return pcm + pcm


class KnownWords:
    """Follows one stream through the sample.

    ``advance`` it by each piece of audio, then ask for the ``words`` that end in a span of stream time.
    """

    def __init__(self, sample_rate: int) -> None:
        sample = bundled_sample()
        self._rate = sample_rate
        self._words = sample.words
        self._ends = [w.end for w in sample.words]
        self._same_rate = sample_rate == sample.sample_rate
        self._turns = _two_turns()
        self._period_bytes = len(sample.pcm)
        self._period_s = sample.duration_s
        self._cursor_bytes = 0
        self._after_bytes = -1
        self._shift_s = 0.0
        self.located = False
        self._look_ahead(0.0)

    @property
    def cursor_s(self) -> float:
        """Stream time heard so far."""
        return self._cursor_bytes / 2 / self._rate

    @property
    def model(self) -> str:
        """Name for results: whether the audio is the sample."""
        return LOCATED if self.located else UNLOCATED

    def advance(self, pcm: bytes) -> None:
        """Hear ``pcm`` (mono linear16)."""
        if self._same_rate:
            self._follow(pcm)
        self._cursor_bytes += len(pcm)

    def _follow(self, pcm: bytes) -> None:
        if self._after_bytes >= 0 and self._turns.startswith(pcm, self._after_bytes):
            self._after_bytes = (self._after_bytes + len(pcm)) % self._period_bytes
            return
        at = self._locate(pcm[: self._period_bytes])
        if at < 0:
            # Speech may stop and resume; until it is found again the words run on from where they were.
            self._after_bytes = -1
            return
        self.located = True
        self._after_bytes = (at + len(pcm)) % self._period_bytes
        self._shift_s = (self._cursor_bytes - at) / 2 / self._rate
        self._looked_to_s = -1.0

    def _locate(self, pcm: bytes) -> int:
        if len(pcm) < _MIN_LOCATABLE_BYTES or not pcm.strip(b"\0"):
            return -1
        at = -1
        while (at := self._turns.find(pcm, at + 1)) >= 0:
            if at % 2 == 0:
                return at % self._period_bytes
        return -1

    def words(self, from_s: float, to_s: float) -> list[SpokenWord]:
        """Words that end in ``(from_s, to_s]`` of stream time, in order."""
        # Most pieces of audio end no word. The comparison is the search's own, so that no rounding comes between them.
        if from_s == self._looked_to_s and round(to_s - self._next_base_s, TIME_DIGITS) < self._next.end:
            self._looked_to_s = to_s
            return []
        words: list[SpokenWord] = []
        turn = self._turn(from_s)
        while (base := self._base_s(turn)) < to_s:
            first = bisect_right(self._ends, round(from_s - base, TIME_DIGITS))
            last = bisect_right(self._ends, round(to_s - base, TIME_DIGITS))
            words += [
                SpokenWord(w.word, w.punctuated_word, max(0.0, w.start + base), w.end + base)
                for w in self._words[first:last]
            ]
            turn += 1
        self._look_ahead(to_s)
        return words

    @property
    def next_start_s(self) -> float:
        """Stream time at which the word begins that is the first to end after what `words` was last asked for.

        It may have begun already.
        """
        return self._next.start + self._next_base_s

    def _turn(self, at_s: float) -> int:
        return int((at_s - self._shift_s) // self._period_s)

    def _base_s(self, turn: int) -> float:
        return turn * self._period_s + self._shift_s

    def _look_ahead(self, at_s: float) -> None:
        turn = self._turn(at_s)
        following = bisect_right(self._ends, round(at_s - self._base_s(turn), TIME_DIGITS))
        if following == len(self._words):
            turn, following = turn + 1, 0
        self._looked_to_s, self._next, self._next_base_s = at_s, self._words[following], self._base_s(turn)
