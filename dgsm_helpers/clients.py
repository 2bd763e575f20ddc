"""The boto3 session of a workbook: the clients it makes, its credentials, and how it reaches the embedded AWS.

The one module that reaches into boto3 (``Session._session``, seen with 1.44) and botocore (``Session._credentials``).
"""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING, Any

import boto3
import botocore.session
from botocore.config import Config
from botocore.credentials import RefreshableCredentials
from botocore.exceptions import BotoCoreError

from dgsm_helpers.errors import CredentialsProblem
from dgsm_helpers.wire.sigv4 import Credentials

if TYPE_CHECKING:
    from dgsm_helpers.local import ServerInfo

PRICE_LIST_REGION = "us-east-1"
"""AWS serves its price list in a few regions only, this one among them."""
_OF_ONE_REGION = {"pricing": PRICE_LIST_REGION, "marketplace-agreement": "us-east-1"}
"""Services that answer for all regions from one."""

_SIGN_IN = "Sign in first (for example `aws sso login`, or run in Studio with an execution role)."


class Clients:
    """Makes the boto3 clients of one session, each once; may be shared by several workbooks."""

    def __init__(self, session: boto3.Session) -> None:
        self.session = session
        self._by_service: dict[str, Any] = {}

    def get(self, service: str) -> Any:
        """The client of ``service``."""
        if service not in self._by_service:
            # botocore's pool of ten connections would silently serialise a load test (reference aws.md 6.1).
            config = Config(max_pool_connections=100, retries={"mode": "standard", "max_attempts": 5}, read_timeout=70)
            region = _OF_ONE_REGION.get(service)
            self._by_service[service] = self.session.client(service, region_name=region, config=config)
        return self._by_service[service]

    def credentials(self) -> Credentials:
        """The session's credentials as they are now.

        Raises:
            CredentialsProblem: there are none, or they cannot be refreshed.
        """
        try:
            source = self.session.get_credentials()
            frozen = source.get_frozen_credentials() if source else None
        except BotoCoreError as error:
            raise CredentialsProblem(f"AWS credentials cannot be read: {error}.", hint=_SIGN_IN) from error
        if frozen is None or not frozen.access_key:
            raise CredentialsProblem("No AWS credentials were found.", hint=_SIGN_IN)
        return Credentials(frozen.access_key, frozen.secret_key, frozen.token)

    def renew_credentials(self) -> None:
        """After a refusal: read keys anew from the file or the environment they came from.

        The file may hold other keys by now, and boto3 reads such keys once. Keys that were given to the session stay;
        keys that boto3 knows to expire are refreshed by boto3 itself.
        """
        core = self.session._session
        cached = core._credentials
        if cached is not None and (cached.method == "explicit" or isinstance(cached, RefreshableCredentials)):
            return
        core._credentials = None
        with contextlib.suppress(BotoCoreError):  # the next call says it
            core.get_credentials()
        self._by_service.clear()


class EmbeddedSession(boto3.Session):  # type: ignore[misc]  # boto3 has no types
    """A boto3 session whose clients reach the embedded AWS, whatever the environment says."""

    def __init__(self, info: ServerInfo, region: str) -> None:
        env = info.env()
        # Neither a profile of the shell nor the user's configuration file has a say, not even a missing one.
        core = botocore.session.Session(
            {"profile": (None, None, None, None), "config_file": (None, None, os.devnull, None)}
        )
        super().__init__(
            aws_access_key_id=env["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=env["AWS_SECRET_ACCESS_KEY"],
            region_name=region,
            botocore_session=core,
        )
        self._info = info

    def client(self, service_name: str, *args: Any, **kwargs: Any) -> Any:
        """A client of ``service_name``, as boto3 makes it."""
        is_runtime = service_name == "sagemaker-runtime"
        kwargs.setdefault("endpoint_url", self._info.runtime_url if is_runtime else self._info.control_url)
        if is_runtime:
            kwargs.setdefault("verify", self._info.ca_bundle)
        # A proxy of the environment would be asked for 127.0.0.1 too.
        direct = Config(proxies={})
        kwargs["config"] = kwargs["config"].merge(direct) if kwargs.get("config") else direct
        return super().client(service_name, *args, **kwargs)
