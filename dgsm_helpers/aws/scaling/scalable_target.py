"""What Application Auto Scaling holds for the workbook's variant: its target and its policies.

Suspending scaling and letting it go on, as it was before.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dgsm_helpers.aws.core.calls import call, pages
from dgsm_helpers.aws.scaling.policy import DIMENSION, NAMESPACE
from dgsm_helpers.aws.scaling.scaling_state import PolicyState, Target, read_policy, read_target
from dgsm_helpers.errors import NotFound

if TYPE_CHECKING:
    from dgsm_helpers.session import Workbook

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


@dataclass(frozen=True)
class Suspension:
    """Which kinds of scaling are suspended."""

    scale_in: bool = False
    scale_out: bool = False
    scheduled: bool = False

    def to_request(self) -> dict[str, bool]:
        """The SuspendedState."""
        return {
            "DynamicScalingInSuspended": self.scale_in,
            "DynamicScalingOutSuspended": self.scale_out,
            "ScheduledScalingSuspended": self.scheduled,
        }


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


def _suspension(wb: Workbook) -> Suspension:
    found = require_target(wb)
    return Suspension(
        scale_in=found.scale_in_suspended, scale_out=found.scale_out_suspended, scheduled=found.scheduled_suspended
    )


def _set_suspension(wb: Workbook, suspension: Suspension) -> None:
    call(wb, SERVICE, "RegisterScalableTarget", **triple(wb), SuspendedState=suspension.to_request())
