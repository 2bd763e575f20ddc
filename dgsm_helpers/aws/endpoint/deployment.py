"""Deploying, updating and deleting the endpoint, through the SageMaker SDK's resources."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, NoReturn

from dgsm_helpers.aws.account import deletion
from dgsm_helpers.aws.account.quotas import endpoint_quotas, quota_name
from dgsm_helpers.aws.core.calls import call
from dgsm_helpers.aws.endpoint import create, endpoint_state, failures
from dgsm_helpers.aws.endpoint.create import differences
from dgsm_helpers.aws.endpoint.deployment_plan import DeploymentPlan, plan
from dgsm_helpers.aws.endpoint.endpoint_state import EndpointState, OnProgress, Progress, on_change, status
from dgsm_helpers.aws.endpoint.invoke import transcribe_file, transcript_of
from dgsm_helpers.aws.scaling import registration
from dgsm_helpers.aws.watch import logs
from dgsm_helpers.errors import DeployFailed, DgsmError, InvalidInput, NotReady, QuotaExceeded

if TYPE_CHECKING:
    from dgsm_helpers.session import Workbook

__all__ = [
    "Deployment",
    "DeploymentPlan",
    "EndpointState",
    "Progress",
    "delete",
    "deploy",
    "on_change",
    "plan",
    "status",
    "transcribe_file",
    "transcript_of",
    "update",
]


@dataclass(frozen=True)
class Deployment:
    """An endpoint that is ``InService``.

    ``reused`` says that nothing had to be made; ``previous_config_name`` is the config to roll back to after an update.
    ``took_s`` is workbook time since SageMaker was asked.
    """

    endpoint_name: str
    endpoint_arn: str
    config_name: str
    took_s: float
    reused: bool
    state: EndpointState
    previous_config_name: str | None = None

    def __str__(self) -> str:
        done = "was there already, identical" if self.reused else f"is InService after {self.took_s:.0f} s"
        return f"Endpoint {self.endpoint_name} {done}.\n{self.state}"

    def _repr_html_(self) -> str:
        return self.state._repr_html_()


def deploy(
    wb: Workbook, plan: DeploymentPlan, *, on_progress: OnProgress | None = None, timeout_s: float | None = None
) -> Deployment:
    """Make the endpoint and wait until it is ``InService``; an identical one is reused.

    If a step before the endpoint fails, what was made is removed again. An endpoint that ends in ``Failed`` is left for
    inspection (it does not bill), and the next ``deploy`` replaces it.

    Args:
        on_progress: called at every look, about every 10 s; ``on_change(print)`` makes it a short log.
        timeout_s: how long to wait, in workbook time; default: what the plan's own timeouts add up to.

    Raises:
        SpendNotConfirmed: it would start billing, and the workbook was opened without ``confirm_spend=True``.
        InvalidInput: the endpoint exists with another configuration; the message lists the differences.
        QuotaExceeded: a type of the pool has no quota.
        DeployFailed: the package, the role or the container does not work; ``kind`` says which.
        NotReady: still not ``InService`` after ``timeout_s``, or being updated by someone else.
    """
    _require_same_endpoint(wb, plan)
    wait_s = timeout_s or plan.longest_s
    existing = _existing(wb, wait_s, on_progress)
    if existing is None:
        wb.require_spend(
            f"Endpoint {plan.endpoint_name} ({plan.initial_count} × {plan.prices[0][0]})", plan.usd_per_hour
        )
        _refuse_zero_quota(wb, plan)
        create.make(wb, plan, lambda: create.create_endpoint(wb, plan))
    else:
        found = differences(wb, plan, existing.config_name)
        if found:
            raise InvalidInput(
                f"Endpoint {plan.endpoint_name!r} exists with another configuration: {'; '.join(found)}.",
                hint="Change it with deploy.update(wb, plan), or delete it first.",
            )
    asked = wb.now()
    state = _wait(wb, wait_s, on_progress)
    return _deployment(wb, state, asked, reused=existing is not None)


def update(
    wb: Workbook, plan: DeploymentPlan, *, on_progress: OnProgress | None = None, timeout_s: float | None = None
) -> Deployment:
    """Change the running endpoint to ``plan``: all at once, blue/green, keeping its instance count.

    Marketplace containers get no other kind of update. Both fleets run, and need quota, for a while; live streams are
    cut when the old fleet goes. The former endpoint config is kept to roll back to.

    Raises:
        NotFound: there is no such endpoint, or it has no variant of the plan's name (an update must keep the name).
        NotReady: it is not ``InService``, or instance types change while a scalable target is registered.
        DeployFailed: SageMaker rolled back.
        SpendNotConfirmed, QuotaExceeded: as :func:`deploy`.
    """
    _require_same_endpoint(wb, plan)
    asked, wait_s = wb.now(), timeout_s or plan.longest_s
    if endpoint_state.status(wb).status in endpoint_state.MOVING:
        # Such as an update whose waiting was interrupted, or scaling.
        _wait(wb, wait_s, on_progress)
    before = endpoint_state.require_in_service(wb)
    variant = before.variant(plan.variant_name)
    if not differences(wb, plan, before.config_name):
        return _deployment(wb, before, asked, reused=True)
    if endpoint_state.instance_types(wb, before) != plan.instance_types and registration.target(wb) is not None:
        raise NotReady(
            f"Instance types of {wb.resource_id} cannot change while it is registered with Application Auto Scaling.",
            hint="scaling.remove(wb), update, then register and apply the policy again.",
        )
    per_instance = None if plan.usd_per_hour is None else plan.usd_per_hour / plan.initial_count
    wb.require_spend(
        f"Updating {plan.endpoint_name} (a second fleet of {variant.desired} until the first is gone)",
        None if per_instance is None else per_instance * variant.desired,
    )
    _refuse_zero_quota(wb, plan)
    made = create.make(wb, plan, lambda: create.update_endpoint(wb, plan))
    asked = wb.now()
    after = _wait(wb, wait_s, on_progress)
    if after.config_name != plan.config_name:
        create.undo(wb, made)
        _fail(wb, after, f"Endpoint {plan.endpoint_name!r} was rolled back to {after.config_name}.")
    return _deployment(wb, after, asked, reused=False, previous=before.config_name)


def delete(wb: Workbook, *, on_progress: OnProgress | None = None) -> deletion.Deleted:
    """Delete the endpoint with its scaling, configs and models, which ends its billing; may be repeated."""
    return deletion.delete(wb, on_progress=on_progress)


def _require_same_endpoint(wb: Workbook, plan: DeploymentPlan) -> None:
    mine = (wb.endpoint_name, wb.variant_name, wb.region)
    theirs = (plan.endpoint_name, plan.variant_name, plan.region)
    if mine != theirs:
        raise InvalidInput(f"The plan is for {theirs} and the workbook for {mine}.", hint="Make the plan again.")


def _existing(wb: Workbook, wait_s: float, on_progress: OnProgress | None) -> EndpointState | None:
    """The endpoint that is there already; one of ours that failed is removed, one being changed is waited for."""
    state = endpoint_state.find(wb)
    if state is not None and state.status == "Failed":
        if not deletion.is_ours(wb, state.arn):
            raise NotReady(
                f"Endpoint {state.name!r} exists, failed ({state.failure_reason}), and was not made by this workbook.",
                hint="Delete it yourself, or use another endpoint_name.",
            )
        call(wb, "sagemaker", "DeleteEndpoint", EndpointName=state.name)
        state = endpoint_state.find(wb)
    # What is being created already has its configuration; an update may be on its way to the plan's own.
    if state is not None and state.status in endpoint_state.MOVING - {"Creating"} | {"Failed"}:
        state = endpoint_state.settle(wb, timeout_s=wait_s, on_progress=on_progress)
    return state


def _refuse_zero_quota(wb: Workbook, plan: DeploymentPlan) -> None:
    try:
        quotas = endpoint_quotas(wb, plan.instance_types, at_least=1)
    except DgsmError:
        # Quotas may not be readable; then CreateEndpoint itself says so, and what was made is removed.
        return
    zero = [t for t, value in quotas.items() if value == 0]
    if zero:
        raise QuotaExceeded(
            f"The quota of {', '.join(zero)} is 0 in {wb.region}, which fails the whole deployment.",
            hint=f'Drop it with preflight.without_zero_quota(wb), or request "{quota_name(zero[0])}".',
        )


def _wait(wb: Workbook, timeout_s: float, on_progress: OnProgress | None) -> EndpointState:
    try:
        state = endpoint_state.settle(wb, timeout_s=timeout_s, on_progress=on_progress)
    except KeyboardInterrupt:
        raise KeyboardInterrupt(
            f"Stopped waiting. Endpoint {wb.endpoint_name!r} goes on by itself and bills while it has instances: "
            "run the cell again to go on waiting, or deploy.delete(wb) to delete it."
        ) from None
    if state is None:
        raise DeployFailed(f"Endpoint {wb.endpoint_name!r} was deleted meanwhile.", hint="Deploy it again.")
    if state.status != "InService":
        _fail(wb, state, f"Endpoint {wb.endpoint_name!r} is {state.status}.")
    return state


def _fail(wb: Workbook, state: EndpointState, what: str) -> NoReturn:
    lines = logs.recent(wb, since=state.created)
    failure = failures.classify(state.failure_reason, lines)
    said = f" SageMaker says: {state.failure_reason}" if state.failure_reason else " SageMaker gives no reason."
    noticed = f" Its log: {logs.hint(lines)}." if lines and logs.hint(lines) else ""
    kept = ""
    if state.status == "Failed":
        kept = " The endpoint is kept for inspection and does not bill; deploy() replaces it, delete() removes it."
    raise DeployFailed(f"{what}{said}{noticed}{kept}", hint=failure.next_step, kind=failure.kind)


def _deployment(
    wb: Workbook, state: EndpointState, asked: datetime, *, reused: bool, previous: str | None = None
) -> Deployment:
    took_s = (wb.now() - asked).total_seconds()
    return Deployment(state.name, state.arn, state.config_name, took_s, reused, state, previous)
