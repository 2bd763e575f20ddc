"""Callers who hand over: they leave an instance beyond its knee for one with room, one after the other.

What a `ContinuedStream` with `Leaving` does. Its numbers are named assumptions (``hand_over_after_s``,
``hand_overs_per_minute`` in ``data/assumptions.toml``).
"""

import random
from collections import deque

from dgsm_helpers.rules.model import FIXED_RULES
from dgsm_helpers.simulate.virtual_fleet import VirtualFleet

_VALUES = {rule.name: rule.value for rule in FIXED_RULES}
AFTER_S = float(_VALUES["hand_over_after_s"])
PER_MINUTE = int(_VALUES["hand_overs_per_minute"])
_MINUTE_S = 60.0


class HandingOver:
    """The callers of one fleet; ``rng`` says who of an instance's callers leaves first."""

    def __init__(self, fleet: VirtualFleet, rng: random.Random) -> None:
        self._fleet, self._rng = fleet, rng
        self._over_since_s: dict[int, float] = {}
        self._looked_s = 0.0
        self._left_s: deque[float] = deque()

    def relieve(self, now_s: float) -> None:
        """Let callers leave whose instance has been overloaded for long enough."""
        fleet = self._fleet
        over = [slot for slot in fleet.serving if fleet.room(slot) < 0]
        # A beat without overload is not looked at.
        before = self._over_since_s if now_s - self._looked_s <= fleet.arrays.tick_s else {}
        self._over_since_s, self._looked_s = {slot: before.get(slot, now_s) for slot in over}, now_s
        for slot in over:
            if now_s - self._over_since_s[slot] < AFTER_S:
                continue
            callers = sorted(fleet.callers_on(slot, now_s).tolist())
            for caller in self._rng.sample(callers, min(-fleet.room(slot), len(callers))):
                if not self._permit(now_s):
                    return
                # A session on an instance that is no better is given up again.
                if fleet.room(there := fleet.offered(self._rng)) > 0:
                    fleet.move(caller, there, now_s)

    def _permit(self, now_s: float) -> bool:
        while self._left_s and self._left_s[0] <= now_s - _MINUTE_S:
            self._left_s.popleft()
        if len(self._left_s) >= PER_MINUTE:
            return False
        self._left_s.append(now_s)
        return True
