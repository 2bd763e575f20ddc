"""Calls functions at given moments of the event loop's clock: one heap and one timer for all of them.

A timer per chunk would cost more than the chunk; and whatever is due at one wake-up is released together, so the writes
it causes leave in one piece.
"""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Callable
from itertools import count


class ReleaseQueue:
    """Bound to the event loop that runs when it is made."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._heap: list[tuple[float, int, Callable[[], None]]] = []
        self._order = count()
        self._timer: asyncio.TimerHandle | None = None

    def __len__(self) -> int:
        return len(self._heap)

    def now_s(self) -> float:
        """The loop's clock."""
        return self._loop.time()

    def at(self, due_s: float, call: Callable[[], None]) -> None:
        """Call at ``due_s`` of the loop's clock; equal moments keep their order."""
        heapq.heappush(self._heap, (due_s, next(self._order), call))
        if self._timer is None or due_s < self._timer.when():
            self._arm()

    def _arm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._loop.call_at(self._heap[0][0], self._release)

    def _release(self) -> None:
        self._timer = None
        now_s = self._loop.time()
        heap = self._heap
        try:
            while heap and heap[0][0] <= now_s:
                heapq.heappop(heap)[2]()
        finally:
            if heap and self._timer is None:
                self._arm()
