"""The receiving side of one HTTP/2 connection: the protocol by ``h2``, everything else by the exchanges it opens.

Plain DATA frames are read here, past ``h2`` (see `h2_bypass`). Their share of flow control is kept here too: what came
is given back by WINDOW_UPDATE frames of our own. Every other frame, the last DATA frame of a stream included, is
``h2``'s.

What has come is read for a few milliseconds at a time (see `turns`). However much one client sends, the others have
their turn.
"""

import contextlib
import math
import time
from collections.abc import Callable
from typing import Any

from h2 import events
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.errors import ErrorCodes
from h2.exceptions import ProtocolError, StreamClosedError
from h2.settings import SettingCodes

from dgsm_helpers.wire import h2_bypass
from embedded_aws.runtime.client_transport import ClientTransport
from embedded_aws.runtime.exchange import Exchange, Request, merge_headers
from embedded_aws.runtime.http2_writer import Http2Stream, Http2Writer
from embedded_aws.runtime.turns import Reading, Turns

MAX_CONCURRENT_STREAMS = 2000
"""Above it clients queue without an error, so it lies above what one process is meant to hold."""

_STREAM_WINDOW = 1 << 20
_CONNECTION_WINDOW = 16 << 20
_PREFACE_BYTES = 24
_SETTINGS = {
    SettingCodes.MAX_CONCURRENT_STREAMS: MAX_CONCURRENT_STREAMS,
    SettingCodes.INITIAL_WINDOW_SIZE: _STREAM_WINDOW,
    SettingCodes.MAX_HEADER_LIST_SIZE: 1 << 16,
    SettingCodes.ENABLE_CONNECT_PROTOCOL: 0,
}

type OpenExchange = Callable[[Request, Http2Stream], Exchange]


