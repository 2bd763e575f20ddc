"""Whose turn it is to be read, so that nobody waits for those who send without end.

Whoever sends a little is read at once. Whoever sends more than is read in a turn waits in a queue with all others that
do, and one turn in each round of the event loop is theirs together, however many they are. Who has nothing left to be
read after that sends a little again, however long the queue was.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable
from math import inf

from embedded_aws.runtime.client_transport import ClientTransport

TURN_S = 0.002
"""How long one connection is read at a time."""
SOON_S = 0.005
"""More that comes so soon after what was read last is read in what is left of that turn, and then waits again."""

_log = logging.getLogger(__name__)


class Turns:
    """The queue of one event loop."""

    def __init__(self) -> None:
        self._waiting: deque[Callable[[float], None]] = deque()
        self._due = False

    def wait(self, read_on: Callable[[float], None]) -> None:
        """Call ``read_on`` when its turn comes, with the moment of `time.monotonic` at which it is over."""
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


class Reading:
    """One connection's reading.

    Args:
        turns: where it waits.
        transport: of the connection; nothing is taken from its socket while it waits.
        read: reads what has come until a moment, and says whether anything is left.
        resume: takes from the socket again.
    """

    def __init__(
        self,
        turns: Turns,
        transport: ClientTransport,
        read: Callable[[float], bool],
        resume: Callable[[], None] | None = None,
    ) -> None:
        self._turns = turns
        self._transport = transport
        self._read = read
        self._resume = resume or transport.resume_reading
        self._waits = False
        self._read_s, self._left_s = -inf, 0.0

    def go_on(self) -> None:
        """Something has come."""
        if self._waits:
            return
        now_s = time.monotonic()
        until_s = now_s + (TURN_S if now_s - self._read_s >= SOON_S else self._left_s)
        if until_s > now_s and not self._read(until_s):
            self._caught_up(until_s)
        else:
            self._wait()

    def _caught_up(self, until_s: float) -> None:
        """Nothing is left of what has come."""
        self._read_s = time.monotonic()
        self._left_s = until_s - self._read_s

    def _wait(self) -> None:
        self._waits = True
        self._transport.pause_reading()
        self._turns.wait(self._turn)

    def _turn(self, until_s: float) -> None:
        if self._transport.is_closing():
            return
        self._waits = False
        try:
            more = self._read(until_s)
        except Exception:
            _log.exception("A connection failed")
            self._transport.abort()
            return
        if more:
            self._wait()
        elif not self._transport.is_closing():
            self._caught_up(until_s)
            self._resume()
