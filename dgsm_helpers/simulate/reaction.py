"""How long scaling out took, end to end, in a run; and the high-resolution metric against a one-minute one."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from dgsm_helpers.rules.model import ScalingModel
from dgsm_helpers.rules.policies import TargetTracking
from dgsm_helpers.simulate.engine import simulate
from dgsm_helpers.simulate.instance_capacity import Capacity
from dgsm_helpers.simulate.scaling_plan import Plan
from dgsm_helpers.simulate.simulated_run import Run
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
class Comparison:
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


def reaction(run: Run) -> Reaction | None:
    """The first scale-out by an alarm; None when there was none."""
    first = next((e for e in run.events if e.kind == "out" and e.alarm_s is not None), None)
    if first is None:
        return None
    policy = next(p for p in run.plan.policies if p.name == first.policy)
    threshold = policy.target_value if isinstance(policy, TargetTracking) else policy.alarm.threshold
    metric = run.average if run.model.statistic == "Average" else run.maximum
    at = int(np.searchsorted(run.times_s, first.alarm_s))
    calm = np.flatnonzero(~(metric[: at + 1] > threshold))
    breach = calm[-1] + 1 if calm.size else 0
    step_s = run.times_s[0]
    return Reaction(
        breach_s=float(breach * step_s), alarm_s=first.alarm_s, asked_s=first.at_s, served_s=first.completed_s
    )


def compare_metrics(
    traffic: Traffic,
    plan: Plan,
    *,
    capacity: Capacity | Mapping[str, Capacity],
    model: ScalingModel | None = None,
    seed: int = 0,
) -> Comparison | None:
    """Play the plan twice, its target-tracking policies on the ten-second and on the one-minute metric.

    None when either did not scale out.
    """
    reactions = []
    for metric in ("high-resolution", "one-minute"):
        policies = tuple(
            dataclasses.replace(p, metric=metric) if isinstance(p, TargetTracking) else p for p in plan.policies
        )
        changed = dataclasses.replace(plan, policies=policies)
        reactions.append(reaction(simulate(traffic, changed, capacity=capacity, model=model, seed=seed)))
    fast, slow = reactions
    return Comparison(high_resolution=fast, one_minute=slow) if fast and slow else None
