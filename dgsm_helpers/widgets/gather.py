"""What one picture of the live view shows, asked of AWS."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from dgsm_helpers.aws import deploy, observe
from dgsm_helpers.charts.svg import Alarm, LiveState, Mark, breach_progress

if TYPE_CHECKING:
    import pandas as pd

    from dgsm_helpers.aws.scaling_state import AlarmState
    from dgsm_helpers.load.runner import Load
    from dgsm_helpers.session import Workbook

_ERRORS = ["errors_4xx_count", "errors_5xx_count", "model_errors_count", "mid_stream_errors_count"]
_SIGNS = {"GreaterThanThreshold": ">", "LessThanThreshold": "<"}


def origin_of(wb: Workbook) -> str:
    """Where numbers read from this workbook's CloudWatch come from, for the caption of a figure."""
    place = {"local": "measured on the embedded AWS", "aws": "measured on AWS"}[wb.where]
    return f"CloudWatch of {wb.endpoint_name}, {place}, {wb.region}"


def live_state(wb: Workbook, *, window_s: float, load: Load | None = None) -> LiveState:
    """The endpoint as it is now, with the last ``window_s`` seconds of its metrics.

    Raises:
        NotFound: there is no endpoint; other errors as AWS answers.
    """
    endpoint = deploy.status(wb)
    now = wb.now()
    metrics = observe.metrics(wb, now - timedelta(seconds=window_s), now)
    alarms = observe.alarm_states(wb)
    high = next((a for a in alarms if a.side == "high"), None)
    return LiveState(
        endpoint_name=wb.endpoint_name,
        status=endpoint.status,
        now=now,
        window_s=window_s,
        origin=origin_of(wb),
        target_value=high.threshold if high else None,
        concurrency=_rows(metrics.concurrency, "concurrency_min_streams", "concurrency_mean_streams", _MAX),
        instances=_rows(observe.instances(wb), "desired_instances", "running_instances"),
        latency=_rows(metrics.traffic, "first_chunk_p50_ms", "first_chunk_p99_ms"),
        alarms=[_alarm(alarm, metrics.concurrency) for alarm in alarms],
        marks=[_mark(row) for row in observe.activities(wb).itertuples(index=False)],
        instances_by_type=[(name, count) for name, count in endpoint.instances_by_type.items() if count],
        errors_count=int(metrics.traffic[_ERRORS].sum().sum()),
        streams=_streams(load),
    )


_MAX = "concurrency_max_streams"


def _rows(frame: pd.DataFrame, *columns: str) -> list[tuple[float, ...]]:
    times = [time.timestamp() for time in frame.index]
    return list(zip(times, *(frame[column].astype(float).tolist() for column in columns), strict=True))


def _alarm(alarm: AlarmState, concurrency: pd.DataFrame) -> Alarm:
    column = _MAX if alarm.statistic == "Maximum" else "concurrency_mean_streams"
    sign = _SIGNS.get(alarm.comparison, alarm.comparison)
    # The newest period is still being filled: judge only those that are over.
    values = concurrency[column].tolist()[:-1]
    count = breach_progress(
        values, above=sign == ">", threshold=alarm.threshold or 0.0, needed=alarm.datapoints_to_alarm
    )
    rule = f"{alarm.statistic} {sign} {alarm.threshold:g}" if alarm.threshold is not None else alarm.comparison
    return Alarm(alarm.side, alarm.state, rule, count, alarm.datapoints_to_alarm)


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
