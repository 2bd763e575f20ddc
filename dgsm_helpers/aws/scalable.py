"""What Application Auto Scaling holds for the workbook's variant: its target and its policies."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..errors import NotFound
from .calls import pages
from .scaling_policy import DIMENSION, NAMESPACE
from .scaling_state import PolicyState, Target, read_policy, read_target

if TYPE_CHECKING:
    from ..session import Workbook

SERVICE = "application-autoscaling"


def triple(wb: Workbook) -> dict[str, str]:
    """The three names by which every call finds the variant."""
    return {"ServiceNamespace": NAMESPACE, "ResourceId": wb.resource_id, "ScalableDimension": DIMENSION}


def target(wb: Workbook) -> Target | None:
    """The variant's scalable target, or None when it is not registered."""
    found = pages(
        wb,
        SERVICE,
        "DescribeScalableTargets",
        "ScalableTargets",
        ServiceNamespace=NAMESPACE,
        ResourceIds=[wb.resource_id],
        ScalableDimension=DIMENSION,
    )
    return next(map(read_target, found), None)


def policies(wb: Workbook) -> tuple[PolicyState, ...]:
    """Every scaling policy on the variant."""
    found = pages(wb, SERVICE, "DescribeScalingPolicies", "ScalingPolicies", **triple(wb))
    return tuple(map(read_policy, found))


def require_target(wb: Workbook) -> Target:
    """The variant's scalable target.

    Raises:
        NotFound: the variant is not registered.
    """
    found = target(wb)
    if found is None:
        raise NotFound(f"{wb.resource_id} is not registered as a scalable target.", hint="scaling.register(wb) first.")
    return found
