"""Plans worth comparing for given traffic and a measured instance."""

from dataclasses import dataclass, replace
from functools import partial
from math import ceil

import numpy as np

from dgsm_helpers.load.ladder.target_value import derive_target
from dgsm_helpers.rules.policies import Bounds
from dgsm_helpers.simulate.scaling_plan import ScalingPlan, grid, guide, scheduled_minimum, sparing
from dgsm_helpers.simulate.traffic import DAY_S, Traffic

TARGET_SHARES = (0.5, 0.6, 0.7, 0.8, 0.9)
"""Targets of the grid, as shares of the knee; the guide says 0.7 to 0.8."""
_HOUR_S = 3600.0
_LEAD_S = 900.0
"""How long before the busy hours a scheduled minimum begins: instances need minutes to start."""
_GUIDE_MAXIMUM = 4
_QUIET_SHARE = 0.15
"""Of the busiest hour's concurrency: below it a minimum is lowered without hurting many calls."""


@dataclass(frozen=True, kw_only=True)
class FleetLimits:
    """What plans are made for: ``knee`` streams on each instance of one type, and how many instances there may be.

    Without ``max_capacity`` the maximum follows from the traffic.
    """

    knee: int
    instance_type: str
    min_capacity: int = 1
    max_capacity: int | None = None


def most_instances(traffic: Traffic, target_value: float, *, min_capacity: int = 1) -> int:
    """A maximum that does not bind: what the busiest moment needs at this target and one more; the guide's at least."""
    return max(_GUIDE_MAXIMUM, min_capacity, _needed(traffic, target_value) + 1)


