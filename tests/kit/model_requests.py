"""Requests made from botocore's service models: such as AWS takes by its model alone, and such as it refuses."""

from __future__ import annotations

import copy
import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from botocore import xform_name
from botocore.model import ListShape, MapShape, Shape, StringShape, StructureShape

from dgsm_helpers.rules.java_regex import compiled
from dgsm_helpers.rules.request_checks import service_model
from embedded_aws.autoscaling.autoscaling_service import AutoScaling
from embedded_aws.cloudwatch.cloudwatch_service import CloudWatch
from embedded_aws.listings import LISTINGS
from embedded_aws.other.marketplace_service import Agreements
from embedded_aws.other.price_list_service import Pricing
from embedded_aws.other.service_quotas import ServiceQuotas
from embedded_aws.sagemaker.sagemaker_service import SageMaker, TaggedResources

ANSWERING: Mapping[str, type] = {
    "sagemaker": SageMaker,
    "application-autoscaling": AutoScaling,
    "cloudwatch": CloudWatch,
    "service-quotas": ServiceQuotas,
    "resourcegroupstaggingapi": TaggedResources,
    "pricing": Pricing,
    "marketplace-agreement": Agreements,
}
"""What answers a service that the embedded AWS answers itself."""

KNOWN: Mapping[str, Any] = {
    "EndpointName": "e",
    "EndpointConfigName": "c",
    "ModelName": "m",
    "VariantName": "AllTraffic",
    "ResourceId": "endpoint/e/variant/AllTraffic",
    "ServiceNamespace": "sagemaker",
    "ScalableDimension": "sagemaker:variant:DesiredInstanceCount",
    "ModelPackageName": LISTINGS[0].arn("us-east-1"),
    "InstanceType": "ml.g6.2xlarge",
    "ExecutionRoleArn": "arn:aws:iam::123456789012:role/Execution",
    "ResourceArn": "arn:aws:sagemaker:us-east-1:123456789012:endpoint/e",
    "ResourceARN": "arn:aws:cloudwatch:us-east-1:123456789012:alarm:a",
    "AlarmName": "a",
    "Namespace": "Own",
    "MetricName": "Load",
    "Id": "m1",
    "Stat": "Sum",
    "Expression": "FILL(m1, 0) * 2",
    "Period": 60,
    "StateReasonData": '{"recentDatapoints": [1.0]}',
    "DashboardBody": "{}",
    "Schedule": "rate(1 day)",
    "Timezone": "UTC",
    "PolicyName": "p",
    "ScheduledActionName": "s",
    "ServiceCode": "sagemaker",
    "EnableNetworkIsolation": True,
    "ComparisonOperator": "GreaterThanThreshold",
}
"""Values with which a request gets further than to the first thing that does not exist."""

DEEPEST = 6


def operations(service: str) -> list[str]:
    """The operations of a service that the embedded AWS answers itself."""
    return [n for n in service_model(service).operation_names if hasattr(ANSWERING[service], xform_name(n))]


def valid_request(service: str, operation: str, rng: random.Random) -> dict[str, Any]:
    """A request that keeps to the model: required members always, others now and then, values at their bounds too."""
    shape = service_model(service).operation_model(operation).input_shape
    return _structure(shape, 0, rng) if shape is not None else {}


def _structure(shape: StructureShape, depth: int, rng: random.Random) -> dict[str, Any]:
    if getattr(shape, "is_tagged_union", False):
        name = rng.choice(list(shape.members))
        return {name: _value(name, shape.members[name], depth, rng)}
    often = 0.5 if depth < 2 else 0.2
    chosen = {
        name: _value(name, member, depth, rng)
        for name, member in shape.members.items()
        if name in shape.required_members or (depth < DEEPEST and rng.random() < often)
    }
    return {name: value for name, value in chosen.items() if value is not _NONE}


_NONE = object()
"""Instead of a text when none is known that keeps to a pattern."""


def _value(name: str, shape: Shape, depth: int, rng: random.Random) -> Any:
    if name in KNOWN and rng.random() < 0.7:
        return KNOWN[name]
    made = _made(shape, depth, rng)
    return KNOWN.get(name, made) if made is _NONE else made


def _made(shape: Shape, depth: int, rng: random.Random) -> Any:
    least, most = shape.metadata.get("min", 0), shape.metadata.get("max")
    if isinstance(shape, StructureShape):
        return _structure(shape, depth + 1, rng)
    count = min(most or 3, max(least, rng.randrange(4)))
    if isinstance(shape, ListShape):
        return [item for _ in range(count) if (item := _made(shape.member, depth + 1, rng)) is not _NONE]
    if isinstance(shape, MapShape):
        pairs = [(_made(shape.key, depth + 1, rng), _made(shape.value, depth + 1, rng)) for _ in range(count)]
        return {key: value for key, value in pairs if key is not _NONE and value is not _NONE}
    match shape.type_name:
        case "string":
            return _text(shape, least, most, rng)
        case "boolean":
            return rng.random() < 0.5
        case "integer" | "long":
            low, high = shape.metadata.get("min", -(2**31)), shape.metadata.get("max", 2**31 - 1)
            return rng.choice((low, high, max(low, 0), max(low, 1), rng.randint(low, high)))
        case "timestamp":
            return rng.choice((0, 1_799_990_000, 1_800_000_000, 2**32, 1_800_000_000 + rng.randrange(10**6)))
        case "blob":
            return "QQ=="
    return rng.choice(("NaN", "Infinity", "-Infinity", 0, -1, 1.5, 1e308, rng.uniform(-1e6, 1e6)))


