"""The runtime server: ``InvokeEndpointWithBidirectionalStream`` over HTTP/2 and ``InvokeEndpoint`` over either version.

One TLS port; ALPN picks the version. Real clients need all of that: they refuse to stream in clear text.
"""

import asyncio
import contextlib
import logging
import math
import socket
import ssl
import time
from collections.abc import Callable, Coroutine
from typing import cast

from dgsm_helpers.rules.model import ScalingModel
from embedded_aws.fleet.live_fleet import Fleet
from embedded_aws.gateway.faults import Faults
from embedded_aws.held_bytes import HeldBytes
from embedded_aws.runtime.bidi import BidiExchange
from embedded_aws.runtime.client_transport import ClientTransport
from embedded_aws.runtime.exchange import Exchange, Refused, Request, Response
from embedded_aws.runtime.gate import STREAM, Gate, Limits, route
from embedded_aws.runtime.http1_connection import Http1ServerConnection, too_long
from embedded_aws.runtime.http2_connection import Http2ServerConnection
from embedded_aws.runtime.http2_writer import Http2Stream
from embedded_aws.runtime.invocations import invoke
from embedded_aws.runtime.tls_listener import TlsListener
from embedded_aws.runtime.turns import Turns

_log = logging.getLogger(__name__)

_QUICK_ACK: int | None = getattr(socket, "TCP_QUICKACK", None)
_SWEEP_S = 1.0
_READ_BYTES = 1 << 18
_STOP_S = 0.5
MOST_CONNECTIONS = 1000
"""Each takes a third of a megabyte for TLS alone. Beyond it the one without a stream for longest gives way."""


