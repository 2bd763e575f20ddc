"""The steps of a stream's way, in their order and each within its time; what each may show is in `rules.path_steps`."""

import asyncio
import contextlib
import socket
import ssl
import time
from collections.abc import Callable
from dataclasses import replace
from urllib.parse import urlsplit

from dgsm_helpers.errors import DgsmError
from dgsm_helpers.load.transport import connecting as net
from dgsm_helpers.load.transport.http2_client import Http2Client
from dgsm_helpers.load.transport.probe_stream import SilentStream
from dgsm_helpers.load.transport.stream_target import Proxy, StreamTarget
from dgsm_helpers.processes.background import in_background
from dgsm_helpers.rules import path_steps as rules
from dgsm_helpers.rules.path_steps import Cause, PathStep, Way
from dgsm_helpers.rules.stream_refusals import SIGN_IN
from dgsm_helpers.wire.sigv4 import Credentials

TOTAL_S = 8.5
"""From the first look to the last word; what is missing to ten seconds is for the command itself to start."""

LEAST_S = {
    "name": 1.0,
    "port": 1.0,
    "tunnel": 1.0,
    "certificate": 1.0,
    "second look": 0.75,
    "credentials": 1.0,
    "stream": 1.25,
    "account": 1.5,
}
"""Seconds that each step is sure of, in their order; together they fill `TOTAL_S`. What a step leaves over goes to
those behind it, so that whatever each of them does, the whole is in time."""


def ends_at(step: str, began_s: float) -> float:
    """When a step has to be done, on the clock on which the whole began at ``began_s``."""
    names = list(LEAST_S)
    return began_s + TOTAL_S - sum(LEAST_S[later] for later in names[names.index(step) + 1 :])


