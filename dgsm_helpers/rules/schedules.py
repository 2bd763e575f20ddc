"""AWS's schedule expressions, `at(…)`, `rate(…)` and `cron(…)`, as the times at which they fire.

Source: Application Auto Scaling user guide, "Schedule recurring scaling actions using cron expressions": six cron
fields (minutes hours day-of-month month day-of-week year), SUN = 1, `?` for the day field that does not matter,
wildcards `, - * / L W #`. A recurring action with a StartTime runs at that time, and from then on by its recurrence.

AWS does not say from when a `rate(…)` is counted: here from the StartTime, without one from when the action was made.
"""

import calendar
import re
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

_MONTHS = {name.upper(): number for number, name in enumerate(calendar.month_abbr) if name}
_DAYS = {"SUN": 1, "MON": 2, "TUE": 3, "WED": 4, "THU": 5, "FRI": 6, "SAT": 7}
_UNIT_S = {"minute": 60, "hour": 3600, "day": 86400}
_LOOK_AHEAD_DAYS = 366 * 9  # a 29 February on a given weekday comes at most this far apart but for century years

type NextFiring = Callable[[float], float | None]
"""The first firing later than a time, None when there is none; both in Unix seconds."""


def parse_schedule(expression: str, timezone: str = "UTC", *, origin_s: float = 0.0) -> NextFiring:
    """Read a schedule expression; ``timezone`` (an IANA name) applies to `at` and `cron`, ``origin_s`` to `rate`.

    Raises:
        ValueError: it is none of the three forms, or a field is out of range; the message quotes it.
    """
    try:
        zone = ZoneInfo(timezone)
    except (KeyError, ValueError, OSError) as error:
        raise ValueError(f"Unknown time zone {timezone!r}; give an IANA name such as Europe/Berlin") from error
    form, _, rest = expression.strip().partition("(")
    body = rest.removesuffix(")").strip()
    if not rest.endswith(")") or form not in ("at", "rate", "cron"):
        raise ValueError(f"Schedule {expression!r} is not at(yyyy-mm-ddThh:mm:ss), rate(value unit) or cron(fields)")
    if form == "at":
        try:
            moment_s = datetime.strptime(body, "%Y-%m-%dT%H:%M:%S").replace(tzinfo=zone).timestamp()
        except ValueError as error:
            raise ValueError(f"Schedule {expression!r} is not of the form at(yyyy-mm-ddThh:mm:ss)") from error
        return lambda after_s: moment_s if moment_s > after_s else None
    if form == "rate":
        match = re.fullmatch(r"([1-9]\d*) (minute|hour|day)s?", body)
        if not match:
            raise ValueError(
                f"Schedule {expression!r} is not of the form rate(5 minutes); units are minutes, hours, days"
            )
        every_s = int(match[1]) * _UNIT_S[match[2]]
        return lambda after_s: origin_s + max((after_s - origin_s) // every_s + 1, 1) * every_s
    return _cron(expression, body.upper().split(), zone)


def next_firing(
    expression: str,
    timezone: str,
    after_s: float,
    *,
    made_s: float = 0.0,
    start_s: float | None = None,
    end_s: float | None = None,
) -> float | None:
    """When a scheduled action fires next after ``after_s``, from ``start_s`` to ``end_s``; None for never.

    All are Unix seconds; ``made_s`` is when the action was put.

    Raises:
        ValueError: the schedule or the time zone cannot be read.
    """
    schedule = parse_schedule(expression, timezone, origin_s=made_s if start_s is None else start_s)
    recurring = not expression.strip().startswith("at")
    if start_s is not None and recurring and after_s < start_s:
        moment_s: float | None = start_s
    else:
        moment_s = schedule(after_s if start_s is None else max(after_s, start_s - 1))
    return None if moment_s is None or (end_s is not None and moment_s > end_s) else moment_s


def next_of(action: Mapping[str, Any], after: datetime) -> datetime | None:
    """When a scheduled action, in AWS's members, fires first after ``after``, or None; else ValueError."""
    start_s, end_s = (limit and limit.timestamp() for limit in (action.get("StartTime"), action.get("EndTime")))
    timezone = action.get("Timezone") or "UTC"
    made_s, after_s = action.get("CreationTime", after).timestamp(), after.timestamp()
    moment_s = next_firing(action["Schedule"], timezone, after_s, made_s=made_s, start_s=start_s, end_s=end_s)
    return None if moment_s is None else datetime.fromtimestamp(moment_s, UTC)


def may_fire(action: Mapping[str, Any], after: datetime) -> bool:
    """Whether a scheduled action, in AWS's members with datetimes, has a firing left after ``after``.

    One whose schedule cannot be read here may: AWS took it.
    """
    try:
        return next_of(action, after) is not None
    except ValueError:
        return True


def bounds_due(
    bounds: Mapping[str, int], actions: Iterable[Mapping[str, Any]], since: datetime, until: datetime
) -> dict[str, int]:
    """What the firings of scheduled actions after ``since`` and up to ``until`` make of a target's ``bounds``.

    Bounds are MinCapacity and MaxCapacity, actions are in AWS's members with datetimes. A firing that would put the
    minimum above the maximum changes nothing, as on AWS (`rules.policies.Bounds.after`). Actions whose schedule cannot
    be read here are passed over. Of two firings at one time the action named later counts.
    """
    firings: list[tuple[datetime, int, Mapping[str, int]]] = []
    for number, action in enumerate(actions):
        made = {"CreationTime": since, **action}
        try:
            at = next_of(made, since)
            while at is not None and at <= until:
                firings.append((at, number, action.get("ScalableTargetAction") or {}))
                at = next_of(made, at)
        except ValueError:
            continue
    due = dict(bounds)
    for _, _, limits in sorted(firings, key=lambda firing: firing[:2]):
        after = {bound: limits.get(bound, was) for bound, was in due.items()}
        if 1 <= after["MinCapacity"] <= after["MaxCapacity"]:
            due = after
    return due


def _cron(expression: str, fields: list[str], zone: ZoneInfo) -> NextFiring:
    if len(fields) != 6:
        raise ValueError(f"Schedule {expression!r} has {len(fields)} fields; AWS's cron has six, the last is the year")
    minutes, hours, day_of_month, month, day_of_week, year = fields
    if (day_of_month == "?") == (day_of_week == "?"):
        raise ValueError(f"Schedule {expression!r}: exactly one of day-of-month and day-of-week must be `?`")
    try:
        _day_of_month(day_of_month, date(2024, 1, 1))
        _day_of_week(day_of_week, date(2024, 1, 1))
        times = [(hour, minute) for hour in sorted(_values(hours, 0, 23)) for minute in sorted(_values(minutes, 0, 59))]
        months, years = _values(month, 1, 12, _MONTHS), _values(year, 1970, 2199)
    except ValueError as error:
        raise ValueError(f"Schedule {expression!r}: {error}") from error

    def next_after(after_s: float) -> float | None:
        """A local time that a clock change skips does not fire; one that it repeats fires once."""
        first = datetime.fromtimestamp(after_s, zone).date()
        for day in (first + timedelta(days=offset) for offset in range(_LOOK_AHEAD_DAYS)):
            if day.month not in months or day.year not in years:
                continue
            if not (_day_of_month(day_of_month, day) and _day_of_week(day_of_week, day)):
                continue
            for hour, minute in times:
                moment = datetime(day.year, day.month, day.day, hour, minute, tzinfo=zone)
                wall_clock = moment.astimezone(UTC).astimezone(zone)
                skipped = (wall_clock.hour, wall_clock.minute) != (hour, minute)
                if not skipped and moment.timestamp() > after_s:
                    return moment.timestamp()
        return None

    return next_after


def _values(field: str, low: int, high: int, names: dict[str, int] | None = None) -> frozenset[int]:
    values: set[int] = set()
    for part in field.split(","):
        span, _, step = part.partition("/")
        if span == "*":
            first, last = low, high
        else:
            start, _, end = span.partition("-")
            first = _number(start, names)
            last = _number(end, names) if end else (high if step else first)
        every = _number(step, None) if step else 1
        if not low <= first <= last <= high or every < 1:
            raise ValueError(f"field {field!r} is outside {low} to {high}")
        values.update(range(first, last + 1, every))
    return frozenset(values)


def _value(text: str, low: int, high: int, names: dict[str, int] | None = None) -> int:
    """The only value of a field that takes no list."""
    (value,) = _values(text, low, high, names)
    return value


def _number(text: str, names: dict[str, int] | None) -> int:
    if names and text in names:
        return names[text]
    if not text.isdigit():
        raise ValueError(f"{text!r} is not a number this field knows")
    return int(text)


def _day_of_month(field: str, day: date) -> bool:
    last = calendar.monthrange(day.year, day.month)[1]
    if field in ("?", "*"):
        return True
    if field == "L":
        return day.day == last
    if match := re.fullmatch(r"(\w+)W", field):
        day_number = last if match[1] == "L" else min(_value(match[1], 1, 31), last)
        return day == _nearest_weekday(date(day.year, day.month, day_number))
    return day.day in _values(field, 1, 31)


def _nearest_weekday(day: date) -> date:
    shift = {5: -1, 6: 1}.get(day.weekday(), 0)
    moved = day + timedelta(days=shift)
    return moved if moved.month == day.month else day - timedelta(days=2 if shift > 0 else -2)


def _day_of_week(field: str, day: date) -> bool:
    if field in ("?", "*"):
        return True
    number = day.isoweekday() % 7 + 1
    if match := re.fullmatch(r"(\w+)#([1-5])", field):
        return number == _value(match[1], 1, 7, _DAYS) and (day.day - 1) // 7 + 1 == int(match[2])
    if field == "L":
        return number == 7
    if match := re.fullmatch(r"(\w+)L", field):
        last = calendar.monthrange(day.year, day.month)[1]
        return number == _value(match[1], 1, 7, _DAYS) and day.day + 7 > last
    return number in _values(field, 1, 7, _DAYS)
