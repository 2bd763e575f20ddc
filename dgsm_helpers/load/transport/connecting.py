"""A connection to the runtime, each step by itself so that each can fail by name: addresses, TCP, proxy, TLS, date."""

import asyncio
import socket
import ssl
from collections.abc import Mapping, Sequence
from email.utils import parsedate_to_datetime

from dgsm_helpers.load.transport.http2_client import Http2Client
from dgsm_helpers.load.transport.stream_target import StreamTarget
from dgsm_helpers.processes.background import in_background

_MAX_HEAD_BYTES = 1 << 16
_TLS_CLOSE_S = 2.0
"""How long a closed connection waits for the server to agree; asyncio's own default is half a minute."""


class TunnelRefused(OSError):
    """A proxy does not connect to where it was asked to; the text is its answer's first line."""


async def connect(target: StreamTarget, context: ssl.SSLContext) -> Http2Client:
    """A new connection to a target, through its proxy where it has one, ready for streams; or OSError."""
    proxy = target.proxy
    host, port = (proxy.host, proxy.port) if proxy else (target.host, target.port)
    made = await connected(await addresses_of(host), port)
    if proxy:
        try:
            await tunnelled(made, f"{target.host}:{target.port}", proxy.headers)
        except BaseException:
            made.close()
            raise
    client, _ = await secured(made, context, target.host)
    try:
        await client.ready()
    except BaseException:
        client.abort()  # nobody else knows of it
        raise
    return client


async def addresses_of(host: str) -> tuple[str, ...]:
    """The host's addresses; OSError without any."""
    # The resolver blocks for as long as the machine's configuration says.
    found = in_background(lambda: socket.getaddrinfo(host, None, type=socket.SOCK_STREAM))
    return tuple(dict.fromkeys(str(entry[4][0]) for entry in await asyncio.wrap_future(found)))


async def connected(addresses: Sequence[str], port: int) -> socket.socket:
    """A connection to the first of the addresses that takes one; all are tried at once. OSError when none does."""
    attempts = [asyncio.create_task(_connected(address, port)) for address in addresses]
    errors: list[OSError] = []
    try:
        for attempt in asyncio.as_completed(attempts):
            try:
                chosen = await attempt
            except OSError as error:
                errors.append(error)
            else:
                _drop(attempts, but=chosen)
                return chosen
    except asyncio.CancelledError:
        _drop(attempts)
        raise
    # Of several, a refusal says most: an IPv6 address without a route fails everywhere.
    raise min(errors, key=lambda error: not isinstance(error, ConnectionRefusedError))


async def _connected(address: str, port: int) -> socket.socket:
    made = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_STREAM)
    made.setblocking(False)
    try:
        await asyncio.get_running_loop().sock_connect(made, (address, port))
    except BaseException:
        made.close()
        raise
    return made


def _drop(attempts: Sequence[asyncio.Task[socket.socket]], *, but: socket.socket | None = None) -> None:
    for attempt in attempts:
        if not attempt.done():
            attempt.cancel()
        elif attempt.exception() is None and attempt.result() is not but:
            attempt.result().close()


async def tunnelled(made: socket.socket, end: str, headers: Mapping[str, str]) -> None:
    """Have the proxy behind ``made``, asked with ``headers``, connect to ``end`` (``host:port``).

    Raises:
        TunnelRefused: it does not.
        OSError: it drops the connection.
    """
    loop = asyncio.get_running_loop()
    lines = [f"CONNECT {end} HTTP/1.1", f"Host: {end}", *(f"{name}: {value}" for name, value in headers.items())]
    await loop.sock_sendall(made, "\r\n".join([*lines, "", ""]).encode())
    head = b""
    while b"\r\n\r\n" not in head and len(head) < _MAX_HEAD_BYTES:
        # One byte at a time: what follows the head is the runtime's TLS already.
        if not (byte := await loop.sock_recv(made, 1)):
            break
        head += byte
    first = head.partition(b"\r\n")[0].decode("latin-1").strip()
    words = first.split(" ", 2)
    if len(words) < 2 or not words[0].startswith("HTTP/") or not words[1].startswith("2"):
        raise TunnelRefused(" ".join(words[1:]) if words[0].startswith("HTTP/") else first[:80] or "nothing")


async def secured(made: socket.socket, context: ssl.SSLContext, host: str) -> tuple[Http2Client, str | None]:
    """TLS over ``made`` with HTTP/2 on it, and the protocol that ALPN chose. The connection takes ``made`` over.

    Nobody else closes it from here on: the event loop would go on taking its descriptor, which the next connection has,
    for this one's, and refuse that.

    Raises:
        OSError: no TLS, or a certificate that ``context`` does not trust (`ssl.SSLError`).
    """
    transport, client = await asyncio.get_running_loop().create_connection(
        Http2Client, sock=made, ssl=context, server_hostname=host, ssl_shutdown_timeout=_TLS_CLOSE_S
    )
    protocol = transport.get_extra_info("ssl_object").selected_alpn_protocol()
    if protocol == "h2":
        try:
            await client.ready()
        except BaseException:
            client.abort()
            raise
    return client, protocol


async def date_of(made: socket.socket, host: str) -> float | None:
    """What the server over ``made`` says of the time, in Unix seconds, whoever it is; None when it does not.

    Its certificate is not checked, so nothing secret is sent: this asks the time after the certificate was refused.
    """
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.set_alpn_protocols(["h2"])
    client, protocol = await secured(made, context, host)
    try:
        if protocol != "h2":
            return None
        heard = _Date()
        client.open([(":method", "GET"), (":scheme", "https"), (":authority", host), (":path", "/")], heard)
        client.flush()
        return unix_s(await heard.value)
    finally:
        client.abort()


def unix_s(date: str) -> float | None:
    """An HTTP date as Unix seconds; None for what is none."""
    try:
        return parsedate_to_datetime(date).timestamp()
    except ValueError:
        return None


class _Date:
    """Takes the answer to one request for its date."""

    def __init__(self) -> None:
        self.value: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    def on_headers(self, status: int, headers: dict[str, str]) -> None:
        self._settle(headers.get("date", ""))

    def on_data(self, data: bytes) -> None:
        """The answer's body says nothing."""

    def on_end(self) -> None:
        self._settle("")

    def on_lost(self, reason: str) -> None:
        self._settle("")

    def _settle(self, date: str) -> None:
        if not self.value.done():
            self.value.set_result(date)
