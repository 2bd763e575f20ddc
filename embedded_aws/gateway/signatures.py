"""Whether a control plane call is signed by who it says, as AWS asks of every one of them."""

from collections.abc import Mapping
from urllib.parse import urlsplit

from werkzeug import Request

from dgsm_helpers.wire.sigv4 import verify_request
from embedded_aws.gateway import moto_inside
from embedded_aws.gateway.aws_call import AwsCall
from embedded_aws.listings import ACCESS_KEY_ID, SECRET_ACCESS_KEY

_TOKEN = "X-Amz-Security-Token"


def check(request: Request, body: bytes, call: AwsCall) -> None:
    """Check a request's signature; calls that AWS takes unsigned are not asked for one.

    Raises:
        SignatureRefused: with AWS's code and text.
    """
    operation = call.operation_model
    if operation is not None and operation.auth_type == "none":
        return
    target = urlsplit(request.environ["RAW_URI"])
    headers = {name.lower(): value for name, value in request.headers.items()}
    verify_request(
        method=request.method,
        path=target.path or "/",
        query=target.query,
        headers=headers,
        body=body,
        service=call.service_model.signing_name,
        secret_for=lambda key_id: _secret(key_id, headers),
    )


def _secret(key_id: str, headers: Mapping[str, str]) -> str | None:
    if key_id == ACCESS_KEY_ID:
        return SECRET_ACCESS_KEY
    known = moto_inside.key_pair(key_id)
    if known is None:
        return None
    secret, token = known
    return secret if token == headers.get(_TOKEN.lower()) else None
