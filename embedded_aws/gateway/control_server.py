"""The control plane's HTTP server: a thread for each connection, and not more of them than a machine bears."""

import contextlib
import io
import re
import socket
import threading
import time
from collections.abc import Buffer, Callable
from typing import Any

from werkzeug.serving import ThreadedWSGIServer, WSGIRequestHandler

from embedded_aws.listening import HOST

MOST_CONNECTIONS = 256
"""Connections at once. Each carries one call, so clients that are served have fewer by far."""
_SILENT_S = 30.0
"""A client that sends nothing for so long is waited for no more."""
_NO_DESCRIPTOR_S = 0.05
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


class _QuietHandler(WSGIRequestHandler):
    """Serves without a line per request; what goes wrong is logged by the gateway."""

    timeout = _SILENT_S

    def make_environ(self) -> dict[str, Any]:
        """As Werkzeug makes it, but for a body in chunks."""
        environ: dict[str, Any] = super().make_environ()
        if environ.get("wsgi.input_terminated"):
            environ["wsgi.input"] = ChunkedBody(self.rfile)
        return environ

    def log(self, type: str, message: str, *args: Any) -> None:
        """Writes no line, of a request that is refused before the gateway sees it neither."""


class ControlServer(ThreadedWSGIServer):
    """Answers who connects to a socket; it keeps a duplicate of it.

    When there are more than ``MOST_CONNECTIONS``, the oldest is closed: it has had its time.
    """

    def __init__(self, listening: socket.socket, answer: Callable) -> None:
        super().__init__(HOST, listening.getsockname()[1], answer, handler=_QuietHandler, fd=listening.fileno())
        self._lock = threading.Lock()
        self._open: dict[socket.socket | None, None] = {}

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
            self._open.pop(surplus, None)
        if surplus is not None:
            with contextlib.suppress(OSError):
                surplus.shutdown(socket.SHUT_RDWR)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        """It is served."""
        with self._lock:
            self._open.pop(request, None)
        super().shutdown_request(request)
