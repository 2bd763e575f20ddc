"""The streams on a fleet in virtual time: who holds what, the peaks that are published, what is beyond the knee.

Each instance has a slot. A slot that takes no new streams (draining, or free for the next instance) has ``_AWAY``
added to its count and knee, so that least-outstanding routing passes over it and the accounting of its streams goes
on unchanged.

One change of capacity at a time on a virtual fleet: instances being started, instances being removed.
"""

import random
from bisect import bisect_left, bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from dgsm_helpers.rules.container_stop import ContainerStop
from dgsm_helpers.rules.fleet import RANDOM, choose_instance, place, removal_order, start_delay_s
from dgsm_helpers.rules.model import ScalingModel
from dgsm_helpers.simulate.events import Events
from dgsm_helpers.simulate.scaling_plan import ScalingPlan

_AWAY = 1 << 40


@dataclass(frozen=True, kw_only=True)
class Tally:
    """Sums over a run.

    ``over_capacity_s`` are the stream-seconds in excess of the knees, ``affected_s`` those of every stream on an
    instance beyond its knee.
    """

    over_capacity_s: float
    affected_s: float
    opened: int
    opened_above_knee: int
    cut: int


class VirtualFleet:
    """Instances and the streams on them.

    Args:
        events: of the traffic.
        model: says how new streams are routed, and whether a stream that is cut is opened again at once.
        knees: streams that an instance of each type sustains.

    ``serving`` are the slots that take new streams, ``types`` the instance type of each slot, ``streams`` how many
    streams are in progress, ``instance_s`` the seconds by type so far.
    """

    def __init__(self, events: Events, model: ScalingModel, knees: Mapping[str, int]) -> None:
        self._events = events
        self._routing = model.routing
        self._knee_of = knees
        self._reopen = model.reopen_cut_streams
        self._counts: list[int] = []
        self._peaks: list[int] = []
        self._knees: list[int] = []
        self._since_s: list[float] = []
        self._slot_of = [-1] * len(events.draws)
        self._free: list[int] = []
        self._by_age = True
        self._over = self._affected = 0
        self._settled_s = 0.0
        self.types: list[str] = []
        self.serving: list[int] = []
        self.streams = 0
        self._over_s = self._affected_s = 0.0
        self._opened = self._opened_above = self._cut = 0
        self.instance_s: dict[str, float] = dict.fromkeys(knees, 0.0)

    def advance(self, first: int, last: int) -> None:
        """Play the events from index ``first`` to before ``last``."""
        if first < last:
            self._play(self._events.codes[first:last], self._events.times_s[first:last])

    def take_peaks(self) -> list[int]:
        """Most streams that each slot held since the last call, -1 for a slot that is not serving; starts anew."""
        taken = self._peaks
        self._peaks = self._counts.copy()
        if len(self.serving) < len(self._counts):
            for slot, count in enumerate(self._counts):
                if count >= _AWAY:
                    self._peaks[slot] = -1
        return taken

    def add(self, instance_type: str, now_s: float) -> None:
        """Let a new instance serve."""
        # A slot behind all others keeps slots in order of age, in which routing by slot is routing by age.
        behind = [s for s in self._free if not self.serving or s > self.serving[-1]]
        if self._free:
            slot = min(behind or self._free)
            self._free.remove(slot)
        else:
            slot = len(self._counts)
            for column in (self._counts, self._peaks, self._knees, self._since_s):
                column.append(0)
            self.types.append("")
        self._counts[slot] = self._peaks[slot] = 0
        self._knees[slot] = self._knee_of[instance_type]
        self._since_s[slot] = now_s
        self.types[slot] = instance_type
        self.serving.append(slot)
        self._by_age = self.serving == sorted(self.serving)

    def withdraw(self, slot: int) -> None:
        """Take an instance out of routing; its streams go on."""
        self.serving.remove(slot)
        self._by_age = self.serving == sorted(self.serving)
        self._counts[slot] += _AWAY
        self._knees[slot] += _AWAY
        self._peaks[slot] = -1

    def outstanding(self, slot: int) -> int:
        """Streams on a slot."""
        return self._counts[slot] % _AWAY

    def end(self, slot: int, now_s: float) -> None:
        """End a withdrawn instance; streams that are left are cut, and reopened elsewhere if their callers do that."""
        left = self.outstanding(slot)
        if left:
            self._settle(now_s)
            excess = self._counts[slot] - self._knees[slot]
            if excess > 0:
                self._over -= excess
                self._affected -= left
            self._counts[slot] = _AWAY
            lost = self._streams_on(slot, now_s)
            self._cut += len(lost)
            self.streams -= len(lost)
            for stream in lost:
                self._slot_of[stream] = -1
            if self._reopen:
                self._play(lost, [now_s] * len(lost))
        self.instance_s[self.types[slot]] += now_s - self._since_s[slot]
        self._free.append(slot)

    def close(self, now_s: float) -> Tally:
        """Settle the accounts at the end of the run."""
        self._settle(now_s)
        for slot, count in enumerate(self._counts):
            if count != _AWAY:
                self.instance_s[self.types[slot]] += now_s - self._since_s[slot]
        return Tally(
            over_capacity_s=self._over_s,
            affected_s=self._affected_s,
            opened=self._opened,
            opened_above_knee=self._opened_above,
            cut=self._cut,
        )

    def _streams_on(self, slot: int, now_s: float) -> list[int]:
        starts_s, ends_s = self._events.starts_s, self._events.ends_s
        first, begun = bisect_left(starts_s, now_s - self._events.longest_s), bisect_right(starts_s, now_s)
        return [s for s in range(first, begun) if self._slot_of[s] == slot and ends_s[s] > now_s]

    def _settle(self, now_s: float) -> None:
        self._over_s += self._over * (now_s - self._settled_s)
        self._affected_s += self._affected * (now_s - self._settled_s)
        self._settled_s = now_s

    def _play(self, codes: Sequence[int], times_s: Sequence[float]) -> None:
        """The hot loop: everything it needs is local, and time is looked at only beyond the knee."""
        counts, peaks, knees, slot_of = self._counts, self._peaks, self._knees, self._slot_of
        serving, draws, routing, by_age = self.serving, self._events.draws, self._routing, self._by_age
        at_random, instances, opened, ended, above = routing == RANDOM, len(serving), 0, 0, 0
        for code, now_s in zip(codes, times_s, strict=True):
            if code >= 0:
                opened += 1
                if at_random:
                    slot = serving[int(draws[code] * instances)]
                elif by_age:
                    slot = choose_instance(counts, routing, 0.0)
                else:
                    slot = serving[choose_instance([counts[s] for s in serving], routing, 0.0)]
                slot_of[code] = slot
                count = counts[slot] + 1
                counts[slot] = count
                peaks[slot] = max(peaks[slot], count)
                beyond = count - knees[slot]
                if beyond > 0:
                    self._settle(now_s)
                    above += 1
                    self._over += 1
                    self._affected += count if beyond == 1 else 1
            else:
                slot = slot_of[~code]
                if slot >= 0:
                    ended += 1
                    count = counts[slot]
                    counts[slot] = count - 1
                    beyond = count - knees[slot]
                    if beyond > 0:
                        self._settle(now_s)
                        self._over -= 1
                        self._affected -= count % _AWAY if beyond == 1 else 1
        self.streams += opened - ended
        self._opened += opened
        self._opened_above += above


