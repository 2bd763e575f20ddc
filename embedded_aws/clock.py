"""Local time: the clock, read from the wall, and its beat every ten local seconds, whatever the speed."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from dgsm_helpers.rules.local_time import LocalTime

BEAT_S = 10
MAX_BEHIND_S = 600
"""A machine that slept longer than this is not caught up with: its metrics have a gap, as after an outage."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Clock(LocalTime):
    """Local time now."""

    @classmethod
    def starting_now(cls, speed: float) -> Clock:
        """A clock whose local time equals wall time at this moment."""
        return cls(speed=speed, origin_s=time.time())

    def now_s(self) -> float:
        """Local time in Unix seconds."""
        return self.local_s(time.time())

    def now(self) -> datetime:
        """Local time as an aware UTC datetime."""
        return moment(self.now_s())


def moment(at_s: float) -> datetime:
    """Unix seconds as an aware UTC datetime."""
    return datetime.fromtimestamp(at_s, UTC)


class Heartbeat:
    """Calls each of ``steps`` with every multiple of ten local seconds, in order, one beat at a time."""

    def __init__(self, clock: Clock, steps: Sequence[Callable[[float], object]]) -> None:
        self._clock = clock
        self._steps = steps
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="heartbeat", daemon=True)

    def start(self) -> None:
        """Beat from now on."""
        self._thread.start()

    def stop(self) -> None:
        """Beat no more; returns when the last beat is over."""
        self._stopping.set()
        self._thread.join(timeout=5)

    def _run(self) -> None:
        failing: dict[int, str] = {}
        next_s = (self._clock.now_s() // BEAT_S + 1) * BEAT_S
        while not self._stopping.wait(max(0.0, self._clock.wall_delay_s(next_s - self._clock.now_s()))):
            for index, step in enumerate(self._steps):
                try:
                    step(next_s)
                    failing.pop(index, None)
                except Exception as error:  # a failing step must not stop local time for the others
                    if failing.get(index) != repr(error):  # nor fill the log with one and the same failure
                        _log.exception("a step of the beat at %s failed", next_s)
                    failing[index] = repr(error)
            behind_s = self._clock.now_s() - next_s
            next_s += BEAT_S if behind_s < MAX_BEHIND_S else behind_s // BEAT_S * BEAT_S
