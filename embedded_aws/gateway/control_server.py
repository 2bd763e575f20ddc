"""The control plane's HTTP server: a thread for each connection, and not more of them than a machine bears."""

import contextlib
import socket
import threading
import time
from collections.abc import Callable
from typing import Any

from werkzeug.serving import ThreadedWSGIServer, WSGIRequestHandler

from embedded_aws.listening import HOST

MOST_CONNECTIONS = 256
"""Connections at once. Each carries one call, so clients that are served have fewer by far."""
_SILENT_S = 30.0
"""A client that sends nothing for so long is waited for no more."""
_NO_DESCRIPTOR_S = 0.05


class _QuietHandler(WSGIRequestHandler):
    """Serves without a line per request; what goes wrong is logged by the gateway."""

    timeout = _SILENT_S

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Writes no line."""


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
