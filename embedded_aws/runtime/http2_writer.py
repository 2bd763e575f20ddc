"""The sending side of one HTTP/2 connection and of its streams.

Whatever is sent in one turn of the event loop leaves in one write; what the peer's windows or a full socket hold back
waits in its stream, and counts as held for the client.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable, Iterable

from h2.connection import H2Connection
from h2.errors import ErrorCodes
from h2.exceptions import ProtocolError

from dgsm_helpers.wire import h2_bypass
from embedded_aws.runtime.client_transport import ClientTransport
from embedded_aws.runtime.exchange import Exchange

_WRITE_BYTES = 1 << 18
"""Of bodies in one write; the rest follows when the socket has room."""
_MOST_UNREAD_BYTES = 4 << 20
"""Of answers to pings, settings and refused requests. A client that never reads them is not served on."""


class Http2Stream:
    """The answering side of one stream.

    ``plain`` says whether the peer's DATA frames need nothing of ``h2``, which holds bodies of announced length to that
    length. ``closed``: nothing can be sent any more.
    """

    def __init__(self, writer: Http2Writer, stream_id: int) -> None:
        self._writer = writer
        self._waiting: deque[bytes] = deque()
        self._end = False
        self.stream_id = stream_id
        self.exchange = Exchange()
        self.pending_bytes = 0
        self.unacknowledged_bytes = 0
        self.plain = False
        self.closed = False

    def send_headers(self, headers: list[tuple[str, str]]) -> None:
        """Response headers, ``:status`` first."""
        if not self.closed:
            self._writer.send_headers(self, headers)

    def send(self, data: bytes, *, end: bool = False) -> None:
        """Body, when the peer's window allows; never blocks."""
        if self.closed or self._end:
            return
        if data:
            self._waiting.append(data)
            self.pending_bytes += len(data)
            self._writer.pending_bytes += len(data)
        self._end = end
        self._writer.wake(self)

    def reset(self, code: ErrorCodes) -> None:
        """Give the stream up: RST_STREAM."""
        if not self.closed:
            self._writer.reset(self, code)

    def hold(self, size: int) -> None:
        """The stream's request takes ``size`` bytes more, or fewer when it is negative."""
        self._writer.hold(size)

    def drop_connection(self) -> None:
        """Cut the TCP connection without a word."""
        self._writer.transport.abort()

    def take(self, room: int) -> tuple[bytes, bool]:
        """Up to ``room`` bytes to send now, and whether the stream ends with them."""
        data = self._waiting.popleft() if len(self._waiting) == 1 else b"".join(self._waiting)
        self._waiting.clear()
        if len(data) > room:
            self._waiting.append(data[room:])
            data = data[:room]
        self.pending_bytes -= len(data)
        self._writer.pending_bytes -= len(data)
        return data, self._end and not self._waiting

    @property
    def waiting(self) -> bool:
        """Whether anything is left to send."""
        return bool(self._waiting) or self._end


class Http2Writer:
    """Sends for all streams of one connection; ``streams`` are the open ones by id.

    ``hold`` is told by how much what the connection holds has grown, in bytes.
    """

    def __init__(self, transport: ClientTransport, connection: H2Connection, hold: Callable[[int], None]) -> None:
        self.transport = transport
        self.hold = hold
        self.pending_bytes = 0
        self._reported_bytes = 0
        self.streams: dict[int, Http2Stream] = {}
        self.window_updates: list[bytes] = []
        self._h2 = connection
        self._awake: dict[int, Http2Stream] = {}
        self._flush_due = False
        self._writable = True
        self._loop = asyncio.get_running_loop()

    def send_headers(self, stream: Http2Stream, headers: list[tuple[str, str]]) -> None:
        try:
            self._h2.send_headers(stream.stream_id, headers)
        except ProtocolError:
            self.forget(stream)
        self.flush_soon()

    def wake(self, stream: Http2Stream) -> None:
        """Something waits in ``stream``."""
        self._awake[stream.stream_id] = stream
        self.flush_soon()

    def wake_waiting(self, streams: Iterable[Http2Stream]) -> None:
        """The peer's window has opened for these ``streams``."""
        self._awake.update((stream.stream_id, stream) for stream in streams if stream.waiting)

    def reset(self, stream: Http2Stream, code: ErrorCodes) -> None:
        with contextlib.suppress(ProtocolError):
            self._h2.reset_stream(stream.stream_id, code)
        self.forget(stream)
        self.flush_soon()

    def forget(self, stream: Http2Stream) -> None:
        """Send nothing on the stream any more."""
        stream.closed = True
        self.pending_bytes -= stream.pending_bytes
        stream.pending_bytes = 0
        self._awake.pop(stream.stream_id, None)
        self.streams.pop(stream.stream_id, None)

    def set_writable(self, writable: bool) -> None:
        """Whether the socket takes more."""
        self._writable = writable
        if writable:
            self.flush_soon()

    def flush_soon(self) -> None:
        """Write in this turn of the event loop."""
        if not self._flush_due:
            self._flush_due = True
            self._loop.call_soon(self.flush)

    def flush(self, *, most_bytes: float = _WRITE_BYTES) -> None:
        """Write what is due and allowed."""
        self._flush_due = False
        out, self.window_updates = self.window_updates, []
        if self._writable and self._awake:
            enough_bytes = self.pending_bytes - most_bytes
            awake, self._awake = self._awake, {}
            for stream in awake.values():
                if self.pending_bytes <= enough_bytes:
                    self._awake[stream.stream_id] = stream
                else:
                    self._send_waiting(stream, out)
        out.append(self._h2.data_to_send())
        data = b"".join(out)
        if data and not self.transport.is_closing():
            self.transport.write(data)
            if self.transport.get_write_buffer_size() > _MOST_UNREAD_BYTES:
                self.transport.abort()
        if self._awake and self._writable:
            self.flush_soon()
        if self.pending_bytes != self._reported_bytes:
            grown, self._reported_bytes = self.pending_bytes - self._reported_bytes, self.pending_bytes
            self.hold(grown)

    def _send_waiting(self, stream: Http2Stream, out: list[bytes]) -> None:
        connection, stream_id = self._h2, stream.stream_id
        try:
            while stream.waiting:
                room = h2_bypass.sendable_bytes(connection, stream_id)
                if room <= 0 and stream.pending_bytes:
                    return
                data, end = stream.take(room)
                # Headers and the like that h2 has made go first.
                if queued := connection.data_to_send():
                    out.append(queued)
                if end:
                    connection.send_data(stream_id, data, end_stream=True)
                    stream.closed = True
                    # Else it stays until the peer ends its side too, so that late audio is read and dropped.
                    if h2_bypass.is_over(connection, stream_id):
                        self.streams.pop(stream_id, None)
                    return
                h2_bypass.use_window(connection, stream_id, len(data))
                out.append(h2_bypass.data_frame(stream_id, data))
        except (ProtocolError, KeyError):
            # The peer closed it meanwhile; its exchange hears so from the event.
            self.forget(stream)
