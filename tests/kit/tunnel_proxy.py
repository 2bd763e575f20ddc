"""An HTTP proxy on this machine that opens tunnels, as a company's does, and remembers for whom."""

from __future__ import annotations

import select
import socket
import threading
from base64 import b64decode
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class TunnelProxy(ThreadingHTTPServer):
    """Opens tunnels (CONNECT) to whatever it is asked for; with ``login`` only for those who say it.

    ``tunnels`` are the addresses it was asked for.
    """

    daemon_threads = True

    def __init__(self, login: str = "") -> None:
        super().__init__(("127.0.0.1", 0), _Tunnel)
        self.login, self.tunnels = login, list[str]()

    @property
    def address(self) -> str:
        """Host and port."""
        return f"127.0.0.1:{self.server_port}"


class _Tunnel(BaseHTTPRequestHandler):
    server: TunnelProxy

    def do_CONNECT(self) -> None:
        """One tunnel, until either end closes."""
        self.server.tunnels.append(self.path)
        said = self.headers.get("Proxy-Authorization", "").removeprefix("Basic ")
        if b64decode(said).decode() != self.server.login:
            self.send_error(407)
            return
        host, _, port = self.path.rpartition(":")
        with socket.create_connection((host, int(port))) as far:
            self.send_response(200)
            self.end_headers()
            near = self.connection
            while True:
                for end in select.select([near, far], [], [])[0]:
                    if not (data := end.recv(65536)):
                        return
                    (far if end is near else near).sendall(data)

    def log_message(self, *_: object) -> None:
        """Nothing."""


@contextmanager
def tunnel_proxy(login: str = "") -> Iterator[TunnelProxy]:
    """A running `TunnelProxy`; ``login`` is ``name:password``."""
    with TunnelProxy(login) as proxy:
        threading.Thread(target=proxy.serve_forever, daemon=True).start()
        yield proxy
        proxy.shutdown()
