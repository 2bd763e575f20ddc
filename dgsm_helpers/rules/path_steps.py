"""The way of a stream from here to the model: what each step of it may show, and which cause that is.

Twelve causes make nearly every stream that does not open, and AWS's HTTP/2 client says nothing about most of them.
Everything here is a function of what was seen; `load.transport.data_path` looks.

Sources: Deepgram, invoke-sagemaker-endpoint (port 8443); AWS, Signature Version 4 (five minutes); AWS PrivateLink
(security groups of interface endpoints); OpenSSL's verify codes.
"""

import re
from dataclasses import dataclass, replace
from difflib import get_close_matches
from enum import StrEnum
from ipaddress import ip_address


class Cause(StrEnum):
    """Why a stream does not open, by the name that a finding carries."""

    DNS = "dns"
    PORT = "port"
    VPC_ENDPOINT = "vpc-endpoint"
    PROXY = "proxy"
    AUTHORITY = "certificate-authority"
    CLOCK = "clock"
    CREDENTIALS = "credentials"
    ACTION = "iam-action"
    ENDPOINT = "endpoint-name"
    REGION = "region"
    ACCOUNT = "account"
    FULL = "full-instance"
    OTHER = "other"
    """None of the twelve: what was seen has to speak for itself."""


_OF_ACCOUNT = re.compile(r"of account (\d{12})")


@dataclass(frozen=True)
class Refusal:
    """How the runtime refused a stream.

    ``status`` is HTTP's (200 for an error inside the stream), ``code`` and ``text`` are AWS's words,
    ``original_status`` is the container's own, None when it was not asked.
    """

    status: int
    code: str
    text: str
    original_status: int | None = None

    @property
    def account(self) -> str:
        """The account that AWS looked in, where it says so."""
        named = _OF_ACCOUNT.search(self.text)
        return named[1] if named else ""

    def __str__(self) -> str:
        return f"{self.code}: {self.text}".rstrip(": .")


@dataclass(frozen=True)
class PathStep:
    """One step of the way: what was looked at, what it showed; with a ``cause``, what to do about it.

    ``barred`` is False where the stream opens all the same. ``refusal`` is AWS's, where there was one.
    """

    looked_at: str
    saw: str
    cause: Cause | None = None
    fix: str = ""
    barred: bool = True
    refusal: Refusal | None = None

    @property
    def ends_the_way(self) -> bool:
        """Whether nothing behind it can be looked at."""
        return self.cause is not None and self.barred


@dataclass(frozen=True)
class Way:
    """Where a stream goes: the runtime's host and port, the addresses its name has, the proxy in between ("" none).

    ``proxy`` is ``host:port``, without what may be secret.
    """

    host: str
    port: int
    region: str = ""
    addresses: tuple[str, ...] = ()
    proxy: str = ""

    @property
    def end(self) -> str:
        """``host:port`` of the runtime."""
        return f"{self.host}:{self.port}"

    @property
    def dialled(self) -> str:
        """``host:port`` of what is connected to: the proxy, or the runtime itself."""
        return self.proxy or self.end

    @property
    def private(self) -> bool:
        """Whether the name leads into the own network, as a VPC endpoint's private DNS name does."""
        return bool(self.addresses) and all(_in_own_network(address) for address in self.addresses)


def _in_own_network(address: str) -> bool:
    ip = ip_address(address.partition("%")[0])
    return not (ip.is_global or ip.is_loopback or ip.is_unspecified)


HTTPS_PORT = 443
"""Every other call to AWS goes there: when it answers and 8443 does not, the network is fine and the port is not."""


def unresolved(way: Way, error: str) -> PathStep:
    if way.proxy:
        return PathStep("name", f"the proxy {way.proxy} has no address: {error}", Cause.PROXY, _NO_PROXY)
    return PathStep(
        "name",
        f"{way.host} has no address: {error}",
        Cause.DNS,
        f"Check the region ({way.region}) and any endpoint URL; in a VPC, its DNS resolution; behind a VPN, its DNS "
        "server.",
    )


def unusable_proxy(way: Way, scheme: str) -> PathStep:
    """A proxy that is spoken to in another way than plain HTTP, or an address that is none."""
    return PathStep(
        "proxy",
        f"the proxy is {scheme or 'no'}://{way.proxy}; streams can use http:// ones only",
        Cause.PROXY,
        "Give its http:// address in HTTPS_PROXY, or put the runtime's host into NO_PROXY.",
    )


_NO_PROXY = "Correct HTTPS_PROXY, or put the runtime's host into NO_PROXY if streams may go directly."


def blocked(way: Way, how: str, *, looked_at: str = "port", https_answers: bool | None = None) -> PathStep:
    """No connection, or one on which nothing is said.

    Args:
        https_answers: whether the same host takes connections on 443; None when that was not asked.
    """
    listed = ", ".join(way.addresses)
    saw = f"{way.dialled} {how}" + (f" ({listed})" if listed and listed != way.host else "")
    if way.proxy:
        return PathStep(looked_at, f"the proxy {saw}", Cause.PROXY, _NO_PROXY)
    if https_answers is None:
        return PathStep(looked_at, saw, Cause.PORT, f"Let TCP {way.port} out to {way.host}.")
    if https_answers and way.private:
        return PathStep(
            looked_at,
            f"{saw}; {HTTPS_PORT} answers there, and the addresses are private: it is a VPC endpoint",
            Cause.VPC_ENDPOINT,
            f"Allow inbound TCP {way.port} in the security group of the VPC endpoint for sagemaker.runtime, from where "
            "this runs; 443 alone carries no streams.",
        )
    if https_answers:
        return PathStep(
            looked_at,
            f"{saw}; {HTTPS_PORT} answers there",
            Cause.PORT,
            f"Let TCP {way.port} out: firewall, outbound rules of the security group, network ACL.",
        )
    return PathStep(
        looked_at,
        f"{saw}; {HTTPS_PORT} does not answer either",
        Cause.PORT,
        f"No way leads from here to {way.host}: it takes a route (NAT gateway, or VPC endpoint for sagemaker.runtime) "
        f"on which TCP {way.port} may go out; on the embedded AWS, `dgsm local up`.",
    )


