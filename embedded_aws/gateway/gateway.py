"""The control plane's front door: every request to the embedded AWS, except those to the runtime, comes in here.

It recognises the AWS call, lets faults strike, refuses what AWS's service model refuses, and hands the call to whoever
answers it: a responder of ours, or moto for what needs no more than moto gives (IAM, STS, Logs, SNS and the like).
"""

import io
import json
import logging
from collections.abc import Callable, Iterable, Mapping
from typing import Any
from urllib.parse import urlsplit

from botocore import xform_name
from werkzeug import Request, Response
from werkzeug.serving import WSGIRequestHandler
from werkzeug.test import run_wsgi_app

from dgsm_helpers.errors import DgsmError, InvalidInput
from dgsm_helpers.rules import request_checks
from embedded_aws.gateway import answers, moto_corrections, moto_inside
from embedded_aws.gateway.aws_call import UNREADABLE, AwsCall, body_of, recognise, signed_region
from embedded_aws.gateway.faults import Faults
from embedded_aws.gateway.refusal import AwsRefusal, denial
from embedded_aws.listings import make_arn

Responder = Callable[[str], object]
"""``region -> object``: what answers a service; its ``create_endpoint(params) -> dict`` answers CreateEndpoint."""

PathResponder = Callable[[str, Mapping[str, str]], tuple[int, object]]
"""``(region, parameters) -> (status, JSON)``: what answers one path."""

AdminRoute = Callable[[Any], object]
"""Takes the request's JSON body (None without one) and returns what is sent as JSON."""

ADMIN_PREFIX = "/_dgsm/"
_LOOPBACK = ("127.0.0.1", "localhost", "::1")
_IAM_PREFIX = {"service-quotas": "servicequotas", "sagemaker-runtime": "sagemaker"}
_RESOURCES = (("EndpointName", "endpoint"), ("EndpointConfigName", "endpoint-config"), ("ModelName", "model"))
_log = logging.getLogger(__name__)


