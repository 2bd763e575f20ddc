"""Why an alarm is in its state, in CloudWatch's words (as in alarm notifications that were made public)."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from itertools import accumulate, takewhile

from dgsm_helpers.rules.alarms import AlarmSpec, AlarmStateName

INITIAL = "Unchecked: Initial alarm creation"
LONGEST_REASON = 1023
LONGEST_DATA = 4000
_WORDS = {">": "greater than", ">=": "greater than or equal to", "<": "less than", "<=": "less than or equal to"}
_TREATED = {"breaching": "[Breaching]", "notBreaching": "[NonBreaching]"}

Point = tuple[float, float]
"""Beginning of a period in Unix seconds, and the value."""


def reason(spec: AlarmSpec, state: AlarmStateName, points: Sequence[Point]) -> str:
    """The StateReason of a new state.

    Args:
        spec: the alarm.
        state: its new state.
        points: the points that decided, oldest first.
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
    head = f"Threshold Crossed: {len(deciding)} out of the last {spec.evaluation_periods} datapoints ["
    tail = (
        f"] {_were(len(deciding))} {'' if state == 'ALARM' else 'not '}{_WORDS[spec.comparison]} the threshold "
        f"({float(spec.threshold)}){f' and {missing}' if missing else ''} "
        f"(minimum {_counted(least)} for {ways} transition)."
    )
    shown = [f"{value} ({datetime.fromtimestamp(at, UTC):%d/%m/%y %H:%M:%S})" for at, value in reversed(deciding)]
    return head + _fitting(shown, LONGEST_REASON - len(head) - len(tail)) + tail


def reason_data(spec: AlarmSpec, points: Sequence[Point], *, now_s: float, sample_counts: Mapping[float, float]) -> str:
    """The StateReasonData, JSON with the points (``evaluatedDatapoints`` as far as there is room, newest first)."""
    data = {"version": "1.0", "queryDate": stamp(now_s)}
    if points:
        data["startDate"] = stamp(points[0][0])
    if spec.statistic:
        data["statistic"] = spec.statistic
    data |= {"period": spec.period_s, "recentDatapoints": [value for _, value in points], "threshold": spec.threshold}
    evaluated = [
        {"timestamp": stamp(at)}
        | ({"sampleCount": sample_counts[at]} if at in sample_counts else {})
        | {"value": value}
        for at, value in reversed(points)
    ]
    room = LONGEST_DATA - len(json.dumps(data)) - len(', "evaluatedDatapoints": []')
    sizes = accumulate(len(json.dumps(one)) + 2 for one in evaluated)
    fitting = len(list(takewhile(lambda size: size <= room, sizes)))
    return json.dumps(data | {"evaluatedDatapoints": evaluated[:fitting]})


def stamp(at_s: float) -> str:
    """A time as CloudWatch writes it in JSON."""
    return datetime.fromtimestamp(at_s, UTC).isoformat(timespec="milliseconds").replace("+00:00", "+0000")


def _fitting(shown: Sequence[str], room: int) -> str:
    text = ", ".join(shown)
    if len(text) <= room:
        return text
    sizes = accumulate(len(one) + 2 for one in shown)
    fitting = len(list(takewhile(lambda size: size <= room - len("..."), sizes)))
    return ", ".join((*shown[:fitting], "..."))


def _counted(count: int) -> str:
    return f"{count} datapoint{_s(count)}"


def _s(count: int) -> str:
    return "" if count == 1 else "s"


def _were(count: int) -> str:
    return "was" if count == 1 else "were"
