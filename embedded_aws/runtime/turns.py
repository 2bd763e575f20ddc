"""Whose turn it is to be read, so that nobody waits for those who send without end.

Whoever sends a little is read at once. Whoever sends more than is read in a turn waits in a queue with all others that
do, and one turn in each round of the event loop is theirs together, however many they are. Those that are being served
have a queue and a turn of their own: a call that was once late with a piece of its audio does not wait behind hundreds
that have not even asked for anything.
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
SOON_S = 0.5
"""Whoever waited in the queue waits there again when more comes so soon after."""

_log = logging.getLogger(__name__)


class Turns:
    """The queue of one event loop."""

    def __init__(self) -> None:
        self._served: deque[Callable[[float], None]] = deque()
        self._idle: deque[Callable[[float], None]] = deque()
        self._due = False

    def wait(self, read_on: Callable[[float], None], *, idle: bool) -> None:
        """Call ``read_on`` when its turn comes, with the moment of `time.monotonic` at which it is over."""
        (self._idle if idle else self._served).append(read_on)
        self._next_round()

    def _next_round(self) -> None:
        if not self._due:
            self._due = True
            asyncio.get_running_loop().call_soon(self._take)

    def _take(self) -> None:
        """Read on those who waited longest in either queue, until its turn is over; one of them at least."""
        try:
            for waiting in (self._served, self._idle):
                until_s = time.monotonic() + TURN_S
                for number in range(len(waiting)):
                    if number and time.monotonic() >= until_s:
                        break
                    waiting.popleft()(until_s)
        finally:
            self._due = False
            if self._served or self._idle:
                self._next_round()


class Reading:
    """One connection's reading.

    Args:
        turns: where it waits.
        transport: of the connection; nothing is taken from its socket while it waits.
        read: reads what has come until a moment, and says whether anything is left.
        idle: whether nothing is being answered on it.
        resume: takes from the socket again.
    """

    def __init__(
        self,
        turns: Turns,
        transport: ClientTransport,
        read: Callable[[float], bool],
        idle: Callable[[], bool],
        resume: Callable[[], None] | None = None,
    ) -> None:
        self._turns = turns
        self._transport = transport
        self._read = read
        self._idle = idle
        self._resume = resume or transport.resume_reading
        self._waits = False
        self._waited_s = -inf

    def go_on(self) -> None:
        """Something has come."""
        if self._waits:
            return
        now_s = time.monotonic()
        if now_s - self._waited_s < SOON_S or self._read(now_s + TURN_S):
            self._wait()

    def _wait(self) -> None:
        self._waits = True
        self._transport.pause_reading()
        self._turns.wait(self._turn, idle=self._idle())

    def _turn(self, until_s: float) -> None:
        if self._transport.is_closing():
            return
        self._waits, self._waited_s = False, time.monotonic()
        try:
            more = self._read(until_s)
        except Exception:
            _log.exception("A connection failed")
            self._transport.abort()
            return
        if more:
            self._wait()
        elif not self._transport.is_closing():
            self._resume()
