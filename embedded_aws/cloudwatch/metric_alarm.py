"""What an alarm is: its configuration, its state, what happened to it, and in which words CloudWatch says why.

The words are those of alarm notifications that were made public.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import accumulate, count, takewhile
from typing import Any

from dgsm_helpers.rules.alarms import AlarmSpec, AlarmStateName
from embedded_aws.clock import moment
from embedded_aws.cloudwatch.queries import MetricQuery, MetricStat, dimensions_to_api
from embedded_aws.cloudwatch.statistics import is_extended

INITIAL = "Unchecked: Initial alarm creation"
LONGEST_REASON = 1023
LONGEST_DATA = 4000
_WORDS = {">": "greater than", ">=": "greater than or equal to", "<": "less than", "<=": "less than or equal to"}
_LARGEST = 2.0**360
_TREATED = {"breaching": "[Breaching]", "notBreaching": "[NonBreaching]"}

Point = tuple[float, float]
"""Beginning of a period in Unix seconds, and the value."""


@dataclass(frozen=True, kw_only=True)
class MetricAlarm:
    """A metric alarm's configuration.

    Args:
        name: unique in its region.
        spec: what decides about its state.
        metric: what it watches; or
        metrics: metrics and one expression (or metric) that returns data, all of one period.
        m_of_n: whether M was named, and is shown.
        treatment_named: whether the treatment of missing data was, and is.
        alarm_actions, ok_actions, insufficient_data_actions: ARNs; the autoscaler carries out scaling policies.
        tags: of a new alarm; later ones are changed by TagResource.
    """

    name: str
    spec: AlarmSpec
    metric: MetricStat | None = None
    metrics: tuple[MetricQuery, ...] = ()
    m_of_n: bool = True
    treatment_named: bool = True
    description: str = ""
    actions_enabled: bool = True
    alarm_actions: tuple[str, ...] = ()
    ok_actions: tuple[str, ...] = ()
    insufficient_data_actions: tuple[str, ...] = ()
    tags: Mapping[str, str] = field(default_factory=dict)

    @property
    def queries(self) -> tuple[MetricQuery, ...]:
        """What it watches, as metric data queries."""
        return self.metrics or (MetricQuery("m1", metric=self.metric),)

    def watched_to_api(self) -> dict[str, Any]:
        """The members with which PutMetricAlarm names what it watches."""
        watched = self.metric
        if watched is None:
            return {"Dimensions": [], "Metrics": [query.to_api() for query in self.metrics]}
        return {
            "Namespace": watched.namespace,
            "MetricName": watched.name,
            "Dimensions": dimensions_to_api(watched.dimensions),
            "Period": watched.period_s,
            "ExtendedStatistic" if is_extended(watched.stat) else "Statistic": watched.stat,
        } | ({"Unit": watched.unit} if watched.unit else {})


@dataclass(frozen=True, kw_only=True)
class AlarmStatus:
    """An alarm and its state now.

    ``datapoints`` are the values that decided at the newest evaluation, oldest first. Times are Unix seconds of local
    time: of the last configuration, of the last update of the state or its reason, of the last change of ``state``.
    """

    alarm: MetricAlarm
    state: AlarmStateName
    reason: str
    reason_data: str
    configured_s: float
    updated_s: float
    transitioned_s: float
    actions_enabled: bool
    tags: Mapping[str, str]
    datapoints: tuple[float, ...] = ()


@dataclass(frozen=True, kw_only=True)
class HistoryItem:
    """A line of an alarm's history. ``kind`` is ConfigurationUpdate, StateUpdate or Action; ``data`` is JSON.

    ``number`` grows from line to line.
    """

    alarm_name: str
    at_s: float
    kind: str
    summary: str
    data: str
    number: int = field(default_factory=count().__next__)


def reason(spec: AlarmSpec, state: AlarmStateName, points: Sequence[Point], *, m_of_n: bool) -> str:
    """The StateReason of a new state, by the points that decided, oldest first.

    ``m_of_n``: whether the alarm names DatapointsToAlarm; only then the transition's numbers are said.
    """
    lacking = spec.evaluation_periods - len(points)
    if state == "INSUFFICIENT_DATA":
        return f"Insufficient Data: {_counted(lacking)} {_were(lacking)} unknown."
    treated = _TREATED.get(spec.treat_missing) if lacking else None
    missing = f"{lacking} missing datapoint{_s(lacking)} {_were(lacking)} treated as {treated}" if treated else ""
    if not points:
        periods = f"{spec.evaluation_periods} period{_s(spec.evaluation_periods)}"
        return f"Threshold Crossed: no datapoints were received for {periods} and {missing}."
    deciding = [point for point in points if spec.breaches(point[1]) == (state == "ALARM")]
    least = spec.datapoints_to_alarm if state == "ALARM" else spec.evaluation_periods - spec.datapoints_to_alarm + 1
    ways = "OK -> ALARM" if state == "ALARM" else "ALARM -> OK"
    of_all = f"{len(deciding)} out of the last {spec.evaluation_periods} datapoints"
    head = f"Threshold Crossed: {of_all if m_of_n else _counted(len(deciding))} ["
    tail = (
        f"] {_were(len(deciding))} {'' if state == 'ALARM' else 'not '}{_WORDS[spec.comparison]} the threshold "
        f"({float(spec.threshold)}){f' and {missing}' if missing else ''}"
        f"{f' (minimum {_counted(least)} for {ways} transition)' if m_of_n else ''}."
    )
    texts = [f"{value} ({moment(at):%d/%m/%y %H:%M:%S})" for at, value in reversed(deciding)]
    return head + _fitting(texts, LONGEST_REASON - len(head) - len(tail)) + tail


def reason_data(
    alarm: MetricAlarm,
    points: Sequence[Point],
    *,
    periods: Sequence[float],
    now_s: float,
    sample_counts: Mapping[float, float],
) -> str:
    """The StateReasonData, JSON with the points (``evaluatedDatapoints`` as far as there is room, newest first).

    ``periods`` are the beginnings of those that were evaluated: one without a point has a time only.
    """
    spec, values = alarm.spec, dict(points)
    data: dict[str, Any] = {"version": "1.0", "queryDate": stamp(now_s)}
    if points:
        data["startDate"] = stamp(points[0][0])
    if spec.statistic:
        data["statistic"] = spec.statistic
    if alarm.metric and alarm.metric.unit:
        data["unit"] = alarm.metric.unit
    data |= {"period": spec.period_s, "recentDatapoints": [value for _, value in points], "threshold": spec.threshold}
    evaluated = [
        {"timestamp": stamp(at)}
        | ({"sampleCount": sample_counts[at]} if at in sample_counts else {})
        | ({"value": values[at]} if at in values else {})
        for at in sorted({*periods, *values}, reverse=True)
    ]
    room = LONGEST_DATA - len(json.dumps(data)) - len(', "evaluatedDatapoints": []')
    sizes = accumulate(len(json.dumps(one)) + 2 for one in evaluated)
    fitting = len(list(takewhile(lambda size: size <= room, sizes)))
    return json.dumps(data | {"evaluatedDatapoints": evaluated[:fitting]})


def recent_datapoints(data: str) -> tuple[float, ...]:
    """The points that a StateReasonData names, oldest first; none when it is empty or names none."""
    told = json.loads(data) if data else None
    points = told.get("recentDatapoints") if isinstance(told, dict) else None
    if not isinstance(points, list):
        return ()
    return tuple(float(p) for p in points if type(p) in (int, float) and abs(p) <= _LARGEST)


def stamp(at_s: float) -> str:
    """A time as CloudWatch writes it in JSON."""
    return moment(at_s).isoformat(timespec="milliseconds").replace("+00:00", "+0000")


def _fitting(texts: Sequence[str], room: int) -> str:
    text = ", ".join(texts)
    if len(text) <= room:
        return text
    sizes = accumulate(len(one) + 2 for one in texts)
    fitting = len(list(takewhile(lambda size: size <= room - len("..."), sizes)))
    return ", ".join((*texts[:fitting], "..."))


def _counted(count: int) -> str:
    return f"{count} datapoint{_s(count)}"


def _s(count: int) -> str:
    return "" if count == 1 else "s"


def _were(count: int) -> str:
    return "was" if count == 1 else "were"
