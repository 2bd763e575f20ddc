"""Scheduled actions: bounds that change at set times, such as a higher minimum before the morning peak.

A scheduled action changes the scalable target's minimum and maximum, never the instance count itself; a policy goes on
within the new bounds. Instances need minutes to start, so a minimum has to rise before it is needed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from dgsm_helpers.aws.core.calls import call, call_or_none, pages
from dgsm_helpers.aws.core.money import require_spend
from dgsm_helpers.aws.core.tables import Table
from dgsm_helpers.aws.endpoint.deployment_plan import ZERO_REFUSAL
from dgsm_helpers.aws.endpoint.endpoint_reading import EndpointReading
from dgsm_helpers.aws.scaling.scalable_target import SERVICE, require_target, triple
from dgsm_helpers.errors import InvalidInput, UnsupportedFeature
from dgsm_helpers.rules.schedules import next_firing
from dgsm_helpers.session import Workbook

_FORMS = 'Forms: "cron(0 7 ? * MON-FRI *)", "rate(12 hours)", "at(2026-12-24T18:00:00)"; the last field is the year.'


@dataclass(frozen=True, kw_only=True)
class ScheduledAction:
    """One scheduled action. None leaves a bound as it is.

    ``next_at`` is None when it will not fire any more, or when AWS has a schedule that cannot be read here.

    ``timezone`` is an IANA name and applies to `at` and `cron`; ``start`` and ``end`` limit when it may fire.
    """

    name: str
    schedule: str
    min_capacity: int | None = None
    max_capacity: int | None = None
    timezone: str = "UTC"
    start: datetime | None = None
    end: datetime | None = None
    next_at: datetime | None = None


@dataclass(frozen=True)
class ScheduledActions(Sequence[ScheduledAction], Table):
    """The variant's scheduled actions, the next to fire first."""

    resource_id: str
    actions: tuple[ScheduledAction, ...]

    _columns = ("name", "schedule", "time zone", "min capacity", "max capacity", "next")

    def __getitem__(self, index: Any) -> Any:
        return self.actions[index]

    def __len__(self) -> int:
        return len(self.actions)

    def _caption(self) -> str:
        return f"Scheduled actions of {self.resource_id}: {len(self.actions) or 'none'}"

    def _rows(self) -> list[tuple[object, ...]]:
        return [
            (a.name, a.schedule, a.timezone, a.min_capacity, a.max_capacity, a.next_at and f"{a.next_at:%F %H:%M} UTC")
            for a in self.actions
        ]


def put(
    wb: Workbook,
    name: str,
    schedule: str,
    *,
    min_capacity: int | None = None,
    max_capacity: int | None = None,
    timezone: str = "UTC",
    start: datetime | None = None,
    end: datetime | None = None,
) -> ScheduledAction:
    """Make a scheduled action, or change the one of that name.

    Args:
        schedule: ``at(yyyy-mm-ddThh:mm:ss)`` once, ``rate(5 minutes)``, or ``cron(…)`` with AWS's six fields.
        min_capacity, max_capacity: new bounds; None leaves one as it is.
        timezone: IANA name for `at` and `cron`, such as Europe/Berlin.
        start, end: aware datetimes between which it may fire.

    Raises:
        InvalidInput: the schedule or time zone cannot be read, it would never fire, no bound is given, or the bounds
            would be the wrong way round; the message says what AWS would only find out when it fires.
        UnsupportedFeature: a minimum of zero.
        NotFound: the variant is not registered, or the endpoint is gone.
        SpendNotConfirmed: a higher minimum or maximum needs ``confirm_spend=True``.
    """
    target = require_target(wb)
    _require_aware(start=start, end=end)
    try:
        next_at = _next_at(schedule, timezone, wb.now(), start=start, end=end)
    except ValueError as error:
        raise InvalidInput(f"{error}.", hint=_FORMS) from error
    low = target.min_capacity if min_capacity is None else min_capacity
    high = target.max_capacity if max_capacity is None else max_capacity
    _check_bounds(name, min_capacity, max_capacity, low, high)
    made = ScheduledAction(
        name=name,
        schedule=schedule,
        min_capacity=min_capacity,
        max_capacity=max_capacity,
        timezone=timezone,
        start=start,
        end=end,
        next_at=next_at,
    )
    if made.next_at is None:
        raise InvalidInput(
            f"Scheduled action {name!r} would never fire: {schedule} ({timezone}) has no moment after {wb.now():%F %R} "
            "UTC within its limits.",
            hint="Give a moment in the future.",
        )
    if low > target.min_capacity or high > target.max_capacity:
        types = EndpointReading(wb).instance_types
        require_spend(wb, f"Scheduling {low} to {high} instances", types, max(low, high))
    bounds = {"MinCapacity": min_capacity, "MaxCapacity": max_capacity}
    limits = {key: value for key, value in (("StartTime", start), ("EndTime", end)) if value is not None}
    call(
        wb,
        SERVICE,
        "PutScheduledAction",
        **triple(wb),
        ScheduledActionName=name,
        Schedule=schedule,
        Timezone=timezone,
        ScalableTargetAction={key: value for key, value in bounds.items() if value is not None},
        **limits,
    )
    return made


