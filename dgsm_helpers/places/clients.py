"""The boto3 session of a user's account, and a workbook's clients, credentials and stream route.

The one module that reaches into boto3 (``Session._session``, seen with 1.44) and botocore (``Session._credentials``).
"""

from __future__ import annotations

import ipaddress
import os
import socket
import ssl
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any
from urllib.parse import urlsplit

import boto3
import botocore.session
from botocore.config import Config
from botocore.credentials import ReadOnlyCredentials, RefreshableCredentials
from botocore.loaders import Loader, create_loader
from botocore.utils import get_environ_proxies

from dgsm_helpers.errors import CredentialsProblem, InvalidInput
from dgsm_helpers.places.aws_configuration import configuration_read, keys_read, profile_of, sign_in, source_of_keys
from dgsm_helpers.places.shared_models import SessionOfSharedModels
from dgsm_helpers.processes.background import in_background
from dgsm_helpers.wire.sigv4 import Credentials

STREAM_PORT = 8443
"""Without it AWS's HTTP/2 client hangs and says nothing (Deepgram, invoke-sagemaker-endpoint)."""

PRICE_LIST_REGION = "us-east-1"
"""AWS serves its price list in a few regions only, this one among them."""
_AWS_DOMAINS = (".amazonaws.com", ".amazonaws.com.cn", ".api.aws", ".amazonaws.eu")
"""Where AWS's own endpoints are; no name there needs to be looked up."""
_OF_ONE_REGION = {"pricing": PRICE_LIST_REGION, "marketplace-agreement": "us-east-1"}
"""Services that answer for all regions from one."""

EMULATORS_KEY = "AKIADGSMLOCAL0000000"
"""The access key id of every embedded AWS: no account has it."""

_PROCESS_S = 60.0
"""How long a credential_process may take, which may ask somebody to sign in. botocore waits for ever."""


@dataclass(frozen=True, kw_only=True)
class StreamRoute:
    """Where streams go, and how.

    Attributes:
        url: the runtime's base address, port included.
        ca_bundle: file of certificate authorities to trust, None for the system's.
        proxy_url: HTTP proxy to ask for a tunnel, None for none. It may hold a password.
    """

    url: str
    ca_bundle: str | None = None
    proxy_url: str | None = field(default=None, repr=False)


class Clients:
    """Makes the boto3 clients of one session, each once; may be shared by several workbooks."""

    def __init__(self, session: boto3.Session) -> None:
        self.session = session
        self._by_service: dict[str, Any] = {}

    def get(self, service: str) -> Any:
        """The client of ``service`` (`make`). Keys are read before each call: what is wrong with them is told so."""
        if service not in self._by_service:
            # botocore's pool of ten connections would silently serialise a load test (reference aws.md 6.1).
            # Where there is no way (a VPC without internet access) its minute for each attempt would look hung.
            retries = {"mode": "standard", "max_attempts": 1 if service in _OF_ONE_REGION else 5}
            config = Config(max_pool_connections=100, retries=retries, connect_timeout=10, read_timeout=70)
            self._by_service[service] = self.make(service, config)
        self.credentials()
        return self._by_service[service]

    def make(self, service: str, config: Config) -> Any:
        """A client of ``service`` with settings of its own.

        Raises:
            InvalidInput: the AWS configuration cannot be used.
            CredentialsProblem: there are no keys, or they cannot be refreshed.
        """
        self.credentials()
        return self.session.client(service, region_name=_OF_ONE_REGION.get(service), config=config)

    def credentials(self) -> Credentials:
        """The session's credentials as they are now.

        Raises:
            CredentialsProblem: there are none, or they cannot be refreshed.
            AwsCallFailed: what gives them out cannot be reached.
        """
        core = self.session._session
        with keys_read(core):
            frozen = self._frozen_keys()
            if frozen and frozen.access_key == EMULATORS_KEY and isinstance(self.session, AccountSession):
                raise _no_account(f"the keys of {profile_of(core)} are those of the embedded AWS")
        if frozen is None or not frozen.access_key or not frozen.secret_key:
            raise CredentialsProblem(f"No AWS credentials were found for {profile_of(core)}.", hint=sign_in(core))
        return Credentials(frozen.access_key, frozen.secret_key, frozen.token)

    def _frozen_keys(self) -> ReadOnlyCredentials | None:
        def read() -> ReadOnlyCredentials | None:
            source = self.session.get_credentials()
            return source.get_frozen_credentials() if source else None

        if "credential_process" not in source_of_keys(self.session._session)[1]:
            return read()
        try:
            return in_background(read).result(_PROCESS_S)
        except TimeoutError as error:
            raise TimeoutError(f"the credential_process did not end within {_PROCESS_S:g} s") from error

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
        self._by_service.clear()


