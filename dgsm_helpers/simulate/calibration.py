"""From what a real endpoint shows (alarms, activities, alarm history) to a scaling model, and how well that fits.

What the endpoint does not tell stays an assumption, and is listed. The back-test asks: does the simulator have the
instances that the endpoint had, minute by minute?
"""

from __future__ import annotations

import itertools
import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from dgsm_helpers.errors import InvalidInput
from dgsm_helpers.rules.alarms import AlarmSpec
from dgsm_helpers.rules.model import Assumption, ScalingModel
from dgsm_helpers.simulate.engine import Run

_STARTS_WANTED = 3
"""Fewer completed scale-outs give a median but no spread."""
_SILENCE_WANTED = 6
"""Intervals in a row without a datapoint that mean more than one which came late."""


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


def calibrate(
    model: ScalingModel,
    *,
    source: str,
    alarms: Sequence[AlarmSpec] = (),
    activities: Sequence[RecordedActivity] = (),
    into_alarm_s: Mapping[str, Sequence[float]] | None = None,
    least_streams: Sequence[float | None] = (),
) -> Calibration:
    """Fill the model with what an endpoint shows.

    Args:
        model: where unread values come from.
        source: endpoint and time of reading, for the table.
        alarms: of the policy, from DescribeAlarms. They settle statistic, periods and datapoints.
        activities: any order. Completed scale-outs give the start-up time, completed scale-ins that of a removal.
        into_alarm_s: when each alarm, by name, went into ALARM. With the activities it gives the
            reaction overhead.
        least_streams: the metric's minimum in every interval of a time in service, None where nothing was published:
            shows whether an instance without streams publishes a zero or nothing.
    """
    values = _from_alarms(alarms)
    grown, shrunk = _lengths(activities)
    values.update(_from_starts(grown))
    if shrunk:
        values["scale_in_s"] = float(statistics.median(shrunk))
    if into_alarm_s:
        values.update(_from_reactions(activities, into_alarm_s))
    values.update(_from_idle(least_streams))
    filled = model.with_evidence(source, **values)
    table = filled.assumptions()
    return Calibration(
        model=filled,
        read=tuple(row for row in table if row.grade == "READ"),
        assumed=tuple(row for row in table if row.grade != "READ"),
    )


def _from_alarms(alarms: Sequence[AlarmSpec]) -> dict[str, Any]:
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


def _lengths(activities: Sequence[RecordedActivity]) -> tuple[list[float], list[float]]:
    """Seconds that completed changes took: those to more instances than before, and those to fewer."""
    grown: list[float] = []
    shrunk: list[float] = []
    former: int | None = None
    for activity in sorted(activities, key=lambda a: a.start_s):
        capacity = activity.capacity
        if capacity is None or activity.status != "Successful":
            continue
        length = None if activity.end_s is None else activity.end_s - activity.start_s
        if length:
            if "AlarmHigh" in activity.cause if former is None else capacity > former:
                grown.append(length)
            elif "AlarmLow" in activity.cause if former is None else capacity < former:
                shrunk.append(length)
        former = capacity
    return grown, shrunk


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


def _from_idle(least_streams: Sequence[float | None]) -> dict[str, Any]:
    if any(value == 0 for value in least_streams):
        return {"idle_instance_emits_zero": True}
    gaps = [len(list(run)) for missing, run in itertools.groupby(least_streams, lambda v: v is None) if missing]
    return {"idle_instance_emits_zero": False} if max(gaps, default=0) >= _SILENCE_WANTED else {}


@dataclass(frozen=True, kw_only=True, eq=False)
class Backtest:
    """Instances per minute as recorded and as simulated; shape (minutes,).

    ``equal_share`` is the share of minutes with the same count, ``mean_error`` the mean absolute difference, ``bias``
    the mean of simulated minus recorded.
    """

    recorded: np.ndarray
    simulated: np.ndarray
    equal_share: float
    mean_error: float
    bias: float


def backtest(run: Run, recorded: Sequence[tuple[float, float]]) -> Backtest:
    """Compare a run with recorded instance counts.

    Args:
        run: of the traffic that was recorded, under the plan that was active.
        recorded: (seconds since the begin of the traffic, instances), ascending; a count holds until the next point.

    Raises:
        InvalidInput: no points, unordered ones, or a first one after the first minute.
    """
    if not recorded:
        raise InvalidInput("There is nothing recorded to compare with.")
    times, counts = np.asarray(recorded, float).T
    if (np.diff(times) <= 0).any() or times[0] > 60:
        raise InvalidInput("Recorded counts must ascend in time and begin within the first minute.")
    minutes = np.arange(1, int(run.times_s[-1] // 60) + 1) * 60.0
    actual = counts[np.searchsorted(times, minutes, "right") - 1]
    simulated = run.serving[np.searchsorted(run.times_s, minutes, "right") - 1]
    difference = simulated - actual
    return Backtest(
        recorded=actual.astype(int),
        simulated=simulated,
        equal_share=float((difference == 0).mean()),
        mean_error=float(np.abs(difference).mean()),
        bias=float(difference.mean()),
    )
