"""What Application Auto Scaling holds for the workbook's variant."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import batched
from typing import Any

from dgsm_helpers.aws.core.calls import call, pages
from dgsm_helpers.aws.scaling.policy import DIMENSION, NAMESPACE
from dgsm_helpers.aws.scaling.scaling_answers import (
    AlarmState,
    PolicyState,
    Target,
    read_alarms,
    read_policy,
    read_target,
)
from dgsm_helpers.errors import NotFound
from dgsm_helpers.session import Workbook

SERVICE = "application-autoscaling"


def triple(wb: Workbook) -> dict[str, str]:
    """The three names by which every call finds the variant."""
    return {"ServiceNamespace": NAMESPACE, "ResourceId": wb.resource_id, "ScalableDimension": DIMENSION}


def target(wb: Workbook) -> Target | None:
    """The variant's scalable target, or None when it is not registered."""
    on = {"ServiceNamespace": NAMESPACE, "ResourceIds": [wb.resource_id], "ScalableDimension": DIMENSION}
    return next(map(read_target, pages(wb, SERVICE, "DescribeScalableTargets", "ScalableTargets", **on)), None)


def policies(wb: Workbook) -> tuple[PolicyState, ...]:
    """Every scaling policy on the variant."""
    return tuple(map(read_policy, pages(wb, SERVICE, "DescribeScalingPolicies", "ScalingPolicies", **triple(wb))))


def policy_alarms(wb: Workbook, policies: Sequence[PolicyState]) -> tuple[AlarmState, ...]:
    """The alarms that the policies name and that exist, the high ones first."""
    return read_alarms(described_alarms(wb, [name for policy in policies for name in policy.alarm_names]))


def described_alarms(wb: Workbook, names: Sequence[str]) -> Iterator[Mapping[str, Any]]:
    """Those of the alarms that exist, as DescribeAlarms shows them, in calls of 100 names (its limit)."""
    for some in batched(names, 100):
        yield from pages(wb, "cloudwatch", "DescribeAlarms", "MetricAlarms", AlarmNames=list(some))


def not_registered(wb: Workbook) -> NotFound:
    """The error that the variant is not registered."""
    return NotFound(f"{wb.resource_id} is not registered as a scalable target.", hint="register.register(wb) first.")


def require_target(wb: Workbook) -> Target:
    """The variant's scalable target.

    Raises:
        NotFound: the variant is not registered.
    """
    registered = target(wb)
    if registered is None:
        raise not_registered(wb)
    return registered


def change(wb: Workbook, **settings: Any) -> None:
    """Change bounds or ``SuspendedState`` of a variant that is registered; what is not named stays."""
    call(wb, SERVICE, "RegisterScalableTarget", **triple(wb), **settings)
