"""The workbook: where it runs, on which endpoint, with which clients and clock.

Everything that differs between the user's AWS account and the embedded AWS is decided here once, when the workbook is
opened. No other module asks where it is.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import boto3
import botocore.session
from botocore.config import Config
from botocore.credentials import RefreshableCredentials
from botocore.exceptions import BotoCoreError, ClientError

from dgsm_helpers.errors import AccessDenied, CredentialsProblem, InvalidInput, SpendNotConfirmed
from dgsm_helpers.prices import Price, lookup

GUIDE_POLICY_NAME = "deepgram-streaming-concurrency-policy"
STREAM_PORT = 8443
"""Without it AWS's HTTP/2 client hangs and says nothing (Deepgram, invoke-sagemaker-endpoint)."""


@dataclass(frozen=True)
class Credentials:
    """A snapshot of credentials; ``token`` is None for long-term keys. Never printed."""

    access_key: str = field(repr=False)
    secret_key: str = field(repr=False)
    token: str | None = field(default=None, repr=False)


@dataclass(frozen=True, kw_only=True)
class Workbook:
    """One endpoint in one place, and all that is needed to work on it. Made by `open_workbook`.

    Attributes:
        where: ``local`` (the embedded AWS) or ``aws``. For showing only: nothing may branch on it.
        region: AWS region name.
        endpoint_name, variant_name: the endpoint and production variant this workbook works on.
        model_package_arn: the listing's model package ARN, or None when none was given.
        confirm_spend: True when the user agreed to calls that start billing.
        home: state folder (``$DGSM_HOME``): measured capacity with its evidence, nothing that AWS can be asked for.
        session: boto3 session; clients made from it reach the right place.
        stream_url: base URL of the runtime's HTTP/2 streams.
        ca_bundle: file of certificate authorities to trust, None for the system's.
    """

    where: str
    region: str
    endpoint_name: str
    variant_name: str
    model_package_arn: str | None
    confirm_spend: bool
    home: Path
    session: boto3.Session = field(repr=False)
    stream_url: str
    ca_bundle: str | None
    _role_arn: str | None = field(default=None, repr=False)
    _now_s: Callable[[], float] = field(default=time.time, repr=False)
    _speed: float = field(default=1.0, repr=False)
    _bills: bool = field(default=True, repr=False)
    _clients: dict[str, Any] = field(default_factory=dict, repr=False)

    @property
    def resource_id(self) -> str:
        """Application Auto Scaling's name of the variant: ``endpoint/NAME/variant/VARIANT``."""
        return f"endpoint/{self.endpoint_name}/variant/{self.variant_name}"

    @property
    def policy_name(self) -> str:
        """Name of the target-tracking policy, the guide's."""
        return GUIDE_POLICY_NAME

    @property
    def tags(self) -> list[dict[str, str]]:
        """Tags of every resource the workbook makes; clean-up finds by them."""
        return [
            {"Key": "dgsm:workbook", "Value": "deepgram-autoscaling"},
            {"Key": "dgsm:endpoint", "Value": self.endpoint_name},
        ]

    def client(self, service: str) -> Any:
        """The boto3 client of ``service``, made once. Prices are read where AWS serves them, in us-east-1."""
        if service not in self._clients:
            region = "us-east-1" if service == "pricing" else self.region
            # botocore's pool of ten connections would silently serialise a load test (reference aws.md 6.1).
            config = Config(max_pool_connections=100, retries={"mode": "standard", "max_attempts": 5}, read_timeout=70)
            self._clients[service] = self.session.client(service, region_name=region, config=config)
        return self._clients[service]

    def now(self) -> datetime:
        """The time that metrics and activities carry: an aware UTC datetime."""
        return datetime.fromtimestamp(self._now_s(), UTC)

    def sleep(self, seconds: float) -> None:
        """Wait while ``seconds`` of that time pass."""
        time.sleep(seconds / self._speed)

    def wall_seconds(self, seconds: float) -> float:
        """How long the user waits while ``seconds`` of the workbook's time pass."""
        return seconds / self._speed

    def credentials(self) -> Credentials:
        """The session's credentials as they are now.

        Raises:
            CredentialsProblem: there are none, or they cannot be refreshed.
        """
        try:
            found = self.session.get_credentials()
            frozen = found.get_frozen_credentials() if found else None
        except BotoCoreError as error:
            raise CredentialsProblem(f"AWS credentials cannot be read: {error}.", hint=_SIGN_IN) from error
        if frozen is None or not frozen.access_key:
            raise CredentialsProblem("No AWS credentials were found.", hint=_SIGN_IN)
        return Credentials(frozen.access_key, frozen.secret_key, frozen.token)

    def renew_credentials(self) -> None:
        """After a refusal: read keys anew from the file or the environment they came from.

        It may hold others by now, and boto3 reads such keys once; those that it knows to expire it refreshes by itself.
        """
        core = self.session._session
        held = core._credentials
        if held is not None and (held.method == "explicit" or isinstance(held, RefreshableCredentials)):
            return
        core._credentials = None
        with contextlib.suppress(BotoCoreError):  # the next call says it
            core.get_credentials()
        self._clients.clear()

    @property
    def execution_role_arn(self) -> str:
        """The role that SageMaker assumes for the endpoint: the one given, else the caller's own role.

        Raises:
            InvalidInput: the caller is a user, not a role, and none was given.
            AccessDenied: the caller's role may not be read.
        """
        if self._role_arn:
            return self._role_arn
        arn = self.client("sts").get_caller_identity()["Arn"]
        if ":assumed-role/" not in arn:
            raise InvalidInput(f"The caller {arn} is not a role.", hint='Pass role_arn="arn:aws:iam::…:role/…".')
        name = arn.split("/")[1]
        try:
            return self.client("iam").get_role(RoleName=name)["Role"]["Arn"]
        except ClientError as error:
            raise AccessDenied(
                f"The role {name} cannot be read (iam:GetRole).", hint="Pass role_arn=… or allow the action."
            ) from error

    def price_per_hour(self, instance_type: str) -> Price:
        """On-demand price of one hosting instance, without the Marketplace software fee."""
        return lookup(self.client("pricing"), self.region, instance_type)

    def require_spend(self, what: str, usd_per_hour: float | None) -> None:
        """Stop unless the user agreed to pay for ``what``.

        Raises:
            SpendNotConfirmed: it would start billing and ``confirm_spend`` is False; the message states the price.
        """
        if self._bills and not self.confirm_spend:
            price = "an unknown price" if usd_per_hour is None else f"${usd_per_hour:.2f} per hour"
            raise SpendNotConfirmed(
                f"{what} costs {price}, plus the Marketplace software fee, until it is deleted.",
                hint="Set confirm_spend=True to go ahead.",
            )

    def state_path(self, name: str) -> Path:
        """A file of the workbook's own state; its folder exists."""
        path = self.home / name
        path.parent.mkdir(parents=True, exist_ok=True)
        return path

    async def stream_config(self) -> Any:
        """A resolved configuration for AWS's HTTP/2 SDK, with one snapshot of the credentials."""
        from aws_sdk_sagemaker_runtime_http2.config import AsyncSageMakerRuntimeHTTP2Config
        from smithy_aws_core.identity import AWSCredentialsIdentity, StaticCredentialsResolver

        key = self.credentials()
        identity = AWSCredentialsIdentity(
            access_key_id=key.access_key, secret_access_key=key.secret_key, session_token=key.token
        )
        return await AsyncSageMakerRuntimeHTTP2Config.resolve(
            region=self.region,
            endpoint_uri=self.stream_url,
            transport=stream_transport(self.ca_bundle),
            aws_credentials_identity_resolver=StaticCredentialsResolver(identity),
        )


