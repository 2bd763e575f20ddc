"""What SageMaker's front asks before a request reaches a container: signature, permission, endpoint, instance."""

import re
from dataclasses import dataclass
from typing import Literal
from urllib.parse import unquote

from dgsm_helpers.wire.sigv4 import SignatureRefused, Signed, verify_request
from embedded_aws.fleet.instances import Lease
from embedded_aws.fleet.live_fleet import EndpointNotFound, EndpointNotInService, Fleet, VariantNotFound
from embedded_aws.gateway import callers
from embedded_aws.gateway.faults import Faults
from embedded_aws.gateway.refusal import denial
from embedded_aws.listings import ACCESS_KEY_ID, ACCOUNT_ID, SECRET_ACCESS_KEY, make_arn
from embedded_aws.runtime.exchange import Refused, Request
from embedded_aws.runtime.query_string import ContainerRefused

STREAM = "InvokeEndpointWithBidirectionalStream"
FILE = "InvokeEndpoint"
MAX_CUSTOM_ATTRIBUTES = 1024
_SERVICE = "sagemaker-runtime"

_PATH = re.compile(r"/endpoints/([^/]+)/invocations(-bidirectional-stream)?")


@dataclass(frozen=True)
class Limits:
    """What SageMaker and Deepgram put a limit on; seconds of wall time.

    ``connection_s``: a bidirectional connection (AWS: 30 minutes). ``response_s``: a container's answer to a file (AWS:
    60 s). ``idle_s``: neither audio nor a message from the client; None for what the stream's protocol says.
    ``max_body_bytes``: a file; AWS's page says 25 MB, and the smaller reading of that is taken, so that what passes
    here passes there. ``max_unread_bytes``: a stream whose reader is this far behind is given up (about three hours of
    results). ``held_each_bytes``, ``held_bytes``: bodies, messages and answers that are held for one connection, and
    for all of them, before whoever holds most is cut off.
    """

    connection_s: float = 1800.0
    response_s: float = 60.0
    idle_s: float | None = None
    max_body_bytes: int = 25_000_000
    max_unread_bytes: int = 8 << 20
    held_each_bytes: int = 64 << 20
    held_bytes: int = 256 << 20


def route(request: Request) -> tuple[str, str]:
    """Operation and endpoint name.

    Raises:
        Refused: the runtime has no such operation, or the request is a web page's.
    """
    headers = request.headers
    fetch_site, origin = headers.get("sec-fetch-site"), headers.get("origin")
    if not callers.is_served(host=headers.get("host", ""), origin=origin, fetch_site=fetch_site):
        raise Refused(403, "AccessDeniedException", callers.REFUSAL)
    if request.method == "POST" and (match := _PATH.fullmatch(request.path)):
        return STREAM if match[2] else FILE, unquote(match[1])
    raise Refused(404, "UnknownOperationException", f"No operation for {request.method} {request.path}.")


@dataclass(frozen=True)
class Admitted:
    """A request that may go on: who signed it, and the instance it holds. ``log_arn`` names its log stream."""

    endpoint: str
    signed: Signed
    lease: Lease
    log_arn: str

    def model_error(self, refused: ContainerRefused, request_id: str, kind: Literal["stream", "file"]) -> Refused:
        """The container's refusal as the client sees it.

        Deepgram's manual says that a stream's real reason is only in the log. That ``OriginalMessage`` has it too is an
        assumption, since AWS's model of the error has the field.
        """
        body = refused.body(request_id)
        self.lease.log(f"WARN request {request_id} refused with {refused.status}: {body}")
        if kind == "stream":
            return self._failed("4xx", "Failed to establish WebSocket connection", refused.status, body)
        group = f"/aws/sagemaker/Endpoints/{self.endpoint}"
        console = f"https://{self.signed.region}.console.aws.amazon.com/cloudwatch/home?region={self.signed.region}"
        return self._failed(
            "4xx",
            f'Received client error ({refused.status}) from primary with message "{body}". '
            f"See {console}#logEventViewer:group={group} in account {ACCOUNT_ID} for more information.",
            refused.status,
            body,
        )

    def timed_out(self) -> Refused:
        """The container did not answer in time; the text is AWS's."""
        text = (
            "Your invocation timed out while waiting for a response from container primary. Review the latency "
            "metrics for each container in Amazon CloudWatch, resolve the issue, and try again."
        )
        return self._failed("5xx", f'Received server error (0) from primary with message "{text}"', 0, text)

    def container_failed(self, message: str) -> Refused:
        """The container answered 500."""
        text = f'Received server error (500) from primary with message "{message}"'
        return self._failed("5xx", text, 500, message)

    def _failed(self, kind: str, message: str, status: int, original: str) -> Refused:
        self.lease.error(kind)
        self.lease.error("model")
        return Refused(
            424,
            "ModelError",
            message,
            OriginalStatusCode=status,
            OriginalMessage=original,
            LogStreamArn=self.log_arn,
            ErrorCode="MODEL_ERROR",
        )


