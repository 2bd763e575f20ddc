"""AWS's HTTP/2 SDK pointed at a stream target: address, trust, credentials and connections.

The one module that reaches into the SDK's transport (`PRIVATE_ATTRIBUTES`, seen with smithy-http 0.5).
"""

from __future__ import annotations

from copy import copy
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from dgsm_helpers.load.transport.stream_target import StreamTarget

if TYPE_CHECKING:
    from aws_sdk_sagemaker_runtime_http2.client import AsyncSageMakerRuntimeHTTP2Client

PRIVATE_ATTRIBUTES = ("_tls_ctx", "_eventloop", "_config", "_connections")
"""What this module reads or sets on the SDK's ``AWSCRTHTTPClient``."""


async def sdk_client(target: StreamTarget) -> AsyncSageMakerRuntimeHTTP2Client:
    """A client for one stream to ``target``, with connections of its own."""
    from aws_sdk_sagemaker_runtime_http2.client import AsyncSageMakerRuntimeHTTP2Client
    from aws_sdk_sagemaker_runtime_http2.config import AsyncSageMakerRuntimeHTTP2Config

    config = await AsyncSageMakerRuntimeHTTP2Config.resolve(
        region=target.region, **target_settings(target, _separate_transport(target.ca_bundle))
    )
    return AsyncSageMakerRuntimeHTTP2Client(config=config)


def target_settings(target: StreamTarget, transport: Any) -> dict[str, Any]:
    """The settings of the SDK's configuration that lead to ``target``: address, transport and credentials."""
    from smithy_aws_core.identity import AWSCredentialsIdentity, StaticCredentialsResolver

    keys = target.credentials
    identity = AWSCredentialsIdentity(
        access_key_id=keys.access_key_id, secret_access_key=keys.secret_access_key, session_token=keys.session_token
    )
    return {
        "endpoint_uri": target.url,
        "transport": transport,
        "aws_credentials_identity_resolver": StaticCredentialsResolver(identity),
    }


def trusting_transport(ca_bundle: str | None) -> Any:
    """The SDK's transport, trusting the authorities of the file ``ca_bundle`` (None: the system's).

    The SDK has no setting for it, and it copies its transport, so the copy must keep the trust too. It reads
    SSL_CERT_FILE, but only what was set when the process started.
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


@lru_cache(maxsize=4)
def _shared_transport(ca_bundle: str | None) -> Any:
    """One native event loop (a thread) and one trust store per process."""
    return trusting_transport(ca_bundle)


def _separate_transport(ca_bundle: str | None) -> Any:
    """A transport with connections of its own. A deep copy would parse the trust store anew: 40 ms for each stream."""
    transport = copy(_shared_transport(ca_bundle))
    transport._connections = {}
    return transport