class Http2ServerConnection:
    """A client's connection.

    Args:
        open_exchange: makes what answers a new request.
        hold: told by how much what the connection holds has grown, in bytes.
        turns: where it waits when it sends without end.
    """

    def __init__(
        self, transport: ClientTransport, open_exchange: OpenExchange, hold: Callable[[int], None], turns: Turns
    ) -> None:
        self._transport = transport
        self._open_exchange = open_exchange
        self._reading = Reading(turns, transport, self._read)
        self._rest = b""
        self._skip = _PREFACE_BYTES
        self._headers_open = False
        self._unacknowledged_bytes = 0
        config = H2Configuration(
            client_side=False,
            header_encoding=None,
            validate_outbound_headers=False,
            normalize_outbound_headers=False,
        )
        self._h2 = H2Connection(config)
        h2_bypass.initiate(self._h2, _SETTINGS, window_bytes=_CONNECTION_WINDOW)
        self._writer = Http2Writer(transport, self._h2, hold)
        self._streams = self._writer.streams
        self.set_writable = self._writer.set_writable
        self._writer.flush()

    # From the transport

    def data_received(self, data: bytes) -> None:
        self._rest = self._rest + data if self._rest else data
        self._reading.go_on()

    def _read(self, until_s: float) -> bool:
        data = self._rest
        start, at, end, more = 0, self._skip, len(data), False
        while end - at >= h2_bypass.HEAD_BYTES:
            high, low, kind, flags, stream_id = h2_bypass.HEAD.unpack_from(data, at)
            length = high << 8 | low
            stop = at + h2_bypass.HEAD_BYTES + length
            if length > h2_bypass.MAX_BYTES:
                # h2 would first collect all of it.
                self._close(ErrorCodes.FRAME_SIZE_ERROR)
                return False
            if stop > end:
                break
            plain = kind == h2_bypass.DATA and not flags and not self._headers_open
            stream = self._streams.get(stream_id) if plain else None
            if stream is not None and stream.plain:
                self._plain_data(stream, data[at + h2_bypass.HEAD_BYTES : stop])
            else:
                # One frame at a time: whether the next one is plain may depend on it.
                if not self._to_h2(data[start:stop]):
                    return False
                # Nothing may come between a header block's frames, and h2 is who says so.
                headers = kind in (h2_bypass.HEADERS, h2_bypass.CONTINUATION)
                self._headers_open = headers and not flags & h2_bypass.END_HEADERS
            start = at = stop
            if more := at < end and time.monotonic() > until_s:
                break
        # The preface and what has come of a frame wait here.
        self._skip = at - start
        self._rest = data[start:]
        self._writer.flush_soon()
        return more

    def _to_h2(self, data: bytes) -> bool:
        try:
            received = self._h2.receive_data(data)
        except ProtocolError:
            # h2 has put the GOAWAY that says why into its buffer.
            self._writer.flush()
            self._transport.close()
            return False
        for event in received:
            if handle := _HANDLERS.get(type(event)):
                handle(self, event)
        return True

    def _close(self, code: ErrorCodes) -> None:
        with contextlib.suppress(ProtocolError):
            self._h2.close_connection(code)
        self._writer.flush()
        self._transport.close()

    def _plain_data(self, stream: Http2Stream, payload: bytes) -> None:
        size = len(payload)
        stream.unacknowledged_bytes += size
        if stream.unacknowledged_bytes > _STREAM_WINDOW // 2:
            update = h2_bypass.window_update(stream.stream_id, stream.unacknowledged_bytes)
            self._writer.window_updates.append(update)
            stream.unacknowledged_bytes = 0
        self._unacknowledged_bytes += size
        if self._unacknowledged_bytes > _CONNECTION_WINDOW // 2:
            self._writer.window_updates.append(h2_bypass.window_update(0, self._unacknowledged_bytes))
            self._unacknowledged_bytes = 0
        stream.exchange.data(payload)

    @property
    def idle(self) -> bool:
        """Whether it has no stream."""
        return not self._streams

    def connection_lost(self) -> None:
        # All of them, also when one of them raises.
        with contextlib.ExitStack() as each:
            for stream in self._streams.values():
                each.callback(self._lose, stream)

    def stop(self) -> None:
        """Tell every exchange and the peer that the server goes down, and close when all is sent."""
        for stream in list(self._streams.values()):
            stream.exchange.stop()
        self._writer.set_writable(True)
        self._writer.flush(most_bytes=math.inf)
        self._close(ErrorCodes.NO_ERROR)

    # From h2

    def _request(self, event: events.RequestReceived) -> None:
        stream = self._streams[event.stream_id] = Http2Stream(self._writer, event.stream_id)
        headers = merge_headers(h2_bypass.text_headers(event))
        # AWS's bidirectional client sends a bare ``?`` behind the path.
        path, _, query = headers.get(":path", "/").partition("?")
        headers.setdefault("host", headers.get(":authority", ""))
        request = Request(headers.get(":method", ""), path, query, headers)
        stream.exchange = self._open_exchange(request, stream)
        stream.plain = "content-length" not in headers

    def _data(self, event: events.DataReceived) -> None:
        if event.flow_controlled_length:
            with contextlib.suppress(StreamClosedError):
                self._h2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
        stream = self._streams.get(event.stream_id)
        if stream is not None and event.data:
            stream.exchange.data(event.data)

    def _ended(self, event: events.StreamEnded) -> None:
        stream = self._streams.get(event.stream_id)
        if stream is not None:
            # What still comes on it is an error, and h2's.
            stream.plain = False
            stream.exchange.end()
            if stream.closed:
                self._streams.pop(event.stream_id, None)

    def _reset(self, event: events.StreamReset) -> None:
        stream = self._streams.get(event.stream_id)
        if stream is not None:
            self._lose(stream)

    def _lose(self, stream: Http2Stream) -> None:
        self._writer.forget(stream)
        stream.exchange.lost()

    def _window(self, event: events.WindowUpdated) -> None:
        if not event.stream_id:
            self._writer.wake_waiting(self._streams.values())
        elif stream := self._streams.get(event.stream_id):
            self._writer.wake_waiting((stream,))

    def _settings(self, _: events.RemoteSettingsChanged) -> None:
        self._writer.wake_waiting(self._streams.values())

    def _terminated(self, _: events.ConnectionTerminated) -> None:
        self._transport.close()


_HANDLERS: dict[type[events.Event], Callable[[Http2ServerConnection, Any], None]] = {
    events.RequestReceived: Http2ServerConnection._request,
    events.DataReceived: Http2ServerConnection._data,
    events.StreamEnded: Http2ServerConnection._ended,
    events.StreamReset: Http2ServerConnection._reset,
    events.WindowUpdated: Http2ServerConnection._window,
    events.RemoteSettingsChanged: Http2ServerConnection._settings,
    events.ConnectionTerminated: Http2ServerConnection._terminated,
}
