"""Checks of a request against botocore's service model that botocore itself leaves to AWS.

botocore refuses unknown keys, wrong types and values under a minimum; maxima, enumerations and patterns it sends as
they are. The same function checks requests before they are sent to AWS, so that nothing is half-made when the third
call of a deployment turns out to be wrong, and makes the embedded AWS refuse what AWS would refuse, in AWS's words. A
few rules that the models hold only in prose are in ``_PROSE``.

Source of the wording: AWS's ``ValidationException`` texts (``1 validation error detected: Value '…' at '…' failed to
satisfy constraint: …``).
"""

from collections.abc import Callable, Iterator, Mapping
from datetime import date
from decimal import Decimal
from functools import lru_cache
from typing import Any, TypeGuard

from botocore.exceptions import UnknownServiceError
from botocore.loaders import Loader
from botocore.model import ListShape, MapShape, ServiceModel, Shape, StructureShape

from dgsm_helpers.errors import InvalidInput, InvalidRequest
from dgsm_helpers.rules import java_regex

_ALSO_ADMITTED = {("sqs", "QueueAttributeName"): "MessageSystemAttributeName"}
"""Enumerations whose values the model splits, while the API reference lists both (SQS, ReceiveMessage)."""
_SHOWN_ORDER = {
    # Recorded on AWS (SetAlarmState, PutScalingPolicy); elsewhere the order of the model is shown.
    ("OK", "ALARM", "INSUFFICIENT_DATA"): ("INSUFFICIENT_DATA", "ALARM", "OK"),
    ("StepScaling", "TargetTrackingScaling", "PredictiveScaling"): (
        "PredictiveScaling",
        "StepScaling",
        "TargetTrackingScaling",
    ),
}
"""How AWS lists the values of an enumeration in its refusals, where that is known."""

METRIC_FREQUENCIES_S = (10, 30, 60, 120, 180, 240, 300)
"""What ``MetricPublishFrequencyInSeconds`` may be (SageMaker API reference, MetricsConfig)."""

_SHOWN_CHARACTERS = 200


def problems(service: str, operation: str, params: Mapping[str, Any]) -> tuple[str, ...]:
    """Every reason for which AWS would refuse ``params`` by its model alone; empty when there is none.

    Args:
        service: boto3's name of the service, such as ``sagemaker``.
        operation: the API's name of the operation, such as ``CreateEndpointConfig``.
        params: the request as boto3 takes it, or as a JSON body holds it (timestamps as numbers).

    Raises:
        InvalidInput: botocore knows no such service or operation.
    """
    model = service_model(service)
    if operation not in model.operation_names:
        raise InvalidInput(f"The service model of {service} has no operation {operation!r}.")
    shape = model.operation_model(operation).input_shape
    return tuple(_structure(service, shape, params, "")) if shape is not None else ()


def validate(service: str, operation: str, params: Mapping[str, Any]) -> None:
    """Refuse ``params`` when AWS would, by its model alone.

    Raises:
        InvalidRequest: it lists every reason.
        InvalidInput: botocore knows no such service or operation.
    """
    if reasons := problems(service, operation, params):
        raise InvalidRequest(
            f"AWS would refuse this {operation}: {summary(reasons)}",
            hint="Correct the values named; nothing was sent.",
            problems=reasons,
        )


def summary(reasons: tuple[str, ...]) -> str:
    """The reasons as one AWS message: ``2 validation errors detected: …; …``."""
    return f"{len(reasons)} validation error{'s' if len(reasons) > 1 else ''} detected: {'; '.join(reasons)}"


@lru_cache(maxsize=32)
def service_model(service: str) -> ServiceModel:
    """botocore's model of a service, loaded once; InvalidInput where it knows none of that name."""
    try:
        return ServiceModel(model_loader().load_service_model(service, "service-2"), service_name=service)
    except UnknownServiceError as error:
        raise InvalidInput(
            f"botocore knows no service {service!r}.", hint="Use boto3's name, such as sagemaker."
        ) from error


def enum_values(service: str, shape_name: str) -> tuple[str, ...]:
    """The values an enumeration admits, such as ``("sagemaker", "ProductionVariantInstanceType")``."""
    return tuple(service_model(service).shape_for(shape_name).enum)