class AccountSession(SessionOfSharedModels):
    """A boto3 session of the user's account: ``profile`` and ``region`` where given, else as the environment says.

    ``AWS_REGION`` counts before ``AWS_DEFAULT_REGION`` and the profile's region, as in the AWS CLI version 2 and every
    other SDK; boto3 knows the second only. A variable that is set to nothing counts as not set.

    Raises:
        InvalidInput: no region, no such profile, or a configuration file that cannot be read.
    """

    def __init__(self, region: str | None, profile: str | None) -> None:
        # A default, not a choice: beside AWS_PROFILE, keys of the environment come first; beside a profile given, they
        # do not count (botocore, create_credential_resolver).
        of_shell = _environment("AWS_DEFAULT_PROFILE", "AWS_PROFILE")
        core = botocore.session.Session(
            {"profile": (None, None, of_shell, None), "region": ("region", None, None, None)}
        )
        if profile:
            core.set_config_variable("profile", profile)
        region = region or _environment("AWS_REGION", "AWS_DEFAULT_REGION")
        with configuration_read(core):
            super().__init__(core, _model_loader(core.get_config_variable("data_path")), region_name=region)
            if self.region_name:
                return
        raise InvalidInput(
            f"No AWS region is set, neither in the environment nor for {profile_of(core)}.",
            hint='Pass region="us-east-1" (--region us-east-1) or set AWS_REGION.',
        )

    def client(self, service_name: str, *args: Any, **kwargs: Any) -> Any:
        """A client of ``service_name``, as boto3 makes it.

        Raises:
            InvalidInput: the configuration cannot be used, its certificate authorities included; or it leads to this
                machine.
        """
        with configuration_read(self._session):
            if bundle := _ca_bundle(self._session):
                _require_authorities(bundle)
            made = super().client(service_name, *args, **kwargs)
            _require_elsewhere(made.meta.endpoint_url)
            return made

    def stream_route(self) -> StreamRoute:
        """Where streams go: where botocore sends ``InvokeEndpoint``, on port 8443 unless one is given.

        An endpoint URL for AWS's HTTP/2 client alone (``AWS_ENDPOINT_URL_SAGEMAKER_RUNTIME_HTTP2``, or
        ``sagemaker_runtime_http2`` among the profile's ``services``) counts before the runtime's.

        That settles partition, FIPS, dual stack, endpoint URLs (environment, ``services`` of the profile), certificate
        authorities and proxies; ``NO_PROXY`` is asked for the address with its port.

        Raises:
            InvalidInput: the configuration leads nowhere, or to this machine.
        """
        with configuration_read(self._session):
            # Keys are of no use for an address: none are looked for.
            no_keys = {"aws_access_key_id": "none", "aws_secret_access_key": "none"}
            runtime = super().client("sagemaker-runtime", endpoint_url=_url_of_streams(self._session), **no_keys)
            _require_elsewhere(runtime.meta.endpoint_url)
            parts = urlsplit(runtime.meta.endpoint_url)
            if parts.scheme not in ("https", "http"):
                raise ValueError(f"the runtime's endpoint URL {runtime.meta.endpoint_url} does not begin with https://")
            port = "" if parts.port else f":{STREAM_PORT}"
            url = f"{parts.scheme}://{parts.netloc.rstrip(':')}{port}{parts.path.rstrip('/')}"
            bundle = _ca_bundle(self._session)
        return StreamRoute(url=url, ca_bundle=bundle, proxy_url=_proxy_url(url))


