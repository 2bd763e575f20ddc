"""The runtime server: ``InvokeEndpointWithBidirectionalStream`` over HTTP/2 and ``InvokeEndpoint`` over either version.

One TLS port; ALPN picks the version. Real clients need all of that: they refuse to stream in clear text.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import ssl
import time
from collections.abc import Callable

from embedded_aws.credentials import ACCESS_KEY_ID, SECRET_ACCESS_KEY
from embedded_aws.runtime.bidi import BidiExchange, InstanceLoss
from embedded_aws.runtime.exchange import Exchange, Outbound, Refused, Request, Response
from embedded_aws.runtime.gate import STREAM, Gate, Limits, route
from embedded_aws.runtime.http1_connection import Http1Connection, too_long
from embedded_aws.runtime.http2_connection import Http2Connection
from embedded_aws.runtime.http2_stream import Http2Stream
from embedded_aws.runtime.invocations import invoke
from embedded_aws.runtime.runtime_ports import Faults, Placement

_log = logging.getLogger(__name__)

_QUICK_ACK: int | None = getattr(socket, "TCP_QUICKACK", None)
_SWEEP_S = 1.0
_BACKLOG = 2048
_READ_BYTES = 1 << 18
_STOP_S = 0.5
_TLS_CLOSE_S = 1.0
"""How long a closed connection waits for the peer to agree; asyncio's own default is half a minute."""


def _known_secret(access_key_id: str) -> str | None:
    return SECRET_ACCESS_KEY if access_key_id == ACCESS_KEY_ID else None