@lru_cache(maxsize=1)
def model_loader() -> Loader:
    """Finds the service models that came with botocore; no configuration, variable or folder of the user's is asked.

    One for all who ask: a loader keeps what it has read, and SageMaker's model takes 0.1 s to read.
    """
    return Loader(extra_search_paths=[Loader.BUILTIN_DATA_PATH], include_default_search_paths=False)


def _check(service: str, shape: Shape, value: Any, path: str) -> Iterator[str]:
    type_words, admits = _TYPES[shape.type_name]
    if not admits(value):
        yield f"Value '{_shown(value)}' at '{path}' failed to satisfy constraint: Member must be {type_words}"
        return
    yield from _constraints(service, shape, value, path)
    if isinstance(shape, StructureShape):
        yield from _structure(service, shape, value, path)
    elif isinstance(shape, ListShape):
        for index, item in enumerate(value, start=1):
            yield from _check(service, shape.member, item, f"{path}.{index}.member")
    elif isinstance(shape, MapShape):
        yield from _map(service, shape, value, path)
    for rule in _PROSE.get((service, shape.name), ()) if not isinstance(shape, StructureShape) else ():
        yield from (f"Value '{_shown(value)}' at '{path}' failed to satisfy constraint: {text}" for text in rule(value))


def _structure(service: str, shape: StructureShape, value: Mapping[str, Any], path: str) -> Iterator[str]:
    if shape.is_document_type:
        return
    prefix = f"{path}." if path else ""
    for name in shape.required_members:
        if value.get(name) is None:
            yield f"Value null at '{prefix}{_camel(name)}' failed to satisfy constraint: Member must not be null"
    for name, item in value.items():
        if name not in shape.members:
            known = ", ".join(shape.members)
            yield f'Unknown parameter in {path or "input"}: "{name}", must be one of: {known}'
        elif item is not None:
            yield from _check(service, shape.members[name], item, prefix + _camel(name))
    if getattr(shape, "is_tagged_union", False) and len([v for v in value.values() if v is not None]) != 1:
        yield f"Value at '{path}' failed to satisfy constraint: Exactly one member of {shape.name} must be set"
    for rule in _PROSE.get((service, shape.name), ()):
        place = f"Value at '{path}' failed to satisfy constraint: " if path else ""
        yield from (f"{place}{text}" for text in rule(value))


def _map(service: str, shape: MapShape, value: Mapping[str, Any], path: str) -> Iterator[str]:
    for part, part_shape, items in (("keys", shape.key, value), ("value", shape.value, value.values())):
        for item in items:
            for text in _check(service, part_shape, item, path):
                constraint = text.partition("failed to satisfy constraint: ")[2] or text
                yield (
                    f"Value '{_shown(item)}' at '{path}' failed to satisfy constraint: "
                    f"Map {part} must satisfy constraint: [{constraint}]"
                )


def _constraints(service: str, shape: Shape, value: Any, path: str) -> Iterator[str]:
    complaint = f"Value '{_shown(value)}' at '{path}' failed to satisfy constraint: Member must"
    meta = shape.metadata
    if meta.get("sensitive"):
        complaint = f"Value at '{path}' failed to satisfy constraint: Member must"
    size, kind = (value, "value") if isinstance(value, (int, float, Decimal)) else (_length(value), "length")
    if size is not None:
        if "min" in meta and size < meta["min"]:
            yield f"{complaint} have {kind} greater than or equal to {meta['min']}"
        if "max" in meta and size > meta["max"]:
            yield f"{complaint} have {kind} less than or equal to {meta['max']}"
    if not isinstance(value, str):
        return
    enum = tuple(getattr(shape, "enum", ()))
    if enum and value not in enum and value not in _also_admitted(service, shape.name):
        yield f"{complaint} satisfy enum value set: [{', '.join(_SHOWN_ORDER.get(enum, enum))}]"
    if pattern := meta.get("pattern"):
        compiled = java_regex.compiled(pattern)
        if compiled is not None and not compiled.fullmatch(value):
            yield f"{complaint} satisfy regular expression pattern: {pattern}"


def _also_admitted(service: str, shape_name: str) -> tuple[str, ...]:
    other = _ALSO_ADMITTED.get((service, shape_name))
    return enum_values(service, other) if other else ()


