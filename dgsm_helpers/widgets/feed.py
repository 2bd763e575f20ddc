"""What the live view shows, asked of AWS again and again at little cost.

A refresh makes three calls: the endpoint, the newest metrics, and either the alarms or the activities in turn. Of the
metrics only what is new is asked for (with some minutes' overlap, as late points and percentiles still change); the
rest of the window is kept. The first picture needs everything and makes five calls.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from math import nan
from typing import TYPE_CHECKING, Any

from dgsm_helpers.aws import deploy, observe
from dgsm_helpers.aws.calls import translated
from dgsm_helpers.aws.cost import cost_so_far
from dgsm_helpers.aws.metrics import CONCURRENCY, INVOCATION_NAMESPACE, Query, finest_period_s, read
from dgsm_helpers.charts.svg import Alarm, LiveState, Mark, breach_progress

if TYPE_CHECKING:
    import pandas as pd

    from dgsm_helpers.aws.endpoint import EndpointState
    from dgsm_helpers.aws.scaling_state import AlarmState
    from dgsm_helpers.load.runner import Load
    from dgsm_helpers.prices import Price
    from dgsm_helpers.session import Workbook

OVERLAP = timedelta(minutes=5)
"""How far back every refresh asks again: metrics arrive late, and the newest periods are still being filled."""

NEWEST_ACTIVITIES = 50
"""One page of them."""

_FINE_RETENTION = timedelta(hours=3) - timedelta(minutes=1)
_ERRORS = ("Invocation4XXErrors", "Invocation5XXErrors", "InvocationModelErrors", "MidStreamErrors")


class Feed:
    """The states of one endpoint's live view, one per refresh. Not for several threads at once.

    Args:
        wb: the workbook whose endpoint is watched.
        window_s: seconds of the workbook's time that are shown.
    """

    def __init__(self, wb: Workbook, *, window_s: float = 1800.0) -> None:
        self.wb, self.window = wb, timedelta(seconds=window_s)
        self.period_s = 10 if self.window <= timedelta(hours=3) else finest_period_s(self.window)
        self._queries = _queries(wb, self.period_s)
        self._series: list[dict[datetime, float]] = [{} for _ in self._queries]
        self._alarms: tuple[AlarmState, ...] = ()
        self._activities: pd.DataFrame | None = None
        self._initial: tuple[str, int | None] = ("", None)
        self._counts: tuple[int, int] | None = None
        self._alarms_next = True
        self._prices: dict[str, Price] = {}

    def state(self, load: Load | None = None) -> LiveState:
        """The endpoint as it is now, with ``load``, if there is one, beside it.

        Raises:
            NotFound: there is no endpoint or variant. Others as AWS answers; the next call goes on where this one
                stopped.
        """
        endpoint = deploy.status(self.wb)
        now = self.wb.now()
        self._read_metrics(now)
        self._read_scaling(endpoint)
        return self._picture(endpoint, now, load)

    def _read_metrics(self, now: datetime) -> None:
        start = now - self.window
        if self.period_s < 60:
            start = max(start, now - _FINE_RETENTION)
        newest = max(self._series[0], default=None)
        since = start if newest is None else max(start, newest - OVERLAP)
        found, _ = read(self.wb, self._queries, since, now)
        for index, (kept, new) in enumerate(zip(self._series, found, strict=True)):
            kept.update(new)
            self._series[index] = {time: value for time, value in kept.items() if time >= start}

    def _read_scaling(self, endpoint: EndpointState) -> None:
        """Alarms and activities in turn, both for the first picture; activities at once when the counts changed."""
        variant = endpoint.variant(self.wb.variant_name)
        changed = self._counts not in (None, (variant.running, variant.desired))
        self._counts = (variant.running, variant.desired)
        first = self._activities is None
        alarms = first or (self._alarms_next and not changed)
        if alarms:
            self._alarms, self._alarms_next = observe.alarm_states(self.wb), False
        if first or not alarms:
            self._activities, self._alarms_next = observe.activities(self.wb, limit=NEWEST_ACTIVITIES), True
        if self._initial[0] != endpoint.config_name:
            self._initial = (endpoint.config_name, observe.initial_count(self.wb, endpoint))

    def _picture(self, endpoint: EndpointState, now: datetime, load: Load | None) -> LiveState:
        low, mean, high, p50, p99, *errors = self._series
        counts = observe.history(
            self._activities, endpoint, endpoint.variant(self.wb.variant_name), self._initial[1], now=now
        )
        if len(self._activities) == NEWEST_ACTIVITIES:
            # Older ones are not known, and so neither are the counts before.
            counts = counts[counts.index >= self._activities["started"].min()]
        concurrency = _with_gaps([low, mean, high], self.period_s)
        above = next((a for a in self._alarms if a.side == "high"), None)
        return LiveState(
            endpoint_name=self.wb.endpoint_name,
            status=endpoint.status,
            now=now,
            window_s=self.window.total_seconds(),
            origin=origin_of(self.wb),
            target_value=above.threshold if above else None,
            concurrency=concurrency,
            instances=_since(
                now - self.window,
                [
                    (row.Index.timestamp(), float(row.desired_instances), float(row.running_instances))
                    for row in counts.itertuples()
                ],
            ),
            latency=[(t.timestamp(), p50[t], p99[t]) for t in sorted(p50.keys() & p99.keys())],
            alarms=[_alarm(alarm, concurrency) for alarm in self._alarms],
            marks=[_mark(row) for row in self._activities.itertuples(index=False)],
            instances_by_type=[(name, count) for name, count in endpoint.instances_by_type.items() if count],
            errors_count=int(sum(sum(found.values()) for found in errors)),
            streams=_streams(load),
            cost=self._cost(endpoint, counts),
        )

    def _cost(self, endpoint: EndpointState, counts: pd.DataFrame) -> str:
        """What the instances cost, at the prices of the types that run now; each price is asked for once."""
        types = [name for name, count in endpoint.instances_by_type.items() if count]
        for name in types:
            if name not in self._prices:
                with translated("pricing", "GetProducts"):
                    self._prices[name] = self.wb.price_per_hour(name)
        cost = cost_so_far(counts, [(name, self._prices[name]) for name in types])
        return f"Cost: {cost} without the software fee ({cost.price_source})"


def origin_of(wb: Workbook) -> str:
    """Where numbers read from this workbook's CloudWatch come from, for the caption of a figure."""
    place = {"local": "measured on the embedded AWS", "aws": "measured on AWS"}[wb.where]
    return f"CloudWatch of {wb.endpoint_name}, {place}, {wb.region}"


