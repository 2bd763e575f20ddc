"""What a stream is pointed at, and the check that it can be opened at all.

A `StreamTarget` is a snapshot of a workbook that can be sent to another process or machine: one set of credentials is
read once, so that a thousand streams do not ask the credential provider a thousand times.
"""

from __future__ import annotations

import socket
import ssl
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, urlencode, urlsplit

from dgsm_helpers.errors import CredentialsProblem, InvalidInput, StreamFailed
from dgsm_helpers.wire.sigv4 import Credentials

if TYPE_CHECKING:
    from dgsm_helpers.session import Workbook

MAX_SESSION_S = 1800.0
"""SageMaker ends a bidirectional stream after 30 minutes."""


@dataclass(frozen=True)
class ListenOptions:
    """The model's query: what Deepgram's ``v1/listen`` is asked for.

    ``extra`` holds further query parameters as pairs; the encoding is always linear16 and interim results are always
    on, because latency is read from them.
    """

    model: str = "nova-3"
    language: str = "en"
    sample_rate: int = 16000
    punctuate: bool = True
    path: str = "v1/listen"
    extra: tuple[tuple[str, str], ...] = ()

    @classmethod
    def parse(cls, query: str) -> ListenOptions:
        """From a query string, ``model=nova-3&language=es&diarize=true``; what it leaves out keeps its default.

        Raises:
            InvalidInput: no query string, or it sets what measuring has to set itself (encoding, rate, channels,
                interim results).
        """
        try:
            pairs = parse_qsl(query, keep_blank_values=True, strict_parsing=True) if query else []
        except ValueError as error:
            raise InvalidInput(f"{query!r} is no query: {error}.", hint="Write model=nova-3&language=en.") from error
        values = dict(pairs)
        if fixed := sorted(values.keys() & {"encoding", "sample_rate", "channels", "interim_results"}):
            raise InvalidInput(f"{query!r} sets {', '.join(fixed)}.", hint="The audio and the measurement decide that.")
        own = {"model", "language", "punctuate"}
        return cls(
            model=values.get("model", cls.model),
            language=values.get("language", cls.language),
            punctuate=values.get("punctuate", "true").lower() == "true",
            # A name may come several times: keyterm=one&keyterm=two.
            extra=tuple(pair for pair in pairs if pair[0] not in own),
        )

    def query(self) -> str:
        """As ``ModelQueryString`` takes it."""
        base = [
            ("model", self.model),
            ("language", self.language),
            ("encoding", "linear16"),
            ("sample_rate", str(self.sample_rate)),
            ("channels", "1"),
            ("interim_results", "true"),
            ("punctuate", str(self.punctuate).lower()),
        ]
        return urlencode([*base, *self.extra])


@dataclass(frozen=True)
class StreamTarget:
    """An endpoint's variant with everything a client process needs to open streams on it.

    ``url`` is the runtime's base address, port included (AWS streams on 8443: without it a client hangs);
    ``ca_bundle`` a PEM file to trust instead of the system's roots.
    """

    url: str
    region: str
    endpoint_name: str
    variant_name: str | None = None
    ca_bundle: str | None = None
    credentials: Credentials = field(default=Credentials("", ""), repr=False)

    @classmethod
    def of(cls, wb: Workbook) -> StreamTarget:
        """The workbook's endpoint with one snapshot of its credentials.

        Raises:
            CredentialsProblem: there are none, or they cannot be refreshed.
        """
        return cls(
            url=wb.stream_url,
            region=wb.region,
            endpoint_name=wb.endpoint_name,
            variant_name=wb.variant_name,
            ca_bundle=wb.ca_bundle,
            credentials=wb.credentials(),
        )

    @property
    def host(self) -> str:
        """The runtime's host name."""
        return urlsplit(self.url).hostname or ""

    @property
    def port(self) -> int:
        """The runtime's port."""
        return urlsplit(self.url).port or 443

    def tls_context(self) -> ssl.SSLContext:
        """A client context that trusts ``ca_bundle`` (or the system) and offers HTTP/2."""
        context = ssl.create_default_context(cafile=self.ca_bundle)
        context.set_alpn_protocols(["h2"])
        return context


def check_reachable(target: StreamTarget, *, timeout_s: float = 5.0) -> None:
    """Make sure that a stream can be opened: address, credentials, trusted certificate, HTTP/2.

    AWS's HTTP/2 client says nothing for tens of seconds when the certificate is not trusted, and never returns when
    credentials are missing, so both are asked first.

    Raises:
        InvalidInput: the address is not ``https://``.
        CredentialsProblem: key or secret missing.
        StreamFailed: nothing listens there, the certificate is not trusted, or HTTP/2 is not spoken.
    """
    if urlsplit(target.url).scheme != "https":
        raise InvalidInput(f"The stream address {target.url!r} is not https.", hint="Streams need HTTP/2 over TLS.")
    if not target.credentials:
        raise CredentialsProblem("The stream has no credentials.", hint="Sign in (aws sso login) or set a profile.")
    address = f"{target.host}:{target.port}"
    try:
        with (
            socket.create_connection((target.host, target.port), timeout=timeout_s) as connection,
            target.tls_context().wrap_socket(connection, server_hostname=target.host) as secured,
        ):
            protocol = secured.selected_alpn_protocol()
    except ssl.SSLCertVerificationError as error:
        raise StreamFailed(
            f"The certificate of {address} is not trusted: {error.verify_message}.",
            hint="Point SSL_CERT_FILE (or the workbook's ca_bundle) at its authority; behind a proxy, the proxy's.",
        ) from error
    except FileNotFoundError as error:
        raise StreamFailed(f"The CA bundle {target.ca_bundle} does not exist.", hint="Check AWS_CA_BUNDLE.") from error
    except (OSError, ssl.SSLError) as error:
        raise StreamFailed(
            f"No TLS connection to {address} within {timeout_s:g} s: {error}.",
            hint="Check network, VPC endpoint and port 8443; on the embedded AWS, `dgsm local up`.",
        ) from error
    if protocol != "h2":
        raise StreamFailed(
            f"{address} does not speak HTTP/2 (ALPN chose {protocol!r}).",
            hint="Streaming needs the runtime's port 8443.",
        )
