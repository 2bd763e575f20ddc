"""What is compared: a scalable target with its policies, bounds, schedule and instance types; and which are worth it.

Sources of the plans: the guide (target 5, cooldowns 300 in and 60 out, 1 to 4 instances); sample-voice-agent and kokoro
(target tracking that never removes, and a step that removes at almost no load); BasedHardware/omi PR 2776 (a scheduled
minimum for the day).
"""

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import partial, reduce

from dgsm_helpers.errors import InvalidInput
from dgsm_helpers.rules.fleet import Shortage
from dgsm_helpers.rules.guide import POLICY_NAME
from dgsm_helpers.rules.policies import (
    Bounds,
    Metric,
    Policy,
    ScheduledChange,
    StepScaling,
    TargetTracking,
)
from dgsm_helpers.rules.step_in import STEP_IN, most_to_cut, step_in
from dgsm_helpers.simulate.traffic import DAY_S


@dataclass(frozen=True, kw_only=True)
class ScalingPlan:
    """One way to scale a variant.

    ``instance_types`` are by priority, the preferred one first; ``shortages`` are times (of the traffic) without
    capacity; ``initial_count`` defaults to the minimum. What of the ``schedule`` is before 0 was there when the traffic
    began (`bounds_at_begin`).

    Raises:
        InvalidInput: no policy, two of the same name, no instance type, or an initial count outside the bounds.
    """

    name: str
    policies: tuple[Policy, ...]
    bounds: Bounds
    schedule: tuple[ScheduledChange, ...] = ()
    instance_types: tuple[str, ...] = ("ml.g5.2xlarge",)
    shortages: tuple[Shortage, ...] = ()
    provision_timeout_s: float = 300.0
    initial_count: int | None = None

    def __post_init__(self) -> None:
        names = [policy.name for policy in self.policies]
        if not names or len(set(names)) < len(names):
            raise InvalidInput(f"Plan {self.name!r} needs policies, each with a name of its own; it has {names}.")
        if not self.instance_types:
            raise InvalidInput(f"Plan {self.name!r} names no instance type.")
        if self.initial_count is not None and self.bounds.clamp(self.initial_count) != self.initial_count:
            raise InvalidInput(f"Plan {self.name!r} starts with {self.initial_count} instances, outside its bounds.")

    @property
    def tracking(self) -> TargetTracking:
        """Its first policy, which must be target tracking; else InvalidInput."""
        first = self.policies[0]
        if not isinstance(first, TargetTracking):
            raise InvalidInput(f"Plan {self.name!r} begins with step scaling, not with target tracking.")
        return first

    @property
    def bounds_at_begin(self) -> Bounds:
        """The bounds with which the traffic begins: the plan's, after what its schedule did before."""
        before = sorted((change for change in self.schedule if change.at_s < 0), key=lambda change: change.at_s)
        return reduce(Bounds.after, before, self.bounds)

    @property
    def can_be_applied(self) -> bool:
        """Whether it is one policy on the predefined ten-second metric, alone or with a scale-in of `rules.step_in`.

        Other step scaling needs an alarm of the account's own, and the one-minute metric a published copy: they are
        compared, not recommended.
        """
        (first, *rest) = self.policies
        if not isinstance(first, TargetTracking) or first.metric != "high-resolution":
            return False
        spares = self.most_cut is not None and self.most_cut <= most_to_cut(first.target_value)
        return not rest or (len(rest) == 1 and spares)

    @property
    def most_cut(self) -> int | None:
        """Calls that one of its scale-ins may cut; None where that is not limited."""
        limits = (int(p.alarm.threshold) for p in self.policies if isinstance(p, StepScaling) and p.name == STEP_IN)
        return next(limits, None)

    @property
    def longest_cooldown_s(self) -> float:
        return max(
            max(p.scale_in_cooldown_s, p.scale_out_cooldown_s) if isinstance(p, TargetTracking) else p.cooldown_s
            for p in self.policies
        )


