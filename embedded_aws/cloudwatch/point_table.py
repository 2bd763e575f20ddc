"""One metric's points of one resolution: the newest as they are, older ones packed, the oldest dropped.

A packed point takes a tenth of the memory, or less: what is kept for weeks must not be what the server consists of.
Points may come late. Then what they belong to is unpacked again.
"""

from __future__ import annotations

import pickle
import zlib

from embedded_aws.cloudwatch.statistics import Aggregate

BLOCK_STEPS = 60
"""So many steps are packed together."""
OPEN_BLOCKS = 2
"""So many blocks are kept as they are: what is published now, and what alarms look back at."""

type Points = dict[int, Aggregate]


class PointTable:
    """Aggregates by the beginning of their step; what is older than ``kept_s`` is dropped with its block.

    Args:
        step: seconds between two points; it may become shorter later.
        kept_s: how long they are kept.
    """

    __slots__ = ("_block_s", "_open", "_packed", "kept_s", "step")

    def __init__(self, step: int, kept_s: int) -> None:
        self.step = step
        self.kept_s = kept_s
        self._block_s = step * BLOCK_STEPS
        self._open: dict[int, Points] = {}
        """By the number of the block, the one that was opened last at the end."""
        self._packed: dict[int, bytes] = {}

    def at(self, start: int, now_s: float) -> Aggregate:
        """The point that begins at ``start``, made when there is none."""
        number = start // self._block_s
        points = self._open.get(number)
        if points is None:
            points = self._open[number] = _unpacked(self._packed.pop(number, None))
            self._tidy(now_s)
        aggregate = points.get(start)
        if aggregate is None:
            aggregate = points[start] = Aggregate()
        return aggregate

    def slice(self, first: int, end_s: float) -> list[tuple[int, Aggregate]]:
        """Ascending, from ``first`` on and before ``end_s``; what was packed is a copy."""
        found: list[tuple[int, Aggregate]] = []
        for number in self._numbers(first // self._block_s, end_s / self._block_s):
            points = self._open.get(number)
            if points is None:
                points = _unpacked(self._packed.get(number))
            found += [(start, aggregate) for start, aggregate in points.items() if first <= start < end_s]
        return sorted(found, key=lambda point: point[0])

    def _numbers(self, first: int, last: float) -> list[int]:
        """The blocks there are from ``first`` to ``last``."""
        if last - first < len(self._open) + len(self._packed):
            return [number for number in range(first, int(last) + 1) if number in self._open or number in self._packed]
        return [number for number in (*self._open, *self._packed) if first <= number <= last]

    def _tidy(self, now_s: float) -> None:
        while len(self._open) > OPEN_BLOCKS:
            oldest = next(iter(self._open))
            self._packed[oldest] = zlib.compress(pickle.dumps(self._open.pop(oldest)), 1)
        oldest_s = now_s - self.kept_s
        for blocks in (self._open, self._packed):
            for number in [number for number in blocks if (number + 1) * self._block_s <= oldest_s]:
                del blocks[number]


def _unpacked(packed: bytes | None) -> Points:
    points: Points = {} if packed is None else pickle.loads(zlib.decompress(packed))
    return points
