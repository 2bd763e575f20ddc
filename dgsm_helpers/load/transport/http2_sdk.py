"""AWS's HTTP/2 SDK pointed at a stream target: address, trust, proxy, credentials and connections.

The one module that reaches into the SDK's transport (`PRIVATE_ATTRIBUTES`, seen with smithy-http 0.5).
"""

from __future__ import annotations

from copy import copy
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from dgsm_helpers.load.transport.stream_target import Proxy, StreamTarget

if TYPE_CHECKING:
    from aws_sdk_sagemaker_runtime_http2.client import AsyncSageMakerRuntimeHTTP2Client

PRIVATE_ATTRIBUTES = (
    "_tls_ctx",
    "_eventloop",
    "_config",
    "_connections",
    "_client_bootstrap",
    "_socket_options",
    "_build_new_connection",
)
"""What this module reads, sets or replaces on the SDK's ``AWSCRTHTTPClient``."""

RETRIES = {"retry_mode": "standard", "max_attempts": None}
"""The SDK's own defaults."""


class NoFiles:
    """The SDK's file system without the user's AWS files: all that a stream needs is in its target."""

    async def read_file(self, path: str) -> str:
        """The one profile that there is, without settings."""
        return "[default]\n"


async def sdk_client(target: StreamTarget) -> AsyncSageMakerRuntimeHTTP2Client:
    """A client for one stream to ``target``, with connections of its own."""
    from aws_sdk_sagemaker_runtime_http2.client import AsyncSageMakerRuntimeHTTP2Client
    from aws_sdk_sagemaker_runtime_http2.config import AsyncSageMakerRuntimeHTTP2Config

    config = await AsyncSageMakerRuntimeHTTP2Config.resolve(
        region=target.region, **target_settings(target, _separate_transport(target.ca_bundle, target.proxy))
    )
    return AsyncSageMakerRuntimeHTTP2Client(config=config)


def target_settings(target: StreamTarget, transport: Any) -> dict[str, Any]:
    """The settings of the SDK's configuration that lead to ``target``: address, transport and credentials.

    The environment and the user's files have no say: the SDK would fail on a profile that the target does not need.
    """
    from smithy_aws_core.identity import AWSCredentialsIdentity, StaticCredentialsResolver

    keys = target.credentials
    identity = AWSCredentialsIdentity(
        access_key_id=keys.access_key_id, secret_access_key=keys.secret_access_key, session_token=keys.session_token
    )
    return {
        "endpoint_uri": target.url,
        "transport": transport,
        "aws_credentials_identity_resolver": StaticCredentialsResolver(identity),
        "profile": "default",
        "fs": NoFiles(),
        **RETRIES,
    }


def target_transport(ca_bundle: str | None, proxy: Proxy | None = None) -> Any:
    """The SDK's transport, trusting the authorities of the file ``ca_bundle`` (None: the system's), through ``proxy``.

    The SDK has no setting for either, though awscrt below it has, and it copies its transport, so the copy must keep
    both. It reads SSL_CERT_FILE, but only what was set when the process started.
    """
    from awscrt.aio.http import AIOHttpClientConnectionUnified
    from awscrt.http import HttpProxyAuthenticationType, HttpProxyConnectionType, HttpProxyOptions
    from awscrt.io import ClientTlsContext, TlsContextOptions
    from smithy_http.aio.crt import AWSCRTHTTPClient

    class TargetTransport(AWSCRTHTTPClient):
        def __init__(self, **kwargs: Any) -> None:
            super().__init__(**kwargs)
            if ca_bundle:
                options = TlsContextOptions()
                options.override_default_trust_store_from_path(ca_filepath=ca_bundle)
                self._tls_ctx = ClientTlsContext(options)

        def __deepcopy__(self, memo: Any) -> TargetTransport:
            return TargetTransport(eventloop=self._eventloop, client_config=self._config)

        async def _build_new_connection(self, url: Any) -> Any:
            if proxy is None:
                return await super()._build_new_connection(url)
            tls = self._tls_ctx.new_connection_options()
            tls.set_server_name(url.host)
            tls.set_alpn_list(["h2"])
            kind = HttpProxyAuthenticationType.Basic if proxy.user else HttpProxyAuthenticationType.Nothing
            tunnel = HttpProxyOptions(
                host_name=proxy.host,
                port=proxy.port,
                auth_type=kind,
                auth_username=proxy.user or None,
                auth_password=proxy.password or None,
                connection_type=HttpProxyConnectionType.Tunneling,
            )
            return await AIOHttpClientConnectionUnified.new(
                bootstrap=self._client_bootstrap,
                host_name=url.host,
                port=url.port,
                socket_options=self._socket_options,
                tls_connection_options=tls,
                proxy_options=tunnel,
            )

    return TargetTransport()


@lru_cache(maxsize=4)
def _shared_transport(ca_bundle: str | None, proxy: Proxy | None) -> Any:
    """One native event loop (a thread) and one trust store per process."""
    return target_transport(ca_bundle, proxy)


def _separate_transport(ca_bundle: str | None, proxy: Proxy | None) -> Any:
    """A transport with connections of its own. A deep copy would parse the trust store anew: 40 ms for each stream."""
    transport = copy(_shared_transport(ca_bundle, proxy))
    transport._connections = {}
    return transport
