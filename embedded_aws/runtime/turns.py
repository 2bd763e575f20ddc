"""Whose turn it is to be read, so that nobody waits for those who send without end.

Whoever sends a little is read at once. Whoever sends more than is read in a turn waits in a queue with all others that
do, and one turn in each round of the event loop is theirs together, however many they are.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable

TURN_S = 0.002
"""How long one connection is read at a time."""
SOON_S = 0.5
"""Whoever waited in the queue waits there again when more comes so soon after."""

type ReadOn = Callable[[float], None]
"""Reads a connection on until a moment of `time.monotonic`."""


class Turns:
    """The queue of one event loop."""

    def __init__(self) -> None:
        self._waiting: deque[ReadOn] = deque()
        self._due = False

    def wait(self, read_on: ReadOn) -> None:
        """Call ``read_on`` when its turn comes."""
        self._waiting.append(read_on)
        self._next_round()

    def _next_round(self) -> None:
        if not self._due:
            self._due = True
            asyncio.get_running_loop().call_soon(self._take)

    def _take(self) -> None:
        """Read on those who waited longest, until the turn is over; one of them at least."""
        until_s = time.monotonic() + TURN_S
        try:
            for number in range(len(self._waiting)):
                if number and time.monotonic() >= until_s:
                    break
                self._waiting.popleft()(until_s)
        finally:
            self._due = False
            if self._waiting:
                self._next_round()
