"""The steps of a deployment through the SageMaker SDK: repeated while SageMaker catches up, undone on failure."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ..errors import AccessDenied, AwsCallFailed, CredentialsProblem, DeployFailed, DgsmError, NotFound, Throttled
from . import endpoint, failures
from .calls import call, translated
from .plan import DeploymentPlan

if TYPE_CHECKING:
    from ..session import Workbook

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
        state = endpoint.find(wb)
    except DgsmError as error:
        names = ", ".join(name for _, _, name in made)
        return [f"Possibly left behind: {names} ({error.message}); cleanup.delete(wb) removes them."] if made else []
    if state is not None and state.status in endpoint.MOVING:
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
