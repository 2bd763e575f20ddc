"""The sessions of a call: where they come from, the part of the call that each hears, and how they are let go of."""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any, Literal

from dgsm_helpers.errors import DgsmError, StreamFailed
from dgsm_helpers.load.transport.lean_session import OpenSession, PushedSession
from dgsm_helpers.load.transport.listen_stitching import ListenJoint, Message
from dgsm_helpers.load.transport.turn_stitching import TurnJoint
from dgsm_helpers.load.transport.unanswered_audio import UnansweredAudio

type Cause = Literal["limit", "cut", "overload"]

PIECE_S = 0.1
"""What is sent at once, also of audio that is sent again."""

LEAVE_S = 2.0
LONGEST_WAIT_S = 2.0
GIVE_UP_S = 600.0
"""Without a session for this long, or not answered for this long after its end, a call fails.

Twice what the start of an instance takes.
"""


@dataclass(frozen=True, kw_only=True)
class HandOver:
    """One change from a session to the next.

    ``cause``: ``limit``, ahead of SageMaker's 30 minutes; ``cut``, the session ended before the call; ``overload``,
    left on purpose. ``reason`` has the words of the server. ``at_s`` is how far the transcript was, in seconds of the
    call; ``gap_ms`` how long nothing new came. ``words_replayed`` had been told before and were heard again.
    ``audio_lost_s`` was dropped because the call was without a session for longer than audio is kept.
    """

    cause: Cause
    reason: str
    at_s: float
    gap_ms: float
    words_replayed: int
    audio_lost_s: float


@dataclass(kw_only=True)
class OngoingHandOver:
    """A change that is going on; ``gap_s`` is None until something new has come from the next session."""

    cause: Cause
    reason: str
    at_s: float = 0.0
    lost_s: float = 0.0
    since_s: float = 0.0
    gap_s: float | None = None
    joint: ListenJoint | TurnJoint | None = None

    def report(self) -> HandOver | None:
        """The hand-over, once it is over."""
        if self.gap_s is None or self.joint is None:
            return None
        return HandOver(
            cause=self.cause,
            reason=self.reason,
            at_s=self.at_s,
            gap_ms=1000 * self.gap_s,
            words_replayed=self.joint.words_replayed,
            audio_lost_s=self.lost_s,
        )


class SessionLeg:
    """A session in use from ``begin`` (bytes of the call) on.

    Args:
        session: accepted by the server.
        audio: of the call; it grows meanwhile.
        begin: where this session begins to hear.
        piece_bytes: most that is sent at once.
        replay_speed: how many times as fast as real time audio is sent that was spoken before.
        no_more: whether the call has ended, so that CloseStream follows what is left.
        on_message: hears each message, and at the end None or the error.
    """

    def __init__(
        self,
        session: PushedSession,
        audio: UnansweredAudio,
        *,
        begin: int,
        piece_bytes: int,
        replay_speed: float,
        no_more: Callable[[], bool],
        on_message: Callable[[SessionLeg, Message | StreamFailed | None], None],
    ) -> None:
        self._session, self._audio = session, audio
        self._pause_s = PIECE_S / replay_speed
        self._piece_bytes, self._no_more, self._on_message = piece_bytes, no_more, on_message
        self._more = asyncio.Event()
        self.position = begin
        self.offset_s = audio.seconds(begin)
        self.since_s = self.heard_s = time.monotonic()
        self.closing = False
        self.joint: ListenJoint | TurnJoint | None = None
        self.held: list[Message] = []
        self.metadata: Message | None = None
        self._tasks = [asyncio.create_task(self._send()), asyncio.create_task(self._receive())]

    def wake(self) -> None:
        """There is more audio, or the call has ended."""
        self._more.set()

    async def leave(self) -> None:
        for task in self._tasks:
            task.cancel()
        await let_go(self._session)

    async def _send(self) -> None:
        due_s = time.monotonic()
        try:
            while True:
                self._more.clear()
                if self.position < self._audio.begin:
                    raise StreamFailed("The session takes audio so slowly that some was dropped.")
                piece = self._audio.read(self.position, self._piece_bytes)
                if piece:
                    self.position += len(piece)
                    await self._session.send(piece)
                    # By the clock, not by a pause after each piece: on a busy machine every pause lasts longer than was
                    # asked for, and what is sent again would never catch up with what is spoken meanwhile.
                    due_s += self._pause_s
                    if self.position < self._audio.end and (wait_s := due_s - time.monotonic()) > 0:
                        await asyncio.sleep(wait_s)
                elif self._no_more():
                    self.closing = True
                    await self._session.close_stream()
                    return
                else:
                    await self._more.wait()
                    due_s = time.monotonic()
        except StreamFailed as error:
            self._on_message(self, error)

    async def _receive(self) -> None:
        try:
            while (message := await self._session.receive()) is not None:
                self.heard_s = time.monotonic()
                self._on_message(self, message)
        except StreamFailed as error:
            self._on_message(self, error)
        else:
            self._on_message(self, None)


async def let_go(session: PushedSession) -> None:
    """Leave a session; one that takes too long over it is nobody's to wait for."""
    with contextlib.suppress(Exception):
        await asyncio.wait_for(session.leave(), LEAVE_S)


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
        _keep(self._open(wait_s), self._opening)

    def open_again(self, error: DgsmError) -> None:
        """Open a session at once after one of use, later and later after others; ``error`` after too long."""
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
