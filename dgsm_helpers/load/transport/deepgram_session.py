"""Sessions of Deepgram's own SDK, as `ContinuedStream` opens them, and its transport pointed at a workbook's endpoint.

The one module that reaches into ``deepgram-sagemaker`` (`REBOUND_CLASS` in its ``transport``, seen with 0.4).
"""

from __future__ import annotations

import asyncio
import json
from contextlib import AsyncExitStack
from dataclasses import dataclass
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from dgsm_helpers.errors import StreamFailed
from dgsm_helpers.load.transport.http2_sdk import target_settings, target_transport
from dgsm_helpers.load.transport.stream_target import StreamTarget

if TYPE_CHECKING:
    from deepgram import AsyncDeepgramClient

    from dgsm_helpers.session import Workbook

REBOUND_CLASS = "AsyncSageMakerRuntimeHTTP2Config"
"""The class that the package builds its client's configuration from."""


@dataclass(frozen=True)
class DeepgramSessions:
    """Opens sessions by ``client.listen.v1.connect`` (``v2`` for Flux), which gets ``options``: the query of ``path``.

    The client's transport must not open sessions of its own meanwhile (``SageMakerConfig(max_retries=0)``): it would
    begin the times anew, and nobody would hear of it.
    """

    client: AsyncDeepgramClient
    options: dict[str, Any]
    path: str = "v1/listen"

    async def __call__(self) -> DeepgramSession:
        stack, listen = AsyncExitStack(), self.client.listen
        greets = self.path == "v2/listen"
        connect: Any = listen.v2.connect if greets else listen.v1.connect
        try:
            connection = await stack.enter_async_context(connect(**self.options))
            session = DeepgramSession(connection, stack)
            # Over SageMaker the SDK connects when something is sent or awaited; before that, nobody can refuse. Flux
            # knows no KeepAlive, and greets.
            await (session.greeted() if greets else connection.send_keep_alive())
        except asyncio.CancelledError:
            await stack.aclose()
            raise
        except Exception as error:
            await stack.aclose()
            raise StreamFailed(f"{type(error).__name__}: {error}") from error
        return session


class DeepgramSession:
    """One connection of the SDK."""

    def __init__(self, connection: Any, stack: AsyncExitStack) -> None:
        self._connection, self._stack = connection, stack
        self._messages = aiter(connection)
        self._broken = False
        self._greeting: dict[str, Any] | None = None

    async def greeted(self) -> None:
        """Wait for the first message, which `receive` hands on. Raises StreamFailed: none came."""
        self._greeting = await self.receive()

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
        if self._greeting is not None:
            greeting, self._greeting = self._greeting, None
            return greeting
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


def redirect_deepgram_sagemaker(wb: Workbook) -> None:
    """Let Deepgram's transport reach this workbook's endpoint, in this process from now on.

    That package has AWS's host name written into it. This replaces the one class it builds its configuration from by
    one that takes the workbook's address, trust and credentials; everything else in it stays as installed.
    """
    from deepgram_sagemaker import transport

    installed = getattr(transport, REBOUND_CLASS)
    original = getattr(installed, "original", installed)

    async def resolve(**settings: Any) -> Any:
        target = StreamTarget.of(wb)
        transport = target_transport(target.ca_bundle, target.proxy)
        return await original.resolve(**{**settings, **target_settings(target, transport)})

    setattr(transport, REBOUND_CLASS, SimpleNamespace(resolve=resolve, original=original))
