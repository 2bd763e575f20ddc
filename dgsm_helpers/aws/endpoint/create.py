"""The steps of a deployment through the SageMaker SDK: repeated while SageMaker catches up, undone on failure.

How what is deployed differs from a plan.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from dgsm_helpers.aws.core.calls import call, translated
from dgsm_helpers.aws.endpoint import endpoint_state, failures
from dgsm_helpers.aws.endpoint.deployment_plan import DeploymentPlan
from dgsm_helpers.errors import (
    AccessDenied,
    AwsCallFailed,
    CredentialsProblem,
    DeployFailed,
    DgsmError,
    NotFound,
    Throttled,
)

if TYPE_CHECKING:
    from dgsm_helpers.session import Workbook

_PATIENCE_S = 120.0
"""How long a role or a config made moments ago may stay unknown to SageMaker (a role takes about 10 s)."""
_RETRY_S = 5.0


# Kind, name's key and name of each resource that was new.
type Made = list[tuple[str, str, str]]


def make(wb: Workbook, plan: DeploymentPlan, start: Callable[[], None]) -> Made:
    """Model, endpoint config, then ``start``; on any failure or interrupt what was new is removed again."""
    from sagemaker.core.resources import EndpointConfig, Model

    made: Made = []
    steps = (
        ("Model", "CreateModel", Model, plan.model_request()),
        ("EndpointConfig", "CreateEndpointConfig", EndpointConfig, plan.endpoint_config_request()),
    )
    try:
        for kind, operation, resource, request in steps:
            name = request[f"{kind}Name"]
            if not _exists(wb, kind, name):
                made.append((kind, f"{kind}Name", name))
                _create(wb, kind, name, lambda r=resource, o=operation, q=request: _through_sdk(wb, r, o, q))
        start()
    except BaseException as error:
        told = _reclassified(error)
        for note in _undo_unless_started(wb, made):
            told.add_note(note)
        if told is error:
            raise
        raise told from error
    return made


def create_endpoint(wb: Workbook, plan: DeploymentPlan) -> None:
    """CreateEndpoint, repeated while its config is not yet visible."""
    from sagemaker.core.resources import Endpoint

    request = plan.endpoint_request()
    _create(wb, "Endpoint", plan.endpoint_name, lambda: _through_sdk(wb, Endpoint, "CreateEndpoint", request))


def update_endpoint(wb: Workbook, plan: DeploymentPlan) -> None:
    """UpdateEndpoint to the plan's config, keeping weights and counts."""
    from sagemaker.core.resources import Endpoint

    with translated("sagemaker", "UpdateEndpoint"):
        resource = Endpoint.get(endpoint_name=plan.endpoint_name, session=wb.session, region=wb.region)
        # update() takes no config name: it sends the attribute. Without retaining, the fleet would fall back to its
        # initial count whatever auto scaling had made of it.
        resource.endpoint_config_name = plan.config_name
        resource.update(retain_all_variant_properties=True)


def _through_sdk(wb: Workbook, resource: Any, operation: str, request: dict[str, Any]) -> None:
    from sagemaker.core.utils.code_injection.codec import transform

    resource.create(**transform(request, f"{operation}Input"), session=wb.session, region=wb.region)


def _create(wb: Workbook, kind: str, name: str, make: Callable[[], None]) -> None:
    """Run ``make``, repeating it while SageMaker does not yet see the role or the config that it needs."""
    started = wb.now()
    while True:
        try:
            with translated("sagemaker", f"Create{kind}"):
                make()
            return
        except (NotFound, AwsCallFailed) as error:
            # The SDK reads back at once, which may be before SageMaker shows what it has just made.
            if isinstance(error, NotFound) and _exists(wb, kind, name):
                return
            waited_s = (wb.now() - started).total_seconds()
            if waited_s >= _PATIENCE_S or not _passes(error, kind):
                raise
        wb.sleep(_RETRY_S)


