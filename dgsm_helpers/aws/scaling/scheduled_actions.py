"""Scheduled actions: bounds that change at set times, such as a higher minimum before the morning peak.

A scheduled action changes the scalable target's minimum and maximum, never the instance count itself; a policy goes on
within the new bounds. Instances need minutes to start, so a minimum has to rise before it is needed.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from dgsm_helpers.aws.core.calls import call, call_or_none, pages
from dgsm_helpers.aws.core.money import require_spend
from dgsm_helpers.aws.endpoint.deployment_plan import ZERO_REFUSAL
from dgsm_helpers.aws.endpoint.endpoint_reading import EndpointReading
from dgsm_helpers.aws.scaling import journal
from dgsm_helpers.aws.scaling.scalable_target import SERVICE, require_target, triple
from dgsm_helpers.errors import InvalidInput, UnsupportedFeature
from dgsm_helpers.rules.schedules import next_of
from dgsm_helpers.session import Workbook
from dgsm_helpers.settings.parameters import require_type

_FORMS = 'Forms: "cron(0 7 ? * MON-FRI *)", "rate(12 hours)", "at(2026-12-24T18:00:00)"; the last field is the year.'


@dataclass(frozen=True, kw_only=True)
class ScheduledAction:
    """One scheduled action. None leaves a bound as it is.

    ``timezone`` is an IANA name and applies to `at` and `cron`; ``start`` and ``end`` limit when it may fire.
    ``next_at`` is its first firing, as `put` finds it; None when it was read back.
    """

    name: str
    schedule: str
    min_capacity: int | None = None
    max_capacity: int | None = None
    timezone: str = "UTC"
    start: datetime | None = None
    end: datetime | None = None
    next_at: datetime | None = None


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
        SpendNotConfirmed: the workbook was opened without ``confirm_spend=True``.
    """
    given = {"min_capacity": min_capacity, "max_capacity": max_capacity}
    require_type(int, **{bound: value for bound, value in given.items() if value is not None})
    journal.finish(wb)
    target = require_target(wb)
    for limit, moment in (("start", start), ("end", end)):
        if moment is not None and moment.tzinfo is None:
            raise InvalidInput(f"{limit} has no time zone: {moment}.", hint="Give an aware datetime.")
    request: dict[str, Any] = {
        "ScheduledActionName": name,
        "Schedule": schedule,
        "Timezone": timezone,
        "ScalableTargetAction": _stated(MinCapacity=min_capacity, MaxCapacity=max_capacity),
        **_stated(StartTime=start, EndTime=end),
    }
    try:
        next_at = next_of(request, wb.now())
    except ValueError as error:
        raise InvalidInput(f"{error}.", hint=_FORMS) from error
    low = target.min_capacity if min_capacity is None else min_capacity
    high = target.max_capacity if max_capacity is None else max_capacity
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
    if next_at is None:
        raise InvalidInput(
            f"Scheduled action {name!r} would never fire: {schedule} ({timezone}) has no moment after {wb.now():%F %R} "
            "UTC within its limits.",
            hint="Give a moment in the future.",
        )
    if wb.bills and not wb.confirm_spend:
        types = EndpointReading(wb).instance_types
        require_spend(wb, f"Scheduling {low} to {high} instances", types, max(low, high))
    call(wb, SERVICE, "PutScheduledAction", **triple(wb), **request)
    return replace(_action(request), next_at=next_at)


def _stated(**members: Any) -> dict[str, Any]:
    return {name: value for name, value in members.items() if value is not None}


def listed(wb: Workbook) -> tuple[ScheduledAction, ...]:
    """The variant's scheduled actions."""
    return tuple(map(_action, pages(wb, SERVICE, "DescribeScheduledActions", "ScheduledActions", **triple(wb))))


def remove(wb: Workbook, name: str) -> bool:
    """Delete a scheduled action; False when there was none of that name. Bounds that it has set stay."""
    return call_or_none(wb, SERVICE, "DeleteScheduledAction", **triple(wb), ScheduledActionName=name) is not None


def _action(raw: Mapping[str, Any]) -> ScheduledAction:
    bounds = raw.get("ScalableTargetAction") or {}
    return ScheduledAction(
        name=raw["ScheduledActionName"],
        schedule=raw["Schedule"],
        min_capacity=bounds.get("MinCapacity"),
        max_capacity=bounds.get("MaxCapacity"),
        timezone=raw.get("Timezone") or "UTC",
        start=raw.get("StartTime"),
        end=raw.get("EndTime"),
    )