class Gate:
    """Admits requests to the ``fleet``'s instances, or refuses them as AWS does or as ``faults`` ask for."""

    def __init__(self, fleet: Fleet, faults: Faults) -> None:
        self._fleet = fleet
        self._faults = faults

    def admit(self, request: Request, operation: str, endpoint: str, *, body: bytes | None = None) -> Admitted:
        """Check everything in AWS's order and hold an instance; ``body`` None when it is yet to come.

        Raises:
            Refused: with AWS's status, code and text.
        """
        try:
            signed = verify_request(
                method=request.method,
                path=request.path,
                query=request.query,
                headers=request.headers,
                body=body,
                secret_for={ACCESS_KEY_ID: SECRET_ACCESS_KEY}.get,
            )
        except SignatureRefused as error:
            raise Refused(error.status, error.code, error.message) from error
        self._check_faults(operation, endpoint, signed)
        _check_length(request)
        self._check_target_model(request, operation, endpoint, signed)
        lease = self._acquire(request, endpoint, signed)
        group = f"/aws/sagemaker/Endpoints/{endpoint}:log-stream:{lease.variant_name}/{lease.instance.instance_id}"
        return Admitted(endpoint, signed, lease, make_arn("logs", signed.region, f"log-group:{group}"))

    def _check_faults(self, operation: str, endpoint: str, signed: Signed) -> None:
        match self._faults.api(_SERVICE, operation):
            case "expired-credentials":
                raise Refused(403, "ExpiredTokenException", "The security token included in the request is expired")
            case "denied":
                identity = make_arn("iam", signed.region, "user/local", of_region=False)
                resource = make_arn("sagemaker", signed.region, f"endpoint/{endpoint.lower()}")
                raise Refused(403, "AccessDeniedException", denial(identity, f"sagemaker:{operation}", resource))
            case "throttling":
                # Only 429 is recognised as throttling by AWS's bidirectional client.
                raise Refused(429, "ThrottlingException", "Rate exceeded")

    def _check_target_model(self, request: Request, operation: str, endpoint: str, signed: Signed) -> None:
        """No endpoint here has several models. AWS's words: aws/amazon-sagemaker-examples, issues 1026 and 1216.

        That an endpoint which does not exist is refused for that instead is an assumption.
        """
        target_model = operation == FILE and request.headers.get("x-amzn-sagemaker-target-model")
        if target_model and self._fleet.view(signed.region, endpoint):
            raise Refused(
                400,
                "ValidationError",
                f"Endpoint {endpoint} is not a multi-model endpoint and does not support target model header.",
                ErrorCode="TARGET_MODEL_HEADER_NOT_SUPPORTED",
            )

    def _acquire(self, request: Request, endpoint: str, signed: Signed) -> Lease:
        variant = request.headers.get("x-amzn-sagemaker-target-variant") or None
        try:
            return self._fleet.acquire(signed.region, endpoint, variant=variant)
        except EndpointNotFound:
            text = f"Endpoint {endpoint} of account {ACCOUNT_ID} not found."
        # AWS's exact words are not published for the next two.
        except VariantNotFound:
            text = f"Variant {variant} of endpoint {endpoint} of account {ACCOUNT_ID} not found."
        except EndpointNotInService as error:
            text = f"Endpoint {endpoint} of account {ACCOUNT_ID} is not in service: {error}."
        raise Refused(400, "ValidationError", text)


def _check_length(request: Request) -> None:
    """AWS's model limits the custom attributes; neither botocore nor the other SDKs hold the caller to it."""
    if len(request.headers.get("x-amzn-sagemaker-custom-attributes", "")) > MAX_CUSTOM_ATTRIBUTES:
        raise Refused(
            400,
            "ValidationError",
            "1 validation error detected: Value at 'customAttributes' failed to satisfy constraint: "
            f"Member must have length less than or equal to {MAX_CUSTOM_ATTRIBUTES}",
        )
