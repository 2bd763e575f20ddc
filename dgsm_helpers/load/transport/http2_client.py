"""A client's HTTP/2 connection for very many long event streams.

``h2`` holds the protocol (settings, header compression, pings, resets); only DATA frames take a short way past it, in
both directions, because they are all the traffic there is: one each way per stream and chunk. Their flow-control
windows are still h2's.
"""

import asyncio
import contextlib
from collections import deque
from typing import Protocol, cast

import h2.config
import h2.connection
import h2.errors
import h2.events
import h2.exceptions
import h2.settings

from dgsm_helpers.wire import h2_bypass

WINDOW = 1 << 30


class StreamHandler(Protocol):
    """What a connection tells one of its streams."""

    def on_headers(self, status: int, headers: dict[str, str]) -> None:
        """Response headers arrived."""

    def on_data(self, data: bytes) -> None:
        """Response bytes arrived."""

    def on_end(self) -> None:
        """The server ended its side in order."""

    def on_lost(self, reason: str) -> None:
        """The stream was reset or its connection is gone."""


class Http2Client(asyncio.Protocol):
    """One TLS connection and its streams. Everything happens in the event loop's thread.

    `open` starts a request, `send` queues a DATA frame, `flush` writes all that is queued at once: a caller that has
    several streams due sends them all and flushes once.
    """

    def __init__(self) -> None:
        self._h2 = h2.connection.H2Connection(
            h2.config.H2Configuration(client_side=True, header_encoding=None, validate_outbound_headers=False)
        )
        self._handlers: dict[int, StreamHandler] = {}
        self._out: list[bytes] = []
        self._held: dict[int, deque[bytes]] = {}
        self._announced: set[int] = set()
        self._rest = b""
        self._received = 0
        self._transport: asyncio.Transport | None = None
        self._settings_seen = asyncio.get_running_loop().create_future()
        self.max_streams = 1

    @property
    def open_streams(self) -> int:
        return len(self._handlers)

    @property
    def usable(self) -> bool:
        """Whether another stream may be opened on it."""
        alive = self._transport is not None and not self._transport.is_closing()
        return alive and len(self._handlers) < self.max_streams and self._h2.highest_outbound_stream_id < WINDOW

    async def ready(self) -> None:
        """Wait for the server's settings: only then is it known how many streams it allows."""
        await self._settings_seen

    def open(self, headers: list[tuple[str, str]], handler: StreamHandler) -> int:
        """Start a request; returns its stream id."""
        stream_id = self._h2.get_next_available_stream_id()
        self._h2.send_headers(stream_id, headers)
        self._handlers[stream_id] = handler
        self._out.append(self._h2.data_to_send())
        return stream_id

    def send(self, stream_id: int, data: bytes) -> None:
        """Queue ``data`` (less than a frame's 16 KB) on a stream; it waits here while the server's window is shut."""
        if stream_id not in self._handlers:
            return
        queue = self._held.get(stream_id)
        if queue is not None or not h2_bypass.take_window(self._h2, stream_id, len(data)):
            self._held.setdefault(stream_id, deque()).append(data)
            return
        self._out.append(h2_bypass.data_frame(stream_id, data))

    def cancel(self, stream_id: int) -> None:
        """Give a stream up."""
        if self._handlers.pop(stream_id, None) is not None:
            self._held.pop(stream_id, None)
            self._announced.discard(stream_id)
            with contextlib.suppress(h2.exceptions.ProtocolError):
                self._h2.reset_stream(stream_id, h2.errors.ErrorCodes.CANCEL)
            self._out.append(self._h2.data_to_send())

    def flush(self) -> None:
        """Write what is queued."""
        if self._out and self._transport is not None:
            self._transport.write(b"".join(self._out))
            self._out.clear()

    def close(self) -> None:
        """Close the connection; streams that are still open are lost."""
        if self._transport is not None:
            self._transport.close()

    def abort(self) -> None:
        """Drop the connection at once, without TLS's farewell."""
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        codes = h2.settings.SettingCodes
        settings = {codes.ENABLE_PUSH: 0, codes.INITIAL_WINDOW_SIZE: WINDOW}
        h2_bypass.initiate(self._h2, settings, window_bytes=WINDOW)
        self._out.append(self._h2.data_to_send())
        self.flush()

    def data_received(self, data: bytes) -> None:
        if self._rest:
            data = self._rest + data
        at, end = 0, len(data)
        while end - at >= h2_bypass.HEAD_BYTES:
            high, low, kind, flags, stream_id = h2_bypass.HEAD.unpack_from(data, at)
            stop = at + h2_bypass.HEAD_BYTES + (high << 8 | low)
            if stop > end:
                break
            if kind == h2_bypass.DATA and stream_id & 0x7FFFFFFF not in self._announced:
                self._on_data(stream_id & 0x7FFFFFFF, flags, data[at + h2_bypass.HEAD_BYTES : stop])
            else:
                self._on_frame(data[at:stop])
            at = stop
        self._rest = data[at:] if at else data
        self.flush()

    def _on_data(self, stream_id: int, flags: int, body: bytes) -> None:
        self._received += len(body)
        if self._received > WINDOW // 2:
            self._out.append(h2_bypass.window_update(0, self._received))
            self._received = 0
        handler = self._handlers.get(stream_id)
        if handler is None:
            return
        if flags & h2_bypass.PADDED:
            body = body[1 : len(body) - body[0]]
        if body:
            handler.on_data(body)
        if flags & h2_bypass.END_STREAM:
            self._on_frame(h2_bypass.HEAD.pack(0, 0, h2_bypass.DATA, h2_bypass.END_STREAM, stream_id))

    def _on_frame(self, frame: bytes) -> None:
        try:
            events = self._h2.receive_data(frame)
        except h2.exceptions.ProtocolError as error:
            self._lose(f"HTTP/2 error: {error}")
            self.close()
            return
        for event in events:
            self._on_event(event)
        self._out.append(self._h2.data_to_send())

    def _on_event(self, event: h2.events.Event) -> None:
        match event:
            case h2.events.ResponseReceived():
                headers = dict(h2_bypass.text_headers(event))
                if "content-length" in headers:
                    # h2 holds such an answer to its length, so it must see its bytes: a refusal's, which are few.
                    self._announced.add(event.stream_id)
                if handler := self._handlers.get(event.stream_id):
                    handler.on_headers(int(headers[":status"]), headers)
            case h2.events.DataReceived():
                self._received += event.flow_controlled_length
                if handler := self._handlers.get(event.stream_id):
                    handler.on_data(event.data)
            case h2.events.StreamEnded():
                self._announced.discard(event.stream_id)
                if handler := self._handlers.pop(event.stream_id, None):
                    self._held.pop(event.stream_id, None)
                    with contextlib.suppress(h2.exceptions.ProtocolError):
                        self._h2.end_stream(event.stream_id)
                    handler.on_end()
            case h2.events.StreamReset():
                self._announced.discard(event.stream_id)
                if handler := self._handlers.pop(event.stream_id, None):
                    self._held.pop(event.stream_id, None)
                    handler.on_lost(f"Reset by the server (code {int(event.error_code)}).")
            case h2.events.WindowUpdated():
                self._release()
            case h2.events.RemoteSettingsChanged():
                self.max_streams = min(self._h2.remote_settings.max_concurrent_streams, 1 << 20)
                if not self._settings_seen.done():
                    self._settings_seen.set_result(None)
                self._release()
            case h2.events.ConnectionTerminated():
                self._lose(f"The server sent GOAWAY (code {int(event.error_code or 0)}).")
                self.close()

    def _release(self) -> None:
        for stream_id in list(self._held):
            queue = self._held[stream_id]
            while queue and h2_bypass.take_window(self._h2, stream_id, len(queue[0])):
                self._out.append(h2_bypass.data_frame(stream_id, queue.popleft()))
            if not queue:
                del self._held[stream_id]

    def connection_lost(self, exc: Exception | None) -> None:
        self._lose(f"Connection lost{f': {exc}' if exc else '.'}")

    def _lose(self, reason: str) -> None:
        if not self._settings_seen.done():
            self._settings_seen.set_exception(ConnectionError(reason))
            self._settings_seen.exception()  # who does not wait for it need not hear of it
        handlers, self._handlers = self._handlers, {}
        self._held.clear()
        for handler in handlers.values():
            handler.on_lost(reason)
