"""Who is served: programs of this machine.

A web page is not. Its script reaches 127.0.0.1 through the browser, under the name of its own site when that name is
made to lead here ("DNS rebinding"). The browser says so: in ``Host`` the name, in ``Origin`` and ``Sec-Fetch-Site``
that a page asks (Fetch Metadata, W3C). No client of AWS's sends the last two.
"""

import ipaddress
from urllib.parse import urlsplit

REFUSAL = "The embedded AWS answers programs of this machine only: no web page, and no name of another host."
_OF_AWS = (".amazonaws.com", ".amazonaws.com.cn", ".api.aws")


def is_served(*, host: str, origin: str | None, fetch_site: str | None) -> bool:
    """Whether a request with these headers comes from a program; an empty ``host`` is that of a very old one."""
    return origin is None and fetch_site in (None, "none") and (not host or _leads_here(host))


def _leads_here(host: str) -> bool:
    """Whether a host's name is this machine's, or one of AWS's that this machine was told to resolve to itself."""
    try:
        name = urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return False
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return name == "localhost" or name.endswith((".localhost", *_OF_AWS))
