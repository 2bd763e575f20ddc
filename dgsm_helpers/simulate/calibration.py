"""From what a real endpoint shows to a scaling model: its alarms, activities and alarm history, already parsed.

Reading them from AWS is ``aws.observe``'s; here is what they say. What they do not say stays an assumption, and is
listed.
"""

from __future__ import annotations

import math
import re
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from ..errors import InvalidInput
from .model import Assumption, ScalingModel

_COMPARISONS = {
    "GreaterThanThreshold": ">",
    "GreaterThanOrEqualToThreshold": ">=",
    "LessThanThreshold": "<",
    "LessThanOrEqualToThreshold": "<=",
}
_STARTS_WANTED = 3
"""Fewer completed scale-outs give a median but no spread."""


@dataclass(frozen=True, kw_only=True)
class RecordedAlarm:
    """A target-tracking policy's alarm as DescribeAlarms shows it."""

    name: str
    comparison: str
    threshold: float
    period_s: int
    evaluation_periods: int
    datapoints_to_alarm: int
    statistic: str
    treat_missing: str


@dataclass(frozen=True, kw_only=True)
class RecordedActivity:
    """A scaling activity as DescribeScalingActivities shows it.

    Times are Unix seconds; ``capacity`` is the number in its description, None when it sets none.
    """

    start_s: float
    end_s: float | None
    capacity: int | None
    cause: str
    status: str


@dataclass(frozen=True, kw_only=True)
class Calibration:
    """A model with what could be read; ``read`` and ``assumed`` are its table, split."""

    model: ScalingModel
    read: tuple[Assumption, ...]
    assumed: tuple[Assumption, ...]


def recorded_alarm(row: Mapping[str, Any]) -> RecordedAlarm:
    """Read one of DescribeAlarms' ``MetricAlarms``.

    Raises:
        InvalidInput: its comparison is none that a target-tracking policy makes.
    """
    operator = row["ComparisonOperator"]
    if operator not in _COMPARISONS:
        raise InvalidInput(f"Alarm {row['AlarmName']!r} compares by {operator}, which no target-tracking alarm does.")
    return RecordedAlarm(
        name=row["AlarmName"],
        comparison=_COMPARISONS[operator],
        threshold=float(row["Threshold"]),
        period_s=int(row.get("Period") or 60),
        evaluation_periods=int(row["EvaluationPeriods"]),
        datapoints_to_alarm=int(row.get("DatapointsToAlarm") or row["EvaluationPeriods"]),
        statistic=row.get("Statistic") or "",
        treat_missing=row.get("TreatMissingData") or "missing",
    )


def recorded_activity(row: Mapping[str, Any]) -> RecordedActivity:
    """Read one of DescribeScalingActivities' ``ScalingActivities``."""
    found = re.search(r"Setting desired instance count to (\d+)", row.get("Description", ""))
    return RecordedActivity(
        start_s=_seconds(row["StartTime"]),
        end_s=_seconds(row["EndTime"]) if row.get("EndTime") else None,
        capacity=int(found[1]) if found else None,
        cause=row.get("Cause", ""),
        status=row["StatusCode"],
    )


def alarm_moments(rows: Sequence[Mapping[str, Any]]) -> dict[str, tuple[float, ...]]:
    """When each alarm went into ALARM, ascending, from DescribeAlarmHistory's ``AlarmHistoryItems``."""
    found: dict[str, list[float]] = {}
    for row in rows:
        if row.get("HistoryItemType") == "StateUpdate" and row.get("HistorySummary", "").endswith("to ALARM"):
            found.setdefault(row["AlarmName"], []).append(_seconds(row["Timestamp"]))
    return {name: tuple(sorted(moments)) for name, moments in found.items()}


def calibrate(
    model: ScalingModel,
    *,
    source: str,
    alarms: Sequence[RecordedAlarm] = (),
    activities: Sequence[RecordedActivity] = (),
    into_alarm_s: Mapping[str, Sequence[float]] | None = None,
) -> Calibration:
    """Fill the model with what an endpoint shows.

    Args:
        model: where unread values come from.
        source: endpoint and time of reading, for the table.
        alarms: of the policy, from DescribeAlarms. They settle statistic, periods and datapoints.
        activities: any order. Completed scale-outs give the start-up time.
        into_alarm_s: by alarm name, when it went into ALARM (`alarm_moments`). With the activities it gives the
            reaction
            overhead.
    """
    values: dict[str, Any] = {}
    values.update(_from_alarms(alarms))
    steps = _scale_outs(activities)
    values.update(_from_starts([end - start for start, end in steps]))
    if into_alarm_s:
        values.update(_from_reactions(activities, into_alarm_s))
    filled = model.with_evidence(source, **values)
    table = filled.assumptions()
    return Calibration(
        model=filled,
        read=tuple(row for row in table if row.grade == "READ"),
        assumed=tuple(row for row in table if row.grade != "READ"),
    )


def _from_alarms(alarms: Sequence[RecordedAlarm]) -> dict[str, Any]:
    high = next((a for a in alarms if a.comparison in (">", ">=")), None)
    low = next((a for a in alarms if a.comparison in ("<", "<=")), None)
    values: dict[str, Any] = {}
    for alarm, name in ((high, "high"), (low, "low")):
        if alarm is None:
            continue
        fine = alarm.period_s < 60
        values["high_resolution_period_s" if fine else "minute_period_s"] = alarm.period_s
        values[f"{name}_periods" if fine else f"minute_{name}_periods"] = alarm.evaluation_periods
        values["treat_missing"] = alarm.treat_missing
        if alarm.statistic in ("Average", "Maximum"):
            values["statistic"] = alarm.statistic
    if high and low and high.threshold:
        values["low_factor"] = round(low.threshold / high.threshold, 6)
    return values


def _scale_outs(activities: Sequence[RecordedActivity]) -> list[tuple[float, float]]:
    """(start, end) of the completed changes that were larger than the one before."""
    known = sorted((a for a in activities if a.capacity is not None), key=lambda a: a.start_s)
    found, former = [], None
    for activity in known:
        if activity.status == "Successful":
            grew = activity.capacity > former if former is not None else "AlarmHigh" in activity.cause
            if grew and activity.end_s is not None:
                found.append((activity.start_s, activity.end_s))
            former = activity.capacity
    return found


def _from_starts(times_s: Sequence[float]) -> dict[str, Any]:
    if not times_s:
        return {}
    values = {"provision_cached_s": float(statistics.median(times_s))}
    if len(times_s) >= _STARTS_WANTED:
        values["provision_cached_spread"] = statistics.stdev(map(math.log, times_s))
        # What was read holds every kind of start; a second, assumed kind beside it would count some twice.
        values["uncached_share"] = 0.0
    return values


def _from_reactions(
    activities: Sequence[RecordedActivity], into_alarm_s: Mapping[str, Sequence[float]]
) -> dict[str, Any]:
    delays = []
    for activity in activities:
        for name, moments in into_alarm_s.items():
            before = [m for m in moments if m <= activity.start_s]
            if name in activity.cause and before and activity.capacity is not None:
                delays.append((max(before), activity.start_s - max(before)))
    # Of the activities that one alarm caused only the first tells the reaction; later ones are re-invocations.
    first: dict[float, float] = {}
    for moment, delay in delays:
        first[moment] = min(delay, first.get(moment, math.inf))
    return {"reaction_overhead_s": float(statistics.median(first.values()))} if first else {}


def _seconds(value: datetime | float) -> float:
    return value.timestamp() if isinstance(value, datetime) else float(value)