class RuntimeServer:
    """The server; it lives on the event loop that calls ``start``.

    Args:
        placement: finds an instance for a request.
        faults: faults on demand.
        limits: what is limited, and how far.
        instance_loss: what a stream's client sees when its instance goes away: an in-stream ``failure`` (which clients
            notice), or a ``drop`` of its TCP connection (which they take for a clean end).
        clock: seconds, by which streams' limits on time are held.
    """

    def __init__(
        self,
        *,
        placement: Placement,
        faults: Faults,
        limits: Limits | None = None,
        instance_loss: InstanceLoss = "failure",
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._gate = Gate(placement, faults, _known_secret)
        self._faults = faults
        self._limits = limits or Limits()
        self._instance_loss = instance_loss
        self._clock = clock
        self._connections: set[_Connection] = set()
        self._streams: set[BidiExchange] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._sweeper: asyncio.TimerHandle | None = None
        self._server: asyncio.Server | None = None
        self.buffer = memoryview(bytearray(_READ_BYTES))

    async def start(self, host: str = "127.0.0.1", port: int = 0, *, ssl_context: ssl.SSLContext) -> int:
        """Listen; returns the port (of its own choice when ``port`` is 0).

        Raises:
            OSError: the port is taken.
        """
        ssl_context.set_alpn_protocols(["h2", "http/1.1"])
        self._server = await asyncio.get_running_loop().create_server(
            lambda: _Connection(self),
            host,
            port,
            ssl=ssl_context,
            backlog=_BACKLOG,
            ssl_shutdown_timeout=_TLS_CLOSE_S,
        )
        return self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Take no more, tell every stream, close every connection."""
        if self._server is None:
            return
        self._server.close()
        if self._sweeper:
            self._sweeper.cancel()
            self._sweeper = None
        for connection in list(self._connections):
            connection.stop()
        for task in self._tasks:
            task.cancel()
        deadline = asyncio.get_running_loop().time() + _STOP_S
        while self._connections and asyncio.get_running_loop().time() < deadline:
            await asyncio.sleep(0.02)
        for connection in list(self._connections):
            connection.abort()
        await asyncio.sleep(0)
        self._server = None

    @property
    def open_streams(self) -> int:
        """Bidirectional streams in flight."""
        return sum(not stream.over for stream in self._streams)

    # From the connections

    def opened(self, connection: _Connection) -> None:
        """A client connected."""
        self._connections.add(connection)

    def closed(self, connection: _Connection) -> None:
        """Its connection is gone."""
        self._connections.discard(connection)

    async def answer(self, request: Request, body: bytes) -> Response:
        """Answer a whole request."""
        try:
            return await invoke(self._gate, self._limits, request, body)
        except Exception:
            _log.exception("InvokeEndpoint failed")
            return Refused(500, "InternalFailure", "The embedded AWS failed; see its log.").response()

    def connection(self, transport: asyncio.Transport, alpn: str | None) -> Http2Connection | Http1Connection:
        """Speak the version that ALPN picked."""
        if alpn == "h2":
            return Http2Connection(transport, self._open)
        return Http1Connection(transport, self.answer, self._limits.max_body_bytes)

    def _open(self, request: Request, stream: Http2Stream) -> Exchange:
        try:
            operation, endpoint = route(request)
            if operation != STREAM:
                return _WholeRequest(self, request, stream)
            admitted = self._gate.admit(request, STREAM, endpoint)
            exchange = BidiExchange(
                request,
                stream,
                admitted,
                faults=self._faults,
                limits=self._limits,
                instance_loss=self._instance_loss,
                clock=self._clock,
            )
        except Refused as refused:
            _send(stream, refused.response())
            return _Answered()
        except Exception:
            _log.exception("A stream could not be opened")
            refused = Refused(500, "InternalServerError", "The embedded AWS failed; see its log.", ErrorCode="INTERNAL")
            _send(stream, refused.response())
            return _Answered()
        self._streams.add(exchange)
        self._sweep_later()
        return exchange

    def spawn(self, work: Callable[[], object]) -> None:
        """Run ``work`` as a task of the server."""
        task = asyncio.get_running_loop().create_task(work())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    @property
    def max_body_bytes(self) -> int:
        """Longest file."""
        return self._limits.max_body_bytes

    # One timer for all streams' limits, and none without streams.

    def _sweep_later(self) -> None:
        if self._sweeper is None:
            period_s = min(_SWEEP_S, self._limits.idle_s / 4, self._limits.connection_s / 4)
            self._sweeper = asyncio.get_running_loop().call_later(period_s, self._sweep)

    def _sweep(self) -> None:
        self._sweeper = None
        now_s = self._clock()
        self._streams = {stream for stream in self._streams if not stream.over}
        for stream in self._streams:
            stream.check(now_s)
        if self._streams:
            self._sweep_later()


class _Connection(asyncio.BufferedProtocol):
    """A client's connection until ALPN has said which version it speaks, and a thin wrapper from then on.

    What arrives is decrypted into one buffer of the server's; a plain protocol would be given a new one of a quarter of
    a megabyte for each read.
    """

    def __init__(self, server: RuntimeServer) -> None:
        self._server = server
        self._transport: asyncio.Transport | None = None
        self._socket: socket.socket | None = None
        self._speaks: Http2Connection | Http1Connection | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._socket = transport.get_extra_info("socket")
        tls = transport.get_extra_info("ssl_object")
        self._server.opened(self)
        self._speaks = self._server.connection(transport, tls.selected_alpn_protocol() if tls else None)

    def get_buffer(self, sizehint: int) -> memoryview:
        return self._server.buffer

    def buffer_updated(self, nbytes: int) -> None:
        if _QUICK_ACK is not None:
            # AWS's client leaves Nagle's algorithm on: while one small packet is unacknowledged (its window update,
            # say) it holds the next chunk back, and Linux takes up to 40 ms to acknowledge what needs no answer. The
            # option wears off, so it is set again each time.
            with contextlib.suppress(OSError):
                self._socket.setsockopt(socket.IPPROTO_TCP, _QUICK_ACK, 1)
        try:
            self._speaks.data_received(bytes(self._server.buffer[:nbytes]))
        except Exception:
            # One client's connection must not take the server down, nor fail silently.
            _log.exception("A connection failed")
            self._transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        self._server.closed(self)
        self._speaks.connection_lost()

    def pause_writing(self) -> None:
        self._speaks.pause_writing()

    def resume_writing(self) -> None:
        self._speaks.resume_writing()

    def stop(self) -> None:
        self._speaks.stop()

    def abort(self) -> None:
        self._transport.abort()


class _WholeRequest:
    """A request on HTTP/2 that is answered when it is whole."""

    def __init__(self, server: RuntimeServer, request: Request, out: Outbound) -> None:
        self._server = server
        self._request = request
        self._out = out
        self._body = bytearray()
        self._too_long = False

    def data(self, data: bytes) -> None:
        if len(self._body) + len(data) > self._server.max_body_bytes:
            self._too_long = True
            self._body.clear()
        elif not self._too_long:
            self._body += data

    def end(self) -> None:
        if self._too_long:
            _send(self._out, too_long(self._server.max_body_bytes).response())
        else:
            self._server.spawn(self._answer)

    async def _answer(self) -> None:
        _send(self._out, await self._server.answer(self._request, bytes(self._body)))

    def lost(self) -> None:
        self._body.clear()

    def stop(self) -> None:
        pass


class _Answered:
    """A request that was refused on its headers; whatever follows of it is dropped."""

    def data(self, data: bytes) -> None:
        pass

    def end(self) -> None:
        pass

    def lost(self) -> None:
        pass

    def stop(self) -> None:
        pass


def _send(out: Outbound, response: Response) -> None:
    out.send_headers([(":status", str(response.status)), *response.headers])
    out.send(response.body, end=True)
