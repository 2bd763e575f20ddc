"""Deepgram's ``callback``: results go to an address, and the client is told only the request's id.

A Marketplace container has no network (AWS: network isolation), so nothing would leave it. Here an address of this
machine is called, so that what receives results can be tried out; for any other the container's log says why nothing
came.
"""

import asyncio
import http.client
import urllib.error
import urllib.request
from collections.abc import Callable
from urllib.parse import urlsplit

from embedded_aws.runtime.query_string import QueryString, bad_request

_HERE = ("127.0.0.1", "localhost", "::1")
_ATTEMPTS = 10
_RETRY_S = 30.0
_ANSWER_S = 30.0
_delivering: set[asyncio.Task[None]] = set()


def callback_of(query: QueryString) -> tuple[str, str] | None:
    """Address and method; None when the client wants the results itself.

    Raises:
        ContainerRefused: it is no address of HTTP, or a method that is not used for it.
    """
    url = query.get("callback")
    method = (query.get("callback_method") or "post").upper()
    if method not in ("POST", "PUT"):
        raise bad_request(f"callback_method must be post or put, not '{method.lower()}'.")
    if url is None:
        return None
    try:
        parts = urlsplit(url)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    if not usable:
        raise bad_request(f"callback must be an address of http or https, not '{url}'.")
    return url, method


class Callback:
    """Delivers documents to one address, in order; a refused one up to ten times, as Deepgram does."""

    def __init__(self, url: str, method: str, log: Callable[[str], object]) -> None:
        self._url, self._method, self._log = url, method, log
        self._waiting: asyncio.Queue[bytes] = asyncio.Queue()
        self._task: asyncio.Task[None] | None = None
        self._here = urlsplit(url).hostname in _HERE
        if not self._here:
            log(f"WARN callback to {url} is not delivered: network isolation keeps the container from reaching it")

    def send(self, document: bytes) -> None:
        """Deliver a document when those before it have been."""
        if not self._here:
            return
        self._waiting.put_nowait(document)
        if self._task is None or self._task.done():
            self._task = asyncio.get_running_loop().create_task(self._deliver())
            _delivering.add(self._task)
            self._task.add_done_callback(_delivering.discard)

    async def _deliver(self) -> None:
        while not self._waiting.empty():
            document = self._waiting.get_nowait()
            for attempt in range(1, _ATTEMPTS + 1):
                try:
                    await asyncio.to_thread(self._call, document)
                    break
                except (OSError, http.client.HTTPException) as error:
                    self._log(f"WARN callback to {self._url} failed, attempt {attempt}: {error}")
                    await asyncio.sleep(_RETRY_S)

    def _call(self, document: bytes) -> None:
        request = urllib.request.Request(
            self._url, data=document, method=self._method, headers={"Content-Type": "application/json"}
        )
        direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        direct.open(request, timeout=_ANSWER_S).close()
