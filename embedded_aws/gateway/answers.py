"""AWS's answers on the wire: results and errors in the protocol of the call."""

from __future__ import annotations

import base64
import json
import uuid
from collections.abc import Mapping
from datetime import UTC, datetime
from xml.sax.saxutils import escape

from botocore.model import Shape
from moto.core.responses import XFormedAttributePicker
from moto.core.serialize import get_serializer_class
from moto.core.utils import get_service_model
from werkzeug import Response

from embedded_aws.gateway import cbor
from embedded_aws.gateway.aws_call import Call

_QUERY_CODES = {
    "ValidationException": "ValidationError",
    "AccessDeniedException": "AccessDenied",
    "ThrottlingException": "Throttling",
    "ExpiredTokenException": "ExpiredToken",
    "UnknownOperationException": "InvalidAction",
    "SerializationException": "MalformedInput",
}
"""What services that have or had the query protocol (IAM, STS, CloudWatch) call the errors common to all."""

_STATUS = {"AccessDeniedException": 400, "AccessDenied": 403, "ExpiredToken": 403, "InternalFailure": 500}
_VALIDATION_CODES = {"logs": "InvalidParameterException", "pricing": "InvalidParameterException"}


def result(call: Call, value: Mapping[str, object]) -> Response:
    """What the operation returned, as boto3 would show it; members the model does not know are left out."""
    model = get_service_model(call.service)
    protocol = "json" if call.protocol in ("json", "cbor") else call.protocol
    serializer = get_serializer_class(call.service, protocol)(
        operation_model=model.operation_model(call.operation), value_picker=XFormedAttributePicker()
    )
    serialized = serializer.serialize(value)
    response = Response(serialized["body"], serialized["status_code"], dict(serialized["headers"]))
    return stamped(as_cbor(call, response) if call.protocol == "cbor" else response)


def as_cbor(call: Call, response: Response) -> Response:
    """A JSON answer of one of the backends in the protocol the client spoke."""
    body = json.loads(response.get_data() or b"{}")
    shape = call.operation_model.output_shape if response.status_code == 200 and call.operation_model else None
    rich = _rich(body, shape) if shape is not None else body
    answer = Response(cbor.dumps(rich), response.status_code, content_type="application/cbor")
    answer.headers["smithy-protocol"] = "rpc-v2-cbor"
    if "x-amzn-query-error" in response.headers:
        answer.headers["x-amzn-query-error"] = response.headers["x-amzn-query-error"]
    return answer


def error(call: Call, code: str, message: str, *, status: int | None = None) -> Response:
    """An error. ``code`` is the JSON protocols' name of it; where a service has another one for it, that is sent."""
    metadata = call.service_model.metadata
    compatible = "awsQueryCompatible" in metadata or call.protocol == "query"
    if code == "ValidationException":
        code = _VALIDATION_CODES.get(call.service, code)
    if compatible:
        code = _QUERY_CODES.get(code, code)
    status = status or _STATUS.get(code) or _modelled_status(call, code) or 400
    fault = "Receiver" if status >= 500 else "Sender"
    if call.protocol == "query":
        response = Response(_xml_error(code, message, fault), status, content_type="text/xml")
    elif call.is_rest and metadata.get("protocol") == "rest-xml":
        text = f"<Error><Code>{escape(code)}</Code><Message>{escape(message)}</Message></Error>"
        response = Response(text, status, content_type="application/xml")
    else:
        version = metadata.get("jsonVersion", "1.1")
        kind = "application/json" if call.is_rest else f"application/x-amz-json-{version}"
        response = Response(json.dumps({"__type": code, "message": message}), status, content_type=kind)
        response.headers["x-amzn-ErrorType"] = code
        if compatible:
            response.headers["x-amzn-query-error"] = f"{code};{fault}"
    return stamped(as_cbor(call, response) if call.protocol == "cbor" else response)


def stamped(response: Response) -> Response:
    """The answer with a request id of its own, for support cases that will never be."""
    response.headers.setdefault("x-amzn-RequestId", str(uuid.uuid4()))
    return response


def _modelled_status(call: Call, code: str) -> int | None:
    for shape in call.service_model.error_shapes:
        if code in (shape.name, shape.error_code):
            return shape.metadata.get("error", {}).get("httpStatusCode", 400)
    return None


def _xml_error(code: str, message: str, fault: str) -> str:
    return (
        f"<ErrorResponse><Error><Type>{fault}</Type><Code>{escape(code)}</Code>"
        f"<Message>{escape(message)}</Message></Error><RequestId>{uuid.uuid4()}</RequestId></ErrorResponse>"
    )


def _rich(value: object, shape: Shape) -> object:
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
            return datetime.fromtimestamp(value, UTC)
        case "blob":
            return base64.b64decode(value)
        case "double" | "float":
            return float(value)
    return value
