"""Making the resources of a deployment: repeated while SageMaker catches up, undone on failure."""

from collections.abc import Callable, Mapping
from typing import Any

from dgsm_helpers.aws.core.calls import NOT_ASSUMED, call, call_or_none
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
from dgsm_helpers.session import Workbook

_PATIENCE_S = 120.0
"""How long a role or a config made moments ago may stay unknown to SageMaker (a role takes about 10 s)."""
_RETRY_S = 5.0

type Made = list[tuple[str, str]]
"""Kind (``Model``, ``EndpointConfig``) and name of each resource that was new, in the order of creation."""


def make(wb: Workbook, plan: DeploymentPlan, start: Callable[[], object]) -> Made:
    """Create the plan's model and endpoint config where they do not exist, then call ``start``.

    On any failure or interrupt what was new is removed again, unless SageMaker has begun to use it.

    Raises:
        DeployFailed: AWS refuses the package, its environment or an instance type; ``kind`` says which.
    """
    made: Made = []
    try:
        for kind, request in (("Model", plan.model_request()), ("EndpointConfig", plan.endpoint_config_request())):
            name = request[f"{kind}Name"]
            if not exists(wb, kind, name):
                made.append((kind, name))
                try:
                    create(wb, kind, request)
                except AccessDenied:
                    made.pop()  # refused before anything was made, and so would be its removal
                    raise
        start()
    except BaseException as error:
        raised = _reclassified(error)
        for note in _undo_unless_started(wb, made):
            raised.add_note(note)
        if raised is error:
            raise
        raise raised from error
    return made


def create(wb: Workbook, kind: str, request: Mapping[str, Any]) -> None:
    """Create a ``Model``, an ``EndpointConfig`` or an ``Endpoint``.

    The call is repeated while SageMaker does not yet see a role or a config that was made moments ago.
    """
    started = wb.now()
    while True:
        try:
            call(wb, "sagemaker", f"Create{kind}", **request)
            return
        except (NotFound, AwsCallFailed) as error:
            waited_s = (wb.now() - started).total_seconds()
            if waited_s >= _PATIENCE_S or not _may_pass(error, kind):
                raise
        wb.sleep(_RETRY_S)


def _may_pass(error: DgsmError, kind: str) -> bool:
    """Whether the refusal may pass by itself: a role or a config made moments ago."""
    if NOT_ASSUMED.search(error.message):
        return True
    return isinstance(error, NotFound) and kind != "Model"


def exists(wb: Workbook, kind: str, name: str) -> bool:
    """Whether SageMaker has a ``Model``, ``EndpointConfig`` or ``Endpoint`` of that name."""
    return call_or_none(wb, "sagemaker", f"Describe{kind}", **{f"{kind}Name": name}) is not None


def _undo_unless_started(wb: Workbook, made: Made) -> list[str]:
    """:func:`undo`, except when an interrupt came after SageMaker had begun to use what was made."""
    try:
        state = endpoint_state.find(wb)
    except DgsmError as error:
        names = ", ".join(name for _, name in made)
        return [f"Possibly left behind: {names} ({error.message}); cleanup.delete(wb) removes them."] if made else []
    if state is not None and state.status in endpoint_state.MOVING:
        return [f"Endpoint {state.name} is {state.status} and goes on by itself; cleanup.delete(wb) removes it."]
    return undo(wb, made)


def undo(wb: Workbook, made: Made) -> list[str]:
    """Remove what was made, newest first; returns in words what could not be removed."""
    left = []
    for kind, name in reversed(made):
        try:
            call_or_none(wb, "sagemaker", f"Delete{kind}", **{f"{kind}Name": name})
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
