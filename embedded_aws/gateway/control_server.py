"""The control plane's HTTP server: a thread for each connection, and not more of them than a machine bears.

Werkzeug closes a connection with each answer, since it does not know whether the request was read to its end. AWS's
SDKs call again and again on the same one, which takes less than half the time; theirs stay open. Whoever else asks may
read until the connection ends.
"""

import contextlib
import io
import re
import socket
import threading
import time
from collections.abc import Buffer, Callable
from typing import IO, Any, cast

from werkzeug.serving import ThreadedWSGIServer, WSGIRequestHandler
from werkzeug.test import run_wsgi_app
from werkzeug.wsgi import LimitedStream

from embedded_aws.gateway.request_body import BodyRefused, length_of
from embedded_aws.listening import HOST

MOST_CONNECTIONS = 256
"""Connections at once. A client has one for each call that it makes at the same time."""
_SILENT_S = 30.0
"""A client that sends nothing for so long is waited for no more."""
_NO_DESCRIPTOR_S = 0.05
_OF_AN_SDK = "amz-sdk-invocation-id"
"""A header that every SDK of AWS sends with each call."""
_SIZE = re.compile(rb"[0-9a-fA-F]{1,16}")
_LINE_ENDS = (b"\r\n", b"\n")
_LINE_BYTES, _MOST_TRAILERS = 1024, 100


class ChunkedBody(io.RawIOBase):
    """A body that comes in chunks (RFC 9112, section 7.1), from what is left of its connection.

    Werkzeug's own reader says of a chunk that is cut off that all of it came, of which the interpreter dies.
    """

    def __init__(self, connection: io.BufferedIOBase) -> None:
        self._connection = connection
        self._left = 0
        self._done = False

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Buffer, /) -> int:
        """As much of one chunk as is there and fits; 0 behind the last one.

        Raises:
            OSError: a chunk's length is none, or the body ends before its end.
        """
        if not self._left and not self._done:
            self._next_chunk()
        if self._done:
            return 0
        into = memoryview(buffer).cast("B")
        data = self._connection.read1(min(len(into), self._left))
        if not data:
            raise OSError("a chunk is cut off")
        into[: len(data)] = data
        self._left -= len(data)
        if not self._left and self._connection.readline(_LINE_BYTES) not in _LINE_ENDS:
            raise OSError("a chunk is longer than it says")
        return len(data)

    def _next_chunk(self) -> None:
        size, _, _ = self._connection.readline(_LINE_BYTES).partition(b";")
        if not _SIZE.fullmatch(size.strip()):
            raise OSError("a chunk's length is none")
        self._left = int(size, 16)
        self._done = not self._left
        if self._done:
            for _ in range(_MOST_TRAILERS):
                if self._connection.readline(_LINE_BYTES) in (*_LINE_ENDS, b""):
                    return
            raise OSError("there are too many lines behind the last chunk")


class _Handler(WSGIRequestHandler):
    """Serves one connection, without a line per request; what goes wrong is logged by the gateway."""

    server: "ControlServer"
    timeout = _SILENT_S
    disable_nagle_algorithm = True

    def run_wsgi(self) -> None:
        """Answer a request; an SDK's connection is kept for its next one, unless something is left of this one."""
        self.server.is_asked(self.connection)
        if not self.path.startswith("/"):  # a proxy's or none: no client of AWS sends it, and Werkzeug fails on some
            self.send_error(400, "The request target is no path.")
            return
        if _OF_AN_SDK not in self.headers or "Transfer-Encoding" in self.headers:
            super().run_wsgi()
            return
        try:
            length = length_of(self.headers.get("Content-Length", ""))
        except BodyRefused:  # by the gateway, which says so
            super().run_wsgi()
            return
        environ = self.make_environ()
        environ["wsgi.input"] = body = LimitedStream(cast(IO[bytes], self.rfile), length)
        answer, status, headers = run_wsgi_app(self.server.app, environ, buffered=True)
        code, _, reason = status.partition(" ")
        self.send_response(int(code), reason)
        for name, value in headers:
            self.send_header(name, value)
        if not body.is_exhausted:
            self.send_header("Connection", "close")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(b"".join(answer))

    def make_environ(self) -> dict[str, Any]:
        """As Werkzeug makes it, but for a body in chunks."""
        environ: dict[str, Any] = super().make_environ()
        if environ.get("wsgi.input_terminated"):
            environ["wsgi.input"] = ChunkedBody(self.rfile)
        return environ

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Writes no line; Werkzeug would take the request target apart for it, and fail on some."""

    def log(self, type: str, message: str, *args: Any) -> None:
        """Writes no line, of a request that is refused before the gateway sees it neither."""


class ControlServer(ThreadedWSGIServer):
    """Answers who connects to a socket; it keeps a duplicate of it.

    When there are more than ``MOST_CONNECTIONS``, the one on which longest nothing was asked is closed.
    """

    def __init__(self, listening: socket.socket, answer: Callable) -> None:
        self._lock = threading.Lock()
        self._open: dict[socket.socket, None] = {}
        super().__init__(HOST, listening.getsockname()[1], answer, handler=_Handler, fd=listening.fileno())

    def get_request(self) -> tuple[socket.socket, object]:
        """The next connection."""
        try:
            return super().get_request()
        except OSError:  # no descriptor is free: the server would ask again at once, for ever
            time.sleep(_NO_DESCRIPTOR_S)
            raise

    def process_request(self, request: Any, client_address: Any) -> None:
        """Begin a thread that serves it."""
        with self._lock:
            self._open[request] = None
            surplus = next(iter(self._open)) if len(self._open) > MOST_CONNECTIONS else None
            if surplus is not None:
                del self._open[surplus]
        if surplus is not None:
            with contextlib.suppress(OSError):
                surplus.shutdown(socket.SHUT_RDWR)
        super().process_request(request, client_address)

    def is_asked(self, request: socket.socket) -> None:
        """A request has begun on this connection."""
        with self._lock:
            if request in self._open:
                del self._open[request]
                self._open[request] = None

    def server_close(self) -> None:
        """Let go of the socket and end the connections that are kept."""
        super().server_close()
        with self._lock:
            for connection in self._open:
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)

    def shutdown_request(self, request: Any) -> None:
        """It is served."""
        with self._lock:
            self._open.pop(request, None)
        super().shutdown_request(request)