def presets_for(traffic: Traffic, limits: FleetLimits) -> tuple[ScalingPlan, ...]:
    """The guide's policy as printed, the same at the measured target (80 % of the knee), with scale-ins of a quarter of
    that in calls, what the peak needs at all times, and a scheduled minimum if there are busy hours.

    The guide's plan as printed has its own bounds, 1 to 4.
    """
    target, low, high = derive_target(limits.knee).value, limits.min_capacity, limits.max_capacity
    if high is None:
        high = most_instances(traffic, target, min_capacity=low)
    at_target = guide(target_value=target, min_capacity=low, max_capacity=high)
    most_cut = max(1, int(target // 4))
    peak = at_target.bounds.clamp(_needed(traffic, target))
    plans = [
        replace(guide(), name="guide as printed (target 5, 1 to 4)"),
        replace(at_target, name=f"guide at the measured target {target:g}"),
        replace(sparing(at_target, most_cut), name=f"scale-ins that cut {most_cut} calls at most"),
        # All instances that the busiest moment needs, always: what scaling is measured by.
        replace(at_target, name=f"no scaling: always {peak}", bounds=Bounds(min_capacity=peak, max_capacity=peak)),
    ]
    if schedule := busy_schedule(traffic, at_target):
        plans.append(schedule)
    return tuple(replace(plan, instance_types=(limits.instance_type,)) for plan in plans)


def _needed(traffic: Traffic, target_value: float) -> int:
    return ceil(int(traffic.concurrency().max(initial=0)) / target_value)


def busy_hours(traffic: Traffic) -> tuple[float, float] | None:
    """When a day is busy: from and to in seconds after its begin; None when it always is, or lasts under a day.

    Busy is an hour whose mean concurrency is at least half of the busiest hour's, and what is not in the longest time
    without one. Days are counted from the begin of the traffic: where ``from`` is the later one, it is busy then.
    """
    if traffic.horizon_s < DAY_S:
        return None
    days = _hourly(traffic)
    busy = np.flatnonzero(days >= days.max() / 2)
    quiet = (np.roll(busy, -1) - busy - 1) % 24
    # Of two as long, that which comes first in UTC's day.
    last, hours = max(
        zip(busy, quiet, strict=True), key=lambda gap: (gap[1], -((gap[0] + traffic.midnight_utc_s // _HOUR_S) % 24))
    )
    if hours <= 4:
        return None
    first = (last + 1 + hours) % 24
    return float((first * _HOUR_S - _LEAD_S) % DAY_S), float(last + 1) * _HOUR_S


def _hourly(traffic: Traffic) -> np.ndarray:
    """Mean concurrency by the hour of the day, over the whole days of the traffic."""
    days = int(traffic.horizon_s // DAY_S)
    per_minute = traffic.concurrency(_HOUR_S / 60)[: days * 24 * 60]
    return per_minute.reshape(days, 24, 60).mean(axis=(0, 2))


def busy_schedule(traffic: Traffic, plan: ScalingPlan) -> ScalingPlan | None:
    """``plan`` with a minimum for the busy hours that carries their mean at its target; None without busy hours."""
    hours = busy_hours(traffic)
    if hours is None:
        return None
    steps = traffic.concurrency(60.0)
    since_s = (np.arange(1, steps.size + 1) * 60.0 - hours[0]) % DAY_S
    mean = steps[since_s < (hours[1] - hours[0]) % DAY_S].mean()
    low, high = plan.bounds.min_capacity, plan.bounds.max_capacity
    minimum = min(high, ceil(mean / plan.tracking.target_value))
    if minimum <= low:
        return None
    return scheduled_minimum(plan, minimum=minimum, from_s=hours[0], to_s=hours[1], horizon_s=traffic.horizon_s)


def late_schedule(traffic: Traffic, plan: ScalingPlan) -> ScalingPlan | None:
    """``plan`` with a minimum that carries the busy hours' height and is lowered only when it is quiet; None without.

    Scale-in cuts the calls on the instances that it removes. With this minimum none is removed while it is busy, and
    once few calls are left there are few to cut.
    """
    hours = busy_hours(traffic)
    low, high = plan.bounds.min_capacity, plan.bounds.max_capacity
    minimum = min(high, _needed(traffic, plan.tracking.target_value))
    if hours is None or minimum <= low:
        return None
    late_s = _quiet_from(traffic, hours)
    return scheduled_minimum(plan, minimum=minimum, from_s=hours[0], to_s=late_s, horizon_s=traffic.horizon_s)


def _quiet_from(traffic: Traffic, busy: tuple[float, float]) -> float:
    """The first hour after the busy ones with hardly any calls, else the quietest of those until it is busy again."""
    days = _hourly(traffic)
    until, lasts = int(busy[1] // _HOUR_S), int((busy[0] + _LEAD_S - busy[1]) % DAY_S // _HOUR_S)
    after = [(until + later) % 24 for later in range(lasts)]
    quiet = [hour for hour in after if days[hour] <= _QUIET_SHARE * days.max()]
    # The end of a day rather than its begin, before which the minimum would have held.
    return (quiet[0] if quiet else min(after, key=lambda hour: days[hour])) * _HOUR_S or DAY_S


def targets_for(traffic: Traffic, limits: FleetLimits) -> tuple[ScalingPlan, ...]:
    """The guide's cooldowns at each of `TARGET_SHARES`, the setting that matters most; and with a minimum lowered late,
    which spares calls."""
    targets, low, high = targets_of(limits.knee), limits.min_capacity, limits.max_capacity
    if high is None:
        high = most_instances(traffic, targets[0], min_capacity=low)
    base = guide(target_value=derive_target(limits.knee).value, min_capacity=low, max_capacity=high)
    late = late_schedule(traffic, base)
    return grid(
        targets=targets,
        minimums=(low,),
        maximums=(high,),
        schedules=((), late.schedule) if late else ((),),
        instance_types=(limits.instance_type,),
    )


def targets_of(knee: int) -> list[float]:
    """`TARGET_SHARES` of the knee, ascending; none below one, where a single stream would add instances."""
    return sorted({max(1.0, round(share * knee, 1)) for share in TARGET_SHARES})


def grid_for(traffic: Traffic, limits: FleetLimits) -> tuple[ScalingPlan, ...]:
    """Target x cooldowns x bounds x metric x schedule: some hundred plans around what was measured.

    Unless given, the maximum is large enough for the busiest moment at any target, since one that binds hides the
    other settings; what is enough at the measured target is played beside. Cooldowns that the traffic does not outlast
    are left out.
    """
    targets, lowest, most = targets_of(limits.knee), limits.min_capacity, limits.max_capacity
    if most is None:
        most = most_instances(traffic, targets[0], min_capacity=lowest)
    base = guide(target_value=derive_target(limits.knee).value, min_capacity=lowest, max_capacity=most)
    scheduled = busy_schedule(traffic, base)
    around = partial(
        grid,
        targets=targets,
        scale_out_cooldowns_s=(60.0, 300.0),
        scale_in_cooldowns_s=(300.0, 900.0),
        instance_types=(limits.instance_type,),
    )
    plans = around(
        minimums=tuple(n for n in (lowest, lowest + 1) if n <= most),
        maximums=(most,),
        metrics=("high-resolution", "one-minute"),
        schedules=((), scheduled.schedule) if scheduled else ((),),
    )
    if late := late_schedule(traffic, base):
        plans += around(minimums=(lowest,), maximums=(most,), schedules=(late.schedule,))
    enough = max(lowest, _needed(traffic, base.tracking.target_value))
    if limits.max_capacity is None and enough < most:
        plans += around(minimums=(lowest,), maximums=(enough,))
    return tuple(
        plan
        for plan in plans
        # A schedule ends by restoring the lower minimum, so beside a higher one it would say two things.
        if not (plan.schedule and plan.bounds.min_capacity != lowest) and plan.longest_cooldown_s < traffic.horizon_s
    )