def _next_at(
    schedule: str, timezone: str, after: datetime, *, start: datetime | None = None, end: datetime | None = None
) -> datetime | None:
    """``next_firing`` for aware datetimes."""
    start_s, end_s = (limit.timestamp() if limit else None for limit in (start, end))
    moment_s = next_firing(schedule, timezone, after.timestamp(), start_s=start_s, end_s=end_s)
    return None if moment_s is None else datetime.fromtimestamp(moment_s, UTC)


def may_fire(action: Mapping[str, Any], after: datetime) -> bool:
    """Whether a scheduled action, in AWS's members with datetimes, has a firing left after ``after``.

    One whose schedule cannot be read here may: AWS took it.
    """
    limits = {"start": action.get("StartTime"), "end": action.get("EndTime")}
    try:
        return _next_at(action["Schedule"], action.get("Timezone") or "UTC", after, **limits) is not None
    except ValueError:
        return True


def listed(wb: Workbook) -> ScheduledActions:
    """The variant's scheduled actions, the next to fire first, those that will not fire any more at the end."""
    raw_actions = pages(wb, SERVICE, "DescribeScheduledActions", "ScheduledActions", **triple(wb))
    actions = [_action(raw, wb.now()) for raw in raw_actions]
    never = datetime.max.replace(tzinfo=UTC)
    in_order = sorted(actions, key=lambda action: (action.next_at or never, action.name))
    return ScheduledActions(wb.resource_id, tuple(in_order))


def remove(wb: Workbook, name: str) -> bool:
    """Delete a scheduled action; False when there was none of that name. Bounds that it has set stay."""
    return call_or_none(wb, SERVICE, "DeleteScheduledAction", **triple(wb), ScheduledActionName=name) is not None


def _check_bounds(name: str, min_capacity: int | None, max_capacity: int | None, low: int, high: int) -> None:
    if min_capacity is None and max_capacity is None:
        raise InvalidInput(
            f"Scheduled action {name!r} changes neither bound.", hint="Give min_capacity, max_capacity or both."
        )
    if low < 1:
        raise UnsupportedFeature(
            f"min_capacity is {low}. {ZERO_REFUSAL}", hint="Give 1 or more, or pause the endpoint."
        )
    if low > high:
        raise InvalidInput(
            f"When {name!r} fires, the minimum of {low} would be above the maximum of {high}.",
            hint="Give both bounds, or register the target with others first.",
        )


def _require_aware(**moments: datetime | None) -> None:
    for what, moment in moments.items():
        if moment is not None and moment.tzinfo is None:
            raise InvalidInput(f"{what} has no time zone: {moment}.", hint="Give an aware datetime.")


def _action(raw: Mapping[str, Any], now: datetime) -> ScheduledAction:
    bounds = raw.get("ScalableTargetAction") or {}
    start, end = raw.get("StartTime"), raw.get("EndTime")
    timezone = raw.get("Timezone") or "UTC"
    try:
        next_at = _next_at(raw["Schedule"], timezone, now, start=start, end=end)
    except ValueError:
        # AWS has taken it, so it means something to AWS.
        next_at = None
    return ScheduledAction(
        name=raw["ScheduledActionName"],
        schedule=raw["Schedule"],
        min_capacity=bounds.get("MinCapacity"),
        max_capacity=bounds.get("MaxCapacity"),
        timezone=timezone,
        start=start,
        end=end,
        next_at=next_at,
    )
