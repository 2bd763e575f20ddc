"""When a call leaves an overloaded instance of its own accord: late, one after the other, and never all at once.

Streams stick to their instance, so new instances help only those who open a new session. If every caller of a slow
instance did so in one moment, the next one would be overloaded; so each waits for a time of its own, looks again, and
needs a permit that all calls of a process share.
"""

import random
from collections import deque
from dataclasses import dataclass, field

MINUTE_S = 60.0


@dataclass(kw_only=True)
class Leaving:
    """What calls may leave an overloaded instance for another session; one object is shared by all of a process.

    A call leaves when its results have been more than ``lag_s`` behind its audio for ``for_s`` and then for a random
    part of ``spread_s``. All calls together leave at most ``per_minute`` times; a call that has moved stays for
    ``stay_s``, and twice as long after each time that the other session was not better.
    """

    lag_s: float = 2.0
    for_s: float = 5.0
    spread_s: float = 20.0
    stay_s: float = 60.0
    per_minute: int = 12
    _left_s: deque[float] = field(default_factory=deque, repr=False)

    def permit(self, now_s: float) -> bool:
        """Whether one more call may leave now; it counts when it may."""
        while self._left_s and self._left_s[0] <= now_s - MINUTE_S:
            self._left_s.popleft()
        if len(self._left_s) >= self.per_minute:
            return False
        self._left_s.append(now_s)
        return True


class OverloadWatch:
    """Says when one call should leave; it is told the time, so that it can be tried in any order of events."""

    def __init__(self, leaving: Leaving, rng: random.Random) -> None:
        self._leaving, self._rng = leaving, rng
        self._late_since_s: float | None = None
        self._patience_s = 0.0
        self._not_before_s = 0.0
        self._failures = 0

    def should_leave(self, now_s: float, lag_s: float) -> bool:
        """Whether to open another session now, the call's results being ``lag_s`` behind its audio."""
        leaving = self._leaving
        if lag_s <= leaving.lag_s:
            self._late_since_s = None
            return False
        if self._late_since_s is None:
            self._late_since_s = now_s
            self._patience_s = leaving.for_s + self._rng.uniform(0, leaving.spread_s)
        due = now_s >= max(self._late_since_s + self._patience_s, self._not_before_s)
        if not due or not leaving.permit(now_s):
            return False
        self._late_since_s = None
        self._not_before_s = now_s + leaving.stay_s
        return True

    def moved(self) -> None:
        """The other session is better."""
        self._failures = 0

    def stayed(self, now_s: float) -> None:
        """It is not: the next attempt is further off."""
        self._failures += 1
        self._not_before_s = now_s + self._leaving.stay_s * 2**self._failures