def tunnel_refused(way: Way, answer: str) -> PathStep:
    """The proxy does not connect to the runtime's port."""
    fix = f"Have it allow CONNECT to {way.end}, or put {way.host} into NO_PROXY if it may be reached directly."
    if re.search(r"\b407\b", answer):
        fix = f"It wants a user and password: HTTPS_PROXY=http://USER:PASSWORD@{way.proxy}."
    return PathStep("proxy", f"{way.proxy} answers CONNECT {way.end} with {answer}", Cause.PROXY, fix)


def no_http2(way: Way, instead: str) -> PathStep:
    """TLS is up, or is not what is spoken, and HTTP/2 cannot be."""
    between = f"the proxy {way.proxy}" if way.proxy else "something between here and AWS, or another server,"
    return PathStep(
        "HTTP/2",
        f"{way.end} does not speak HTTP/2: {instead}",
        Cause.PROXY,
        f"Streams need HTTP/2 over TLS, as the runtime's port 8443 speaks it; {between} ends TLS and does not offer "
        f"it: have {way.host} left out of inspection.",
    )


NOT_YET_VALID, EXPIRED = 9, 10
"""OpenSSL's verify codes that speak of time."""
_OTHER_NAME = {62, 63, 64}


def untrusted(way: Way, code: int, words: str, *, bundle: str | None, skew_s: float | None = None) -> PathStep:
    """The certificate does not hold.

    Args:
        code, words: OpenSSL's verify code and what it says.
        bundle: the file of authorities that streams trust; None: the system's.
        skew_s: how far the server's clock is ahead of this machine's; None when it did not say.
    """
    saw = f"the certificate of {way.end} is not trusted: {words}"
    if skew_s is not None and abs(skew_s) > MAX_SKEW_S and code in (NOT_YET_VALID, EXPIRED):
        return wrong_clock(way, skew_s, f"{saw}")
    if skew_s is None and code == NOT_YET_VALID:
        return PathStep("clock", f"{saw}; this machine's clock is behind it", Cause.CLOCK, _SET_CLOCK)
    if code in _OTHER_NAME:
        fix = "Another server answers for that name: check the endpoint URL, the proxy and the VPC endpoint's DNS name."
    elif code in (NOT_YET_VALID, EXPIRED):
        fix = "The clock is right, so the certificate is at fault: whoever runs what answers there must renew it."
    else:
        fix = (
            f"Trusted is {bundle or 'what the system trusts'}: add the authority that signed it (a company's proxy has "
            "its own) to a PEM file and point AWS_CA_BUNDLE or the profile's ca_bundle at it."
        )
    return PathStep("certificate", saw, Cause.AUTHORITY, fix)


def unreadable_bundle(bundle: str | None, words: str) -> PathStep:
    return PathStep(
        "certificate",
        f"the CA bundle {bundle} cannot be used: {words}",
        Cause.AUTHORITY,
        "Check AWS_CA_BUNDLE and the profile's ca_bundle: it must be a PEM file.",
    )


MAX_SKEW_S = 300.0
"""AWS refuses a request dated more than five minutes away from its own clock."""
_SET_CLOCK = "Set this machine's clock (timedatectl set-ntp true; a virtual machine's may stop while it sleeps)."


def clock(way: Way, skew_s: float) -> PathStep:
    """The server's clock against this machine's: in order, or how far apart."""
    if abs(skew_s) > MAX_SKEW_S:
        return wrong_clock(way, skew_s, f"{way.host} says so in its Date")
    return PathStep("clock", f"within {max(abs(skew_s), 1):.0f} s of {way.host}'s Date (AWS allows {MAX_SKEW_S:g} s)")


def wrong_clock(way: Way, skew_s: float | None, words: str) -> PathStep:
    if skew_s is None or abs(skew_s) <= 1:
        return PathStep("clock", words, Cause.CLOCK, _SET_CLOCK)
    side = "behind" if skew_s > 0 else "ahead of"
    return PathStep(
        "clock", f"this machine is {_length(abs(skew_s))} {side} {way.host}; {words}", Cause.CLOCK, _SET_CLOCK
    )


def _length(seconds: float) -> str:
    for name, size in (("days", 86400), ("hours", 3600), ("minutes", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {name}"
    return f"{seconds:.0f} s"


def known_region(step: PathStep, url: str, region: str, regions: frozenset[str]) -> PathStep:
    """A name that does not resolve because its region is none of AWS's ``regions``: a wrong region, not bad DNS."""
    if region in regions or region not in url:
        return step
    near = ", ".join(get_close_matches(region, sorted(regions), 3))
    return replace(
        step,
        looked_at="region",
        saw=f"{step.saw}; {region} is no region that offers SageMaker",
        cause=Cause.REGION,
        fix=f"Open the workbook with another region{f', such as {near}' if near else ''}.",
    )
