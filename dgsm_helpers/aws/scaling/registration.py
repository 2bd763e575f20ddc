"""Registering the variant, its target-tracking policy, and reading both back.

Putting a measured TargetValue into the policy, and nothing else.
"""

from dataclasses import dataclass
from typing import Any, overload

from dgsm_helpers.aws.account.quotas import endpoint_quotas
from dgsm_helpers.aws.core.calls import call_or_none, call_tagged
from dgsm_helpers.aws.core.money import require_spend
from dgsm_helpers.aws.core.tables import Table
from dgsm_helpers.aws.endpoint import endpoint_state
from dgsm_helpers.aws.endpoint.deployment_plan import ZERO_REFUSAL
from dgsm_helpers.aws.endpoint.endpoint_reading import EndpointReading
from dgsm_helpers.aws.scaling import journal, scaling_setup, step_in_policy
from dgsm_helpers.aws.scaling.policy import ScalingPolicy
from dgsm_helpers.aws.scaling.putting_back import settings_back
from dgsm_helpers.aws.scaling.scalable_target import (
    SERVICE,
    PolicyState,
    metric_of,
    not_registered,
    policies,
    target,
    triple,
)
from dgsm_helpers.aws.scaling.scaling_state import ScalingState
from dgsm_helpers.aws.scaling.setup_calls import unregister
from dgsm_helpers.errors import AwsCallFailed, DgsmError, InvalidInput, UnsupportedFeature
from dgsm_helpers.rules.guide import POLICY_NAME
from dgsm_helpers.rules.step_in import STEP_IN
from dgsm_helpers.session import Workbook
from dgsm_helpers.settings.parameters import require_type

GUIDE_BOUNDS = (1, 4)
"""Fewest and most instances in the guide's example."""


@dataclass(frozen=True)
class Registration(Table):
    """The registered bounds; ``created`` is False when the variant was registered before."""

    resource_id: str
    min_capacity: int
    max_capacity: int
    created: bool
    warnings: tuple[str, ...] = ()

    _columns = ("resource", "min capacity", "max capacity")

    def _caption(self) -> str:
        return "Scalable target " + ("registered" if self.created else "updated")

    def _rows(self) -> list[tuple[object, ...]]:
        return [(self.resource_id, self.min_capacity, self.max_capacity)]

    def _notes(self) -> tuple[str, ...]:
        return self.warnings


@dataclass(frozen=True)
class AppliedPolicy:
    """The policy as AWS took it, with the alarms AWS made for it (never edit those)."""

    name: str
    arn: str
    alarm_names: tuple[str, ...]

    def __str__(self) -> str:
        return f"Policy {self.name} is applied; its alarms: {', '.join(self.alarm_names) or 'none named by AWS'}."


def register(wb: Workbook, min_capacity: int | None = None, max_capacity: int | None = None) -> Registration:
    """Register the variant with Application Auto Scaling, or change its bounds.

    A bound that is not given stays as it is; on a variant that is not registered it is the settings', else the guide's
    (1 to 4). The current capacity is pulled into the bounds at once, and the policy may later go up to
    ``max_capacity``; that is what ``confirm_spend`` is asked for.

    Raises:
        UnsupportedFeature: min 0 (real-time endpoints cannot scale to zero), or an endpoint of a kind that has no
            instances of its own to scale.
        InvalidInput: min above max, or not whole numbers.
        NotFound, NotReady: no such endpoint or variant, its config was deleted, or it is not ``InService``.
        SpendNotConfirmed: the workbook was opened without ``confirm_spend=True``.
    """
    _check_bounds(1 if min_capacity is None else min_capacity, max_capacity)
    journal.finish(wb)
    endpoint = EndpointReading(wb)
    endpoint.ready()
    running = endpoint.variant.running
    if min_capacity is None:
        min_capacity = endpoint.target.min_capacity if endpoint.target else wb.bounds[0] or GUIDE_BOUNDS[0]
    if max_capacity is None:
        guides = max(GUIDE_BOUNDS[1], min_capacity)
        max_capacity = endpoint.target.max_capacity if endpoint.target else wb.bounds[1] or guides
    _check_bounds(min_capacity, max_capacity)
    require_spend(wb, f"Scaling {wb.resource_id} up to {max_capacity} instances", endpoint.instance_types, max_capacity)
    # Tags are taken at the first registration only; Application Auto Scaling has calls of its own to change them.
    created = endpoint.target is None
    tags = {tag["Key"]: tag["Value"] for tag in wb.tags} if created else {}
    bounds = {"MinCapacity": min_capacity, "MaxCapacity": max_capacity}
    tagged = call_tagged(wb, SERVICE, "RegisterScalableTarget", tags, **triple(wb), **bounds)
    warnings = _bound_warnings(wb, endpoint.instance_types, running, min_capacity, max_capacity)
    if not tagged:
        untagged = (
            "The target carries no tags: application-autoscaling:TagResource is not allowed (AmazonSageMakerFullAccess "
            "lacks it). Clean-up finds it by the endpoint's name."
        )
        warnings = (untagged, *warnings)
    return Registration(wb.resource_id, min_capacity, max_capacity, created, warnings)


