"""Registering the variant, its target-tracking policy, and reading both back.

Putting a measured TargetValue into the policy, and nothing else.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from dgsm_helpers.aws.account.quotas import endpoint_quotas
from dgsm_helpers.aws.core import tables
from dgsm_helpers.aws.core.calls import call, pages
from dgsm_helpers.aws.core.price_list import price_per_hour
from dgsm_helpers.aws.endpoint import endpoint_state
from dgsm_helpers.aws.endpoint.deployment_plan import ZERO_REFUSAL
from dgsm_helpers.aws.scaling import scalable_target
from dgsm_helpers.aws.scaling.policy import ScalingPolicy, cli_commands
from dgsm_helpers.aws.scaling.scalable_target import (
    SERVICE,
    Suspension,
    policies,
    require_target,
    resume,
    suspend,
    suspended,
    target,
    triple,
)
from dgsm_helpers.aws.scaling.scaling_state import AlarmState, PolicyState, ScalingState, Target, read_alarms
from dgsm_helpers.errors import AccessDenied, DgsmError, InvalidInput, NotFound, NotReady, UnsupportedFeature

if TYPE_CHECKING:
    from dgsm_helpers.session import Workbook

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
    state = endpoint_state.require_in_service(wb)
    running = state.variant(wb.variant_name).running
    types = endpoint_state.instance_types(wb, state)
    amounts = [price_per_hour(wb, instance_type).amount_usd for instance_type in types]
    dearest = max((a for a in amounts if a is not None), default=None) if None not in amounts else None
    wb.require_spend(
        f"Scaling {wb.resource_id} up to {max_capacity} instances",
        None if dearest is None else dearest * max_capacity,
    )
    before = target(wb)
    # Tags are taken at the first registration only; Application Auto Scaling has calls of its own to change them.
    tags = {"Tags": {tag["Key"]: tag["Value"] for tag in wb.tags}} if before is None else {}
    untagged = _register(wb, {"MinCapacity": min_capacity, "MaxCapacity": max_capacity}, tags)
    warnings = (*untagged, *_bound_warnings(wb, types, running, min_capacity, max_capacity))
    return Registration(wb.resource_id, min_capacity, max_capacity, before is None, warnings)


def _register(wb: Workbook, bounds: dict[str, int], tags: dict[str, Any]) -> tuple[str, ...]:
    """RegisterScalableTarget, without tags where the identity may not set them; then a warning that says so."""
    try:
        call(wb, SERVICE, "RegisterScalableTarget", **triple(wb), **bounds, **tags)
    except AccessDenied as error:
        if not tags or "TagResource" not in error.message:
            raise
        call(wb, SERVICE, "RegisterScalableTarget", **triple(wb), **bounds)
        return (
            "The target carries no tags: application-autoscaling:TagResource is not allowed (AmazonSageMakerFullAccess "
            "lacks it). Clean-up finds it by the endpoint's name.",
        )
    return ()


def apply(wb: Workbook, policy: ScalingPolicy | None = None) -> AppliedPolicy:
    """Put the policy on the registered variant, or change it; default: the guide's. AWS makes or changes its alarms.

    Raises:
        NotFound: the variant is not registered.
    """
    policy = policy or ScalingPolicy(name=wb.policy_name)
    require_target(wb)
    answer = call(
        wb,
        SERVICE,
        "PutScalingPolicy",
        **triple(wb),
        PolicyName=policy.name,
        PolicyType="TargetTrackingScaling",
        TargetTrackingScalingPolicyConfiguration=policy.to_request(),
    )
    return AppliedPolicy(policy.name, answer["PolicyARN"], tuple(a["AlarmName"] for a in answer.get("Alarms", ())))


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


def remove(wb: Workbook) -> tuple[str, ...]:
    """Delete scheduled actions, policies (AWS removes their alarms) and the target, in this order.

    Returns:
        What was removed, in words; empty the second time.
    """
    removed = []
    for action in pages(wb, SERVICE, "DescribeScheduledActions", "ScheduledActions", **triple(wb)):
        name = action["ScheduledActionName"]
        if _gone(wb, "DeleteScheduledAction", ScheduledActionName=name):
            removed.append(f"scheduled action {name}")
    for policy in policies(wb):
        if _gone(wb, "DeleteScalingPolicy", PolicyName=policy.name):
            removed.append(f"policy {policy.name}")
    if target(wb) is not None and _gone(wb, "DeregisterScalableTarget"):
        removed.append(f"scalable target {wb.resource_id}")
    return tuple(removed)


def _gone(wb: Workbook, operation: str, **params: Any) -> bool:
    """Delete; False when it was gone already."""
    try:
        call(wb, SERVICE, operation, **triple(wb), **params)
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
        quotas = endpoint_quotas(wb, types, at_least=max_capacity)
    except DgsmError:
        return (*warnings, "The quotas could not be read, so max_capacity was not compared with them.")
    warnings += [
        f"max_capacity {max_capacity} is above the quota of {instance_type} ({quota}): that pool stops there."
        for instance_type, quota in quotas.items()
        if quota is not None and quota < max_capacity
    ]
    return tuple(warnings)


@dataclass(frozen=True)
class Retargeted:
    """The policy with its new TargetValue as AWS holds it; ``former_value`` is None where there was no policy."""

    policy: ScalingPolicy
    former_value: float | None
    state: ScalingState

    def __str__(self) -> str:
        before = "new" if self.former_value is None else f"it was {self.former_value:g}"
        return f"TargetValue of {self.policy.name} is {self.policy.target_value:g} ({before})."


def retarget(wb: Workbook, target_value: float) -> Retargeted:
    """Set the TargetValue of the workbook's policy, keep its cooldowns, and verify.

    A variant that is not registered is registered with the guide's bounds (1 to 4); a missing policy gets the guide's
    other values.

    Raises:
        NotReady: AWS holds something else afterwards, or scaling is suspended; the message says what.
        SpendNotConfirmed: it has to be registered, and the workbook was opened without ``confirm_spend=True``.
    """
    if scalable_target.target(wb) is None:
        register(wb)
    held = next((p.configuration for p in scalable_target.policies(wb) if p.name == wb.policy_name), None)
    policy = ScalingPolicy(target_value=target_value, name=wb.policy_name)
    if held:
        policy = replace(
            policy,
            scale_in_cooldown_s=held.get("ScaleInCooldown", policy.scale_in_cooldown_s),
            scale_out_cooldown_s=held.get("ScaleOutCooldown", policy.scale_out_cooldown_s),
            disable_scale_in=held.get("DisableScaleIn", False),
        )
    apply(wb, policy)
    state = verify(wb, policy)
    if not state.ok:
        raise NotReady(
            f"The policy was put, but {'; '.join(state.problems)}", hint="Correct what is named, then apply it again."
        )
    return Retargeted(policy, held.get("TargetValue") if held else None, state)
