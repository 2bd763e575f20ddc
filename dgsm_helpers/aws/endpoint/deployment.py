"""Deploying the endpoint and waiting until it is in service."""

from dataclasses import dataclass
from typing import NoReturn

from dgsm_helpers.aws.account.inventory import is_ours
from dgsm_helpers.aws.account.quotas import endpoint_quotas
from dgsm_helpers.aws.core.calls import call
from dgsm_helpers.aws.core.money import named_dearest
from dgsm_helpers.aws.endpoint import create, endpoint_state, failures
from dgsm_helpers.aws.endpoint.deployment_plan import DeploymentPlan
from dgsm_helpers.aws.endpoint.endpoint_config import differences
from dgsm_helpers.aws.endpoint.endpoint_kind import kind_of
from dgsm_helpers.aws.endpoint.endpoint_state import EndpointState, OnProgress
from dgsm_helpers.aws.watch import logs
from dgsm_helpers.errors import DeployFailed, DgsmError, InvalidInput, NotReady, QuotaExceeded
from dgsm_helpers.rules.names import quota_name
from dgsm_helpers.session import Workbook


@dataclass(frozen=True)
class Deployment:
    """An endpoint that is ``InService``.

    ``reused`` says that nothing had to be made. ``took_s`` is workbook time since SageMaker was asked.
    """

    state: EndpointState
    took_s: float
    reused: bool

    def __str__(self) -> str:
        done = "was there already, identical" if self.reused else f"is InService after {self.took_s:.0f} s"
        return f"Endpoint {self.state.name} {done}.\n{self.state}"

    def _repr_html_(self) -> str:
        return self.state._repr_html_()


def deploy(
    wb: Workbook, plan: DeploymentPlan, *, on_progress: OnProgress | None = None, timeout_s: float | None = None
) -> Deployment:
    """The step `deploy.deploy`, whose errors it raises; with a time limit, and every look of the wait.

    If a step before the endpoint fails, what was made is removed again. An endpoint that ends in ``Failed`` is left for
    inspection (it does not bill), and the next ``deploy`` replaces it.

    Args:
        on_progress: called at every look, about every 10 s; ``on_change(print)`` makes it a short log.
        timeout_s: how long to wait, in workbook time; default: what the plan's own timeouts add up to.

    Raises:
        UnsupportedFeature: it exists and is serverless or asynchronous.
        NotReady: still not ``InService`` after ``timeout_s``, or being updated by someone else.
    """
    require_same_endpoint(wb, plan)
    wait_s = timeout_s or plan.longest_s
    existing = _existing(wb, plan, wait_s, on_progress)
    if existing is None:
        _require_spend(wb, plan)
        refuse_zero_quota(wb, plan)
        create.make(wb, plan, lambda: create.create(wb, "Endpoint", plan.endpoint_request()))
    else:
        for variant in existing.variants:
            kind_of(existing, variant.name).require_supported()
        differing = differences(wb, plan, existing)
        if differing:
            raise InvalidInput(
                f"Endpoint {plan.endpoint_name!r} exists with another configuration: {'; '.join(differing)}.",
                hint="Change it with deploy.update(wb, plan), or delete it first.",
            )
    asked = wb.now()
    state = wait_in_service(wb, wait_s, on_progress)
    return Deployment(state, (wb.now() - asked).total_seconds(), reused=existing is not None)


def require_same_endpoint(wb: Workbook, plan: DeploymentPlan) -> None:
    """Refuse a plan that was made for another endpoint, variant or region. Raises InvalidInput: it was."""
    of_workbook = (wb.endpoint_name, wb.variant_name, wb.region)
    of_plan = (plan.endpoint_name, plan.variant_name, plan.region)
    if of_workbook != of_plan:
        raise InvalidInput(
            f"The plan is for {of_plan} and the workbook for {of_workbook}.", hint="Make the plan again."
        )


def _require_spend(wb: Workbook, plan: DeploymentPlan) -> None:
    what = f"Endpoint {plan.endpoint_name} ({plan.initial_count} {named_dearest(plan.prices)})"
    wb.require_spend(what, plan.usd_per_hour)


def _existing(
    wb: Workbook, plan: DeploymentPlan, wait_s: float, on_progress: OnProgress | None
) -> EndpointState | None:
    """The endpoint that is there already; one of ours that failed is removed, one being changed is waited for."""
    state = endpoint_state.find(wb)
    if state is not None and state.status == "Failed":
        if not is_ours(wb, state.arn):
            raise NotReady(
                f"Endpoint {state.name!r} exists, failed ({state.failure_reason}), and was not made by this workbook.",
                hint="Delete it yourself, or use another endpoint_name.",
            )
        _require_spend(wb, plan)
        call(wb, "sagemaker", "DeleteEndpoint", EndpointName=state.name)
        state = endpoint_state.find(wb)
    # What is being created already has its configuration; an update may be on its way to the plan's own.
    if state is not None and state.status in endpoint_state.MOVING - {"Creating"} | {"Failed"}:
        state = endpoint_state.settle(wb, timeout_s=wait_s, on_progress=on_progress)
    return state


def refuse_zero_quota(wb: Workbook, plan: DeploymentPlan) -> None:
    """Raise QuotaExceeded where a type of the plan's pool has a quota of zero, which fails the whole deployment."""
    try:
        quotas = endpoint_quotas(wb, plan.instance_types, at_least=1)
    except DgsmError:  # SageMaker itself judges them too
        return
    zero = [instance_type for instance_type, quota in quotas.items() if quota == 0]
    if zero:
        raise QuotaExceeded(
            f"The quota of {', '.join(zero)} is 0 in {wb.region}, which fails the whole deployment.",
            hint=f'Drop it with deploy.choose_pool(wb), or request "{quota_name(zero[0])}".',
        )


def wait_in_service(wb: Workbook, timeout_s: float, on_progress: OnProgress | None) -> EndpointState:
    """Wait until the endpoint is ``InService``.

    Raises:
        DeployFailed: it ended in another status, or was deleted meanwhile.
        NotReady: it still moves after ``timeout_s`` of workbook time.
    """
    try:
        state = endpoint_state.settle(wb, timeout_s=timeout_s, on_progress=on_progress)
    except KeyboardInterrupt:
        raise KeyboardInterrupt(
            f"Stopped waiting. Endpoint {wb.endpoint_name!r} goes on by itself and bills while it has instances: "
            "run the cell again to go on waiting, or cleanup.delete(wb) to delete it."
        ) from None
    if state is None:
        raise DeployFailed(f"Endpoint {wb.endpoint_name!r} was deleted meanwhile.", hint="Deploy it again.")
    if state.status != "InService":
        raise_failure(wb, state, f"Endpoint {wb.endpoint_name!r} is {state.status}.")
    return state


def raise_failure(wb: Workbook, state: EndpointState, what: str) -> NoReturn:
    """Raise DeployFailed with ``what`` happened, SageMaker's reason and what the container's log says."""
    lines = logs.recent(wb, since=state.created)
    failure = failures.classify(state.failure_reason, lines)
    reason = f" SageMaker says: {state.failure_reason}" if state.failure_reason else " SageMaker gives no reason."
    log_hint = f" Its log: {logs.hint(lines)}." if lines and logs.hint(lines) else ""
    kept = ""
    if state.status == "Failed":
        kept = " The endpoint is kept for inspection and does not bill; deploy() replaces it, delete() removes it."
    raise DeployFailed(f"{what}{reason}{log_hint}{kept}", hint=failure.next_step, kind=failure.kind)
