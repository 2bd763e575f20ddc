"""The control plane's front door: every request to the embedded AWS, except those to the runtime, comes in here.

It recognises the AWS call, lets faults strike, refuses what AWS's service model refuses, and hands the call to whoever
answers it: a responder of ours, or moto for what needs no more than moto gives (IAM, STS, Logs, SNS and the like).
"""

import contextlib
import io
import json
import logging
import socket
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from botocore import xform_name
from werkzeug import Request, Response
from werkzeug.test import run_wsgi_app

from dgsm_helpers.errors import DgsmError, InvalidInput
from dgsm_helpers.rules import request_checks
from dgsm_helpers.rules.call_effects import iam_action
from dgsm_helpers.wire.sigv4 import SignatureRefused
from embedded_aws.gateway import answers, callers, moto_corrections, moto_inside, signatures
from embedded_aws.gateway.aws_call import UNREADABLE, AwsCall, call_of_path, recognise
from embedded_aws.gateway.faults import Faults
from embedded_aws.gateway.refusal import AwsRefusal, denial
from embedded_aws.gateway.request_body import BodyRefused, body_of, form_of, refuse_large
from embedded_aws.held_bytes import HeldBytes
from embedded_aws.listings import make_arn

Responder = Callable[[str], object]
"""``region -> object``: what answers a service; its ``create_endpoint(params) -> dict`` answers CreateEndpoint."""

PathResponder = tuple[str, str, Callable[[str, Mapping[str, str]], tuple[int, object]]]
"""boto3's name of a path's service, IAM's of what it does, and ``(region, parameters) -> (status, JSON)``."""

AdminRoute = Callable[[Any], object]
"""Takes the request's JSON body (None without one) and returns what is sent as JSON."""

ADMIN_PREFIX = "/_dgsm/"
_NO_SERVICE = {"__type": "UnknownOperationException", "message": "The embedded AWS does not implement this service."}
_RESOURCES = (("EndpointName", "endpoint"), ("EndpointConfigName", "endpoint-config"), ("ModelName", "model"))
_EACH_BYTES, _TOGETHER_BYTES = 20 << 20, 128 << 20
_log = logging.getLogger(__name__)


