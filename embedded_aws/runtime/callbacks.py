"""Deepgram's ``callback``: results go to an address, and the client is told only the request's id.

A Marketplace container has no network (AWS: network isolation), so nothing would leave it. Here an address of this
machine is called, so that what receives results can be tried out; for any other the container's log says why nothing
came.
"""

import asyncio
import http.client
import urllib.error
import urllib.request
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import quote, urlsplit

from embedded_aws.fleet.instances import Lease
from embedded_aws.held_bytes import HeldBytes
from embedded_aws.runtime.query_string import QueryString, bad_request

_HERE = ("127.0.0.1", "localhost", "::1")
_OF_ADDRESSES = "%:/?#[]@!$&'()*+,;=~"
_ATTEMPTS = 10
_RETRY_S = 30.0
_ANSWER_S = 30.0
_delivering: set[asyncio.Task[None]] = set()
_held = HeldBytes(each=16 << 20, together=64 << 20)
"""Documents that wait; the longest file's is some megabytes."""
_calls = ThreadPoolExecutor(8, "callback")
"""Threads of their own: an address that never answers keeps one for half a minute, and files are decoded in others."""


def callback_of(query: QueryString) -> tuple[str, str] | None:
    """Address and method; None when the client wants the results itself.

    What no address can hold is percent-encoded: a letter of another language, or a line's end, which the log would show
    as a line of its own.

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
        address = quote(url, safe=_OF_ADDRESSES)
        parts = urlsplit(address)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    if not usable:
        raise bad_request(f"callback must be an address of http or https, not '{url}'.")
    return address, method


class Callback:
    """Delivers documents to one address, in order; a refused one up to ten times, as Deepgram does.

    Deliveries end with the container, which ``lease`` tells.
    """

    def __init__(self, url: str, method: str, lease: Lease) -> None:
        self._url, self._method, self._lease = url, method, lease
        self._waiting: deque[bytes] = deque()
        self._task: asyncio.Task[None] | None = None
        self._here = urlsplit(url).hostname in _HERE
        if not self._here:
            self._warn("is not delivered: network isolation keeps the container from reaching it")

    def send(self, document: bytes) -> None:
        """Deliver a document when those before it have been."""
        if not self._here:
            return
        self._waiting.append(document)
        _held.add(self._give_way, len(document))
        if self._waiting and (self._task is None or self._task.done()):
            self._task = asyncio.get_running_loop().create_task(self._deliver())
            _delivering.add(self._task)
            self._task.add_done_callback(_delivering.discard)

    def _give_way(self) -> None:
        """Too much waits for it."""
        if self._waiting:
            self._warn(f"takes too little: {len(self._waiting)} of its documents are dropped")
            size = sum(map(len, self._waiting))
            self._waiting.clear()
            _held.add(self._give_way, -size)

    async def _deliver(self) -> None:
        try:
            while self._waiting and self._lease.alive:
                document = self._waiting.popleft()
                await self._attempt(document)
                _held.add(self._give_way, -len(document))
        finally:
            self._waiting.clear()
            _held.forget(self._give_way)

    async def _attempt(self, document: bytes) -> None:
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                await asyncio.get_running_loop().run_in_executor(_calls, self._call, document)
                return
            except (OSError, http.client.HTTPException, ValueError) as error:
                self._warn(f"failed, attempt {attempt}: {error}")
            await asyncio.sleep(_RETRY_S)
            if not self._lease.alive:
                return
        self._warn(f"has refused a document {_ATTEMPTS} times, which is dropped")

    def _warn(self, what: str) -> None:
        self._lease.log(f"WARN callback to {self._url} {what}")

    def _call(self, document: bytes) -> None:
        request = urllib.request.Request(
            self._url, data=document, method=self._method, headers={"Content-Type": "application/json"}
        )
        direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        direct.open(request, timeout=_ANSWER_S).close()