def _length(value: Any) -> int | None:
    return len(value) if isinstance(value, (str, bytes, bytearray, list, tuple, Mapping)) else None


def _camel(name: str) -> str:
    return name[:1].lower() + name[1:]


def _shown(value: Any) -> str:
    text = _java_text(value)
    return text if len(text) <= _SHOWN_CHARACTERS else f"{text[:_SHOWN_CHARACTERS]}…"


def _java_text(value: Any) -> str:
    match value:
        case bool():
            return str(value).lower()
        case Mapping():
            return "{" + ", ".join(f"{_camel(str(k))}={_java_text(v)}" for k, v in value.items()) + "}"
        case list() | tuple():
            return "[" + ", ".join(map(_java_text, value)) + "]"
        case _:
            return str(value)


def _is_int(value: Any) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_number(value: Any) -> bool:
    return _is_int(value) or isinstance(value, (float, Decimal)) or value in NOT_FINITE


NOT_FINITE = ("NaN", "Infinity", "-Infinity")
"""How the JSON protocols write a float that JSON has no number for."""

_TYPES: Mapping[str, tuple[str, Callable[[Any], bool]]] = {
    "string": ("a string", lambda v: isinstance(v, str)),
    "character": ("a string", lambda v: isinstance(v, str)),
    "integer": ("an integer", _is_int),
    "long": ("an integer", _is_int),
    "bigdecimal": ("a number", _is_number),
    "float": ("a number", _is_number),
    "double": ("a number", _is_number),
    "boolean": ("a boolean", lambda v: isinstance(v, bool)),
    "timestamp": ("a timestamp", lambda v: isinstance(v, (date, str)) or _is_number(v)),
    "blob": ("a blob", lambda v: isinstance(v, (bytes, bytearray, str)) or hasattr(v, "read")),
    "list": ("a list", lambda v: isinstance(v, (list, tuple))),
    "map": ("a map", lambda v: isinstance(v, Mapping)),
    "structure": ("a structure", lambda v: isinstance(v, Mapping)),
}


def _metric_frequency(value: Any) -> Iterator[str]:
    if value not in METRIC_FREQUENCIES_S:
        yield f"Member must satisfy enum value set: [{', '.join(map(str, METRIC_FREQUENCIES_S))}]"


def _one_kind_of_capacity(variant: Mapping[str, Any]) -> Iterator[str]:
    kinds = [name for name in ("InstanceType", "InstancePools", "ServerlessConfig") if variant.get(name) is not None]
    if len(kinds) != 1:
        named = " and ".join(kinds) or "none"
        yield f"Exactly one of InstanceType, InstancePools and ServerlessConfig must be set, not {named}"


def _distinct_pools(pools: Any) -> Iterator[str]:
    types = [pool.get("InstanceType") for pool in pools if isinstance(pool, Mapping)]
    repeated = sorted({str(t) for t in types if types.count(t) > 1})
    if repeated:
        yield f"Each instance type may appear in one pool only: {', '.join(repeated)}"


def _min_within_max(action: Mapping[str, Any]) -> Iterator[str]:
    low, high = action.get("MinCapacity"), action.get("MaxCapacity")
    if _is_int(low) and _is_int(high) and low > high:
        yield f"Maximum capacity ({high}) must be greater than or equal to minimum capacity ({low})"


_PROSE: Mapping[tuple[str, str], tuple[Callable[..., Iterator[str]], ...]] = {
    # SageMaker API reference, MetricsConfig: "Valid values: 10, 30, 60, 120, 180, 240, 300".
    ("sagemaker", "MetricPublishFrequencyInSeconds"): (_metric_frequency,),
    # SageMaker API reference, ProductionVariant: a variant has either an instance type, or pools, or is serverless.
    ("sagemaker", "ProductionVariant"): (_one_kind_of_capacity,),
    # Not stated by AWS; a type listed twice cannot be meant, its priority would be ambiguous.
    ("sagemaker", "InstancePoolList"): (_distinct_pools,),
    # Application Auto Scaling API reference: MaxCapacity "must be greater than or equal to" MinCapacity in effect.
    ("application-autoscaling", "RegisterScalableTargetRequest"): (_min_within_max,),
    ("application-autoscaling", "ScalableTargetAction"): (_min_within_max,),
}