class RuntimeServer:
    """The server; it lives on the event loop that calls ``start``.

    Args:
        clock: seconds, by which streams' limits on time are held.
        cut_stream_sees: how a stream ends whose instance goes, as `ScalingModel` has it.
    """

    def __init__(
        self,
        *,
        fleet: Fleet,
        faults: Faults,
        limits: Limits | None = None,
        clock: Callable[[], float] = time.monotonic,
        cut_stream_sees: str = ScalingModel.cut_stream_sees,
    ) -> None:
        self._gate = Gate(fleet, faults)
        self._faults = faults
        self.limits = limits or Limits()
        self._clock = clock
        self._cut_stream_sees = cut_stream_sees
        self.connections: dict[_Connection, None] = {}
        self._streams: set[BidiExchange] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._sweeper: asyncio.TimerHandle | None = None
        self._listeners: list[TlsListener] = []
        self.held = HeldBytes(each=self.limits.held_each_bytes, together=self.limits.held_bytes)
        self.turns = Turns()
        self.buffer = memoryview(bytearray(_READ_BYTES))

    async def start(self, listening: socket.socket, *, ssl_context: ssl.SSLContext) -> None:
        """Answer who connects to the socket, which is closed with the server; there too, when others are answered."""
        ssl_context.set_alpn_protocols(["h2", "http/1.1"])
        self._listeners.append(TlsListener(listening, ssl_context, lambda: _Connection(self)))

    async def stop(self) -> None:
        """Take no more, tell every stream, close every connection."""
        if not self._listeners:
            return
        for listener in self._listeners:
            listener.close()
        if self._sweeper:
            self._sweeper.cancel()
            self._sweeper = None
        for connection in list(self.connections):
            connection.http.stop()
        for task in self._tasks:
            task.cancel()
        deadline = asyncio.get_running_loop().time() + _STOP_S
        while self.connections and asyncio.get_running_loop().time() < deadline:
            await asyncio.sleep(0.02)
        for connection in list(self.connections):
            connection.transport.abort()
        await asyncio.sleep(0)
        self._listeners.clear()

    @property
    def open_streams(self) -> int:
        """Bidirectional streams in flight."""
        return sum(not stream.over for stream in self._streams)

    # From the connections

    def make_room(self) -> None:
        """Close the connection that has been without a stream for longest, when there are too many."""
        if len(self.connections) > MOST_CONNECTIONS:
            idle = (connection for connection in self.connections if connection.http.idle)
            oldest = next(idle, next(reversed(self.connections)))
            self.connections.pop(oldest)
            oldest.give_way()

    async def answer(self, request: Request, body: bytes) -> Response:
        """Answer a whole request."""
        try:
            return await invoke(self._gate, self.limits, request, body)
        except Exception:
            _log.exception("InvokeEndpoint failed")
            return Refused(500, "InternalFailure", "The embedded AWS failed; see its log.").response()

    def open_exchange(self, request: Request, stream: Http2Stream) -> Exchange:
        """Accept or refuse a request whose headers have come over HTTP/2."""
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
                limits=self.limits,
                clock=self._clock,
                cut_stream_sees=self._cut_stream_sees,
            )
        except Refused as refused:
            _send(stream, refused.response())
            return Exchange()
        except Exception:
            _log.exception("A stream could not be opened")
            failed = Refused(500, "InternalServerError", "The embedded AWS failed; see its log.", ErrorCode="INTERNAL")
            _send(stream, failed.response())
            return Exchange()
        self._streams.add(exchange)
        self._sweep_later()
        return exchange

    def spawn(self, work: Coroutine[None, None, None]) -> None:
        """Run ``work`` as a task of the server."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    # One timer for all streams' limits, and none without streams.

    def _sweep_later(self) -> None:
        if self._sweeper is None:
            period_s = min(_SWEEP_S, (self.limits.idle_s or math.inf) / 4, self.limits.connection_s / 4)
            self._sweeper = asyncio.get_running_loop().call_later(period_s, self._sweep)

    def _sweep(self) -> None:
        self._sweeper = None
        now_s = self._clock()
        self._streams = {stream for stream in self._streams if not stream.over}
        for stream in self._streams:
            try:
                stream.check(now_s)
            except Exception:  # the others' limits hold all the same
                _log.exception("A stream could not be checked")
        if self._streams:
            self._sweep_later()


class _Connection(asyncio.BufferedProtocol):
    """A client's connection until ALPN has said which version it speaks, and a thin wrapper from then on.

    What arrives is decrypted into one buffer of the server's; a plain protocol would be given a new one of a quarter of
    a megabyte for each read.
    """

    transport: ClientTransport
    _socket: socket.socket
    http: Http2ServerConnection | Http1ServerConnection

    def __init__(self, server: RuntimeServer) -> None:
        self._server = server

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = ClientTransport(cast(asyncio.Transport, transport))
        self._socket = transport.get_extra_info("socket")
        if transport.get_extra_info("ssl_object").selected_alpn_protocol() == "h2":
            self.http = Http2ServerConnection(
                self.transport, self._server.open_exchange, self._hold, self._server.turns
            )
        else:
            self.http = Http1ServerConnection(
                self.transport,
                self._server.answer,
                self._server.limits.max_body_bytes,
                self._hold,
                self._server.turns,
            )
        self._server.connections[self] = None
        self._server.make_room()

    def give_way(self) -> None:
        """It holds too much of what others need as well."""
        self.transport.abort()

    def _hold(self, size: int) -> None:
        self._server.held.add(self.give_way, size)

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
            self.http.data_received(bytes(self._server.buffer[:nbytes]))
        except Exception:
            # One client's connection must not take the server down, nor fail silently.
            _log.exception("A connection failed")
            self.transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        self._server.connections.pop(self, None)
        try:
            self.http.connection_lost()
        finally:
            self.transport.lost()
            self._server.held.forget(self.give_way)

    def pause_writing(self) -> None:
        self.http.set_writable(False)

    def resume_writing(self) -> None:
        self.http.set_writable(True)


class _WholeRequest(Exchange):
    """A request on HTTP/2 that is answered when it is whole."""

    def __init__(self, server: RuntimeServer, request: Request, stream: Http2Stream) -> None:
        self._server = server
        self._request = request
        self._stream = stream
        self._body = bytearray()
        self._body_bytes = 0

    def data(self, data: bytes) -> None:
        self._body_bytes += len(data)
        if self._body_bytes > self._server.limits.max_body_bytes:
            self.lost()
        else:
            self._body += data
            self._stream.hold(len(data))

    def end(self) -> None:
        if self._body_bytes > self._server.limits.max_body_bytes:
            _send(self._stream, too_long(self._server.limits.max_body_bytes).response())
        else:
            self._server.spawn(self._answer())

    async def _answer(self) -> None:
        try:
            _send(self._stream, await self._server.answer(self._request, bytes(self._body)))
        finally:
            self.lost()

    def lost(self) -> None:
        self._stream.hold(-len(self._body))
        self._body.clear()


def _send(stream: Http2Stream, response: Response) -> None:
    stream.send_headers([(":status", str(response.status)), *response.headers])
    stream.send(response.body, end=True)
