"""The page of ``dgsm show``, served on this machine alone: one page, its frames as server-sent events, and its buttons.

The address holds a random token: no other user of this machine can guess it. A request that names another host, as a
web page's would whose name was led here, is refused. The page fetches nothing from anywhere else.
"""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from dgsm_helpers.rules.foreign_text import in_html
from dgsm_helpers.views.live_show import LiveShow
from dgsm_helpers.views.pages import html_page, page_part
from dgsm_helpers.views.show_events import BUTTONS

HOST = "127.0.0.1"
_ALIVE_S = 15.0
"""Without a new frame for so long a comment is sent, by which a browser that has gone is noticed."""


class ShowServer:
    """Serves a show from `__enter__` to `__exit__`; browsers may come, go and come back meanwhile. Port 0: any free."""

    def __init__(self, show: LiveShow, *, port: int = 0) -> None:
        self.show = show
        self._token = secrets.token_urlsafe(16)
        self._stop = threading.Event()
        self._news = threading.Condition()
        self._frame, self._number, self._watching = "", 0, 0
        self._http = ThreadingHTTPServer((HOST, port), self._handler())
        self._http.daemon_threads = True
        self._threads = [
            threading.Thread(target=show.run, args=(self._stop, self.publish, self.watched), daemon=True),
            threading.Thread(target=self._http.serve_forever, daemon=True),
        ]

    @property
    def address(self) -> str:
        """What to open in a browser."""
        return f"http://{HOST}:{self._http.server_port}/{self._token}/"

    def publish(self, frame: str) -> None:
        """Send a frame to everybody who watches."""
        with self._news:
            self._frame, self._number = frame, self._number + 1
            self._news.notify_all()

    def watched(self) -> bool:
        """Whether a browser watches now."""
        return self._watching > 0

    def __enter__(self) -> ShowServer:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._stop.set()
        with self._news:
            self._news.notify_all()
        self._http.shutdown()
        self._http.server_close()
        self._threads[0].join(timeout=10)

    def frames(self, send: Callable[[str], object]) -> None:
        """Send every frame, the newest where some were missed, until the show ends or the browser has gone."""
        seen = 0
        with self._news:
            self._watching += 1
        try:
            while not self._stop.is_set():
                with self._news:
                    if self._number == seen:
                        self._news.wait(_ALIVE_S)
                    news = f"data: {self._frame}" if self._number > seen else ": alive"
                    seen = self._number
                send(f"{news}\n\n")
        except OSError:
            pass
        finally:
            with self._news:
                self._watching -= 1

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        server = self

        class Handler(BaseHTTPRequestHandler):
            """One request of a browser's."""

            protocol_version = "HTTP/1.1"
            server_version, sys_version = "dgsm", ""

            def do_GET(self) -> None:
                if not self._admitted():
                    return
                if self.path == f"/{server._token}/":
                    nonce = secrets.token_urlsafe(16)
                    self._answer(200, page(server.show, nonce=nonce), "text/html; charset=utf-8", nonce)
                elif self.path == f"/{server._token}/frames":
                    self._headers(200, "text/event-stream")
                    self.send_header("Connection", "close")
                    self.end_headers()
                    server.frames(lambda text: self.wfile.write(text.encode()))
                    self.close_connection = True
                else:
                    self._answer(404, "There is nothing here.")

            def do_POST(self) -> None:
                self.close_connection = True  # a body is not read, and must not be taken for the next request
                if not self._admitted():
                    return
                button = self.path.removeprefix(f"/{server._token}/press/")
                known = button != self.path and server.show.press(button)
                self._answer(200 if known else 404, "" if known else "There is no such button.")

            def _admitted(self) -> bool:
                """Whether it is asked for by the address that was given out, and not by another site's page."""
                port = server._http.server_port
                hosts = (f"{HOST}:{port}", f"localhost:{port}")
                origin = self.headers.get("Origin")
                ours = self.headers.get("Host") in hosts and origin in (None, *(f"http://{host}" for host in hosts))
                token = self.path.split("/")[1]
                if ours and secrets.compare_digest(token.encode(), server._token.encode()):
                    return True
                self._answer(403 if not ours else 404, "There is nothing here.")
                return False

            def _answer(self, status: int, text: str, kind: str = "text/plain", nonce: str = "") -> None:
                body = text.encode()
                self._headers(status, kind)
                script = f"script-src 'nonce-{nonce}'; " if nonce else ""
                policy = (
                    f"default-src 'none'; {script}style-src 'unsafe-inline'; connect-src 'self'; form-action 'none'"
                )
                self.send_header("Content-Security-Policy", policy)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def _headers(self, status: int, kind: str) -> None:
                self.send_response(status)
                for name, value in (
                    ("Content-Type", kind),
                    ("Cache-Control", "no-store"),
                    ("Referrer-Policy", "no-referrer"),
                    ("X-Content-Type-Options", "nosniff"),
                    ("X-Frame-Options", "DENY"),
                ):
                    self.send_header(name, value)

            def log_message(self, format: str, *args: Any) -> None:
                """Writes no line."""

        return Handler


def page(show: LiveShow, *, nonce: str) -> str:
    """The page itself; its frames come afterwards. ``nonce`` lets its one script run. Pure."""
    title = f"{show.wb.endpoint_name} on {show.wb.place}, live"
    buttons = invitation = ""
    if show.with_buttons:
        ways = "".join(
            f'<button data-press="{name}" title="{in_html(tip)}">{in_html(label)}</button>'
            for name, (label, tip) in BUTTONS.items()
        )
        invitation = "Let the story be told, or bring callers and trouble yourself."
        buttons = f'<nav><button data-press="play" id="play">▶ tell the story</button>{ways}</nav>'
    body = (
        f'<h1>{in_html(title)}</h1><p id="sentence" aria-live="polite">{invitation}</p>{buttons}'
        '<p id="note" role="status"></p><div id="view"><p>Reading the endpoint …</p></div>'
        f'<script nonce="{nonce}">{page_part("show.js")}</script>'
    )
    return html_page(title, body, style=page_part("show.css"))
