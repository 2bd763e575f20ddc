"""The chosen plan put into the account: bounds, policy, scheduled actions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from dgsm_helpers.aws.scaling import registration, scheduled_actions
from dgsm_helpers.aws.scaling.policy import ScalingPolicy
from dgsm_helpers.aws.scaling.scaling_state import ScalingState
from dgsm_helpers.errors import InvalidInput
from dgsm_helpers.planning.comparing import can_be_applied
from dgsm_helpers.simulate.traffic import DAY_S

if TYPE_CHECKING:
    from dgsm_helpers.session import Workbook
    from dgsm_helpers.simulate.scaling_plan import ScalingPlan

SCHEDULED_NAMES = ("peak-minimum", "off-peak-minimum")
"""Names of the scheduled actions that `simulate.scaling_plan.scheduled_minimum` makes."""


@dataclass(frozen=True)
class DailyMinimum:
    """At least ``min_capacity`` instances from ``at_s`` seconds after midnight UTC on, every day."""

    name: str
    at_s: float
    min_capacity: int

    @property
    def expression(self) -> str:
        """As Application Auto Scaling takes it, to the minute."""
        minutes = int(self.at_s // 60)
        return f"cron({minutes % 60} {minutes // 60} * * ? *)"

    def __str__(self) -> str:
        return f"Scheduled action {self.name}: at least {self.min_capacity} from {self.expression} UTC"


@dataclass(frozen=True, kw_only=True)
class PlannedSettings:
    """What a plan is in the account's terms; `str` reads it out before anything is changed."""

    min_capacity: int
    max_capacity: int
    policy: ScalingPolicy
    daily: tuple[DailyMinimum, ...]

    def __str__(self) -> str:
        lines = [f"Bounds {self.min_capacity} to {self.max_capacity} instances", str(self.policy)]
        return "\n".join([*lines, *map(str, self.daily)])


def settings_for(plan: ScalingPlan, *, midnight_utc_s: float = 0.0) -> PlannedSettings:
    """The calls that the plan amounts to.

    Args:
        plan: with one target-tracking policy on the predefined metric.
        midnight_utc_s: of the traffic that the plan was made for (`Traffic.midnight_utc_s`): its schedule counts from
            the traffic's begin.

    Raises:
        InvalidInput: it is a plan that can only be compared (`comparing.can_be_applied`).
    """
    if not can_be_applied(plan):
        raise InvalidInput(
            f"Plan {plan.name!r} needs more than one target-tracking policy on the predefined metric.",
            hint="Choose another plan, or make its alarm and policy yourself.",
        )
    tracked = plan.tracking
    policy = ScalingPolicy(
        target_value=tracked.target_value,
        scale_in_cooldown_s=int(tracked.scale_in_cooldown_s),
        scale_out_cooldown_s=int(tracked.scale_out_cooldown_s),
        disable_scale_in=tracked.disable_scale_in,
        name=tracked.name,
    )
    # Of a minimum that comes every day, the first firing says when.
    first = {c.name: (c.at_s, c.min_capacity) for c in reversed(plan.schedule) if c.min_capacity is not None}
    daily = (DailyMinimum(n, (at_s + midnight_utc_s) % DAY_S, low) for n, (at_s, low) in reversed(first.items()))
    return PlannedSettings(
        min_capacity=plan.bounds.min_capacity,
        max_capacity=plan.bounds.max_capacity,
        policy=policy,
        daily=tuple(daily),
    )


def apply_settings(wb: Workbook, settings: PlannedSettings) -> ScalingState:
    """Register the bounds, apply the policy, put the scheduled actions, and read all of it back.

    Raises:
        SpendNotConfirmed: the bounds allow more instances, and the workbook was opened without ``confirm_spend=True``.
        NotFound, NotReady: no endpoint, or it is not ``InService``.
    """
    registration.register(wb, settings.min_capacity, settings.max_capacity)
    registration.apply(wb, settings.policy)
    for name in SCHEDULED_NAMES:
        # One that an earlier plan left would go on raising the minimum under this one.
        if name not in {change.name for change in settings.daily}:
            scheduled_actions.remove(wb, name)
    for change in settings.daily:
        scheduled_actions.put(wb, change.name, change.expression, min_capacity=change.min_capacity)
    return registration.verify(
        wb, settings.policy, min_capacity=settings.min_capacity, max_capacity=settings.max_capacity
    )
