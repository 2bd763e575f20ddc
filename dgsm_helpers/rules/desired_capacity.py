"""How much capacity a triggered policy asks for: AWS's arithmetic, before bounds and cooldowns."""

from __future__ import annotations

import math

from dgsm_helpers.rules.model import ScalingModel
from dgsm_helpers.rules.policies import StepScaling, TargetTracking

_EPSILON = 1e-9
"""A quotient this little above a whole number is that number: 3 x 7.5 / 7.5 must not ask for 4."""


def tracked_capacity(policy: TargetTracking, running: int, metric: float, model: ScalingModel) -> int:
    """``running * metric / target`` in whole instances, by the model's rounding.

    AWS publishes no formula; rounding up in both directions, a removal never brings the metric back above the target.
    """
    wanted = running * metric / policy.target_value
    return math.ceil(wanted - (0.5 if model.capacity_rounding == "nearest" else _EPSILON))


def stepped_capacity(policy: StepScaling, running: int, metric: float) -> int | None:
    """The capacity after the step whose interval holds ``metric - threshold``; None when none does.

    Above the threshold an interval includes its lower end, below it its upper end. Percentages round as AWS does:
    away from zero below one instance, towards zero above. Source: AAS guide, "Step scaling policies for Application
    Auto Scaling".
    """
    distance = metric - policy.alarm.threshold
    rising = policy.alarm.comparison in (">", ">=")
    for step in policy.steps:
        lower = -math.inf if step.lower is None else step.lower
        upper = math.inf if step.upper is None else step.upper
        inside = lower <= distance < upper if rising else lower < distance <= upper
        if inside:
            return _adjusted(policy, step.adjustment, running)
    return None


def _adjusted(policy: StepScaling, adjustment: int, running: int) -> int:
    if policy.adjustment_type == "ExactCapacity":
        return adjustment
    if policy.adjustment_type == "ChangeInCapacity":
        return max(0, running + adjustment)
    share = running * adjustment / 100
    size = max(math.floor(abs(share) + _EPSILON), 1 if share else 0, policy.min_adjustment_magnitude if share else 0)
    return max(0, running + int(math.copysign(size, share)))
