"""What a stream is pointed at.

A `StreamTarget` is a snapshot of a workbook that can be sent to another process or machine: one set of credentials is
read once, so that a thousand streams do not ask the credential provider a thousand times.
"""

from __future__ import annotations

import ssl
from base64 import b64encode
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from dgsm_helpers.errors import InvalidInput
from dgsm_helpers.families import NOVA, Family
from dgsm_helpers.wire.sigv4 import Credentials

if TYPE_CHECKING:
    from dgsm_helpers.session import Workbook

MAX_SESSION_S = 1800.0
"""SageMaker ends a bidirectional stream after 30 minutes."""


@dataclass(frozen=True)
class Proxy:
    """An HTTP proxy that opens tunnels (CONNECT); ``user`` and ``password`` are "" where it asks for none."""

    host: str
    port: int
    user: str = ""
    password: str = field(default="", repr=False)

    @classmethod
    def of(cls, url: str) -> Proxy:
        """The proxy of an address, which may hold a name and a password.

        Raises:
            InvalidInput: it is spoken to in another way than HTTP.
        """
        parts = urlsplit(url)
        if parts.scheme != "http":
            raise InvalidInput(
                f"Streams cannot use the proxy {parts.scheme}://{parts.hostname}, only http:// ones.",
                hint="Give its http:// address in HTTPS_PROXY, or except the runtime's host in NO_PROXY.",
            )
        user, password = unquote(parts.username or ""), unquote(parts.password or "")
        return cls(host=parts.hostname or "", port=parts.port or 80, user=user, password=password)

    @property
    def headers(self) -> dict[str, str]:
        """What the request for a tunnel carries."""
        if not self.user:
            return {}
        return {"Proxy-Authorization": f"Basic {b64encode(f'{self.user}:{self.password}'.encode()).decode()}"}

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"


@dataclass(frozen=True)
class StreamTarget:
    """An endpoint's variant with everything a client process needs to open streams on it.

    ``url`` is the runtime's base address, port included (AWS streams on 8443: without it a client hangs);
    ``ca_bundle`` a PEM file to trust instead of the system's roots; ``proxy_url`` an HTTP proxy to ask for a tunnel;
    ``family`` says which of Deepgram's protocols is spoken there.
    """

    url: str
    region: str
    endpoint_name: str
    variant_name: str | None = None
    ca_bundle: str | None = None
    proxy_url: str | None = field(default=None, repr=False)
    family: Family = field(default=NOVA, repr=False)
    credentials: Credentials = field(default=Credentials("", ""), repr=False)

    @classmethod
    def of(cls, wb: Workbook) -> StreamTarget:
        """The workbook's endpoint with one snapshot of its credentials.

        Raises:
            CredentialsProblem: there are none, or they cannot be refreshed.
        """
        return replace(cls.unsigned(wb), credentials=wb.credentials())

    @classmethod
    def unsigned(cls, wb: Workbook) -> StreamTarget:
        """The workbook's endpoint without credentials: where its streams go."""
        return cls(
            url=wb.stream_url,
            region=wb.region,
            endpoint_name=wb.endpoint_name,
            variant_name=wb.variant_name,
            ca_bundle=wb.ca_bundle,
            proxy_url=wb.proxy_url,
            family=wb.family,
        )

    @property
    def host(self) -> str:
        return urlsplit(self.url).hostname or ""

    @property
    def port(self) -> int:
        return urlsplit(self.url).port or 443

    @property
    def path(self) -> str:
        """What stands before an operation's own path, "" as a rule."""
        return urlsplit(self.url).path.rstrip("/")

    @property
    def proxy(self) -> Proxy | None:
        return Proxy.of(self.proxy_url) if self.proxy_url else None

    def tls_context(self) -> ssl.SSLContext:
        """A client context that trusts ``ca_bundle`` (or the system) and offers HTTP/2."""
        context = ssl.create_default_context(cafile=self.ca_bundle)
        context.set_alpn_protocols(["h2"])
        return context
