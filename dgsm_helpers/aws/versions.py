"""Whether the installed AWS clients are recent enough, by the floors this package itself declares."""

from __future__ import annotations

from importlib import metadata

from packaging.requirements import Requirement

CLIENTS = {
    "boto3": "InstancePools and MetricsConfig are unknown to older releases",
    "sagemaker-core": "older releases ignore the session they are given",
    "aws-sdk-sagemaker-runtime-http2": "streams are opened with it",
}
"""The clients whose version matters, and why."""

_DISTRIBUTION = "dgsm-helpers"


def installed() -> list[tuple[str, str, str, str]]:
    """One row (name, verdict, detail, fix) per client in ``CLIENTS``."""
    try:
        declared = {r.name: r for r in map(Requirement, metadata.requires(_DISTRIBUTION) or ())}
    except metadata.PackageNotFoundError:
        declared = {}
    return [_row(name, why, declared.get(name)) for name, why in CLIENTS.items()]


def _row(name: str, why: str, requirement: Requirement | None) -> tuple[str, str, str, str]:
    try:
        found = metadata.version(name)
    except metadata.PackageNotFoundError:
        return name, "no", "not installed", f"pip install '{requirement or name}'"
    if requirement is None:
        return name, "unknown", f"{found}; this package's own metadata is not installed", "pip install -e ."
    wanted = str(requirement.specifier)
    if requirement.specifier.contains(found, prereleases=True):
        return name, "yes", f"{found} (wanted {wanted})", ""
    return name, "no", f"{found}, wanted {wanted}: {why}", f"pip install '{name}{wanted}'"