def _passes(error: DgsmError, kind: str) -> bool:
    """Whether the refusal may pass by itself: a role or a config made moments ago."""
    if re.search(r"could not assume role|cannot assume role|unable to assume", error.message, re.IGNORECASE):
        return True
    return isinstance(error, NotFound) and kind != "Model"


def _exists(wb: Workbook, kind: str, name: str) -> bool:
    try:
        call(wb, "sagemaker", f"Describe{kind}", **{f"{kind}Name": name})
    except NotFound:
        return False
    return True


def _undo_unless_started(wb: Workbook, made: Made) -> list[str]:
    """:func:`_undo`, except when an interrupt came after SageMaker had begun to use what was made."""
    try:
        state = endpoint_state.find(wb)
    except DgsmError as error:
        names = ", ".join(name for _, _, name in made)
        return [f"Possibly left behind: {names} ({error.message}); cleanup.delete(wb) removes them."] if made else []
    if state is not None and state.status in endpoint_state.MOVING:
        return [f"Endpoint {state.name} is {state.status} and goes on by itself; cleanup.delete(wb) removes it."]
    return undo(wb, made)


def undo(wb: Workbook, made: Made) -> list[str]:
    """Remove what was made, newest first; what could not be removed, in words."""
    left = []
    for kind, key, name in reversed(made):
        try:
            call(wb, "sagemaker", f"Delete{kind}", **{key: name})
        except NotFound:
            continue
        except DgsmError as error:
            left.append(f"{kind} {name} is left behind ({error.message}); cleanup.delete(wb) removes it.")
    return left


def _reclassified(error: BaseException) -> BaseException:
    """The deployment's own error where AWS's refusal is one of the failures that Deepgram's manual names."""
    if not isinstance(error, AwsCallFailed):
        return error
    subscribed = "not subscribed" not in error.message.lower()
    if subscribed and isinstance(error, (AccessDenied, CredentialsProblem, Throttled)):
        return error
    failure = failures.classify(error.message, ())
    if failure.kind not in ("not-subscribed", "environment-not-allowed", "type-not-supported"):
        return error
    return DeployFailed(error.message, hint=failure.next_step, kind=failure.kind)


_NAMES = frozenset({"EndpointConfigName", "ModelName", "Tags"})


def differences(wb: Workbook, plan: DeploymentPlan, config_name: str) -> tuple[str, ...]:
    """Each value that an existing endpoint config, or its model, holds differently from ``plan``; empty when none.

    Only what the plan states is compared: AWS adds defaults of its own. Names do not count, so that an identical
    endpoint made by hand is recognised too.
    """
    config = call(wb, "sagemaker", "DescribeEndpointConfig", EndpointConfigName=config_name)
    found = list(_differing(plan.endpoint_config_request(), config, ""))
    variant = next((v for v in config["ProductionVariants"] if v["VariantName"] == plan.variant_name), {})
    if variant.get("ModelName"):
        model = call(wb, "sagemaker", "DescribeModel", ModelName=variant["ModelName"])
        found += _differing(plan.model_request(), model, "")
    return tuple(found)


def _differing(wanted: Any, found: Any, path: str) -> Iterator[str]:
    if isinstance(wanted, Mapping) and isinstance(found, Mapping):
        for key, value in wanted.items():
            if key not in _NAMES:
                yield from _differing(value, found.get(key), f"{path}.{key}" if path else key)
    elif isinstance(wanted, list) and isinstance(found, list) and len(wanted) == len(found):
        for index, (one, other) in enumerate(zip(wanted, found, strict=True)):
            yield from _differing(one, other, f"{path}[{index}]")
    elif wanted != found:
        yield f"{path} is {_shown(found)}, the plan says {_shown(wanted)}"


def _shown(value: Any) -> str:
    if (
        isinstance(value, list)
        and value
        and all(isinstance(item, Mapping) and "InstanceType" in item for item in value)
    ):
        return ", ".join(item["InstanceType"] for item in value)
    return "not set" if value is None else str(value)
