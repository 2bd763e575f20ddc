"""Sessions of Deepgram's own SDK, as `ContinuedStream` opens them."""

from __future__ import annotations

import asyncio
import json
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dgsm_helpers.errors import StreamFailed

if TYPE_CHECKING:
    from deepgram import AsyncDeepgramClient


@dataclass(frozen=True)
class DeepgramSessions:
    """Opens sessions by ``client.listen.v1.connect``, which gets ``options``: the query of ``v1/listen``.

    The client's transport must not open sessions of its own meanwhile (``SageMakerConfig(max_retries=0)``): it would
    begin the times anew, and nobody would hear of it.
    """

    client: AsyncDeepgramClient
    options: dict[str, Any]

    async def __call__(self) -> DeepgramSession:
        """As `lean_session.OpenSession`."""
        stack = AsyncExitStack()
        try:
            connection = await stack.enter_async_context(self.client.listen.v1.connect(**self.options))
            # Over SageMaker the SDK connects when something is sent; before that, nobody can refuse.
            await connection.send_keep_alive()
        except asyncio.CancelledError:
            await stack.aclose()
            raise
        except Exception as error:
            await stack.aclose()
            raise StreamFailed(f"{type(error).__name__}: {error}") from error
        return DeepgramSession(connection, stack)


class DeepgramSession:
    """One connection of the SDK."""

    def __init__(self, connection: Any, stack: AsyncExitStack) -> None:
        self._connection, self._stack = connection, stack
        self._messages = aiter(connection)
        self._broken = False

    async def send(self, audio: bytes) -> None:
        await self._tried(self._connection.send_media, audio)

    async def close_stream(self) -> None:
        await self._tried(self._connection.send_close_stream)

    async def _tried(self, send: Any, *given: bytes) -> None:
        if self._broken:
            return
        try:
            await send(*given)
        except Exception:  # the reading side hears why
            self._broken = True

    async def receive(self) -> dict[str, Any] | None:
        try:
            message = await anext(self._messages, None)
        except Exception as error:
            raise StreamFailed(f"{type(error).__name__}: {error}") from error
        if message is None:
            return None
        fields = message if isinstance(message, dict) else message.dict()
        return dict(json.loads(json.dumps(fields, default=str)))

    async def leave(self) -> None:
        await self._stack.aclose()
