"""How much memory the embedded AWS holds for its clients, and which of them gives way when it is too much."""

import threading
from collections.abc import Callable

type GiveWay = Callable[[], object]
"""Ends what a client holds its bytes with: its connection. It may be called more than once, from any thread."""


class HeldBytes:
    """Bytes held for clients that have not been served yet.

    Who holds more than ``each`` gives way. When all of them hold more than ``together``, the one that holds most does,
    so that no client can take the room of the others. Every method may be called from any thread.
    """

    def __init__(self, *, each: int, together: int) -> None:
        self._each = each
        self._together = together
        self._lock = threading.Lock()
        self._held: dict[GiveWay, int] = {}
        self.total = 0

    def add(self, holder: GiveWay, size: int) -> None:
        """``holder`` holds ``size`` bytes more, or fewer when it is negative."""
        with self._lock:
            before = self._held.get(holder, 0)
            after = max(0, before + size)
            self._held[holder] = after
            self.total += after - before
            greatest = max(self._held, key=self._held.__getitem__) if self.total > self._together else holder
            too_much = self.total > self._together or after > self._each
        if too_much:
            greatest()

    def forget(self, holder: GiveWay) -> None:
        """``holder`` holds nothing any more."""
        with self._lock:
            self.total -= self._held.pop(holder, 0)