class Gateway:
    """The WSGI application of the control plane.

    Args:
        responders: what answers a service, by boto3's name of it. An operation that it has no method for is refused:
            moto would answer from a state of its own, which holds nothing. Moto answers the other services.
        faults: asked before each call.
        paths: what answers a path of its own, which botocore's models do not know; signatures and faults hold there.
        admin: routes under ``/_dgsm/`` by (HTTP method, route), such as ``("GET", "status")``.
        default_region: of calls that are not signed; with ``check_signatures`` AWS's refusals of those hold.
    """

    def __init__(
        self,
        *,
        responders: Mapping[str, Responder],
        faults: Faults,
        admin: Mapping[tuple[str, str], AdminRoute],
        paths: Mapping[str, PathResponder] | None = None,
        default_region: str = "us-east-1",
        check_signatures: bool = False,
    ) -> None:
        self._responders = responders
        self._faults = faults
        self._admin = admin
        self._paths = paths or {}
        self._default_region = default_region
        self._check_signatures = check_signatures
        self._bodies = HeldBytes(each=_EACH_BYTES, together=_TOGETHER_BYTES)
        self._moto = moto_inside.application()

    def __call__(self, environ: dict, start_response: Callable) -> Iterable[bytes]:
        """Answer one request."""
        request = Request(environ)

        def give_way() -> None:
            if (connection := environ.get("werkzeug.socket")) is not None:
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)

        try:
            response = _refuse_web_pages(request) or self._answer(request, body_of(request, self._bodies, give_way))
        except BodyRefused as refused:
            response = _plain(refused.status, str(refused))
        except Exception:  # one broken request must not look like a broken server
            _log.exception("%s %s could not be answered", request.method, request.path)
            response = _plain(500, "The embedded AWS could not answer; its log says why.")
        finally:
            self._bodies.forget(give_way)
        return response(environ, start_response)

    def _answer(self, request: Request, body: bytes) -> Response:
        if request.path.startswith(ADMIN_PREFIX):
            return self._administer(request, body)
        if answering := self._paths.get(request.path):
            service, asked, answer = answering
            call = call_of_path(request, service, asked)
            if call is None:
                return _json(403, {"message": "Missing Authentication Token"})
            refusal = self._shut_out(request, body, call)
            return refusal or _json(*answer(call.region, request.args | dict(form_of(body))))
        call = recognise(request, body, default_region=self._default_region)
        if call is None:
            return _json(400, _NO_SERVICE)
        refusal = self._refusal(request, body, call)
        return refusal or self._from_responder(call) or self._from_moto(request, body, call)

    def _refusal(self, request: Request, body: bytes, call: AwsCall) -> Response | None:
        if call.service == "sagemaker-runtime":
            message = f"{call.asked} belongs to the runtime server: set AWS_ENDPOINT_URL_SAGEMAKER_RUNTIME to its URL."
            return answers.error(call, "UnknownOperationException", message, status=404)
        if shut_out := self._shut_out(request, body, call):
            return shut_out
        if not call.operation:
            return _unknown(call)
        if call.unreadable:
            return answers.error(call, "SerializationException", f"The request could not be read: {call.unreadable}")
        if corrected := moto_corrections.refusal(call):
            return answers.error(call, corrected.code, corrected.message)
        if call.wire is not None:
            problems = request_checks.problems(call.service, call.operation, call.wire)
            if problems:
                return answers.invalid(call, request_checks.summary(problems))
        return None

    def _shut_out(self, request: Request, body: bytes, call: AwsCall) -> Response | None:
        """What a call of any kind gets that is not signed as it should be, or that a fault strikes."""
        if self._check_signatures:
            try:
                signatures.check(request, body, call)
            except SignatureRefused as refused:
                return answers.error(call, refused.code, refused.message)
        struck = self._faults.api(call.service, call.operation or call.asked)
        return self._struck(call, struck) if struck else None

    def _struck(self, call: AwsCall, fault: str) -> Response:
        if fault == "throttling":
            return answers.error(call, "ThrottlingException", "Rate exceeded")
        if fault == "expired-credentials":
            return answers.error(call, "ExpiredTokenException", "The security token included in the request is expired")
        identity = moto_inside.caller_arn(call.access_key_id, call.region)
        denied = denial(identity, iam_action(call.service, call.asked), _resource(call))
        return answers.error(call, "AccessDeniedException", denied)

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
            return answers.invalid(call, str(refused))
        except Exception:
            _log.exception("%s:%s failed", call.service, call.operation)
            return answers.error(call, "InternalFailure", "The embedded AWS failed; its log says why.")

    def _from_moto(self, request: Request, body: bytes, call: AwsCall) -> Response:
        environ = dict(request.environ)
        environ.pop("HTTP_CONTENT_ENCODING", None)
        if call.protocol == "cbor":
            body = _as_json_request(environ, call)
        environ |= {"wsgi.input": io.BytesIO(body), "CONTENT_LENGTH": str(len(body))}
        try:
            iterable, status, headers = run_wsgi_app(self._moto, environ, buffered=True)
        except NotImplementedError:
            return _unknown(call)
        except Exception as error:
            # A part of moto that is not installed, or a request that it does not understand: nothing to retry.
            _log.warning("moto could not answer %s:%s: %r", call.service, call.asked, error)
            return _unknown(call)
        response = Response(iterable, status, headers)
        if response.status_code >= 500 or (response.status_code == 404 and response.mimetype == "text/html"):
            return _unknown(call)
        moto_corrections.correct(call, response)
        if response.mimetype == "text/html":  # moto's default for every content
            response.content_type = answers.media_type(call)
        try:
            return answers.as_cbor(call, response) if call.protocol == "cbor" else response
        except ValueError:  # moto answers this service in no protocol but its own
            return _unknown(call)

    def _administer(self, request: Request, body: bytes) -> Response:
        route = self._admin.get((request.method, request.path.removeprefix(ADMIN_PREFIX)))
        if route is None:
            return _json(404, {"message": f"There is no {request.method} {request.path}."})
        refuse_large(body)
        try:
            asked = json.loads(body) if body else None
        except (ValueError, RecursionError) as error:
            return _json(400, {"message": f"The body is not JSON: {error}"})
        try:
            return _json(200, route(asked))
        except InvalidInput as error:
            return _json(400, {"message": str(error)})
        except DgsmError as error:
            return _json(409, {"message": str(error)})


def _refuse_web_pages(request: Request) -> Response | None:
    headers = request.headers
    served = callers.is_served(
        host=headers.get("Host", ""), origin=headers.get("Origin"), fetch_site=headers.get("Sec-Fetch-Site")
    )
    return None if served else _plain(403, callers.REFUSAL)


def _resource(call: AwsCall) -> str:
    """The ARN that AWS names in a denial, as far as the request tells it."""
    if call.service == "sagemaker" and call.wire:
        for member, kind in _RESOURCES:
            name = call.wire.get(member)
            if isinstance(name, str):
                return make_arn("sagemaker", call.region, f"{kind}/{name.lower()}")
    return "*"


def _unknown(call: AwsCall) -> Response:
    message = f"The embedded AWS does not implement {call.service}:{call.asked}."
    return answers.error(call, "UnknownOperationException", message)


def _as_json_request(environ: dict, call: AwsCall) -> bytes:
    metadata = call.service_model.metadata
    environ["HTTP_X_AMZ_TARGET"] = f"{metadata['targetPrefix']}.{call.operation}"
    environ["CONTENT_TYPE"] = f"application/x-amz-json-{metadata.get('jsonVersion', '1.0')}"
    environ |= {"PATH_INFO": "/", "RAW_URI": "/", "REQUEST_URI": "/"}
    for name in ("HTTP_SMITHY_PROTOCOL", "HTTP_ACCEPT"):  # by which moto would choose its answer's protocol
        environ.pop(name, None)
    return json.dumps(call.wire).encode()


def _json(status: int, value: object) -> Response:
    return Response(json.dumps(value), status, content_type="application/json")


def _plain(status: int, text: str) -> Response:
    return Response(f"{text}\n", status, content_type="text/plain")