_SIGN_IN = "Sign in first (for example `aws sso login`, or run in Studio with an execution role)."


def open_workbook(
    where: str = "local",
    *,
    region: str | None = None,
    endpoint_name: str = "deepgram-demo",
    variant_name: str = "AllTraffic",
    listing: str = "metered",
    confirm_spend: bool = False,
    role_arn: str | None = None,
    profile: str | None = None,
    home: str | Path | None = None,
) -> Workbook:
    """Open the workbook on the embedded AWS (started when it does not run) or on the user's account.

    Args:
        where: ``local`` or ``aws``.
        region: AWS region; default: the environment's, us-east-1 on the embedded AWS.
        endpoint_name: endpoint to work on.
        variant_name: production variant, ``AllTraffic`` unless the endpoint was made otherwise.
        listing: a model package ARN; on the embedded AWS also ``metered`` or ``speech``; on aws "metered" means none
            given.
        confirm_spend: True to allow calls that start billing.
        role_arn: execution role for the endpoint.
        profile: profile of the AWS configuration, for ``aws`` only.
        home: state folder; default ``$DGSM_HOME`` or ``~/.dgsm``.

    Raises:
        InvalidInput: a value cannot be right.
        LocalStartFailed: the embedded AWS did not come up.
    """
    folder = Path(home or os.environ.get("DGSM_HOME") or Path.home() / ".dgsm").expanduser()
    given = {
        "endpoint_name": endpoint_name,
        "variant_name": variant_name,
        "confirm_spend": confirm_spend,
        "home": folder,
    }
    if where == "local":
        return _open_local(listing, region, role_arn, given)
    if where == "aws":
        return _open_aws(listing, region, role_arn, profile, given)
    raise InvalidInput(f"where is {where!r}.", hint='Give "local" or "aws".')


