"""One change of capacity at a time on a virtual fleet: instances being started, instances being removed."""

from __future__ import annotations

import random

from .fleet import place, removal_order, start_delay_s
from .model import ScalingModel
from .plan import Plan
from .virtual_fleet import VirtualFleet


class Lifecycle:
    """What the endpoint does between asking for a capacity and having it.

    An instance serves from the first beat after its start; the endpoint is busy until the last one does. If no type
    of the pool has capacity, the change fails: what has started stays, and the rest is given up.
    """

    def __init__(self, fleet: VirtualFleet, plan: Plan, model: ScalingModel, rng: random.Random) -> None:
        self._fleet = fleet
        self._plan = plan
        self._model = model
        self._rng = rng
        self._starting: list[tuple[float, str]] = []
        self._leaving: list[int] = []
        self._leave_s = self._until_s = 0.0
        self._fails_s: float | None = None
        self.busy = False

    def change(self, capacity: int, now_s: float) -> None:
        """Ask for ``capacity`` instances."""
        self.busy = True
        self._until_s = now_s
        missing = capacity - len(self._fleet.serving)
        for _ in range(missing):
            self._start_one(now_s)
        self._starting.sort()
        if missing < 0:
            self._remove(-missing, now_s)

    def advance(self, now_s: float) -> bool:
        """Move on to ``now_s``; whether the change has just ended, well or not."""
        if not self.busy:
            return False
        while self._starting and self._starting[0][0] <= now_s:
            self._fleet.add(self._starting.pop(0)[1], now_s)
        for slot in [s for s in self._leaving if now_s >= self._leave_s or not self._fleet.outstanding(s)]:
            self._fleet.end(slot, now_s)
            self._leaving.remove(slot)
        if self._fails_s is not None and now_s >= self._fails_s:
            self._starting.clear()
            self._fails_s = None
        if self._starting or self._leaving or self._fails_s is not None or now_s < self._until_s:
            return False
        self.busy = False
        return True

    def _start_one(self, now_s: float) -> None:
        found = place(
            self._plan.instance_types,
            now_s=now_s,
            shortages=self._plan.shortages,
            provision_timeout_s=self._plan.provision_timeout_s,
        )
        delay_s = start_delay_s(self._model, self._rng)
        if found.instance_type is None:
            self._fails_s = found.at_s
        else:
            self._starting.append((found.at_s + delay_s, found.instance_type))

    def _remove(self, surplus: int, now_s: float) -> None:
        fleet, rank = self._fleet, {t: i for i, t in enumerate(self._plan.instance_types)}
        have = list(fleet.serving)
        order = removal_order([rank[fleet.types[s]] for s in have], [fleet.outstanding(s) for s in have])
        self._leaving = [have[index] for index in order[:surplus]]
        for slot in self._leaving:
            fleet.withdraw(slot)
        drains = self._model.on_scale_in == "drain"
        self._leave_s = now_s + (self._model.drain_s if drains else 0.0)
        self._until_s = now_s + self._model.scale_in_s
        if not drains:
            for slot in self._leaving:
                fleet.end(slot, now_s)
            self._leaving = []