_TEXTS = (
    "",
    "a",
    "m1",
    "/",
    "[",
    "${PROP('Dim.x')}",
    "m1 / (m1 - m1)",
    "\u00e9\u4e2d\u2028",
    "'\"<&>",
    "x" * 40,
    "arn:aws:a",
)
"""What clients send where everything is allowed."""
_SHAPED = (
    *("a", "1", "abc", "abcdefgh", "123456789012", "a1-b2", "us-east-1", "ml.g6.2xlarge", "p99", "+0130", "s3://b/k"),
    *("arn:aws:iam::123456789012:role/Execution", "https://a.b/c", "subnet-0a1b2c3d", "sg-0a1b2c3d", "{}"),
    *("arn:aws:sagemaker:us-east-1:123456789012:endpoint/e", "arn:aws:sns:us-east-1:123456789012:t", "a" * 32),
)
"""Texts of the shapes that patterns ask for."""


def _text(shape: StringShape, least: int, most: int | None, rng: random.Random) -> Any:
    if shape.enum:
        return rng.choice(list(shape.enum))
    pattern = compiled(shape.metadata["pattern"]) if "pattern" in shape.metadata else None
    candidates = _TEXTS if pattern is None else _SHAPED
    fitting = [
        text
        for text in (*candidates, "a" * max(1, least))
        if least <= len(text) <= (most or 10**9) and (pattern is None or pattern.fullmatch(text))
    ]
    return rng.choice(fitting) if fitting else _NONE


@dataclass(frozen=True)
class Violation:
    """A request that breaks one constraint of the model: ``kind`` of constraint, at ``path`` in AWS's words."""

    kind: str
    path: str
    request: Mapping[str, Any]

    def __str__(self) -> str:
        return f"{self.path or 'request'} {self.kind}"


def violations(service: str, operation: str) -> Iterator[Violation]:
    """One request for each constraint that the model puts on an operation's input, as deep as `DEEPEST`."""
    shape = service_model(service).operation_model(operation).input_shape
    if shape is None:
        return
    for kind, path, change in _breaches(shape, (), 0):
        request = _minimal(shape)
        node: Any = request
        walked: Shape = shape
        for part in path[:-1]:
            walked = walked.members[part] if isinstance(walked, StructureShape) else walked.member
            node = node.setdefault(part, _minimal_of(walked)) if isinstance(node, dict) else node[0]
        key = path[-1]
        if isinstance(node, list):
            node[:] = [change]
        elif change is _GONE:
            node.pop(key, None)
        else:
            node[key] = change
        yield Violation(kind, _words(path), request)


_GONE = object()


def _breaches(shape: Shape, path: tuple[Any, ...], depth: int) -> Iterator[tuple[str, tuple[Any, ...], Any]]:
    if isinstance(shape, StructureShape):
        union = getattr(shape, "is_tagged_union", False)
        for name in shape.required_members:
            yield "missing", (*path, name), _GONE
        for name, member in shape.members.items() if depth < DEEPEST else ():
            if not union:
                yield from _breaches(member, (*path, name), depth + 1)
        return
    if not path:
        return
    meta = shape.metadata
    if isinstance(shape, ListShape):
        yield "of another type", path, "text"
        item = _minimal_of(shape.member)
        if meta.get("min", 0) > 0:
            yield "too short", path, []
        if meta.get("max", 10**9) < 200:
            yield "too long", path, [copy.deepcopy(item) for _ in range(meta["max"] + 1)]
        if not isinstance(shape.member, MapShape):
            yield from _breaches(shape.member, (*path, 0), depth + 1)
    elif isinstance(shape, MapShape):
        yield "of another type", path, "text"
    elif shape.type_name == "string":
        yield "of another type", path, 17
        if getattr(shape, "enum", None):
            yield "none of its values", path, "no-such-value"
            return
        if meta.get("min", 0) > 0:
            yield "too short", path, ""
        if meta.get("max", 10**9) <= 5000:
            yield "too long", path, "a" * (meta["max"] + 1)
        pattern = compiled(meta["pattern"]) if "pattern" in meta else None
        if pattern is not None and not pattern.fullmatch("\n\0"):
            yield "not of its pattern", path, "\n\0" * max(1, meta.get("min", 1))
    elif shape.type_name in ("integer", "long", "float", "double"):
        yield "of another type", path, "text"
        if "min" in meta:
            yield "too small", path, meta["min"] - 1
        if "max" in meta:
            yield "too large", path, meta["max"] + 1
    elif shape.type_name == "boolean":
        yield "of another type", path, "yes"


def _minimal(shape: StructureShape) -> dict[str, Any]:
    return {name: KNOWN.get(name, _minimal_of(shape.members[name])) for name in shape.required_members}


def _minimal_of(shape: Shape) -> Any:
    least = max(1, shape.metadata.get("min", 1))
    match shape:
        case StructureShape():
            return _minimal(shape)
        case ListShape():
            return [_minimal_of(shape.member) for _ in range(least)]
        case MapShape():
            return {"k": _minimal_of(shape.value)}
    match shape.type_name:
        case "string":
            return shape.enum[0] if getattr(shape, "enum", None) else "a" * least
        case "boolean":
            return True
        case "timestamp":
            return 1_800_000_000
        case "blob":
            return "QQ=="
    return least


def _words(path: tuple[Any, ...]) -> str:
    """A place as AWS names it: ``productionVariants.1.member.variantName``."""
    words = ["1.member" if part == 0 else part[:1].lower() + part[1:] for part in path]
    return ".".join(words)