def _open_aws(
    listing: str, region: str | None, role_arn: str | None, profile: str | None, given: Mapping[str, Any]
) -> Workbook:
    session = boto3.Session(region_name=region, profile_name=profile)
    if not session.region_name:
        raise InvalidInput("No AWS region is set.", hint='Pass region="us-east-1" or set AWS_REGION.')
    return Workbook(
        where="aws",
        region=session.region_name,
        model_package_arn=listing if listing.startswith("arn:") else None,
        session=session,
        stream_url=f"https://runtime.sagemaker.{session.region_name}.amazonaws.com:{STREAM_PORT}",
        ca_bundle=os.environ.get("AWS_CA_BUNDLE"),
        _role_arn=role_arn,
        **given,
    )


def _open_local(listing: str, region: str | None, role_arn: str | None, given: Mapping[str, Any]) -> Workbook:
    from dgsm_helpers import local
    from dgsm_helpers.rules.local_time import LocalTime

    info = local.find(given["home"]) or local.up(given["home"])
    local_time = LocalTime(speed=info.speed, origin_s=info.origin_s)
    region = region or info.region
    arns = {name: arn.replace(f":{info.region}:", f":{region}:") for name, arn in info.listings.items()}
    if not listing.startswith("arn:") and listing not in arns:
        raise InvalidInput(f"listing is {listing!r}.", hint=f"Give a model package ARN or one of {', '.join(arns)}.")
    return Workbook(
        where="local",
        region=region,
        model_package_arn=arns.get(listing, listing),
        session=_EmbeddedSession(info, region),
        stream_url=info.runtime_url,
        ca_bundle=info.ca_bundle,
        _role_arn=role_arn or info.execution_role_arn,
        _now_s=lambda: local_time.local_s(time.time()),
        _speed=info.speed,
        _bills=False,
        **given,
    )


class _EmbeddedSession(boto3.Session):
    """A boto3 session whose clients reach the embedded AWS, whatever the environment says."""

    def __init__(self, info: Any, region: str) -> None:
        env = info.env()
        # Neither a profile of the shell nor the user's configuration file has a say, not even a missing one.
        alone = botocore.session.Session(
            {"profile": (None, None, None, None), "config_file": (None, None, os.devnull, None)}
        )
        super().__init__(
            aws_access_key_id=env["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=env["AWS_SECRET_ACCESS_KEY"],
            region_name=region,
            botocore_session=alone,
        )
        self._info = info

    def client(self, service_name: str, *args: Any, **kwargs: Any) -> Any:
        runtime = service_name == "sagemaker-runtime"
        kwargs.setdefault("endpoint_url", self._info.runtime_url if runtime else self._info.control_url)
        if runtime:
            kwargs.setdefault("verify", self._info.ca_bundle)
        # A proxy of the environment would be asked for 127.0.0.1 too.
        direct = Config(proxies={})
        kwargs["config"] = kwargs["config"].merge(direct) if kwargs.get("config") else direct
        return super().client(service_name, *args, **kwargs)


def stream_transport(ca_bundle: str | None) -> Any:
    """The HTTP/2 SDK's transport, trusting ``ca_bundle`` where one is given.

    The SDK has no setting for it, and it copies its transport, so the copy must keep the trust too (seen with 0.11; it
    reads SSL_CERT_FILE, but only what was set when the process started).
    """
    from awscrt.io import ClientTlsContext, TlsContextOptions
    from smithy_http.aio.crt import AWSCRTHTTPClient

    class TrustingTransport(AWSCRTHTTPClient):
        def __init__(self, **kwargs: Any) -> None:
            super().__init__(**kwargs)
            options = TlsContextOptions()
            options.override_default_trust_store_from_path(ca_filepath=ca_bundle)
            self._tls_ctx = ClientTlsContext(options)

        def __deepcopy__(self, memo: Any) -> TrustingTransport:
            return TrustingTransport(eventloop=self._eventloop, client_config=self._config)

    return TrustingTransport() if ca_bundle else AWSCRTHTTPClient()


def redirect_deepgram_sagemaker(wb: Workbook) -> None:
    """Let Deepgram's ``deepgram_sagemaker`` transport reach this workbook's endpoint.

    That package has AWS's host name written into it. This replaces the one class it builds its client from by one that
    takes the workbook's URL and trust; everything else in it stays as installed. Credentials are the workbook's.
    """
    from deepgram_sagemaker import transport

    original = transport.AsyncSageMakerRuntimeHTTP2Config
    original = getattr(original, "dgsm_original", original)

    class Redirected(original):
        dgsm_original = original

        @classmethod
        async def resolve(cls, **kwargs: Any) -> Any:
            config = await wb.stream_config()
            reach = {"endpoint_uri": config.endpoint_uri, "transport": stream_transport(wb.ca_bundle)}
            resolver = config.aws_credentials_identity_resolver
            return await original.resolve(**{**kwargs, **reach, "aws_credentials_identity_resolver": resolver})

    transport.AsyncSageMakerRuntimeHTTP2Config = Redirected