def guide(*, target_value: float = 5.0, min_capacity: int = 1, max_capacity: int = 4) -> ScalingPlan:
    """The guide's policy; with its own numbers unless told otherwise."""
    policy = TargetTracking(
        name=POLICY_NAME, target_value=target_value, scale_in_cooldown_s=300, scale_out_cooldown_s=60
    )
    bounds = Bounds(min_capacity=min_capacity, max_capacity=max_capacity)
    return ScalingPlan(name="guide", policies=(policy,), bounds=bounds)


def sparing(plan: ScalingPlan, most_cut: int) -> ScalingPlan:
    """``plan`` with scale-ins that cut at most so many calls each; target tracking only adds (`rules.step_in`)."""
    adding = replace(plan.tracking, disable_scale_in=True)
    return replace(plan, name=f"{plan.name}, {most_cut} calls cut at a time", policies=(adding, step_in(most_cut)))


def scheduled_minimum(plan: ScalingPlan, *, minimum: int, from_s: float, to_s: float, horizon_s: float) -> ScalingPlan:
    """``plan`` with at least ``minimum`` instances from ``from_s`` to ``to_s`` of every day of the traffic.

    Ask early: instances need minutes to start. Outside, the plan's own minimum holds. ``from_s`` may be the later one:
    then the minimum holds when a day begins, the first one too.
    """
    raised = partial(ScheduledChange, min_capacity=minimum, name="peak-minimum")
    lowered = partial(ScheduledChange, min_capacity=plan.bounds.min_capacity, name="off-peak-minimum")
    begins_s = [day * DAY_S for day in range(int(horizon_s // DAY_S) + 1)]
    changes = [change(at_s=day_s + at_s) for day_s in begins_s for change, at_s in ((raised, from_s), (lowered, to_s))]
    if from_s > to_s:
        changes.append(raised(at_s=from_s - DAY_S))
    return replace(
        plan,
        name=f"{plan.name} + minimum {minimum} from {from_s / 3600:g} to {to_s / 3600:g} h",
        schedule=plan.schedule + tuple(sorted((c for c in changes if c.at_s <= horizon_s), key=lambda c: c.at_s)),
    )


def grid(
    *,
    targets: Sequence[float],
    scale_out_cooldowns_s: Sequence[float] = (60.0,),
    scale_in_cooldowns_s: Sequence[float] = (300.0,),
    minimums: Sequence[int] = (1,),
    maximums: Sequence[int] = (4,),
    metrics: Sequence[Metric] = ("high-resolution",),
    schedules: Iterable[tuple[ScheduledChange, ...]] = ((),),
    instance_types: tuple[str, ...] = ("ml.g5.2xlarge",),
) -> tuple[ScalingPlan, ...]:
    """One plan for every combination whose minimum is not above its maximum."""
    plans = []
    axes = (targets, scale_out_cooldowns_s, scale_in_cooldowns_s, minimums, maximums, metrics, tuple(schedules))
    for target, out_s, in_s, low, high, metric, schedule in itertools.product(*axes):
        if low > high:
            continue
        policy = TargetTracking(
            name=POLICY_NAME,
            target_value=target,
            metric=metric,
            scale_out_cooldown_s=out_s,
            scale_in_cooldown_s=in_s,
        )
        name = f"target {target:g}, cooldown {out_s:g}/{in_s:g} s, {low} to {high}, {metric}"
        plans.append(
            ScalingPlan(
                name=name + _scheduled(schedule),
                policies=(policy,),
                bounds=Bounds(min_capacity=low, max_capacity=high),
                schedule=schedule,
                instance_types=instance_types,
            )
        )
    return tuple(plans)


def _scheduled(schedule: tuple[ScheduledChange, ...]) -> str:
    """The highest minimum of a schedule and when a day lowers it, for a plan's name; empty without a schedule."""
    minimums = [change.min_capacity or 0 for change in schedule]
    if not minimums:
        return ""
    lowered = schedule[minimums.index(min(minimums))]
    return f", scheduled {max(minimums)} till {lowered.at_s % DAY_S / 3600:g} h"
