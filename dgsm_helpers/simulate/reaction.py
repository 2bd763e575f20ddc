"""How long scaling out took, end to end, in a run; and the high-resolution metric against a one-minute one."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from dgsm_helpers.rules.policies import Metric, TargetTracking
from dgsm_helpers.simulate.conditions import Conditions
from dgsm_helpers.simulate.engine import Run, simulate
from dgsm_helpers.simulate.scaling_plan import ScalingPlan
from dgsm_helpers.simulate.traffic import Traffic


@dataclass(frozen=True, kw_only=True)
class Reaction:
    """The first scale-out of a run; seconds from the start of the traffic.

    ``breach_s`` is the begin of the first interval whose metric was above the target and stayed so until the alarm;
    ``alarm_s`` when AlarmHigh went into ALARM, ``asked_s`` when the new count was set, ``served_s`` when it served
    (None: not within the run).
    """

    breach_s: float
    alarm_s: float
    asked_s: float
    served_s: float | None

    @property
    def detection_s(self) -> float:
        """From the breach to the alarm."""
        return self.alarm_s - self.breach_s

    @property
    def total_s(self) -> float | None:
        """From the breach to serving instances."""
        return None if self.served_s is None else self.served_s - self.breach_s


@dataclass(frozen=True, kw_only=True)
class MetricComparison:
    """The same traffic and policy with two metrics; the factors are one-minute over high-resolution."""

    high_resolution: Reaction
    one_minute: Reaction

    @property
    def detection_factor(self) -> float:
        """How much sooner the alarm comes."""
        return self.one_minute.detection_s / self.high_resolution.detection_s

    @property
    def total_factor(self) -> float | None:
        """How much sooner the new instances serve."""
        slow, fast = self.one_minute.total_s, self.high_resolution.total_s
        return None if slow is None or fast is None else slow / fast

    def __str__(self) -> str:
        """The guide's claim on this traffic, in a sentence: detection alone, and end to end."""
        fast, slow = self.high_resolution, self.one_minute
        text = (
            f"A step to that height: detected in {fast.detection_s:.0f} s with the 10 s metric, {slow.detection_s:.0f} "
            f"s with a 1-minute one ({self.detection_factor:.1f}x sooner; the guide says up to 6x)"
        )
        if self.total_factor is None:
            return f"{text}. The new instance did not serve within this traffic."
        return (
            f"{text}; end to end, until the new instance serves, {fast.total_s:.0f} s against {slow.total_s:.0f} s "
            f"({self.total_factor:.1f}x)."
        )


def reaction(run: Run) -> Reaction | None:
    """The first scale-out by an alarm; None when there was none."""
    outs = ((event, event.alarm_s) for event in run.events if event.kind == "out")
    first, alarm_s = next(((event, at_s) for event, at_s in outs if at_s is not None), (None, 0.0))
    if first is None:
        return None
    policy = next(p for p in run.plan.policies if p.name == first.policy)
    threshold = policy.target_value if isinstance(policy, TargetTracking) else policy.alarm.threshold
    metric = run.average if run.model.statistic == "Average" else run.maximum
    at = int(np.searchsorted(run.times_s, alarm_s))
    calm = np.flatnonzero(~(metric[: at + 1] > threshold))
    breach = calm[-1] + 1 if calm.size else 0
    return Reaction(
        breach_s=float(breach * run.times_s[0]), alarm_s=alarm_s, asked_s=first.at_s, served_s=first.completed_s
    )


def compare_metrics(traffic: Traffic, plan: ScalingPlan, conditions: Conditions) -> MetricComparison | None:
    """Play the plan twice, its target-tracking policies on the ten-second and on the one-minute metric.

    None when either did not scale out.
    """

    def reaction_on(metric: Metric) -> Reaction | None:
        policies = (replace(p, metric=metric) if isinstance(p, TargetTracking) else p for p in plan.policies)
        return reaction(simulate(traffic, replace(plan, policies=tuple(policies)), conditions))

    fast, slow = reaction_on("high-resolution"), reaction_on("one-minute")
    return MetricComparison(high_resolution=fast, one_minute=slow) if fast and slow else None
