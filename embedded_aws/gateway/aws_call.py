"""Which AWS call an HTTP request is: service, operation, region, parameters, whatever the protocol."""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import parse_qsl

from botocore.model import OperationModel, ServiceModel
from botocore.utils import parse_timestamp
from moto.core.parse import PROTOCOL_PARSERS
from moto.core.request import Request
from moto.core.routing import get_service_router
from moto.core.utils import get_service_model
from werkzeug.exceptions import HTTPException

from dgsm_helpers.errors import InvalidInput
from dgsm_helpers.rules import request_checks as service_model
from embedded_aws.gateway import cbor

_SCOPE = re.compile(r"Credential=(?P<key>[^/]+)/\d{8}/(?P<region>[^/]+)/(?P<service>[^/]+)/aws4_request")
_BY_SIGNING_NAME = {
    "monitoring": "cloudwatch",
    "servicequotas": "service-quotas",
    "tagging": "resourcegroupstaggingapi",
    "states": "stepfunctions",
    "elasticloadbalancing": "elbv2",
}
"""Where boto3's name of a service is not the name it signs with."""

_BY_TARGET_PREFIX = {
    "SageMaker": "sagemaker",
    "AnyScaleFrontendService": "application-autoscaling",
    "GraniteServiceVersion20100801": "cloudwatch",
    "ServiceQuotasV20190624": "service-quotas",
    "AWSPriceListService": "pricing",
    "Logs_20140328": "logs",
    "ResourceGroupsTaggingAPI_20170126": "resourcegroupstaggingapi",
}


@dataclass(frozen=True, kw_only=True)
class Call:
    """An AWS call.

    ``operation`` is what was ``asked`` for, or "" when the service has no such operation. ``protocol`` is ``json``,
    ``query``, ``rest``, or ``cbor``. ``wire`` holds the parameters as they came (JSON types), ``params`` as boto3 takes
    them; both are None when they were not read (REST) or cannot be (``unreadable`` says why).
    """

    service: str
    operation: str
    asked: str
    region: str
    access_key_id: str
    protocol: str
    wire: Mapping[str, object] | None = None
    params: dict[str, object] | None = None
    unreadable: str = ""

    @property
    def service_model(self) -> ServiceModel:
        """botocore's model of the service."""
        return service_model.service_model(self.service)

    @property
    def operation_model(self) -> OperationModel | None:
        """botocore's model of the operation."""
        return self.service_model.operation_model(self.operation) if self.operation else None

    @property
    def is_rest(self) -> bool:
        """Whether path and method name the operation."""
        return self.protocol == "rest"


def body_of(request: Request) -> bytes:
    """The request's body, unpacked (boto3 packs a large PutMetricData)."""
    body = request.get_data(cache=True)
    return gzip.decompress(body) if request.headers.get("Content-Encoding", "").lower() == "gzip" else body


def recognise(request: Request, body: bytes, *, default_region: str) -> Call | None:
    """The AWS call that a request makes, or None when it is none that botocore knows."""
    scope = _SCOPE.search(request.headers.get("Authorization", ""))
    region = scope["region"] if scope else default_region
    key = scope["key"] if scope else ""
    prefix, _, target = request.headers.get("X-Amz-Target", "").rpartition(".")
    rpc = re.fullmatch(r"/service/(?P<prefix>\w+)/operation/(?P<operation>\w+)", request.path)
    form = _form(request, body)
    service = _BY_TARGET_PREFIX.get(rpc["prefix"] if rpc else prefix.rpartition(".")[2])
    if service is None and scope:
        service = _BY_SIGNING_NAME.get(scope["service"].lower(), scope["service"].lower())
    if service is None and form.get("Action") and form.get("Version") == "2011-06-15":
        service = "sts"  # AssumeRoleWithWebIdentity and its like are not signed
    if service is None:
        return None
    try:
        model = service_model.service_model(service)
    except InvalidInput:
        return None
    common = {"service": service, "region": region, "access_key_id": key}
    if rpc:
        return _decoded(model, common | {"protocol": "cbor"}, rpc["operation"], body)
    if target:
        return _decoded(model, common | {"protocol": "json"}, target, body)
    if "Action" in form:
        return _query(model, form, common)
    return _rest(model, request, common)


def _form(request: Request, body: bytes) -> Mapping[str, str]:
    if "x-www-form-urlencoded" in request.headers.get("Content-Type", ""):
        return dict(parse_qsl(body.decode(errors="replace"), keep_blank_values=True))
    return request.args


def _decoded(model: ServiceModel, common: Mapping[str, str], asked: str, body: bytes) -> Call:
    operation = asked if asked in model.operation_names else ""
    loads = {"json": json.loads, "cbor": cbor.loads}[common["protocol"]]
    try:
        wire, problem = (loads(body) if body else {}), ""
    except ValueError as error:
        wire, problem = None, str(error)
    if not problem and not isinstance(wire, Mapping):
        wire, problem = None, "the body is not an object"
    return Call(**common, operation=operation, asked=asked, wire=wire, unreadable=problem)


def parsed(call: Call) -> dict[str, object]:
    """``call.wire`` with timestamps and blobs as Python holds them; it must have passed the service model."""
    if call.params is not None:
        return call.params
    operation = get_service_model(call.service).operation_model(call.operation)
    parser = PROTOCOL_PARSERS["json"](operation, timestamp_parser=parse_timestamp)
    shape = operation.input_shape
    return parser._parse_shape(shape, call.wire) if shape is not None else {}


def _query(model: ServiceModel, form: Mapping[str, str], common: Mapping[str, str]) -> Call:
    asked = form["Action"]
    if asked not in model.operation_names:
        return Call(**common, operation="", asked=asked, protocol="query")
    operation = get_service_model(model.service_name).operation_model(asked)
    parser = PROTOCOL_PARSERS["query"](operation, timestamp_parser=parse_timestamp)
    try:
        params = parser.parse({"values": form})
    except ValueError as error:
        return Call(**common, operation=asked, asked=asked, protocol="query", unreadable=str(error))
    return Call(**common, operation=asked, asked=asked, protocol="query", wire=params, params=params)


def _rest(model: ServiceModel, request: Request, common: dict[str, str]) -> Call | None:
    names = [model.service_name]
    if model.service_name == "sagemaker":  # its runtime and metrics services sign with the same name
        names = ["sagemaker-runtime", "sagemaker-metrics", "sagemaker-featurestore-runtime"]
    for name in names:
        if not service_model.service_model(name).metadata.get("protocol", "").startswith("rest"):
            continue
        try:
            operation, _ = get_service_router(name).match(request)
        except (HTTPException, NotImplementedError):
            continue
        return Call(**(common | {"service": name}), operation=operation.name, asked=operation.name, protocol="rest")
    return None