class Lifecycle:
    """What the endpoint does between asking for a capacity and having it.

    An instance serves from the first beat after its start; the endpoint is busy until the last one does. If no type
    of the pool has capacity, the change fails: what has started stays, and the rest is given up.
    """

    def __init__(self, fleet: VirtualFleet, plan: ScalingPlan, model: ScalingModel, rng: random.Random) -> None:
        self._fleet = fleet
        self._plan = plan
        self._model = model
        self._rng = rng
        self._starting: list[tuple[float, str]] = []
        self._stop = ContainerStop.of(model)
        self._leaving: list[int] = []
        self._sigterm_s = self._until_s = 0.0
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
        self._end_leaving(now_s)
        if self._fails_s is not None and now_s >= self._fails_s:
            self._starting.clear()
            self._fails_s = None
        if self._starting or self._leaving or self._fails_s is not None or now_s < self._until_s:
            return False
        self.busy = False
        return True

    def _start_one(self, now_s: float) -> None:
        placement = place(
            self._plan.instance_types,
            now_s=now_s,
            shortages=self._plan.shortages,
            provision_timeout_s=self._plan.provision_timeout_s,
        )
        delay_s = start_delay_s(self._model, self._rng)
        if placement.instance_type is None:
            self._fails_s = placement.at_s
        else:
            self._starting.append((placement.at_s + delay_s, placement.instance_type))

    def _remove(self, surplus: int, now_s: float) -> None:
        fleet, rank = self._fleet, {t: i for i, t in enumerate(self._plan.instance_types)}
        have = list(fleet.serving)
        order = removal_order([rank[fleet.types[s]] for s in have], [fleet.outstanding(s) for s in have])
        self._leaving = [have[index] for index in order[:surplus]]
        self._sigterm_s = now_s
        self._until_s = now_s + self._model.scale_in_s
        self._end_leaving(now_s)

    def _end_leaving(self, now_s: float) -> None:
        """Take the instances that had their SIGTERM out of routing, and end those that are empty or killed."""
        age_s = now_s - self._sigterm_s
        if not self._leaving or self._stop.takes_streams(age_s):
            return
        for slot in list(self._leaving):
            if slot in self._fleet.serving:
                self._fleet.withdraw(slot)
            if self._stop.killed(age_s) or not self._fleet.outstanding(slot):
                self._fleet.end(slot, now_s)
                self._leaving.remove(slot)
