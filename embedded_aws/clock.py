"""Local time: the clock, and its beat every ten local seconds, whatever the speed.

It runs with the machine's monotonic clock: whoever sets the wall's does not touch it. While no request is in flight it
can also be moved on, beat by beat: all that happens at a beat then happens in its order, only sooner for whoever waits.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Hashable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime

from dgsm_helpers.rules.local_time import LocalTime
from dgsm_helpers.wire.moved_time import MovedTime

BEAT_S = 10
MAX_BEHIND_S = 600
"""A machine that slept longer than this is not caught up with: its metrics have a gap, as after an outage."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Clock(LocalTime):
    """Local time now."""

    moved: MovedTime = field(default_factory=MovedTime, repr=False, compare=False)

    @classmethod
    def starting_now(cls, speed: float, moved: MovedTime | None = None) -> Clock:
        """A clock whose local time equals wall time at this moment."""
        return cls(speed=speed, origin_s=time.time(), started_s=time.monotonic(), moved=moved or MovedTime())

    def now_s(self) -> float:
        """Local time in Unix seconds."""
        return self.local_s(time.monotonic()) + self.moved.seconds

    def move_to(self, at_s: float) -> None:
        """Let it be ``at_s`` now, if it is not that late yet."""
        self.moved.add(max(0.0, at_s - self.now_s()))

    def now(self) -> datetime:
        """Local time as an aware UTC datetime."""
        return moment(self.now_s())


def moment(at_s: float) -> datetime:
    """Unix seconds as an aware UTC datetime."""
    return datetime.fromtimestamp(at_s, UTC)


class Failures:
    """What failed at the last beat: it must not stop what stands beside it, nor fill the log with the same failure."""

    def __init__(self) -> None:
        self._failing: dict[Hashable, str] = {}

    @contextmanager
    def logged(self, what: Hashable) -> Iterator[None]:
        """Log an exception within, unless ``what`` failed with the same one the last time."""
        try:
            yield
            self._failing.pop(what, None)
        except Exception as error:
            if self._failing.get(what) != repr(error):
                _log.exception("%s failed at a beat", what)
            self._failing[what] = repr(error)


class Heartbeat:
    """Calls each of ``steps`` with every multiple of ten local seconds, in order, one beat at a time.

    Args:
        clock: local time.
        steps: what happens at each beat.
        held: whether time must go with the wall's now, because a request is in flight or was since the last beat.
    """

    def __init__(
        self, clock: Clock, steps: Sequence[Callable[[float], object]], *, held: Callable[[], bool] = lambda: False
    ) -> None:
        self._clock = clock
        self._steps = steps
        self._held = held
        self._lock = threading.Lock()
        self._next_s = (clock.now_s() // BEAT_S + 1) * BEAT_S
        self._failures = Failures()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="heartbeat", daemon=True)

    def start(self) -> None:
        """Beat from now on."""
        self._thread.start()

    def stop(self) -> None:
        """Beat no more; returns when the last beat is over."""
        self._stopping.set()
        self._thread.join(timeout=5)

    def advance(self, seconds: float) -> float:
        """Move local time on by ``seconds``, beat by beat, as far as no request is in flight.

        Returns:
            Local seconds that are left to wait for.
        """
        goal_s = self._clock.now_s() + seconds
        with self._lock:
            while not self._held() and not self._stopping.is_set():
                self._clock.move_to(min(goal_s, self._next_s))
                if self._next_s > goal_s:
                    break
                self._beat()
        return max(0.0, goal_s - self._clock.now_s())

    def _run(self) -> None:
        while not self._stopping.wait(max(0.0, self._clock.wall_delay_s(self._next_s - self._clock.now_s()))):
            with self._lock:
                if self._clock.now_s() >= self._next_s:  # or it has been moved on meanwhile
                    self._beat()

    def _beat(self) -> None:
        for index, step in enumerate(self._steps):
            with self._failures.logged(f"step {index}"):
                step(self._next_s)
        behind_s = self._clock.now_s() - self._next_s
        self._next_s += BEAT_S if behind_s < MAX_BEHIND_S else behind_s // BEAT_S * BEAT_S
