"""One session that is fed as audio comes: what `ContinuedStream` opens, one after the other, on an endpoint.

`PushedSession` is what any client has to offer for that. Here it is offered over HTTP/2 itself, cheaply enough for many
calls in a process; `deepgram_session` does so over Deepgram's own SDK.
"""

import asyncio
import ssl
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Protocol

import orjson

from dgsm_helpers.errors import StreamFailed
from dgsm_helpers.families import NOVA
from dgsm_helpers.load.transport.connecting import connect
from dgsm_helpers.load.transport.http2_client import Http2Client
from dgsm_helpers.load.transport.lean_stream import OpenedStream
from dgsm_helpers.load.transport.stream_target import StreamTarget
from dgsm_helpers.load.transport.trace import Ending
from dgsm_helpers.session import Workbook
from dgsm_helpers.wire import eventstream

OPEN_S = 15.0


class PushedSession(Protocol):
    """A session that the server has accepted."""

    async def send(self, audio: bytes) -> None:
        """Send a piece of audio. When the session is over already, that is `receive`'s to say: nothing is raised."""

    async def close_stream(self) -> None:
        """Say that no more audio comes."""

    async def receive(self) -> dict[str, Any] | None:
        """The next message; None when the server has ended the session without an error.

        Raises:
            StreamFailed: it was ended with one, or lost.
        """

    async def leave(self) -> None:
        """Let go of the session, whether it is over or not."""


type OpenSession = Callable[[], Awaitable[PushedSession]]
"""Opens a session on whatever instance the endpoint gives.

It raises `StreamFailed` when it is refused or nothing answers.
"""


@dataclass(frozen=True)
class LeanSessions:
    """Opens sessions on a workbook's endpoint: path and query of the model.

    Credentials are read anew each time, since a call may outlive them.
    """

    wb: Workbook
    path: str
    query: str

    async def __call__(self) -> PushedSession:
        target = await asyncio.to_thread(StreamTarget.of, self.wb)
        try:
            async with asyncio.timeout(OPEN_S):
                connection = await connect(target, _tls_trusting(target.ca_bundle))
                session = LeanSession(connection)
                await session.open(target, self.path, self.query)
        except TimeoutError as error:
            raise StreamFailed(f"{target.host} did not answer within {OPEN_S:g} s.") from error
        except OSError as error:
            raise StreamFailed(f"{target.host}:{target.port}: {error}") from error
        return session


@lru_cache(maxsize=4)
def _tls_trusting(ca_bundle: str | None) -> ssl.SSLContext:
    # Reading a trust store takes some 40 ms, which a session that replaces a cut one would lose.
    return StreamTarget(url="", region="", endpoint_name="", ca_bundle=ca_bundle).tls_context()


class LeanSession:
    """A session on a connection of its own; ends with it."""

    def __init__(self, connection: Http2Client) -> None:
        self._connection = connection
        self._stream = OpenedStream(self)
        self._came: asyncio.Queue[dict[str, Any] | StreamFailed | None] = asyncio.Queue()
        self._accepted = self._over = False

    async def open(self, target: StreamTarget, path: str, query: str) -> None:
        """Ask for the stream and wait until it is accepted; StreamFailed when it is refused."""
        try:
            self._stream.open(self._connection, target, path, query)
            await self._stream.answered
            if not self._accepted:
                refusal = self._came.get_nowait()
                raise (
                    refusal if isinstance(refusal, StreamFailed) else StreamFailed("The stream ended before it began.")
                )
        except BaseException:
            self._connection.close()
            raise

    async def send(self, audio: bytes) -> None:
        self._send(audio, "BINARY")

    async def close_stream(self) -> None:
        self._send(NOVA.end_message, "UTF8")  # Flux ends by the same message

    async def receive(self) -> dict[str, Any] | None:
        came = await self._came.get()
        if isinstance(came, StreamFailed):
            raise came
        return came

    async def leave(self) -> None:
        self._stream.give_up()
        self._connection.close()

    def _send(self, data: bytes, kind: eventstream.DataType) -> None:
        if not self._over:
            self._stream.send(data, kind)
            self._connection.flush()

    # From the stream

    def opened(self) -> None:
        self._accepted = True

    def message(self, raw: bytes) -> None:
        try:
            self._came.put_nowait(orjson.loads(raw))
        except ValueError as error:
            self._end(StreamFailed(f"The server's answer is unreadable: {error}"))

    def failed(self, ending: Ending, code: str, message: str) -> None:
        self._end(StreamFailed(f"{code}: {message}"))

    def ended(self) -> None:
        self._end(None)

    def _end(self, how: StreamFailed | None) -> None:
        if not self._over:
            self._over = True
            self._came.put_nowait(how)