def _queries(wb: Workbook, period_s: int) -> list[Query]:
    where = (("EndpointName", wb.endpoint_name), ("VariantName", wb.variant_name))
    slow_s = max(period_s, 60)

    def of(metric: str, stat: str, every_s: int, *, scale: float = 1.0) -> Query:
        return Query("", f"{metric} {stat}", INVOCATION_NAMESPACE, metric, where, stat, every_s, scale)

    return [
        *(of(CONCURRENCY, stat, period_s) for stat in ("Minimum", "Average", "Maximum")),
        *(of("FirstChunkLatency", stat, slow_s, scale=1e-3) for stat in ("p50", "p99")),
        *(of(metric, "Sum", slow_s) for metric in _ERRORS),
    ]


def _with_gaps(series: Sequence[Mapping[datetime, float]], period_s: int) -> list[tuple[float, float, float, float]]:
    """(time, minimum, mean, maximum) in order, with one row of NaN wherever periods are missing."""
    low, mean, high = series
    rows: list[tuple[float, float, float, float]] = []
    for time in sorted(low.keys() & mean.keys() & high.keys()):
        at_s = time.timestamp()
        if rows and at_s - rows[-1][0] > 1.5 * period_s:
            rows.append((rows[-1][0] + period_s, nan, nan, nan))
        rows.append((at_s, low[time], mean[time], high[time]))
    return rows


def _since(start: datetime, changes: list[tuple[float, float, float]]) -> list[tuple[float, float, float]]:
    """The changes from ``start`` on, and the one before it, which still holds then."""
    earlier = sum(time_s <= start.timestamp() for time_s, _, _ in changes)
    return changes[max(earlier - 1, 0) :]


def _alarm(alarm: AlarmState, concurrency: Sequence[tuple[float, float, float, float]]) -> Alarm:
    column = 3 if alarm.statistic == "Maximum" else 2
    # The newest period is still being filled: judge only those that are over.
    values = [row[column] for row in concurrency[:-1]]
    count = breach_progress(
        values,
        above=alarm.comparison.startswith(">"),
        threshold=alarm.threshold or 0.0,
        needed=alarm.datapoints_to_alarm,
    )
    rule = f"{alarm.statistic} {alarm.comparison} {alarm.threshold:g}" if alarm.threshold is not None else ""
    return Alarm(alarm.side, alarm.state, rule or alarm.comparison, count, alarm.datapoints_to_alarm)


def _mark(activity: Any) -> Mark:
    reasons = ", ".join(activity.not_scaled_reasons)
    why = f"{activity.alarm_side} alarm" if activity.alarm_side else activity.trigger
    what = f"not scaled: {reasons}" if reasons else f"{activity.description} {activity.status}"
    took = f" after {activity.duration_s:.0f} s" if activity.duration_s > 0 else ""
    text = f"{activity.started:%H:%M:%S} {why}: {what}{took}"
    return Mark(activity.started.timestamp(), text, f"{activity.description} {activity.cause}", not reasons)


def _streams(load: Load | None) -> str:
    if load is None:
        return ""
    now = load.snapshot()
    lag = f", transcript latency p95 {now.lag_p95_ms:.0f} ms (measured by this client)" if now.lag_p95_ms else ""
    return f"{now.open} of {now.wanted} streams open{lag}"
