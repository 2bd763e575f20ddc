"""A fleet in virtual time: its instances in slots, for `beat_loop` to play streams on, and how it changes.

One change of capacity at a time: instances being started, instances being removed.
"""

import math
import random
from collections.abc import Mapping

import numpy as np

from dgsm_helpers.rules.fleet import RANDOM, ContainerStop, place, removal_order, start_delay_s
from dgsm_helpers.rules.model import ScalingModel
from dgsm_helpers.simulate import beat_loop, beat_records
from dgsm_helpers.simulate.events import Events
from dgsm_helpers.simulate.runs import Tally
from dgsm_helpers.simulate.scaling_plan import ScalingPlan

_MOST_AT_FIRST = 64
"""Slots beyond these are made when they are needed: a month has a quarter of a million rows of them."""


class VirtualFleet:
    """Instances and the streams on them.

    Args:
        events: of the traffic.
        model: says how new streams are routed, and whether a stream that is cut is opened again at once.
        knees: streams that an instance of each type sustains, by the plan's order of types.
        most: instances that are to be expected; for more the arrays grow, which costs a copy.
        hand_over: callers whose stream is cut go on in the next one.

    ``serving`` are the slots that take new streams, ``types`` the instance type of each slot, ``instance_s`` the
    seconds by type so far; ``arrays`` are what `beat_loop` works on.
    """

    def __init__(
        self, events: Events, model: ScalingModel, knees: Mapping[str, int], *, most: int, hand_over: bool = False
    ) -> None:
        slots = min(most, _MOST_AT_FIRST)
        self._events = events
        self._knees = knees
        self._rank = {instance_type: rank for rank, instance_type in enumerate(knees)}
        self._since_s: list[float] = []
        self._free: list[int] = []
        self._cut = self._handed_over = 0
        self.types: list[str] = []
        self.serving: list[int] = []
        self.instance_s: dict[str, float] = dict.fromkeys(knees, 0.0)
        self.arrays = beat_loop.FleetArrays(
            bounds=events.bounds,
            starts_s=events.starts_s,
            ends_s=events.ends_s,
            ending=events.ending,
            draws=events.draws,
            tick_s=events.tick_s,
            at_random=model.routing == RANDOM,
            zeros=model.idle_instance_emits_zero,
            reopen=model.reopen_cut_streams or hand_over,
            hand_over=hand_over,
            slots=np.zeros(slots, beat_records.SLOT),
            order=np.zeros(slots, np.int64),
            slot_of=np.full(events.draws.size, -1, np.int32),
            totals=np.zeros(1, beat_records.TOTALS),
            beats=np.zeros(events.ticks, beat_records.BEAT),
            peaks=np.empty((events.ticks, slots), np.int32),  # every beat writes its row
        )
        # Looking a field up by its name takes longer than reading it.
        self._counts, self._streams = self.arrays.slots["count"], self.arrays.totals["streams"]

    @property
    def streams(self) -> int:
        return self._streams.item(0)

    def play_beat(self, tick: int) -> None:
        beat_loop.play(tick, tuple(self.arrays))

    def add(self, instance_type: str, now_s: float) -> None:
        """Let a new instance serve."""
        # A slot behind all others keeps slots in order of age, in which they are read from start to end.
        behind = [s for s in self._free if not self.serving or s > self.serving[-1]]
        if self._free:
            slot = min(behind or self._free)
            self._free.remove(slot)
        else:
            slot = len(self.types)
            self.types.append("")
            self._since_s.append(0.0)
            if slot == self.arrays.slots.size:
                self._grow(math.ceil(now_s / self._events.tick_s))
        self._since_s[slot] = now_s
        self.types[slot] = instance_type
        self.arrays.slots[slot] = (0, 0, self._knees[instance_type], self._rank[instance_type])
        self.serving.append(slot)
        self._reorder()

    def withdraw(self, slot: int) -> None:
        """Take an instance out of routing; its streams go on."""
        self.serving.remove(slot)
        row = self.arrays.slots[slot]
        row["count"] += beat_loop.AWAY
        row["knee"] += beat_loop.AWAY
        row["peak"] = -1
        self._reorder()

    def outstanding(self, slot: int) -> int:
        return self._counts.item(slot) % beat_loop.AWAY

    def end(self, slot: int, now_s: float) -> None:
        """End a withdrawn instance; streams that are left are cut, and reopened elsewhere if their callers do that."""
        if self.outstanding(slot):
            first, last = self._begun(now_s)
            lost = beat_loop.empty(slot, first, last, now_s, tuple(self.arrays))
            if self.arrays.hand_over:
                self._handed_over += lost
            else:
                self._cut += lost
        self.instance_s[self.types[slot]] += now_s - self._since_s[slot]
        self._free.append(slot)

    def close(self, now_s: float) -> Tally:
        for slot, count in enumerate(self._counts[: len(self.types)].tolist()):
            if count != beat_loop.AWAY:
                self.instance_s[self.types[slot]] += now_s - self._since_s[slot]
        totals = self.arrays.totals[0]
        unsettled_s = now_s - totals["settled_s"]
        return Tally(
            over_capacity_s=float(totals["over_s"] + totals["over"] * unsettled_s),
            affected_s=float(totals["affected_s"] + totals["affected"] * unsettled_s),
            opened=int(totals["opened"]),
            opened_above_knee=int(totals["opened_above"]),
            cut=self._cut,
            handed_over=self._handed_over,
        )

    def room(self, slot: int) -> int:
        """Streams that a slot could take up to its knee; negative beyond it."""
        row = self.arrays.slots[slot]
        return int(row["knee"] - row["count"])

    def offered(self, rng: random.Random) -> int:
        """The slot that a next stream would be put on."""
        if self.arrays.at_random:
            return rng.choice(self.serving)
        return min(self.serving, key=self.outstanding)

    def callers_on(self, slot: int, now_s: float) -> np.ndarray:
        """The streams on a slot that go on beyond now."""
        first, last = self._begun(now_s)
        on_it = self.arrays.slot_of[first:last] == slot
        return np.flatnonzero(on_it & (self._events.ends_s[first:last] > now_s)) + first

    def move(self, stream: int, slot: int, now_s: float) -> None:
        """Put a stream on another slot, which has room."""
        beat_loop.move(stream, slot, now_s, tuple(self.arrays))
        self._handed_over += 1

    def _begun(self, now_s: float) -> tuple[int, int]:
        """All streams in progress at a beat are from the first to before the second of these."""
        bounds, tick_s, longest_s = self._events.bounds, self._events.tick_s, self._events.longest_s
        return bounds.item(max(0, int((now_s - longest_s) / tick_s) - 1), 0), bounds.item(round(now_s / tick_s), 0)

    def _grow(self, played: int) -> None:
        """Twice as many slots, after so many beats."""
        slots, order, peaks = self.arrays.slots, self.arrays.order, self.arrays.peaks
        wider = np.empty((peaks.shape[0], 2 * peaks.shape[1]), np.int32)
        wider[:played, : peaks.shape[1]] = peaks[:played]
        wider[:played, peaks.shape[1] :] = -1
        self.arrays = self.arrays._replace(
            slots=np.concatenate((slots, np.zeros_like(slots))),
            order=np.concatenate((order, np.zeros_like(order))),
            peaks=wider,
        )
        self._counts = self.arrays.slots["count"]

    def _reorder(self) -> None:
        self.arrays.order[: len(self.serving)] = self.serving
        totals = self.arrays.totals
        totals["serving"], totals["slots"], totals["least"] = len(self.serving), len(self.types), 0


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

    @property
    def next_s(self) -> float:
        """From when on `advance` can change anything; infinite while nothing has been asked for."""
        if not self.busy:
            return math.inf
        if self._leaving:
            return 0.0  # whenever the last stream ends
        times_s = [at_s for at_s, _ in self._starting[:1]]
        times_s += [] if self._fails_s is None else [self._fails_s]
        return min(times_s, default=self._until_s)

    def change(self, capacity: int, now_s: float) -> None:
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
        # All are taken out first: a stream that is cut opens again on an instance that stays.
        for slot in self._leaving:
            if slot in self._fleet.serving:
                self._fleet.withdraw(slot)
        for slot in list(self._leaving):
            if self._stop.killed(age_s) or (age_s > 0 and not self._fleet.outstanding(slot)):
                self._fleet.end(slot, now_s)
                self._leaving.remove(slot)
