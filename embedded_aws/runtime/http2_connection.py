"""One HTTP/2 connection: the protocol by ``h2``, everything else by the exchanges it opens.

Whatever is sent in one turn of the event loop leaves in one write; what the peer's windows or a full socket hold back
waits in its stream.

A stream in full flow is nothing but plain DATA frames both ways, ten and more a second. Those are read and written
here, past ``h2``'s state machine, which has nothing to say about them and takes half of a chunk's time for it. Their
share of flow control is kept here too: inbound bytes are given back by WINDOW_UPDATE frames of our own, outbound ones
are taken from ``h2``'s windows. Every other frame, the last DATA frame of a stream included, is ``h2``'s.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable

import h2.config
import h2.connection
import h2.errors
import h2.events
import h2.exceptions
import h2.settings

from dgsm_helpers.wire import http2_frames as frames
from embedded_aws.runtime.exchange import Exchange, Request, merge_headers, split_target
from embedded_aws.runtime.http2_stream import Http2Stream

MAX_CONCURRENT_STREAMS = 2000
"""Above it clients queue without an error, so it lies above what one process is meant to hold."""

_STREAM_WINDOW = 1 << 20
_CONNECTION_WINDOW = 16 << 20
_PREFACE_BYTES = 24

type OpenExchange = Callable[[Request, Http2Stream], Exchange]


class Http2Connection:
    """See the module. ``opened`` makes the exchange of a new request."""

    def __init__(self, transport: asyncio.Transport, opened: OpenExchange) -> None:
        self._transport = transport
        self._opened = opened
        self._streams: dict[int, Http2Stream] = {}
        self._dirty: dict[int, Http2Stream] = {}
        self._flush_due = False
        self._writable = True
        self._rest = b""
        self._skip = _PREFACE_BYTES
        self._headers_open = False
        self._unacknowledged_bytes = 0
        self._updates: list[bytes] = []
        self._loop = asyncio.get_running_loop()
        config = h2.config.H2Configuration(
            client_side=False,
            header_encoding="utf-8",
            validate_outbound_headers=False,
            normalize_outbound_headers=False,
        )
        self._h2 = h2.connection.H2Connection(config)
        codes = h2.settings.SettingCodes
        self._h2.local_settings = h2.settings.Settings(
            client=False,
            initial_values={
                codes.MAX_CONCURRENT_STREAMS: MAX_CONCURRENT_STREAMS,
                codes.INITIAL_WINDOW_SIZE: _STREAM_WINDOW,
                codes.MAX_HEADER_LIST_SIZE: 1 << 16,
                codes.ENABLE_CONNECT_PROTOCOL: 0,
            },
        )
        self._h2.initiate_connection()
        self._h2.increment_flow_control_window(_CONNECTION_WINDOW - 65_535)
        self._flush()

    # From the transport

    def data_received(self, data: bytes) -> None:
        """Bytes of the peer."""
        if self._rest:
            data = self._rest + data
        start, at, end = 0, self._skip, len(data)
        while end - at >= frames.HEAD_BYTES:
            high, low, kind, flags, stream_id = frames.HEAD.unpack_from(data, at)
            length = high << 8 | low
            stop = at + frames.HEAD_BYTES + length
            if length > frames.MAX_BYTES:
                # h2 would first collect all of it.
                self._refuse(h2.errors.ErrorCodes.FRAME_SIZE_ERROR)
                return
            if stop > end:
                break
            plain = kind == frames.DATA and not flags and not self._headers_open
            stream = self._streams.get(stream_id) if plain else None
            if stream is not None and stream.plain:
                self._plain_data(stream, data[at + frames.HEAD_BYTES : stop])
            else:
                # One frame at a time: whether the next one is plain may depend on it.
                if not self._to_h2(data[start:stop]):
                    return
                # Nothing may come between a header block's frames, and h2 is who says so.
                self._headers_open = kind in (frames.HEADERS, frames.CONTINUATION) and not flags & frames.END_HEADERS
            start = at = stop
        # The preface and what has come of a frame wait here.
        self._skip = at - start
        self._rest = data[start:]
        self._want_flush()

    def _to_h2(self, data: bytes) -> bool:
        try:
            events = self._h2.receive_data(data)
        except h2.exceptions.ProtocolError:
            # h2 has put the GOAWAY that says why into its buffer.
            self._flush()
            self._transport.close()
            return False
        for event in events:
            handler = _HANDLERS.get(type(event))
            if handler is not None:
                handler(self, event)
        return True

    def _refuse(self, code: h2.errors.ErrorCodes) -> None:
        with contextlib.suppress(h2.exceptions.ProtocolError):
            self._h2.close_connection(code)
        self._flush()
        self._transport.close()

    def _plain_data(self, stream: Http2Stream, payload: bytes) -> None:
        size = len(payload)
        stream.unacknowledged_bytes += size
        if stream.unacknowledged_bytes > _STREAM_WINDOW // 2:
            self._updates.append(frames.window_update(stream.stream_id, stream.unacknowledged_bytes))
            stream.unacknowledged_bytes = 0
        self._unacknowledged_bytes += size
        if self._unacknowledged_bytes > _CONNECTION_WINDOW // 2:
            self._updates.append(frames.window_update(0, self._unacknowledged_bytes))
            self._unacknowledged_bytes = 0
        stream.exchange.data(payload)

    def connection_lost(self) -> None:
        """The connection is gone."""
        streams, self._streams = self._streams, {}
        self._dirty.clear()
        for stream in streams.values():
            self._lose(stream)

    def pause_writing(self) -> None:
        """The socket is full."""
        self._writable = False

    def resume_writing(self) -> None:
        """The socket takes more."""
        self._writable = True
        self._want_flush()

    def stop(self) -> None:
        """Tell every exchange and the peer that the server goes down, and close when all is sent."""
        for stream in list(self._streams.values()):
            if stream.exchange:
                stream.exchange.stop()
        self._writable = True
        self._flush()
        with contextlib.suppress(h2.exceptions.ProtocolError):
            self._h2.close_connection()
        self._flush()
        self._transport.close()

    def abort(self) -> None:
        """Cut the connection."""
        self._transport.abort()

    # From h2

    def _request(self, event: h2.events.RequestReceived) -> None:
        stream = self._streams[event.stream_id] = Http2Stream(self, event.stream_id)
        headers = merge_headers(event.headers)
        path, query = split_target(headers.get(":path", "/"))
        headers.setdefault("host", headers.get(":authority", ""))
        request = Request(headers.get(":method", ""), path, query, headers)
        stream.exchange = self._opened(request, stream)
        stream.plain = "content-length" not in headers

    def _data(self, event: h2.events.DataReceived) -> None:
        if event.flow_controlled_length:
            with contextlib.suppress(h2.exceptions.StreamClosedError):
                self._h2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
        stream = self._streams.get(event.stream_id)
        if stream is not None and stream.exchange is not None and event.data:
            stream.exchange.data(event.data)

    def _ended(self, event: h2.events.StreamEnded) -> None:
        stream = self._streams.get(event.stream_id)
        if stream is not None and stream.exchange is not None:
            # What still comes on it is an error, and h2's.
            stream.plain = False
            stream.exchange.end()
            if stream.closed:
                self._streams.pop(event.stream_id, None)

    def _reset(self, event: h2.events.StreamReset) -> None:
        stream = self._streams.pop(event.stream_id, None)
        if stream is not None:
            self._lose(stream)

    def _lose(self, stream: Http2Stream) -> None:
        stream.closed = True
        self._dirty.pop(stream.stream_id, None)
        if stream.exchange is not None:
            stream.exchange.lost()

    def _window(self, event: h2.events.WindowUpdated) -> None:
        if event.stream_id:
            stream = self._streams.get(event.stream_id)
            if stream is not None and stream.waiting:
                self._dirty[event.stream_id] = stream
        else:
            self._all_waiting()

    def _all_waiting(self, _: object = None) -> None:
        self._dirty.update((sid, stream) for sid, stream in self._streams.items() if stream.waiting)

    def _terminated(self, _: h2.events.ConnectionTerminated) -> None:
        self._transport.close()

    # From the streams

    def send_headers(self, stream: Http2Stream, headers: list[tuple[str, str]]) -> None:
        """Queue response headers."""
        try:
            self._h2.send_headers(stream.stream_id, headers)
        except h2.exceptions.ProtocolError:
            self._forget(stream)
        self._want_flush()

    def want_flush(self, stream: Http2Stream) -> None:
        """Something waits in ``stream``."""
        self._dirty[stream.stream_id] = stream
        self._want_flush()

    def reset(self, stream: Http2Stream) -> None:
        """Send RST_STREAM."""
        with contextlib.suppress(h2.exceptions.ProtocolError):
            self._h2.reset_stream(stream.stream_id, h2.errors.ErrorCodes.ENHANCE_YOUR_CALM)
        self._forget(stream)
        self._want_flush()

    def _forget(self, stream: Http2Stream) -> None:
        stream.closed = True
        self._dirty.pop(stream.stream_id, None)
        self._streams.pop(stream.stream_id, None)

    def _want_flush(self) -> None:
        if not self._flush_due:
            self._flush_due = True
            self._loop.call_soon(self._flush)

    def _flush(self) -> None:
        self._flush_due = False
        out = self._updates
        self._updates = []
        if self._writable and self._dirty:
            dirty, self._dirty = self._dirty, {}
            for stream in dirty.values():
                self._pump(stream, out)
        out.append(self._h2.data_to_send())
        data = b"".join(out)
        if data and not self._transport.is_closing():
            self._transport.write(data)

    def _pump(self, stream: Http2Stream, out: list[bytes]) -> None:
        connection = self._h2
        known = connection.streams.get(stream.stream_id)
        if known is None:
            self._forget(stream)
            return
        try:
            while stream.waiting:
                room = min(
                    connection.outbound_flow_control_window,
                    known.outbound_flow_control_window,
                    connection.max_outbound_frame_size,
                )
                if room <= 0 and stream.pending_bytes:
                    return
                data, end = stream.take(room)
                # Headers and the like that h2 has made go first.
                if queued := connection.data_to_send():
                    out.append(queued)
                if end:
                    connection.send_data(stream.stream_id, data, end_stream=True)
                    self._finished(stream)
                    return
                connection.outbound_flow_control_window -= len(data)
                known.outbound_flow_control_window -= len(data)
                out.append(frames.data_frame(stream.stream_id, data))
        except h2.exceptions.ProtocolError:
            # The peer closed it meanwhile; its exchange hears so from the event.
            self._forget(stream)

    def _finished(self, stream: Http2Stream) -> None:
        stream.closed = True
        # Still known until the peer ends its side too, so that late audio is read and dropped.
        known = self._h2.streams.get(stream.stream_id)
        if known is None or known.closed:
            self._streams.pop(stream.stream_id, None)


_HANDLERS = {
    h2.events.RequestReceived: Http2Connection._request,
    h2.events.DataReceived: Http2Connection._data,
    h2.events.StreamEnded: Http2Connection._ended,
    h2.events.StreamReset: Http2Connection._reset,
    h2.events.WindowUpdated: Http2Connection._window,
    h2.events.RemoteSettingsChanged: Http2Connection._all_waiting,
    h2.events.ConnectionTerminated: Http2Connection._terminated,
}
