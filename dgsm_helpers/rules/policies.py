"""What a scalable target is told: scaling policies, bounds, scheduled changes of the bounds. Frozen values only.

Terms are Application Auto Scaling's; times are seconds, capacities are instances.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

from dgsm_helpers.errors import InvalidInput
from dgsm_helpers.rules.alarms import AlarmSpec
from dgsm_helpers.rules.weighted_metrics import form_named

Metric = Literal["high-resolution", "one-minute", "metric-math"]
"""What a target-tracking policy follows: the predefined ten-second concurrency, a one-minute metric, or metric math
(which AWS evaluates by the minute)."""

ROUNDING = 1e-9
"""A quotient this little above a whole number is that number: 3 x 7.5 / 7.5 must not ask for 4."""

Aggregation = Literal["Average", "Minimum", "Maximum"]
Adjustment = Literal["ChangeInCapacity", "PercentChangeInCapacity", "ExactCapacity"]


@dataclass(frozen=True, kw_only=True)
class TargetTracking:
    """A target-tracking policy; the defaults are AWS's for SageMaker variants (the guide's are 60 and 300).

    ``form`` names the expression of a ``metric-math`` policy over a pool of types (`weighted_metrics.FORMS`);
    ``weights`` are those of the types in the plan's order, for the form ``weighted-streams`` alone.

    Raises:
        InvalidInput: ``target_value`` is not above zero or no number, a cooldown is negative, or there is no such form.
    """

    name: str
    target_value: float
    metric: Metric = "high-resolution"
    scale_out_cooldown_s: float = 300.0
    scale_in_cooldown_s: float = 300.0
    disable_scale_in: bool = False
    form: str = ""
    weights: tuple[float, ...] = ()

    @classmethod
    def from_configuration(cls, name: str, configuration: Mapping[str, Any]) -> TargetTracking:
        """The policy that a TargetTrackingScalingPolicyConfiguration describes, as the API shapes it."""
        predefined = (configuration.get("PredefinedMetricSpecification") or {}).get("PredefinedMetricType", "")
        metric: Metric = "one-minute"
        if predefined.endswith("HighResolution"):
            metric = "high-resolution"
        elif "Metrics" in (configuration.get("CustomizedMetricSpecification") or {}):
            metric = "metric-math"
        return cls(
            name=name,
            target_value=configuration["TargetValue"],
            metric=metric,
            scale_out_cooldown_s=configuration.get("ScaleOutCooldown", cls.scale_out_cooldown_s),
            scale_in_cooldown_s=configuration.get("ScaleInCooldown", cls.scale_in_cooldown_s),
            disable_scale_in=configuration.get("DisableScaleIn", False),
        )

    @property
    def key(self) -> str:
        """By which `decision.Signals` holds its alarms."""
        return self.name

    def __post_init__(self) -> None:
        if not 0 < self.target_value < math.inf:
            raise InvalidInput(
                f"TargetValue of policy {self.name!r} must be a number above zero, not {self.target_value}.",
                hint="Give the concurrent streams that one instance should hold, from a measurement.",
            )
        if self.metric not in ("high-resolution", "one-minute", "metric-math"):
            raise InvalidInput(f"Policy {self.name!r} cannot follow the metric {self.metric!r}.")
        if self.form:
            form_named(self.form)
            if self.metric != "metric-math":
                raise InvalidInput(f"Policy {self.name!r} has a form, which only metric='metric-math' follows.")
        _not_negative(self.name, "scale_out_cooldown_s", self.scale_out_cooldown_s)
        _not_negative(self.name, "scale_in_cooldown_s", self.scale_in_cooldown_s)


@dataclass(frozen=True, kw_only=True)
class StepAdjustment:
    """One step of a step-scaling policy: applies while ``lower <= metric - threshold < upper`` (None: unbounded)."""

    adjustment: int
    lower: float | None = None
    upper: float | None = None


@dataclass(frozen=True, kw_only=True)
class StepScaling:
    """A step-scaling policy with an alarm that the user makes for it; with several alarms it is several of these.

    ``min_adjustment_magnitude`` applies to ``PercentChangeInCapacity`` alone, as on AWS. ``aggregation`` is the
    MetricAggregationType: what is taken of the datapoints that the alarm was judged on. ``alarm_name`` tells those of
    several alarms apart.

    Raises:
        InvalidInput: there are no steps, or the cooldown is negative.
    """

    name: str
    alarm: AlarmSpec
    alarm_name: str = ""
    aggregation: Aggregation = "Average"
    steps: tuple[StepAdjustment, ...]
    adjustment_type: Adjustment = "ChangeInCapacity"
    cooldown_s: float = 300.0
    min_adjustment_magnitude: int = 1

    def __post_init__(self) -> None:
        if not self.steps:
            raise InvalidInput(f"Step-scaling policy {self.name!r} has no steps.", hint="Give at least one Step.")
        _not_negative(self.name, "cooldown_s", self.cooldown_s)

    @property
    def key(self) -> str:
        return f"{self.name} by {self.alarm_name}" if self.alarm_name else self.name

    def aggregated(self, datapoints: tuple[float, ...]) -> float:
        """The metric that the steps are compared with (AAS guide, "Step scaling policies", metric aggregation)."""
        if self.aggregation == "Average":
            return sum(datapoints) / len(datapoints)
        return min(datapoints) if self.aggregation == "Minimum" else max(datapoints)

    def capacity_for(self, metric: float, running: int) -> int | None:
        """The capacity after the step whose interval holds ``metric - threshold``; None when none does.

        Above the threshold an interval includes its lower end, below it its upper end. The threshold itself is on the
        side that the alarm's comparison gives it. Percentages round as AWS does:
        away from zero below one instance, towards zero above. Source: AAS guide, "Step scaling policies for
        Application Auto Scaling".
        """
        distance = metric - self.alarm.threshold
        rising = distance > 0 or (distance == 0 and self.alarm.comparison in (">=", "<"))
        for step in self.steps:
            lower = -math.inf if step.lower is None else step.lower
            upper = math.inf if step.upper is None else step.upper
            if lower <= distance < upper if rising else lower < distance <= upper:
                return self._adjusted(step.adjustment, running)
        return None

    def _adjusted(self, adjustment: int, running: int) -> int:
        if self.adjustment_type == "ExactCapacity":
            return adjustment
        if self.adjustment_type == "ChangeInCapacity":
            return max(0, running + adjustment)
        share = running * adjustment / 100
        size = max(math.floor(abs(share) + ROUNDING), 1 if share else 0, self.min_adjustment_magnitude if share else 0)
        return max(0, running + int(math.copysign(size, share)))


Policy = TargetTracking | StepScaling


@dataclass(frozen=True, kw_only=True)
class Bounds:
    """A scalable target's limits and its SuspendedState.

    Raises:
        InvalidInput: ``min_capacity`` is below 1 (a real-time variant cannot scale to zero) or above ``max_capacity``.
    """

    min_capacity: int
    max_capacity: int
    scaling_in_suspended: bool = False
    scaling_out_suspended: bool = False
    scheduled_suspended: bool = False

    def __post_init__(self) -> None:
        if self.min_capacity < 1:
            raise InvalidInput(
                f"MinCapacity must be at least 1 for a real-time variant, not {self.min_capacity}.",
                hint="To save money when idle, delete the endpoint and create it again.",
            )
        if self.min_capacity > self.max_capacity:
            raise InvalidInput(
                f"MinCapacity {self.min_capacity} is above MaxCapacity {self.max_capacity}.",
                hint="Swap or correct them.",
            )

    def clamp(self, capacity: int) -> int:
        """The capacity nearest to ``capacity`` within the bounds."""
        return min(max(capacity, self.min_capacity), self.max_capacity)

    def after(self, change: ScheduledChange) -> Bounds:
        """The bounds after a scheduled action, unchanged while scheduled scaling is suspended.

        Raises:
            InvalidInput: the new minimum is above the new maximum.
        """
        if self.scheduled_suspended:
            return self
        low, high = change.min_capacity, change.max_capacity
        return replace(
            self,
            min_capacity=self.min_capacity if low is None else low,
            max_capacity=self.max_capacity if high is None else high,
        )


@dataclass(frozen=True, kw_only=True)
class ScheduledChange:
    """A scheduled action that fires at ``at_s``; None leaves a bound as it is."""

    at_s: float
    min_capacity: int | None = None
    max_capacity: int | None = None
    name: str = "scheduled-action"


def _not_negative(policy: str, name: str, value: float) -> None:
    if not 0 <= value < math.inf:
        raise InvalidInput(f"{name} of policy {policy!r} must be 0 or more seconds, not {value}.")
