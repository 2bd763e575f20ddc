"""The answering side of one HTTP/2 stream: what waits to be sent on it."""

from __future__ import annotations

from collections import deque
from typing import Protocol

from embedded_aws.runtime.exchange import Exchange


class Carrier(Protocol):
    """The connection, as its streams need it."""

    def send_headers(self, stream: Http2Stream, headers: list[tuple[str, str]]) -> None:
        """Queue response headers."""

    def want_flush(self, stream: Http2Stream) -> None:
        """Something waits in ``stream``."""

    def reset(self, stream: Http2Stream) -> None:
        """Send RST_STREAM."""

    def abort(self) -> None:
        """Cut the connection."""


class Http2Stream:
    """The answering side of one stream (`http.Outbound`)."""

    __slots__ = (
        "_connection",
        "_end",
        "_out",
        "closed",
        "exchange",
        "pending_bytes",
        "plain",
        "stream_id",
        "unacknowledged_bytes",
    )

    def __init__(self, connection: Carrier, stream_id: int) -> None:
        self._connection = connection
        self._out: deque[bytes] = deque()
        self._end = False
        self.stream_id = stream_id
        self.exchange: Exchange | None = None
        self.pending_bytes = 0
        self.unacknowledged_bytes = 0
        # Whether its DATA frames need nothing of h2: it holds bodies of announced length to that length.
        self.plain = False
        self.closed = False

    def send_headers(self, headers: list[tuple[str, str]]) -> None:
        """Response headers, ``:status`` first."""
        if not self.closed:
            self._connection.send_headers(self, headers)

    def send(self, data: bytes, *, end: bool = False) -> None:
        """Body, when the peer's window allows; never blocks."""
        if self.closed or self._end:
            return
        if data:
            self._out.append(data)
            self.pending_bytes += len(data)
        self._end = end
        self._connection.want_flush(self)

    def reset(self) -> None:
        """Give the stream up."""
        if not self.closed:
            self._connection.reset(self)

    def drop_connection(self) -> None:
        """Cut the TCP connection without a word."""
        self._connection.abort()

    def take(self, room: int) -> tuple[bytes, bool]:
        """Up to ``room`` bytes to send now, and whether the stream ends with them."""
        data = self._out.popleft() if len(self._out) == 1 else b"".join(self._out)
        self._out.clear()
        if len(data) > room:
            self._out.append(data[room:])
            data = data[:room]
        self.pending_bytes -= len(data)
        return data, self._end and not self._out

    @property
    def waiting(self) -> bool:
        """Whether anything is left to send."""
        return bool(self._out) or self._end
