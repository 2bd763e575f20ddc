"""Where the sessions of a call come from and where they go: opened at once or later, and let go of."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable, Coroutine
from typing import Any

from dgsm_helpers.errors import DgsmError
from dgsm_helpers.load.transport.lean_session import OpenSession, PushedSession
from dgsm_helpers.load.transport.session_leg import SessionLeg

LONGEST_WAIT_S = 2.0
GIVE_UP_S = 600.0
"""Without a session for this long, or not answered for this long after its end, a call fails.

Twice what the start of an instance takes.
"""


class SessionSupply:
    """Opens sessions, and leaves none open.

    Args:
        open_session: opens one.
        rng: of the waits.
        on_opened: hears of each session that is open, or why there is none.
    """

    def __init__(
        self, open_session: OpenSession, rng: random.Random, on_opened: Callable[[PushedSession | DgsmError], None]
    ) -> None:
        self.open_session, self._rng, self._on_opened = open_session, rng, on_opened
        self._opening: set[asyncio.Task[None]] = set()
        self._leaving: set[asyncio.Task[None]] = set()
        self._without_since_s = 0.0
        self._attempts = 0

    def open(self, wait_s: float = 0.0) -> None:
        """Open a session."""
        _keep(self._open(wait_s), self._opening)

    def open_again(self, error: DgsmError) -> None:
        """Open a session at once after one that had been of use, later and later after those that were not.

        Raises:
            DgsmError: ``error``, when none was of use for too long.
        """
        now_s, wait_s = time.monotonic(), 0.0
        if not self._attempts:
            self._without_since_s = now_s
        elif now_s - self._without_since_s > GIVE_UP_S:
            raise error
        else:
            wait_s = min(0.1 * 2 ** min(self._attempts, 9), LONGEST_WAIT_S) * self._rng.uniform(0.5, 1.5)
        self._attempts += 1
        self.open(wait_s)

    def was_of_use(self) -> None:
        """A session has said something new."""
        self._attempts = 0

    def leave(self, leg: SessionLeg | None) -> None:
        """Let go of a session that is no longer listened to."""
        if leg is not None:
            _keep(leg.leave(), self._leaving)

    async def close(self) -> None:
        """Open no more, and wait until those that were left are closed."""
        for task in self._opening:
            task.cancel()
        await asyncio.gather(*self._opening, return_exceptions=True)
        await asyncio.gather(*self._leaving)

    async def _open(self, wait_s: float) -> None:
        await asyncio.sleep(wait_s)
        try:
            session = await self.open_session()
        except DgsmError as error:
            self._on_opened(error)
        else:
            self._on_opened(session)


def _keep(work: Coroutine[Any, Any, None], among: set[asyncio.Task[None]]) -> None:
    task = asyncio.create_task(work)
    among.add(task)
    task.add_done_callback(among.discard)