class PathWalk:
    """The steps in their order. Each writes down what it saw; what it returns is None when the way ends there."""

    def __init__(self, target: StreamTarget) -> None:
        self._target = target
        self._proxy = urlsplit(target.proxy_url) if target.proxy_url else None
        proxy = f"{self._proxy.hostname}:{self._proxy.port or 80}" if self._proxy else ""
        self._way = Way(target.host, target.port, target.region, proxy=proxy)
        self._clock = asyncio.get_running_loop().time
        self._began_s = self._clock()
        self.steps: list[PathStep] = []

    @property
    def left_s(self) -> float:
        return max(0.0, self._began_s + TOTAL_S - self._clock())

    def _within(self, step: str) -> asyncio.Timeout:
        return asyncio.timeout_at(ends_at(step, self._began_s))

    def _saw(self, looked_at: str, words: str) -> None:
        self.steps.append(PathStep(looked_at, words))

    async def connect(self) -> Http2Client | None:
        """Name, port, proxy and TLS: an HTTP/2 connection to the runtime."""
        if not await self._resolve() or (made := await self._dial()) is None:
            return None
        return await self._secure(made)

    async def _resolve(self) -> bool:
        if self._proxy and (self._proxy.scheme != "http" or not self._proxy.hostname):
            self.steps.append(rules.unusable_proxy(self._way, self._proxy.scheme))
            return False
        host = (self._proxy.hostname if self._proxy else None) or self._way.host
        try:
            async with self._within("name"):
                addresses = await net.addresses_of(host)
        except TimeoutError:
            self.steps.append(rules.unresolved(self._way, "the resolver does not answer"))
        except (OSError, UnicodeError) as error:
            self.steps.append(rules.unresolved(self._way, _words(error)))
        else:
            self._way = replace(self._way, addresses=addresses)
            self._saw("name", f"{host} has the address {', '.join(addresses)}")
            return True
        return False

    async def _dial(self) -> socket.socket | None:
        port = int(self._way.dialled.rpartition(":")[2])
        try:
            async with self._within("port"):
                made = await net.connected(self._way.addresses, port)
        except TimeoutError:
            await self._blocked("does not answer")
        except ConnectionRefusedError:
            await self._blocked("refuses the connection")
        except OSError as error:
            await self._blocked(f"cannot be reached: {_words(error)}")
        else:
            self._saw("port", f"{self._way.dialled} takes connections")
            return made if not (proxy := self._target.proxy) or await self._tunnel(made, proxy) else None
        return None

    async def _blocked(self, how: str, looked_at: str = "port") -> None:
        """Whether the port alone is closed shows by the port that every other call uses."""
        https = None if self._proxy or self._way.port == rules.HTTPS_PORT else False
        if https is not None:
            with contextlib.suppress(OSError):
                async with self._within("second look"):
                    (await net.connected(self._way.addresses, rules.HTTPS_PORT)).close()
                    https = True
        self.steps.append(rules.blocked(self._way, how, looked_at=looked_at, https_answers=https))

    async def _tunnel(self, made: socket.socket, proxy: Proxy) -> bool:
        try:
            async with self._within("tunnel"):
                await net.tunnelled(made, self._way.end, proxy.headers)
        except TimeoutError:
            self.steps.append(rules.tunnel_refused(self._way, "nothing"))
        except net.TunnelRefused as error:
            self.steps.append(rules.tunnel_refused(self._way, str(error)))
        except OSError as error:
            self.steps.append(rules.tunnel_refused(self._way, _words(error)))
        else:
            self._saw("proxy", f"{self._way.proxy} connects to {self._way.end}")
            return True
        made.close()
        return False

    async def _secure(self, made: socket.socket) -> Http2Client | None:
        try:
            context = self._target.tls_context()
        except OSError as error:
            made.close()
            self.steps.append(rules.unreadable_bundle(self._target.ca_bundle, _words(error)))
            return None
        try:
            async with self._within("certificate"):
                client, protocol = await net.secured(made, context, self._way.host)
        except TimeoutError:
            await self._blocked("takes the connection, then says nothing", "TLS")
        except ssl.SSLCertVerificationError as error:
            await self._untrusted(error)
        except ssl.SSLEOFError:
            await self._blocked("takes the connection, then cuts it before TLS is up", "TLS")
        except ssl.SSLError as error:
            self.steps.append(rules.no_http2(self._way, (error.reason or _words(error)).replace("_", " ").lower()))
        except OSError as error:
            await self._blocked(f"takes the connection, then cuts it before TLS is up: {_words(error)}", "TLS")
        else:
            if protocol == "h2":
                self._saw("certificate", f"trusted by {self._target.ca_bundle or 'the system'}; HTTP/2 agreed on")
                return client
            client.abort()
            self.steps.append(rules.no_http2(self._way, f"ALPN chose {protocol or 'nothing'}"))
        return None

    async def _untrusted(self, error: ssl.SSLCertVerificationError) -> None:
        code, skew_s = error.verify_code, None
        if code in (rules.NOT_YET_VALID, rules.EXPIRED):
            with contextlib.suppress(OSError):
                async with self._within("second look"):
                    skew_s = await self._server_ahead_s()
        words, bundle = error.verify_message, self._target.ca_bundle
        self.steps.append(rules.untrusted(self._way, code, words, bundle=bundle, skew_s=skew_s))

    async def _server_ahead_s(self) -> float | None:
        made = await net.connected(self._way.addresses, int(self._way.dialled.rpartition(":")[2]))
        if proxy := self._target.proxy:
            await net.tunnelled(made, self._way.end, proxy.headers)
        server_s = await net.date_of(made, self._way.host)
        return None if server_s is None else server_s + 0.5 - time.time()

    async def sign_in(self, read_credentials: Callable[[], Credentials]) -> Credentials | None:
        """The keys that streams are signed with."""
        try:
            async with self._within("credentials"):
                keys = await asyncio.wrap_future(in_background(read_credentials))
        except TimeoutError:
            words = "they do not come: a credential process or the metadata service does not answer"
            self.steps.append(PathStep("credentials", words, Cause.CREDENTIALS, SIGN_IN))
        except DgsmError as error:
            self.steps.append(PathStep("credentials", error.message, Cause.CREDENTIALS, error.hint))
        except Exception as error:
            # Whatever a credential process or a damaged file makes botocore raise.
            self.steps.append(PathStep("credentials", _words(error), Cause.CREDENTIALS, SIGN_IN))
        else:
            if keys:
                return keys
            self.steps.append(PathStep("credentials", "key or secret is empty", Cause.CREDENTIALS, SIGN_IN))
        return None

    async def stream(self, connection: Http2Client, keys: Credentials) -> None:
        """One real stream with a moment of silence."""
        silent = SilentStream(self._target.family)
        try:
            async with self._within("stream"):
                await silent.talk(connection, replace(self._target, credentials=keys))
        except TimeoutError:
            silent.give_up()
        except OSError as error:
            silent.on_lost(_words(error))
        self.steps += silent.steps(self._way)


def _words(error: BaseException) -> str:
    """An error in words, whatever its kind."""
    return str(getattr(error, "strerror", None) or error) or type(error).__name__
