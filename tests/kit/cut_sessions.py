"""Real sessions of an endpoint that end at moments of the test's choice, in the ways a client sees."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

from dgsm_helpers.errors import StreamFailed
from dgsm_helpers.load.transport.lean_session import OpenSession, PushedSession


@dataclass(frozen=True)
class Cut:
    """After so many messages, or as many after the call's end; in order (``clean-end``) or with an error."""

    after: int
    way: str
    at_close: bool = False


class CutSession:
    """One session, cut."""

    def __init__(self, session: PushedSession, cut: Cut) -> None:
        self._session, self._cut, self._left = session, cut, cut.after
        self._closing, self._over = asyncio.Event(), False

    async def send(self, audio: bytes) -> None:
        if not self._over:
            await self._session.send(audio)

    async def close_stream(self) -> None:
        self._closing.set()
        if not (self._cut.at_close and not self._cut.after):
            await self._session.close_stream()

    async def receive(self) -> dict[str, Any] | None:
        message = asyncio.ensure_future(self._session.receive())
        closing = asyncio.ensure_future(self._closing.wait())
        if self._cut.at_close and not self._closing.is_set():
            await asyncio.wait({message, closing}, return_when=asyncio.FIRST_COMPLETED)
        closing.cancel()
        if self._over or ((self._closing.is_set() or not self._cut.at_close) and not self._left):
            message.cancel()
            self._over = True
            if self._cut.way == "clean-end":
                return None
            raise StreamFailed(self._cut.way)
        if self._closing.is_set() or not self._cut.at_close:
            self._left -= 1
        return await message

    async def leave(self) -> None:
        await self._session.leave()


class CutSessions:
    """Opens sessions, the first of which are cut; the others go on."""

    def __init__(self, sessions: OpenSession, cuts: list[Cut]) -> None:
        self._sessions, self._cuts = sessions, list(cuts)

    async def __call__(self) -> PushedSession:
        session = await self._sessions()
        return CutSession(session, self._cuts.pop(0)) if self._cuts else session
