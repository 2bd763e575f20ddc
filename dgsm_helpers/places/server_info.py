"""What is known of a running embedded AWS, and the environment that points a shell's clients at it alone."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

SCHEMA_VERSION = 2
"""Of ``server.json``; a file of another version counts as no file."""

LEADS_ELSEWHERE = (
    "AWS_PROFILE",
    "AWS_DEFAULT_PROFILE",
    "AWS_SESSION_TOKEN",
    "AWS_SECURITY_TOKEN",
    "AWS_CREDENTIAL_EXPIRATION",
    "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS",
    "AWS_USE_FIPS_ENDPOINT",
    "AWS_USE_DUALSTACK_ENDPOINT",
    "AWS_ENDPOINT_URL_SAGEMAKER",
    "AWS_ENDPOINT_URL_APPLICATION_AUTO_SCALING",
    "AWS_ENDPOINT_URL_CLOUDWATCH",
    "AWS_ENDPOINT_URL_CLOUDWATCH_LOGS",
    "AWS_ENDPOINT_URL_IAM",
    "AWS_ENDPOINT_URL_STS",
    "AWS_ENDPOINT_URL_S3",
    "AWS_ENDPOINT_URL_SNS",
    "AWS_ENDPOINT_URL_SERVICE_QUOTAS",
    "AWS_ENDPOINT_URL_PRICING",
    "DGSM_WHERE",
    "DGSM_PROFILE",
)
"""What must not stand in a shell beside `ServerInfo.env`, also where its lines are kept in a file and read later."""

SHOWS_ONLY = ("AWS_PAGER", "AWS_DEFAULT_OUTPUT", "AWS_CLI_AUTO_PROMPT", "AWS_CLI_FILE_ENCODING")
"""How the AWS CLI prints: it may stay."""


@dataclass(frozen=True, kw_only=True)
class ServerInfo:
    """How to reach a running embedded AWS: what the server writes to ``server.json``.

    ``listings`` maps a listing's name to its model package ARN in ``region``. ``origin_s`` is the Unix time at which
    local time and wall time were equal, ``started_s`` what the monotonic clock read then; ``moved_time_file`` says by
    how much local time was moved on since.
    """

    pid: int
    token: str
    region: str
    control_url: str
    runtime_url: str
    ca_file: str
    ca_bundle: str
    speed: float
    origin_s: float
    started_s: float
    check_signatures: bool
    moved_time_file: str
    access_key_id: str
    secret_access_key: str = field(repr=False)
    execution_role_arn: str
    listings: Mapping[str, str] = field(hash=False)
    engines: Mapping[str, Any] = field(hash=False)

    @classmethod
    def read(cls, file: Path) -> ServerInfo | None:
        """What the file says; None when there is none, or none of this `SCHEMA_VERSION` that leads to this machine."""
        try:
            state = json.loads(file.read_text(encoding="utf-8"))
            if state["schema_version"] != SCHEMA_VERSION:
                return None
            values = {f.name: state[f.name] for f in fields(cls)}
            right = all(isinstance(values[name], kinds) for name, kinds in _TYPES.items())
            here = right and all(
                urlsplit(values[name]).hostname == "127.0.0.1" for name in ("control_url", "runtime_url")
            )
            return cls(**values) if here else None
        except (OSError, ValueError, TypeError, KeyError, RecursionError):
            return None

    def env(self) -> dict[str, str]:
        """Environment variables that point any client at it."""
        return {
            "AWS_ENDPOINT_URL": self.control_url,
            "AWS_ENDPOINT_URL_SAGEMAKER_RUNTIME": self.runtime_url,
            "AWS_ENDPOINT_URL_SAGEMAKER_RUNTIME_HTTP2": self.runtime_url,
            "DGSM_STREAM_URL": self.runtime_url,
            "AWS_REGION": self.region,
            "AWS_DEFAULT_REGION": self.region,
            "AWS_ACCESS_KEY_ID": self.access_key_id,
            "AWS_SECRET_ACCESS_KEY": self.secret_access_key,
            # Of a default profile too much leads elsewhere: endpoint URLs, FIPS, a certificate bundle.
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
            "AWS_CA_BUNDLE": self.ca_bundle,
            "SSL_CERT_FILE": self.ca_bundle,
            "NODE_EXTRA_CA_CERTS": self.ca_file,
            **_proxy_exceptions(),
        }

    @property
    def aws_host(self) -> str:
        """AWS's name of the runtime's host, which the embedded AWS has a certificate for."""
        return f"runtime.sagemaker.{self.region}.amazonaws.com"

    def env_by_aws_host(self) -> dict[str, str]:
        """As `env`, with the runtime at AWS's own name and ports, once name resolution leads that to this machine."""
        requests, streams = f"https://{self.aws_host}", f"https://{self.aws_host}:8443"
        spared = _proxy_exceptions(self.aws_host)
        return {
            **self.env(),
            "AWS_ENDPOINT_URL_SAGEMAKER_RUNTIME": requests,
            "AWS_ENDPOINT_URL_SAGEMAKER_RUNTIME_HTTP2": streams,
            "DGSM_STREAM_URL": streams,
            **spared,
        }

    def left_over(self) -> list[str]:
        """The variables that a client would obey instead of those that `env` sets, or beside them.

        Those that lead elsewhere by themselves, set here or not, and every other one of AWS that this shell holds but
        for how the AWS CLI prints.
        """
        held = (name for name in os.environ if name.startswith("AWS_") and name.isascii() and name.isidentifier())
        return sorted({*LEADS_ELSEWHERE, *held} - {*self.env(), *SHOWS_ONLY})

    def status(self) -> dict[str, Any]:
        """What ``dgsm local status --json`` prints."""
        return {
            "pid": self.pid,
            "urls": {"control": self.control_url, "runtime": self.runtime_url, "stream": self.runtime_url},
            "region": self.region,
            "speed": self.speed,
            "execution_role_arn": self.execution_role_arn,
            "listings": [{"name": name, "model_package_arn": arn} for name, arn in self.listings.items()],
            "engines": dict(self.engines),
            "ca_bundle": self.ca_bundle,
        }


_NUMBER, _TABLE = (int, float), Mapping
_TYPES: Mapping[str, Any] = {
    **dict.fromkeys(("speed", "origin_s", "started_s"), _NUMBER),
    **{"pid": int, "check_signatures": bool, "listings": _TABLE, "engines": _TABLE},
    **{f.name: str for f in fields(ServerInfo) if f.type == "str"},
}
"""Of what `ServerInfo` reads from a file that anything may have written."""


def _proxy_exceptions(*more: str) -> dict[str, str]:
    """What the shell excepts from its proxies, this machine and ``more`` hosts: clients read either spelling."""
    hosts = [host for host in (os.environ.get("no_proxy") or os.environ.get("NO_PROXY") or "").split(",") if host]
    value = ",".join([*hosts, *(host for host in ("127.0.0.1", *more) if host not in hosts)])
    return {"NO_PROXY": value, "no_proxy": value}