class QuietHandler(WSGIRequestHandler):
    """Serves without a line per request; what goes wrong is logged by the gateway."""

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Writes no line."""


class Gateway:
    """The WSGI application of the control plane.

    Args:
        responders: what answers a service, by boto3's name of it. An operation that it has no method for is refused:
            moto would answer from a state of its own, which holds nothing. Moto answers the other services.
        faults: asked before each call.
        paths: what answers a path of its own, which botocore's models do not know, by the signed region and the
            request's parameters: an HTTP status and JSON.
        admin: routes under ``/_dgsm/`` by (HTTP method, route), such as ``("GET", "status")``.
        default_region: region of calls that are not signed.
    """

    def __init__(
        self,
        *,
        responders: Mapping[str, Responder],
        faults: Faults,
        admin: Mapping[tuple[str, str], AdminRoute],
        paths: Mapping[str, PathResponder] | None = None,
        default_region: str = "us-east-1",
    ) -> None:
        self._responders = responders
        self._faults = faults
        self._admin = admin
        self._paths = paths or {}
        self._default_region = default_region
        self._moto = moto_inside.application()

    def __call__(self, environ: dict, start_response: Callable) -> Iterable[bytes]:
        """Answer one request."""
        request = Request(environ)
        try:
            response = self._refuse_other_machines(request) or self._answer(request)
        except Exception:  # one broken request must not look like a broken server
            _log.exception("%s %s could not be answered", request.method, request.path)
            response = _plain(500, "The embedded AWS could not answer; its log says why.")
        return response(environ, start_response)

    def _refuse_other_machines(self, request: Request) -> Response | None:
        """Only this machine is served, and no web page: a page's script could reach 127.0.0.1 through the browser."""
        origin = request.headers.get("Origin")
        if request.remote_addr not in (None, *_LOOPBACK) or (origin and urlsplit(origin).hostname not in _LOOPBACK):
            return _plain(403, "The embedded AWS answers this machine only.")
        return None

    def _answer(self, request: Request) -> Response:
        if request.path.startswith(ADMIN_PREFIX):
            return self._administer(request)
        if request.path.startswith(("/moto-api", "/latest/")):
            return _plain(404, "There is nothing here.")
        try:
            body = body_of(request)
        except OSError:
            return _plain(400, "The body is not what its Content-Encoding says.")
        if answering := self._paths.get(request.path):
            region = signed_region(request)
            if region is None:
                return _json(403, {"message": "Missing Authentication Token"})
            return _json(*answering(region, request.values))
        call = recognise(request, body, default_region=self._default_region)
        if call is None:
            return self._from_moto(request, body, None)
        return self._refusal(call) or self._from_responder(call) or self._from_moto(request, body, call)

    def _refusal(self, call: AwsCall) -> Response | None:
        if call.service == "sagemaker-runtime":
            message = f"{call.asked} belongs to the runtime server: set AWS_ENDPOINT_URL_SAGEMAKER_RUNTIME to its URL."
            return answers.error(call, "UnknownOperationException", message, status=404)
        if struck := self._faults.api(call.service, call.operation):
            return self._struck(call, struck)
        if not call.operation:
            return _unknown(call)
        if call.unreadable:
            return answers.error(call, "SerializationException", f"The request could not be read: {call.unreadable}")
        if call.wire is not None:
            problems = request_checks.problems(call.service, call.operation, call.wire)
            if problems:
                return answers.error(call, "ValidationException", request_checks.summary(problems))
        return None

    def _struck(self, call: AwsCall, fault: str) -> Response:
        if fault == "throttling":
            return answers.error(call, "ThrottlingException", "Rate exceeded")
        if fault == "expired-credentials":
            return answers.error(call, "ExpiredTokenException", "The security token included in the request is expired")
        identity = moto_inside.caller_arn(call.access_key_id, call.region)
        action = f"{_IAM_PREFIX.get(call.service, call.service)}:{call.asked}"
        return answers.error(call, "AccessDeniedException", denial(identity, action, _resource(call)))

    def _from_responder(self, call: AwsCall) -> Response | None:
        if call.service not in self._responders:
            return None
        method = getattr(self._responders[call.service](call.region), xform_name(call.operation), None)
        if method is None:
            return _unknown(call)
        try:
            params = call.params()
        except UNREADABLE as error:
            return answers.error(call, "SerializationException", f"The request could not be read: {error}")
        try:
            return answers.result(call, method(params) or {})
        except AwsRefusal as refused:
            return answers.error(call, refused.code, refused.message)
        except InvalidInput as refused:  # a rule that AWS has, too, refuses a value
            return answers.error(call, "ValidationException", str(refused))
        except Exception:
            _log.exception("%s:%s failed", call.service, call.operation)
            return answers.error(call, "InternalFailure", "The embedded AWS failed; its log says why.")

    def _from_moto(self, request: Request, body: bytes, call: AwsCall | None) -> Response:
        if call is not None and (refusal := moto_corrections.refusal(call)):
            return answers.error(call, "ValidationException", refusal)
        environ = dict(request.environ)
        environ.pop("HTTP_CONTENT_ENCODING", None)
        if call is not None and call.protocol == "cbor":
            body = _as_json_request(environ, call)
        environ |= {"wsgi.input": io.BytesIO(body), "CONTENT_LENGTH": str(len(body))}
        try:
            iterable, status, headers = run_wsgi_app(self._moto, environ, buffered=True)
        except NotImplementedError:
            return _unknown(call)
        except Exception:
            # A part of moto that is not installed, or a request that it does not understand: nothing to retry.
            _log.warning("moto could not answer %s", call and f"{call.service}:{call.asked}", exc_info=True)
            return _unknown(call)
        response = Response(iterable, status, headers)
        if response.status_code >= 500 or (response.status_code == 404 and response.mimetype == "text/html"):
            return _unknown(call)
        if call is not None:
            moto_corrections.correct(call, response)
        if call is not None and response.mimetype == "text/html":  # moto's default for every content
            response.content_type = answers.media_type(call)
        return answers.as_cbor(call, response) if call is not None and call.protocol == "cbor" else response

    def _administer(self, request: Request) -> Response:
        route = self._admin.get((request.method, request.path.removeprefix(ADMIN_PREFIX)))
        if route is None:
            return _json(404, {"message": f"There is no {request.method} {request.path}."})
        if request.host.partition(":")[0] not in _LOOPBACK:
            return _json(403, {"message": "Administration answers to 127.0.0.1 only."})
        body = request.get_data()
        try:
            return _json(200, route(json.loads(body) if body else None))
        except json.JSONDecodeError as error:
            return _json(400, {"message": f"The body is not JSON: {error}"})
        except InvalidInput as error:
            return _json(400, {"message": str(error)})
        except DgsmError as error:
            return _json(409, {"message": str(error)})


def _resource(call: AwsCall) -> str:
    """The ARN that AWS names in a denial, as far as the request tells it."""
    if call.service == "sagemaker" and call.wire:
        for member, kind in _RESOURCES:
            name = call.wire.get(member)
            if isinstance(name, str):
                return make_arn("sagemaker", call.region, f"{kind}/{name.lower()}")
    return "*"


def _unknown(call: AwsCall | None) -> Response:
    if call is None:
        answer = {"__type": "UnknownOperationException", "message": "The embedded AWS does not implement this service."}
        return _json(400, answer)
    message = f"The embedded AWS does not implement {call.service}:{call.asked}."
    return answers.error(call, "UnknownOperationException", message)


def _as_json_request(environ: dict, call: AwsCall) -> bytes:
    metadata = call.service_model.metadata
    environ["HTTP_X_AMZ_TARGET"] = f"{metadata['targetPrefix']}.{call.operation}"
    environ["CONTENT_TYPE"] = f"application/x-amz-json-{metadata.get('jsonVersion', '1.0')}"
    environ |= {"PATH_INFO": "/", "RAW_URI": "/", "REQUEST_URI": "/"}
    return json.dumps(call.wire).encode()


def _json(status: int, value: object) -> Response:
    return Response(json.dumps(value), status, content_type="application/json")


def _plain(status: int, text: str) -> Response:
    return Response(f"{text}\n", status, content_type="text/plain")