@lru_cache(maxsize=4)
def _model_loader(data_path: str | None) -> Loader:
    """botocore's own, one for all sessions with the same folder of the user's."""
    return create_loader(data_path)


def _no_account(why: str) -> InvalidInput:
    return InvalidInput(
        f'where is "aws", and {why}: what answers there is no account.',
        hint='Work on the embedded AWS with where="local", or take its settings out of this shell: open a new one, or '
        "unset AWS_ENDPOINT_URL, AWS_ENDPOINT_URL_SAGEMAKER_RUNTIME and the AWS_… keys.",
    )


def _require_elsewhere(url: str) -> None:
    """Refuse an address of this machine, however it is written: AWS is never there. Raises InvalidInput: it is one."""
    host = (urlsplit(url).hostname or "").rstrip(".")
    if host.endswith(_AWS_DOMAINS):
        return
    if host.rpartition(".")[2] == "localhost":  # also where the resolver does not know it
        raise _no_account(f"its endpoint {url} is on this machine")
    try:
        found = {str(address[4][0]).partition("%")[0] for address in socket.getaddrinfo(host, None)}
    except (OSError, UnicodeError):  # a name that leads nowhere says so when it is called
        return
    addresses = [ipaddress.ip_address(address) for address in found]
    if any((getattr(one, "ipv4_mapped", None) or one).is_loopback or one.is_unspecified for one in addresses):
        raise _no_account(f"its endpoint {url} is on this machine")


def _environment(*names: str) -> str | None:
    """The first of these variables that says something."""
    return next(filter(None, map(os.environ.get, names)), None)


def _url_of_streams(core: botocore.session.Session) -> str | None:
    """The endpoint URL that is given for AWS's HTTP/2 client, a service that botocore does not know."""
    if core.get_config_variable("ignore_configured_endpoint_urls"):
        return None
    services = core.full_config.get("services", {}).get(core.get_scoped_config().get("services"), {})
    of_profile: str | None = services.get("sagemaker_runtime_http2", {}).get("endpoint_url")
    return _environment("AWS_ENDPOINT_URL_SAGEMAKER_RUNTIME_HTTP2") or of_profile


def _ca_bundle(core: botocore.session.Session) -> str | None:
    return core.get_config_variable("ca_bundle") or os.environ.get("REQUESTS_CA_BUNDLE") or None


@lru_cache(maxsize=4)
def _require_authorities(bundle: str) -> None:
    """Without this a missing file comes out of the first call as an error of the network.

    A file that can be read is read once for all clients: the system's takes a hundredth of a second and more.
    """
    try:
        ssl.create_default_context(cafile=bundle)
    except OSError as error:
        raise InvalidInput(
            f"The certificate authorities {bundle!r} cannot be read: {error}.",
            hint="Correct AWS_CA_BUNDLE, REQUESTS_CA_BUNDLE or the profile's ca_bundle: a PEM file, by its full path.",
        ) from error


def _proxy_url(url: str) -> str | None:
    """The proxy that the environment names for ``url``, with its scheme."""
    named: str | None = get_environ_proxies(url).get("https")
    if not named:
        return None
    proxy = named if "://" in named else f"http://{named.removeprefix('//')}"
    try:
        is_address = urlsplit(proxy).hostname and urlsplit(proxy).port != 0
    except ValueError:
        is_address = False
    if not is_address:
        # Without its text, which may hold a password.
        raise InvalidInput("HTTPS_PROXY is no address of a proxy.", hint="Write it as http://host:port.")
    return proxy
