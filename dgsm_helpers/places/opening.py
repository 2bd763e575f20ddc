"""What a workbook is made of in each place: the user's account, or the embedded AWS."""

import os
import warnings
from functools import lru_cache, partial
from typing import Any

from dgsm_helpers.errors import InvalidInput
from dgsm_helpers.places import running_server
from dgsm_helpers.places.clients import AccountSession, Clients
from dgsm_helpers.places.embedded_session import EmbeddedSession
from dgsm_helpers.places.server_info import ServerInfo
from dgsm_helpers.rules.names import require_region
from dgsm_helpers.rules.package_arn import partition_of


def account_parts(listing: str, region: str | None, role_arn: str | None, profile: str | None) -> dict[str, Any]:
    """Clients of the user's account, and the way of its streams.

    Raises:
        InvalidInput: the region or the AWS configuration cannot be used.
    """
    session = AccountSession(region, profile)
    require_region(session.region_name)
    route = session.stream_route()
    return {
        "region": session.region_name,
        # What is no ARN is kept: whoever needs one says what it is instead.
        "model_package_arn": None if listing == "metered" else listing,
        "role_arn": role_arn,
        "clients": Clients(session),
        "stream_url": route.url,
        "ca_bundle": route.ca_bundle,
        "proxy_url": route.proxy_url,
    }


def embedded_parts(info: ServerInfo, listing: str, region: str | None, role_arn: str | None) -> dict[str, Any]:
    """Clients of the embedded AWS that runs, its clock, and the ARN of a listing of its.

    Raises:
        InvalidInput: it has no such listing.
    """
    region = region or info.region
    there, here = (f"arn:{partition_of(one)}:sagemaker:{one}:" for one in (info.region, region))
    arns = {name: arn.replace(there, here) for name, arn in info.listings.items()}
    if not listing.startswith("arn:") and listing not in arns:
        raise InvalidInput(f"listing is {listing!r}.", hint=f"Give a model package ARN or one of {', '.join(arns)}.")
    if note := info.engines.get(listing, {}).get("note"):
        warnings.warn(note, stacklevel=3)
    return {
        "now_s": running_server.clock(info),
        "sleep_s": partial(running_server.wait, info),
        "speed": info.speed,
        "administer": partial(running_server.admin, info),
        "region": region,
        "model_package_arn": arns.get(listing, listing),
        "role_arn": role_arn or info.execution_role_arn.replace("arn:aws:", f"arn:{partition_of(region)}:", 1),
        "clients": _embedded_clients(info, region),
        "stream_url": info.runtime_url,
        "ca_bundle": info.ca_bundle,
    }


@lru_cache(maxsize=8)
def _embedded_clients(info: ServerInfo, region: str) -> Clients:
    """Of this run of the embedded AWS: a notebook's first cell that is run again has them at once."""
    return Clients(EmbeddedSession(info, region))


# Two processes on one connection would read each other's answers.
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_embedded_clients.cache_clear)
