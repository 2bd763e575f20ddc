"""Names that AWS gives or takes, checked where a user gives them: a typo is then blamed on nothing else."""

import re
from difflib import get_close_matches

from dgsm_helpers.errors import InvalidInput

_REGION = re.compile(r"[a-z]{2,4}(-[a-z]{2,4})?-(north|south|central|(north|south)?(east|west))-\d")
"""Partition or country, direction, number (AWS, Regions and Zones). A region newer than boto3 has such a name too."""

_WELL_KNOWN = [f"us-{side}-{number}" for side in ("east", "west") for number in (1, 2)]
_WELL_KNOWN += ["eu-central-1", "eu-west-1", "eu-west-2", "eu-north-1"]

_RESOURCE = re.compile(r"[a-zA-Z0-9](-*[a-zA-Z0-9]){0,62}")
"""SageMaker's EndpointName and VariantName (API reference)."""


def alarm_prefix(endpoint_name: str) -> str:
    """How the names of an endpoint's own alarms begin (no endpoint's name has a slash, so none begins another's)."""
    return f"dgsm/{endpoint_name}/"


def require_region(name: str) -> None:
    """Refuse (InvalidInput) what is no region's name."""
    if _REGION.fullmatch(name):
        return
    near = sorted(get_close_matches(name.strip().lower(), _WELL_KNOWN, n=2))
    meant = f"Was {' or '.join(near)} meant?" if near else "Regions have names such as us-east-1."
    raise InvalidInput(f"{name!r} is not the name of an AWS region.", hint=meant)


def require_name(kind: str, name: str) -> None:
    """Refuse a name that SageMaker takes for no endpoint and no variant; ``kind`` says which of them is named.

    Raises:
        InvalidInput: it has other characters, or is too long.
    """
    if not _RESOURCE.fullmatch(name):
        raise InvalidInput(
            f"{name!r} cannot be the name of the {kind}.",
            hint="SageMaker takes letters, digits and hyphens between them, at most 63 characters.",
        )


def quota_name(instance_type: str) -> str:
    """The name of an endpoint quota in Service Quotas, such as ``ml.g6.2xlarge for endpoint usage``."""
    return f"{instance_type} for endpoint usage"


def account_of(arn: str) -> str:
    """The number of the account that an ARN names; empty where it names none."""
    return (arn.split(":") + [""] * 5)[4]
