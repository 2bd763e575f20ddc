"""Which AWS call an HTTP request is: service, operation, region, parameters, whatever the protocol."""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import cbor2
from botocore.model import OperationModel, ServiceModel
from werkzeug import Request
from werkzeug.datastructures import MultiDict

from dgsm_helpers.errors import InvalidInput
from dgsm_helpers.rules import request_checks
from embedded_aws.gateway import moto_inside
from embedded_aws.gateway.request_body import form_of, refuse_large

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
    "AWSMPCommerceService_v20200301": "marketplace-agreement",
    "ResourceGroupsTaggingAPI_20170126": "resourcegroupstaggingapi",
}


UNREADABLE = (ValueError, OverflowError, OSError, RuntimeError)
"""What readers raise of a value that is none of its type, such as a time beyond the calendar."""


@dataclass(frozen=True, kw_only=True)
class AwsCall:
    """An AWS call.

    ``asked`` is the operation that the request names, ``operation`` is the same, or "" when the service has no such
    operation. ``protocol`` is ``json``, ``query``, ``rest``, or ``cbor``. ``wire`` holds the parameters as they came
    (JSON types), None when they were not read (REST) or cannot be (``unreadable`` says why).
    """

    service: str
    region: str
    access_key_id: str
    protocol: str = "rest"
    asked: str = ""
    operation: str = ""
    wire: Mapping[str, Any] | None = None
    unreadable: str = ""
    query_mode: bool = False
    """Whether the client asks for the query protocol's codes and statuses (``x-amzn-query-mode``)."""

    @property
    def service_model(self) -> ServiceModel:
        """botocore's model of the service."""
        return request_checks.service_model(self.service)

    @property
    def operation_model(self) -> OperationModel | None:
        """botocore's model of the operation."""
        return self.service_model.operation_model(self.operation) if self.operation else None

    def params(self) -> Mapping[str, Any]:
        """The parameters as boto3 takes them; ``wire`` must have passed the service model.

        Raises:
            ValueError, OverflowError, OSError, RuntimeError: a time is none (``UNREADABLE``).
        """
        wire = self.wire or {}
        if self.protocol == "query":  # whose reader makes datetimes and bytes at once
            return wire
        return moto_inside.params_of_json(self.service, self.operation, wire)


def read_cbor(data: bytes) -> Any:
    """The value of a CBOR document; timestamps (tag 1) come back as numbers, which is what JSON would have held.

    Raises:
        ValueError: the bytes are no CBOR value.
    """
    try:
        return cbor2.loads(data, semantic_decoders={1: lambda seconds, _: seconds}, object_hook=_undefined_as_null)
    except (cbor2.CBORDecodeError, TypeError, AttributeError) as error:  # the last two: a key that can be none
        raise ValueError(f"the body is not CBOR: {error}") from error


def _undefined_as_null(members: Mapping[Any, Any], _: bool) -> dict[Any, Any]:
    """Smithy's protocol has no "undefined": where it comes, it means null."""
    return {name: None if value is cbor2.undefined else value for name, value in members.items()}


def call_of_path(request: Request, service: str, asked: str) -> AwsCall | None:
    """The call of a path that botocore's models do not know; None when the request is not signed."""
    scope = _SCOPE.search(request.headers.get("Authorization", ""))
    return AwsCall(service=service, region=scope["region"], access_key_id=scope["key"], asked=asked) if scope else None


def recognise(request: Request, body: bytes, *, default_region: str) -> AwsCall | None:
    """The AWS call that a request makes, or None when it is none that botocore knows.

    Raises:
        BodyRefused: its body would take too much memory.
    """
    scope = _SCOPE.search(request.headers.get("Authorization", ""))
    prefix, _, target = request.headers.get("X-Amz-Target", "").rpartition(".")
    rpc = re.fullmatch(r"/service/(?P<prefix>\w+)/operation/(?P<operation>\w+)", request.path)
    form = _form(request, body)
    service = _BY_TARGET_PREFIX.get(rpc["prefix"] if rpc else prefix.rpartition(".")[2])
    if service is None and scope:
        service = _BY_SIGNING_NAME.get(scope["service"].lower(), scope["service"].lower())
    if service == "elbv2" and form.get("Version") == "2012-06-01":
        service = "elb"
    if service is None and form.get("Action") and form.get("Version") == "2011-06-15":
        service = "sts"  # AssumeRoleWithWebIdentity and its like are not signed
    if service is None:
        return None
    call = AwsCall(
        service=service,
        region=scope["region"] if scope else default_region,
        access_key_id=scope["key"] if scope else "",
        query_mode=request.headers.get("x-amzn-query-mode", "").lower() == "true",
    )
    try:
        operations = call.service_model.operation_names
    except InvalidInput:
        return None
    asked = rpc["operation"] if rpc else target or form.get("Action", "")
    if not asked:
        return _rest(call, request)
    call = replace(call, asked=asked, operation=asked if asked in operations else "")
    if rpc:
        return _decoded(replace(call, protocol="cbor"), read_cbor, body)
    if target:
        return _decoded(replace(call, protocol="json"), json.loads, body)
    return _query(replace(call, protocol="query"), form)


def _form(request: Request, body: bytes) -> MultiDict[str, str]:
    """The parameters of the query protocol. What comes twice counts the first time, for moto as well."""
    if "x-www-form-urlencoded" in request.headers.get("Content-Type", ""):
        return MultiDict(form_of(body))
    return request.args


def _decoded(call: AwsCall, decode: Callable[[bytes], Any], body: bytes) -> AwsCall:
    refuse_large(body, cbor=call.protocol == "cbor")
    try:
        wire = decode(body) if body else {}
    except ValueError as error:
        return replace(call, unreadable=str(error))
    except RecursionError:
        return replace(call, unreadable="the body is nested too deeply")
    if not isinstance(wire, Mapping):
        return replace(call, unreadable="the body is not an object")
    return replace(call, wire=wire)


def _query(call: AwsCall, form: Mapping[str, str]) -> AwsCall:
    if not call.operation or call.service_model.metadata.get("protocol") == "ec2":
        return call  # EC2 writes lists in a form of its own, which moto reads
    try:
        return replace(call, wire=moto_inside.params_of_form(call.service, call.operation, form))
    except UNREADABLE as error:
        return replace(call, unreadable=str(error))


def _rest(call: AwsCall, request: Request) -> AwsCall | None:
    names = [call.service]
    if call.service == "sagemaker":  # its runtime and metrics services sign with the same name
        names = ["sagemaker-runtime", "sagemaker-metrics", "sagemaker-featurestore-runtime"]
    for name in names:
        if not request_checks.service_model(name).metadata.get("protocol", "").startswith("rest"):
            continue
        if operation := moto_inside.operation_of_path(name, request):
            return replace(call, service=name, asked=operation, operation=operation)
    return None
