"""The streams on a fleet in virtual time: who holds what, the peaks that are published, what is beyond the knee.

Each instance has a slot. A slot that takes no new streams (draining, or free for the next instance) has ``_AWAY``
added to its count and knee, so that least-outstanding routing passes over it and the accounting of its streams goes
on unchanged.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from .events import Events
from .fleet import RANDOM, pick

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
        routing: strategy for new streams.
        knees: streams that an instance of each type sustains.
        reopen: whether a stream that is cut is opened again at once.

    ``serving`` are the slots that take new streams, ``types`` the instance type of each slot, ``streams`` how many
    streams are in progress, ``instance_s`` the seconds by type so far.
    """

    def __init__(self, events: Events, *, routing: str, knees: Mapping[str, int], reopen: bool) -> None:
        self._events = events
        self._routing = routing
        self._knee_of = knees
        self._reopen = reopen
        self._counts: list[int] = []
        self._peaks: list[int] = []
        self._knees: list[int] = []
        self._since_s: list[float] = []
        self._where = [-1] * len(events.draws)
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
                self._where[stream] = -1
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
        return [s for s in range(first, begun) if self._where[s] == slot and ends_s[s] > now_s]

    def _settle(self, now_s: float) -> None:
        self._over_s += self._over * (now_s - self._settled_s)
        self._affected_s += self._affected * (now_s - self._settled_s)
        self._settled_s = now_s

    def _play(self, codes: Sequence[int], times_s: Sequence[float]) -> None:
        """The hot loop: everything it needs is local, and time is looked at only beyond the knee."""
        counts, peaks, knees, where = self._counts, self._peaks, self._knees, self._where
        serving, draws, routing, by_age = self.serving, self._events.draws, self._routing, self._by_age
        at_random, instances, opened, ended, above = routing == RANDOM, len(serving), 0, 0, 0
        for code, now_s in zip(codes, times_s, strict=True):
            if code >= 0:
                opened += 1
                if at_random:
                    slot = serving[int(draws[code] * instances)]
                elif by_age:
                    slot = pick(counts, routing, 0.0)
                else:
                    slot = serving[pick([counts[s] for s in serving], routing, 0.0)]
                where[code] = slot
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
                slot = where[~code]
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
