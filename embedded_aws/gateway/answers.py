"""AWS's answers on the wire: results and errors in the protocol of the call."""

import base64
import json
import uuid
from collections.abc import Mapping
from typing import Any
from xml.sax.saxutils import escape

import cbor2
from werkzeug import Response

from embedded_aws.gateway import moto_inside
from embedded_aws.gateway.aws_call import AwsCall

_QUERY_CODES = {
    "ValidationException": "ValidationError",
    "AccessDeniedException": "AccessDenied",
    "ThrottlingException": "Throttling",
    "ExpiredTokenException": "ExpiredToken",
    "UnknownOperationException": "InvalidAction",
    "SerializationException": "MalformedInput",
    "UnrecognizedClientException": "InvalidClientTokenId",
    "InvalidSignatureException": "SignatureDoesNotMatch",
    "IncompleteSignatureException": "IncompleteSignature",
    "MissingAuthenticationTokenException": "MissingAuthenticationToken",
}
"""What services that have or had the query protocol (IAM, STS, CloudWatch) call the errors common to all."""

_FORBIDDEN = (
    "AccessDenied",
    "ExpiredToken",
    "InvalidClientTokenId",
    "SignatureDoesNotMatch",
    "MissingAuthenticationToken",
)
_STATUS = {"AccessDeniedException": 400, "InternalFailure": 500} | dict.fromkeys(_FORBIDDEN, 403)
_VALIDATION_CODES = {"logs": "InvalidParameterException", "pricing": "InvalidParameterException"}


def invalid(call: AwsCall, message: str) -> Response:
    """The error of a request that the service's model refuses."""
    return error(call, _VALIDATION_CODES.get(call.service, "ValidationException"), message)


def result(call: AwsCall, value: Mapping[str, object]) -> Response:
    """What the operation returned, as boto3 would show it; members the model does not know are left out."""
    protocol = "query" if call.protocol == "query" else "json"
    response = moto_inside.serialized(call.service, call.operation, protocol, value)
    response.content_type = media_type(call)
    return _sent(call, response)


def as_cbor(call: AwsCall, response: Response) -> Response:
    """A JSON answer of one of the backends in the protocol the client spoke."""
    body = json.loads(response.get_data() or b"{}")
    shape = call.operation_model.output_shape if response.status_code == 200 and call.operation_model else None
    rich = _rich(body, shape) if shape is not None else body
    answer = Response(cbor2.dumps(rich), response.status_code, content_type="application/cbor")
    answer.headers["smithy-protocol"] = "rpc-v2-cbor"
    if "x-amzn-query-error" in response.headers:
        answer.headers["x-amzn-query-error"] = response.headers["x-amzn-query-error"]
    return answer


def error(call: AwsCall, code: str, message: str, *, status: int | None = None) -> Response:
    """An error. ``code`` is the JSON protocols' name of it; where a service has another one for it, that is sent."""
    metadata = call.service_model.metadata
    compatible = "awsQueryCompatible" in metadata or call.protocol == "query"
    shape_name = _shape_name(call, code)
    if compatible:
        code = _QUERY_CODES.get(code, code)
    in_json = call.protocol in ("json", "cbor")
    modelled = None if compatible and in_json and not call.query_mode else _modelled_status(call, code)
    status = status or _STATUS.get(code) or modelled or 400
    fault = "Receiver" if status >= 500 else "Sender"
    if call.protocol == "query":
        text = _xml_error(code, message, fault, metadata.get("xmlNamespace", ""))
        response = Response(text, status, content_type=media_type(call))
    elif call.protocol == "rest" and metadata.get("protocol") == "rest-xml":
        text = f"<Error><Code>{escape(code)}</Code><Message>{escape(message)}</Message></Error>"
        response = Response(text, status, content_type=media_type(call))
    else:
        kind = f"com.amazonaws.{call.service}#{shape_name}" if compatible else code
        response = Response(json.dumps({"__type": kind, "message": message}), status, content_type=media_type(call))
        response.headers["x-amzn-ErrorType"] = shape_name if compatible else code
        if compatible:
            response.headers["x-amzn-query-error"] = f"{code};{fault}"
    return _sent(call, response)


def media_type(call: AwsCall) -> str:
    """What AWS calls the content of an answer in the protocol that the client spoke."""
    metadata = call.service_model.metadata
    if call.protocol == "query":
        return "text/xml"
    if call.protocol == "rest":
        return "application/xml" if metadata.get("protocol") == "rest-xml" else "application/json"
    return f"application/x-amz-json-{metadata.get('jsonVersion', '1.1')}"


def _sent(call: AwsCall, response: Response) -> Response:
    """The answer in the protocol the client spoke, with a new request id, as AWS sends one."""
    answer = as_cbor(call, response) if call.protocol == "cbor" else response
    answer.headers.setdefault("x-amzn-RequestId", str(uuid.uuid4()))
    return answer


def _modelled_status(call: AwsCall, code: str) -> int | None:
    for shape in call.service_model.error_shapes:
        if code in (shape.name, shape.error_code):
            return shape.metadata.get("error", {}).get("httpStatusCode", 400)
    return None


def _shape_name(call: AwsCall, code: str) -> str:
    """What the service model calls an error; the code itself for those common to all services.

    Two errors of a service may share a code: the operation's own come first.
    """
    own = call.operation_model.error_shapes if call.operation_model else []
    shapes = [*own, *call.service_model.error_shapes]
    return next((shape.name for shape in shapes if code in (shape.name, shape.error_code)), code)


def _xml_error(code: str, message: str, fault: str, namespace: str) -> str:
    xmlns = f' xmlns="{namespace}"' if namespace else ""
    return (
        f"<ErrorResponse{xmlns}><Error><Type>{fault}</Type><Code>{escape(code)}</Code>"
        f"<Message>{escape(message)}</Message></Error><RequestId>{uuid.uuid4()}</RequestId></ErrorResponse>"
    )


def _rich(value: Any, shape: Any) -> Any:
    """JSON's numbers and texts as the timestamps, blobs and floats that CBOR tells apart."""
    if value is None:
        return None
    match shape.type_name:
        case "structure":
            return {name: _rich(value[name], member) for name, member in shape.members.items() if name in value}
        case "list":
            return [_rich(item, shape.member) for item in value]
        case "map":
            return {key: _rich(item, shape.value) for key, item in value.items()}
        case "timestamp" if isinstance(value, (int, float)):
            return cbor2.CBORTag(1, float(value))
        case "blob":
            return base64.b64decode(value)
        case "double" | "float":
            return float(value)
    return value