@overload
def apply(wb: Workbook, policy: ScalingPolicy | None = None) -> AppliedPolicy: ...
@overload
def apply(wb: Workbook, policy: ScalingState) -> ScalingState: ...
def apply(wb: Workbook, policy: ScalingPolicy | ScalingState | None = None) -> AppliedPolicy | ScalingState:
    """Put the policy on the registered variant, or change it; default: the guide's. AWS makes or changes its alarms.

    The policy and alarm of its ``most_cut`` come first, and go last where it has none and scales in itself.

    Given a `ScalingState`, which `verify` read earlier, bounds and policies become again what they were then.

    Raises:
        NotFound: the variant is not registered.
        InvalidInput: a policy that somebody else made is in the way; says which.
        SpendNotConfirmed: the workbook was opened without ``confirm_spend=True``: by the policy instances come and go.
    """
    journal.finish(wb)
    name = policy.name if isinstance(policy, ScalingPolicy) else POLICY_NAME
    require_spend_on_policy(wb, EndpointReading(wb), name)
    if isinstance(policy, ScalingState):
        return _put_back(wb, policy)
    policy = policy or ScalingPolicy()
    there = step_in_policy.is_there(wb)
    if policy.most_cut is not None:
        step_in_policy.put(wb, policy.most_cut)
    try:
        applied = put_tracking_policy(wb, policy)
    except DgsmError:
        if policy.most_cut is not None and not there:
            step_in_policy.remove(wb)
        raise
    if there and policy.most_cut is None and not policy.disable_scale_in:
        step_in_policy.remove(wb)
    return applied


def require_spend_on_policy(wb: Workbook, endpoint: EndpointReading, name: str) -> None:
    """Stop unless the user agreed to what a policy of that name may start (SpendNotConfirmed)."""
    if wb.bills and not wb.confirm_spend:
        most = endpoint.target.max_capacity if endpoint.target else wb.bounds[1] or GUIDE_BOUNDS[1]
        what = f"Scaling {wb.resource_id} up to {most} instances by policy {name}"
        require_spend(wb, what, endpoint.instance_types, most)


def tracking_request(wb: Workbook, policy: ScalingPolicy) -> dict[str, Any]:
    """The PutScalingPolicy request of a target-tracking policy."""
    kind = {"PolicyName": policy.name, "PolicyType": "TargetTrackingScaling"}
    return {**triple(wb), **kind, "TargetTrackingScalingPolicyConfiguration": policy.to_request()}


def put_tracking_policy(wb: Workbook, policy: ScalingPolicy) -> AppliedPolicy:
    """Put the target-tracking policy alone; raises as `apply` does."""
    name, configuration = policy.name, policy.to_request()
    try:
        answer = call_or_none(wb, SERVICE, "PutScalingPolicy", **tracking_request(wb, policy))
    except AwsCallFailed as error:
        if type(error) is not AwsCallFailed:  # refused for what the identity may do, or how often
            raise
        for held in policies(wb):
            same_metric = held.name != name and held.metric is not None and held.metric == metric_of(configuration)
            if same_metric or (held.name == name and not held.tracks):
                raise policy_in_the_way(held, name) from error
        raise
    if answer is None:
        raise not_registered(wb)
    return AppliedPolicy(name, answer["PolicyARN"], tuple(a["AlarmName"] for a in answer.get("Alarms", ())))


def _put_back(wb: Workbook, before: ScalingState) -> ScalingState:
    """Bounds and target-tracking policies as they were; policies that came since go, and so does a new target."""
    came = {policy.name for policy in policies(wb)} - {policy.name for policy in before.policies}
    if STEP_IN in came:
        step_in_policy.remove(wb)  # with its alarm, which AWS leaves
    settings_back(wb, scaling_setup.of_variant(wb, before), {"PutScalingPolicy": [*came]}, since=wb.now())
    if (most_cut := step_in_policy.most_cut_of(before.alarms)) is not None:
        step_in_policy.put(wb, most_cut)
    low, high = (before.target.min_capacity, before.target.max_capacity) if before.target else (None, None)
    return verify(wb, min_capacity=low, max_capacity=high)


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
    endpoint = EndpointReading(wb)
    return ScalingState.judged(
        wb.resource_id,
        endpoint.target,
        endpoint.policies,
        endpoint.alarms,
        expected=policy or POLICY_NAME,
        min_capacity=min_capacity,
        max_capacity=max_capacity,
    )


def remove(wb: Workbook) -> tuple[str, ...]:
    """Delete scheduled actions, policies (AWS removes their alarms) and the target, in this order.

    Returns:
        What was removed, in words; empty the second time.

    Raises:
        DeletionNotConfirmed: the workbook was opened without ``confirm_delete=True`` on the user's account.
    """
    if target(wb) is not None:
        wb.require_delete(f"The scalable target, policies and scheduled actions of {wb.resource_id}")
    there = step_in_policy.is_there(wb)
    removed = unregister(wb)
    if there:
        step_in_policy.remove(wb)
    journal.strike_out(wb, of=endpoint_state.find(wb))
    return removed


def _check_bounds(min_capacity: int, max_capacity: int | None) -> None:
    require_type(int, min_capacity=min_capacity, max_capacity=min_capacity if max_capacity is None else max_capacity)
    if min_capacity < 1:
        raise UnsupportedFeature(f"min_capacity is {min_capacity}. {ZERO_REFUSAL}", hint="Give 1 or more.")
    if max_capacity is not None and min_capacity > max_capacity:
        raise InvalidInput(f"min_capacity {min_capacity} is above max_capacity {max_capacity}.", hint="Give min ≤ max.")


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


def policy_in_the_way(held: PolicyState, name: str) -> InvalidInput:
    """The error that a policy which somebody else made takes the place of the one of that name."""
    if held.tracks:
        what = "follows the same metric, and AWS takes one policy for each"
        hint = f'Give ScalingPolicy(name="{held.name}")'
    else:
        what, hint = f"is a {held.policy_type} policy, whose type cannot change", "Give the policy another name"
    return InvalidInput(
        f"Policy {name!r} cannot be applied: policy {held.name!r} of the variant {what}.",
        hint=f"{hint}, or delete the other one first.",
    )
