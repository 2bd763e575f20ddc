"""From AWS's answers to what one picture of the live view shows. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from math import isfinite, nan
from statistics import fmean
from textwrap import shorten
from typing import TYPE_CHECKING, Any

from dgsm_helpers.aws.watch.metrics import CONCURRENCY
from dgsm_helpers.errors import CredentialsProblem, DgsmError, NotFound, Throttled
from dgsm_helpers.views.live_state import Alarm, LiveState, Mark, Rows, breach_progress

if TYPE_CHECKING:
    from dgsm_helpers.aws.scaling.scaling_state import AlarmState
    from dgsm_helpers.load.transport.background_load import Load

_STATISTICS: Mapping[str, tuple[int, Callable[[Sequence[float]], float]]] = {
    "Minimum": (1, min),
    "Average": (2, fmean),
    "Maximum": (3, max),
}
"""Where a statistic stands among (time, minimum, mean, maximum), and how it is made of those of shorter periods."""

_HINTS = {CredentialsProblem: "Sign in again; the view goes on by itself.", Throttled: "It goes on by itself."}

_SILENT_S = 300.0
"""A metric whose newest datapoint is older than this has stopped, rather than being late."""


def troubled(last: LiveState, error: Exception, *, now: datetime, retry_s: float | None) -> LiveState:
    """The last good picture, moved on to ``now``, with what went wrong since and when the next try is."""
    again = "" if retry_s is None else f" Next try in {retry_s:g} s."
    trouble = f"As of {last.now:%H:%M:%S}. {error_sentence(error)}{again}"
    return replace(last, now=now, status="is gone" if isinstance(error, NotFound) else last.status, trouble=trouble)


def error_sentence(error: Exception) -> str:
    """An error in words, with what to do about it; a view that tries again by itself asks nobody to rerun a cell."""
    if not isinstance(error, DgsmError):
        return f"{type(error).__name__}: {error}"
    hint = next((text for kind, text in _HINTS.items() if isinstance(error, kind)), error.hint)
    return f"{error.message.rstrip('.')}. {hint}".strip()


def points(series: Sequence[Mapping[float, float]], period_s: int) -> list[tuple[float, ...]]:
    """(time, a value of each series) in order of time, with one row of NaN wherever periods are missing."""
    rows: list[tuple[float, ...]] = []
    first, *others = series
    for at_s in sorted(time_s for time_s in first if all(time_s in other for other in others)):
        if rows and at_s - rows[-1][0] > 1.5 * period_s:
            rows.append((rows[-1][0] + period_s, *(nan for _ in series)))
        rows.append((at_s, *(values[at_s] for values in series)))
    return rows


def changes_since(start: datetime, changes: Rows) -> Rows:
    """The changes from ``start`` on, and the one before it, which still holds then."""
    earlier = sum(change[0] <= start.timestamp() for change in changes)
    return changes[max(earlier - 1, 0) :]


def drawn_alarm(alarm: AlarmState, concurrency: Rows, *, period_s: int, now: datetime) -> Alarm:
    """An alarm with its datapoints towards breach, where the points at hand can tell them."""
    count = None
    if alarm.threshold is not None and (values := _datapoints(alarm, concurrency, period_s, now)) is not None:
        above = alarm.comparison.startswith(">")
        count = breach_progress(values, above=above, threshold=alarm.threshold, needed=alarm.datapoints_to_alarm)
    statistic = shorten(alarm.statistic, 60, placeholder=" …")
    rule = f"{statistic} {alarm.comparison} {alarm.threshold:g}" if alarm.threshold is not None else alarm.comparison
    return Alarm(alarm.side, alarm.state, rule, count, alarm.datapoints_to_alarm)


def _datapoints(alarm: AlarmState, concurrency: Rows, period_s: int, now: datetime) -> list[float] | None:
    """The alarm's newest datapoints in order, NaN where one is missing; None for an alarm on anything else."""
    if alarm.metric != CONCURRENCY or alarm.statistic not in _STATISTICS or (alarm.period_s or 1) % period_s:
        return None
    column, whole = _STATISTICS[alarm.statistic]
    step_s = alarm.period_s or period_s
    parts: dict[int, list[float]] = defaultdict(list)
    for point in concurrency:
        if isfinite(point[column]):
            parts[int(point[0] // step_s)].append(point[column])
    newest = max(parts, default=0)
    if now.timestamp() - newest * step_s > _SILENT_S + step_s:
        return []
    # The newest period is still being filled: judge only those that are over.
    periods = range(newest - alarm.datapoints_to_alarm, newest)
    return [whole(parts[number]) if number in parts else nan for number in periods]


def activity_mark(activity: Any) -> Mark:
    """A row of ``observe.activities`` as a mark on the time axis."""
    reasons = ", ".join(activity.not_scaled_reasons)
    cause = f"{activity.alarm_side} alarm" if activity.alarm_side else activity.trigger
    outcome = f"not scaled: {reasons}" if reasons else f"{activity.description} {activity.status}"
    took = f" after {activity.duration_s:.0f} s" if activity.duration_s > 0 else ""
    # Why it failed is what an operator has to know; what AWS says of a success says nothing new.
    failed = f": {activity.message}" if activity.status == "Failed" and activity.message and not reasons else ""
    text = f"{activity.started:%H:%M:%S} {cause}: {outcome}{took}{failed}"
    return Mark(activity.started.timestamp(), text, f"{activity.description} {activity.cause}", not reasons)


def load_sentence(load: Load | None) -> str:
    """The load in words, "" where there is none."""
    if load is None:
        return ""
    now = load.snapshot()
    lag = f", transcript latency p95 {now.lag_p95_ms:.0f} ms (measured by this client)" if now.lag_p95_ms else ""
    return f"{now.open} of {now.wanted} streams open{lag}"
