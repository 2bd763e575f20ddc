"""What the live view shows, however it is drawn (`live_svg`, `terminal`), and how AWS's answers become that. Pure."""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from math import isfinite, nan
from statistics import fmean
from textwrap import shorten
from typing import Any

from dgsm_helpers.aws.scaling.scalable_target import AlarmState
from dgsm_helpers.aws.watch.metrics import CONCURRENCY
from dgsm_helpers.aws.watch.observe import reasons_in_words
from dgsm_helpers.errors import CredentialsProblem, DgsmError, NotFound, Throttled
from dgsm_helpers.load.transport.background_load import Load
from dgsm_helpers.rules.model import ScalingModel
from dgsm_helpers.views.fleet_state import FleetState

type Rows = Sequence[tuple[float, ...]]
"""A time in Unix seconds, and the values of that time."""

_STATISTICS: Mapping[str, tuple[int, Callable[[Sequence[float]], float]]] = {
    "Minimum": (1, min),
    "Average": (2, fmean),
    "Maximum": (3, max),
}
"""Where a statistic stands among (time, minimum, mean, maximum), and how it is made of those of shorter periods."""

_HINTS = {CredentialsProblem: "Sign in again; the view goes on by itself.", Throttled: "It goes on by itself."}

_SILENT_S = 300.0
"""A metric whose newest datapoint is older than this has stopped, rather than being late."""


@dataclass(frozen=True)
class Alarm:
    """One of the policy's alarms: ``side`` is high or low, ``breaching`` of ``needed`` datapoints in a row are over.

    ``breaching`` is None where the datapoints are not known, as for an alarm on another metric than the one shown;
    ``left_s`` is how long the rest of them take at least.
    """

    side: str
    state: str
    rule: str
    breaching: int | None
    needed: int
    left_s: float | None = None


@dataclass(frozen=True)
class Mark:
    """A scaling activity: when (``time_s`` on the view's clock), what in few words, and AWS's own ``detail``.

    ``scaled`` is False for an activity that AWS decided against.
    """

    time_s: float
    text: str
    detail: str = ""
    scaled: bool = True


@dataclass(frozen=True, kw_only=True)
class LiveState:
    """All that one picture shows. Times are Unix seconds of the workbook's clock.

    ``concurrency`` holds (time, min, mean, max) of the streams per instance; ``instances`` (time, desired, running),
    each valid until the next; ``latency`` (time, p50 ms, p99 ms) of what ``latency_of`` names; values may be NaN.
    ``target_value`` is in streams per instance, None where the policy follows something else or there is none;
    ``alarms`` is None while they are not known. ``instances_by_type`` counts what runs now; ``origin`` says where all
    this comes from, ``recorded`` when, by this machine's clock; ``cost`` what it cost so far; ``fleet`` holds the
    instances one by one, and the calls; ``trouble`` is an error to show, "" when all is well.
    """

    endpoint_name: str
    status: str
    now: datetime
    window_s: float
    origin: str
    target_value: float | None
    concurrency: Rows
    instances: Rows
    latency: Rows = ()
    latency_of: str = "first chunk"
    alarms: Sequence[Alarm] | None = ()
    marks: Sequence[Mark] = ()
    instances_by_type: Sequence[tuple[str, int]] = ()
    errors_count: int = 0
    streams: str = ""
    cost: str = ""
    fleet: FleetState = field(default_factory=FleetState)
    recorded: datetime | None = None
    trouble: str = ""


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
    left_s = None if count is None else float((alarm.datapoints_to_alarm - count) * (alarm.period_s or period_s))
    return Alarm(alarm.side, alarm.state, rule, count, alarm.datapoints_to_alarm, left_s)


def waiting_for(wanted: int, running: int, desired: int, alarms: Sequence[Alarm]) -> tuple[str, float]:
    """How far an endpoint is on its way to ``wanted`` instances, in words, and the seconds that usually takes.

    Of the workbook's time: what the alarm still needs at least, and the model's median from a new count to its end.
    """
    out, model = wanted > running, ScalingModel()
    told = f"{running} of {wanted} instances running" if out else f"{running} running, {wanted} wanted"
    left_s = model.provision_cached_s if out else model.scale_in_s
    if desired == wanted:
        return f"{told}, {'the others are starting' if out else 'the others are stopping'}", left_s
    side = "high" if out else "low"
    alarm = next((alarm for alarm in alarms if alarm.side == side and alarm.breaching is not None), None)
    if alarm is None:
        return f"{told}, the {side} alarm is waited for", left_s
    return f"{told}, {side} alarm {alarm.breaching} of {alarm.needed}", left_s + (alarm.left_s or 0.0)


def breach_progress(values: Sequence[float], *, above: bool, threshold: float, needed: int) -> int:
    """How many of the newest datapoints in a row are over (or under) ``threshold``, at most ``needed``.

    A missing datapoint (NaN) ends the row: target tracking's alarms treat it as missing, not as breaching.
    """
    count = 0
    for value in reversed(values):
        if count == needed or not isfinite(value) or not (value > threshold if above else value < threshold):
            break
        count += 1
    return count


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
    reasons = reasons_in_words(activity.not_scaled_reasons)
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
    if load.ended:
        return "the load has ended"
    now = load.snapshot()
    lag = f", transcript latency p95 {now.lag_p95_ms:.0f} ms (measured by this client)" if now.lag_p95_ms else ""
    return f"{now.open} of {now.wanted} streams open{lag}"
