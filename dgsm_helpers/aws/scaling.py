"""Registering the variant, its target-tracking policy, and reading both back."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..errors import DgsmError, InvalidInput, NotFound, UnsupportedFeature
from . import endpoint, tables
from .calls import call, pages, translated
from .guide_commands import cli_commands
from .plan import ASYNC_REFUSAL, ZERO_REFUSAL
from .quotas import endpoint_quotas
from .scaling_policy import DIMENSION, NAMESPACE, ScalingPolicy
from .scaling_state import AlarmState, PolicyState, ScalingState, Target, read_alarms, read_policy, read_target

if TYPE_CHECKING:
    from ..session import Workbook

__all__ = [
    "AlarmState",
    "AppliedPolicy",
    "PolicyState",
    "Registration",
    "ScalingPolicy",
    "ScalingState",
    "Suspension",
    "Target",
    "apply",
    "cli_commands",
    "policies",
    "register",
    "remove",
    "resume",
    "suspend",
    "suspended",
    "target",
    "verify",
]

_SERVICE = "application-autoscaling"


@dataclass(frozen=True)
class Registration:
    """The registered bounds; ``created`` is False when the variant was registered before."""

    resource_id: str
    min_capacity: int
    max_capacity: int
    created: bool
    warnings: tuple[str, ...] = ()

    def __str__(self) -> str:
        return tables.text_table(self._caption(), _BOUNDS, self._rows(), notes=self.warnings)

    def _repr_html_(self) -> str:
        return tables.html_table(self._caption(), _BOUNDS, self._rows(), notes=self.warnings)

    def _caption(self) -> str:
        return "Scalable target " + ("registered" if self.created else "updated")

    def _rows(self) -> list[tuple[object, ...]]:
        return [(self.resource_id, self.min_capacity, self.max_capacity)]


_BOUNDS = ("resource", "min capacity", "max capacity")


@dataclass(frozen=True)
class AppliedPolicy:
    """The policy as AWS took it, with the alarms AWS made for it (never edit those)."""

    name: str
    arn: str
    alarm_names: tuple[str, ...]

    def __str__(self) -> str:
        return f"Policy {self.name} is applied; its alarms: {', '.join(self.alarm_names) or 'none named by AWS'}."


@dataclass(frozen=True)
class Suspension:
    """Which kinds of scaling are suspended."""

    scale_in: bool = False
    scale_out: bool = False
    scheduled: bool = False

    def to_request(self) -> dict[str, bool]:
        return {
            "DynamicScalingInSuspended": self.scale_in,
            "DynamicScalingOutSuspended": self.scale_out,
            "ScheduledScalingSuspended": self.scheduled,
        }


def register(wb: Workbook, min_capacity: int = 1, max_capacity: int = 4) -> Registration:
    """Register the variant with Application Auto Scaling, or change its bounds.

    The current capacity is pulled into the bounds at once, and the policy may later go up to ``max_capacity``; that is
    what ``confirm_spend`` is asked for.

    Raises:
        UnsupportedFeature: min 0 (real-time endpoints cannot scale to zero), or an asynchronous endpoint.
        InvalidInput: min above max.
        NotFound, NotReady: no such endpoint or variant, or it is not ``InService``.
        SpendNotConfirmed: the workbook was opened without ``confirm_spend=True``.
    """
    if min_capacity < 1:
        raise UnsupportedFeature(f"min_capacity is {min_capacity}. {ZERO_REFUSAL}", hint="Give 1 or more.")
    if min_capacity > max_capacity:
        raise InvalidInput(f"min_capacity {min_capacity} is above max_capacity {max_capacity}.", hint="Give min ≤ max.")
    state = endpoint.require_in_service(wb)
    if state.asynchronous:
        raise UnsupportedFeature(f"Endpoint {state.name!r} is asynchronous. {ASYNC_REFUSAL}")
    running = state.variant(wb.variant_name).running
    types = endpoint.instance_types(wb, state)
    with translated("pricing", "GetProducts"):
        amounts = [wb.price_per_hour(instance_type).amount_usd for instance_type in types]
    dearest = max((a for a in amounts if a is not None), default=None) if None not in amounts else None
    wb.require_spend(
        f"Scaling {wb.resource_id} up to {max_capacity} instances",
        None if dearest is None else dearest * max_capacity,
    )
    before = target(wb)
    # Tags are taken at the first registration only; Application Auto Scaling has calls of its own to change them.
    tags = {"Tags": {tag["Key"]: tag["Value"] for tag in wb.tags}} if before is None else {}
    call(
        wb,
        _SERVICE,
        "RegisterScalableTarget",
        **_triple(wb),
        MinCapacity=min_capacity,
        MaxCapacity=max_capacity,
        **tags,
    )
    warnings = _bound_warnings(wb, types, running, min_capacity, max_capacity)
    return Registration(wb.resource_id, min_capacity, max_capacity, before is None, warnings)


def apply(wb: Workbook, policy: ScalingPolicy | None = None) -> AppliedPolicy:
    """Put the policy on the registered variant, or change it; default: the guide's. AWS makes or changes its alarms.

    Raises:
        NotFound: the variant is not registered.
    """
    policy = policy or ScalingPolicy(name=wb.policy_name)
    if target(wb) is None:
        raise NotFound(f"{wb.resource_id} is not registered as a scalable target.", hint="scaling.register(wb) first.")
    answer = call(
        wb,
        _SERVICE,
        "PutScalingPolicy",
        **_triple(wb),
        PolicyName=policy.name,
        PolicyType="TargetTrackingScaling",
        TargetTrackingScalingPolicyConfiguration=policy.to_request(),
    )
    return AppliedPolicy(policy.name, answer["PolicyARN"], tuple(a["AlarmName"] for a in answer.get("Alarms", ())))


def target(wb: Workbook) -> Target | None:
    """The variant's scalable target, or None when it is not registered."""
    found = pages(
        wb,
        _SERVICE,
        "DescribeScalableTargets",
        "ScalableTargets",
        ServiceNamespace=NAMESPACE,
        ResourceIds=[wb.resource_id],
        ScalableDimension=DIMENSION,
    )
    return next(map(read_target, found), None)


