"""Metered speech synthesis: how long a text's audio takes to make is known in closed form; it sounds like a hum.

A character lasts ``1 / CHARACTERS_PER_S`` seconds at speed 1. Audio is made in pieces of `PIECE_S`, each on the lane
that is free first, and a piece is begun when the one before it is done. So one instance keeps up with
``floor(lanes x 100 / service_ms)`` texts that are spoken at once, as many as it hears streams, as long as one lane
makes audio faster than it is played (``service_ms`` up to 100).
"""

import math
import sys
from array import array
from functools import cache

from embedded_aws.engines.base import CHARACTERS_PER_S, SpeechListener
from embedded_aws.engines.lanes import Lanes, ReleaseQueue

PIECE_S = 0.1
_PERIOD_S = 2 * PIECE_S
_PITCH_HZ, _SYLLABLES_HZ = 140, 5


def spoken_s(text: str, speed: float = 1.0) -> float:
    """How long a text's audio is, in seconds."""
    return len(text) / CHARACTERS_PER_S / speed


class MeteredUtterance:
    """A text on its way to becoming audio."""

    def __init__(
        self,
        queue: ReleaseQueue,
        lanes: Lanes,
        text: str,
        *,
        sample_rate: int,
        speed: float,
        listener: SpeechListener,
    ) -> None:
        self._queue, self._lanes, self._listener = queue, lanes, listener
        self._rate = sample_rate
        self._samples = round(spoken_s(text, speed) * sample_rate)
        self._at = 0
        self._cancelled = False
        self._make_next()

    def _make_next(self) -> None:
        count = min(round(PIECE_S * self._rate), self._samples - self._at)
        if count <= 0:
            self._queue.at(self._queue.now_s(), self._end)
            return
        done_s = self._lanes.take(self._queue.now_s(), count / self._rate)
        self._queue.at(done_s, lambda: self._emit(count))

    def _emit(self, count: int) -> None:
        if self._cancelled:
            return
        hum = _hum(self._rate)
        begin = 2 * self._at % (len(hum) // 2)
        self._at += count
        self._listener.on_audio(hum[begin : begin + 2 * count])
        if not self._cancelled:
            self._make_next()

    def _end(self) -> None:
        if not self._cancelled:
            self._listener.on_end()

    def cancel(self) -> None:
        """A piece that is being made still takes its time; it is not heard."""
        self._cancelled = True


@cache
def _hum(rate: int) -> bytes:
    """Two periods, so that a piece can be cut out from anywhere in the first."""
    samples = array("h")
    for number in range(2 * round(_PERIOD_S * rate)):
        t = number / rate
        loudness = abs(math.sin(math.pi * _SYLLABLES_HZ * t))
        samples.append(int(6000 * loudness * math.sin(2 * math.pi * _PITCH_HZ * t)))
    if sys.byteorder == "big":
        samples.byteswap()
    return samples.tobytes()