def policies(wb: Workbook) -> tuple[PolicyState, ...]:
    """Every scaling policy on the variant."""
    found = pages(wb, _SERVICE, "DescribeScalingPolicies", "ScalingPolicies", **_triple(wb))
    return tuple(map(read_policy, found))


def verify(
    wb: Workbook,
    policy: ScalingPolicy | None = None,
    *,
    min_capacity: int | None = None,
    max_capacity: int | None = None,
) -> ScalingState:
    """Read target, policies and their alarms back, and say what is missing or differs from what is given.

    Args:
        policy, min_capacity, max_capacity: what was asked for; what is left out is not compared.
    """
    found_target, found_policies = target(wb), policies(wb)
    names = [name for one in found_policies for name in one.alarm_names]
    alarms = read_alarms(pages(wb, "cloudwatch", "DescribeAlarms", "MetricAlarms", AlarmNames=names)) if names else ()
    return ScalingState.judged(
        wb.resource_id,
        found_target,
        found_policies,
        alarms,
        wanted=policy or wb.policy_name,
        min_capacity=min_capacity,
        max_capacity=max_capacity,
    )


def suspend(wb: Workbook, *, scale_in: bool = True, scale_out: bool = True, scheduled: bool = True) -> Suspension:
    """Suspend the kinds of scaling named; what is not named goes on as it is.

    Returns:
        What was suspended before, to be given to :func:`resume`.

    Raises:
        NotFound: the variant is not registered.
    """
    before = _suspension(wb)
    now = Suspension(
        scale_in=before.scale_in or scale_in,
        scale_out=before.scale_out or scale_out,
        scheduled=before.scheduled or scheduled,
    )
    _set_suspension(wb, now)
    return before


def resume(wb: Workbook, to: Suspension | None = None) -> None:
    """Let scaling go on; ``to`` is what stays suspended, by default nothing.

    Raises:
        NotFound: the variant is not registered.
    """
    _suspension(wb)
    _set_suspension(wb, to or Suspension())


@contextmanager
def suspended(
    wb: Workbook, *, scale_in: bool = True, scale_out: bool = True, scheduled: bool = True
) -> Iterator[Suspension]:
    """Within it scaling is suspended; afterwards it is as before, also after an error or an interrupt."""
    before = suspend(wb, scale_in=scale_in, scale_out=scale_out, scheduled=scheduled)
    try:
        yield before
    finally:
        resume(wb, before)


def remove(wb: Workbook) -> tuple[str, ...]:
    """Delete scheduled actions, policies (AWS removes their alarms) and the target, in this order.

    Returns:
        What was removed, in words; empty the second time.
    """
    removed = []
    for action in pages(wb, _SERVICE, "DescribeScheduledActions", "ScheduledActions", **_triple(wb)):
        name = action["ScheduledActionName"]
        if _gone(wb, "DeleteScheduledAction", ScheduledActionName=name):
            removed.append(f"scheduled action {name}")
    for policy in policies(wb):
        if _gone(wb, "DeleteScalingPolicy", PolicyName=policy.name):
            removed.append(f"policy {policy.name}")
    if target(wb) is not None and _gone(wb, "DeregisterScalableTarget"):
        removed.append(f"scalable target {wb.resource_id}")
    return tuple(removed)


def _triple(wb: Workbook) -> dict[str, str]:
    return {"ServiceNamespace": NAMESPACE, "ResourceId": wb.resource_id, "ScalableDimension": DIMENSION}


def _suspension(wb: Workbook) -> Suspension:
    found = target(wb)
    if found is None:
        raise NotFound(f"{wb.resource_id} is not registered as a scalable target.", hint="scaling.register(wb) first.")
    return Suspension(
        scale_in=found.scale_in_suspended, scale_out=found.scale_out_suspended, scheduled=found.scheduled_suspended
    )


def _set_suspension(wb: Workbook, suspension: Suspension) -> None:
    call(wb, _SERVICE, "RegisterScalableTarget", **_triple(wb), SuspendedState=suspension.to_request())


def _gone(wb: Workbook, operation: str, **params: Any) -> bool:
    """Delete; False when it was gone already."""
    try:
        call(wb, _SERVICE, operation, **_triple(wb), **params)
    except NotFound:
        return False
    return True


def _bound_warnings(
    wb: Workbook, types: tuple[str, ...], running: int, min_capacity: int, max_capacity: int
) -> tuple[str, ...]:
    warnings = []
    if not min_capacity <= running <= max_capacity:
        warnings.append(f"{running} instances run now: they are pulled into {min_capacity}–{max_capacity} at once.")
    if min_capacity == max_capacity:
        warnings.append(f"min and max are both {min_capacity}: the policy has nothing to scale.")
    try:
        quotas = endpoint_quotas(wb, types)
    except DgsmError:
        return (*warnings, "The quotas could not be read, so max_capacity was not compared with them.")
    warnings += [
        f"max_capacity {max_capacity} is above the quota of {instance_type} ({quota}): that pool stops there."
        for instance_type, quota in quotas.items()
        if quota is not None and quota < max_capacity
    ]
    return tuple(warnings)
