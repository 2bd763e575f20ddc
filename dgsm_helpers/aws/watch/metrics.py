"""CloudWatch's metrics of the endpoint as data frames: few calls, right periods, units in the column names.

The endpoint's own count of streams, to compare with what a load client holds.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from dgsm_helpers.aws.core.calls import pages
from dgsm_helpers.errors import DgsmError, InvalidInput

if TYPE_CHECKING:
    import pandas as pd

    from dgsm_helpers.session import Workbook

INVOCATION_NAMESPACE = "AWS/SageMaker"
UTILISATION_NAMESPACE = "/aws/sagemaker/Endpoints"
CONCURRENCY = "ConcurrentRequestsPerModel"

MAX_QUERIES = 500
"""Metrics in one GetMetricData call (CloudWatch's limit)."""

_RETENTION: tuple[tuple[timedelta, int], ...] = (
    (timedelta(hours=3), 10),
    (timedelta(days=15), 60),
    (timedelta(days=63), 300),
)
_LONGEST_PERIOD_S = 3600
_MINUTE_S = 60


@dataclass(frozen=True)
class Query:
    """One series: ``column`` of the frame ``frame`` gets ``scale`` times what CloudWatch answers."""

    frame: str
    column: str
    namespace: str
    metric: str
    dimensions: tuple[tuple[str, str], ...]
    stat: str
    period_s: int
    scale: float = 1.0

    def to_request(self, query_id: str) -> dict[str, Any]:
        """The MetricDataQuery."""
        metric = {
            "Namespace": self.namespace,
            "MetricName": self.metric,
            "Dimensions": [{"Name": name, "Value": value} for name, value in self.dimensions],
        }
        stat = {"Metric": metric, "Period": self.period_s, "Stat": self.stat}
        return {"Id": query_id, "MetricStat": stat, "ReturnData": True}


@dataclass(frozen=True)
class Metrics:
    """Frames with a UTC time index; a period without data is NaN, never zero.

    Attributes:
        concurrency: ``concurrency_{min,max,mean}_streams`` and ``samples_count``, every ``period_s``.
        by_type: ``concurrency_{max,mean}_streams/<instance type>``, for the types CloudWatch lists.
        traffic: counts, ``first_chunk_{p50,p99}_ms``, ``model_latency_p99_ms`` (synchronous files only), errors.
        utilisation: ``{cpu,memory,gpu,gpu_memory}_percent``, what exists of them; 100 per core or GPU.
        period_s: period of ``concurrency`` and ``by_type``; the others have at least 60 s.
        notes: what CloudWatch could not deliver, in its words.
    """

    concurrency: pd.DataFrame
    by_type: pd.DataFrame
    traffic: pd.DataFrame
    utilisation: pd.DataFrame
    period_s: int
    start: datetime
    end: datetime
    notes: tuple[str, ...] = ()


def finest_period_s(age: timedelta) -> int:
    """The shortest period for which CloudWatch still keeps data ``age`` old: 10, 60, 300 or 3600 s."""
    return next((period_s for limit, period_s in _RETENTION if age <= limit), _LONGEST_PERIOD_S)


def metrics(
    wb: Workbook,
    start: datetime | None = None,
    end: datetime | None = None,
    *,
    last_s: float = 900.0,
    period_s: int | None = None,
) -> Metrics:
    """The endpoint's metrics of a window, in one ListMetrics and one (paged) GetMetricData call.

    Args:
        start, end: aware datetimes; default: the last ``last_s`` seconds up to now.
        period_s: for the concurrency; default: the finest that CloudWatch keeps for data as old as ``start``.

    Raises:
        InvalidInput: the window is empty, a time has no time zone, or the period is finer than what is kept.
    """
    end = end or wb.now()
    start = start or end - timedelta(seconds=last_s)
    # One time zone for both: times read from AWS come in the machine's.
    start, end = _aware(start).astimezone(UTC), _aware(end).astimezone(UTC)
    finest = finest_period_s(wb.now() - start)
    chosen_s = period_s or finest
    if end <= start:
        raise InvalidInput(f"The window is empty: {start} to {end}.", hint="Give start before end.")
    if chosen_s < finest:
        raise InvalidInput(
            f"period_s is {chosen_s}, and data from {start} on is kept every {finest} s only.",
            hint=f"Give {finest} or more, or a later start.",
        )
    queries = _queries(wb, chosen_s)
    series, notes = read(wb, queries, start, end)
    frames = {
        name: _frame([(q, s) for q, s in zip(queries, series, strict=True) if q.frame == name], start, end, name)
        for name in ("concurrency", "by_type", "traffic", "utilisation")
    }
    return Metrics(**frames, period_s=chosen_s, start=start, end=end, notes=notes)


def read(
    wb: Workbook, queries: list[Query], start: datetime, end: datetime
) -> tuple[list[dict[datetime, float]], tuple[str, ...]]:
    """One mapping of time to value per query, and CloudWatch's messages; batched by 500, every page read."""
    series: list[dict[datetime, float]] = [{} for _ in queries]
    notes: list[str] = []
    for first in range(0, len(queries), MAX_QUERIES):
        batch = queries[first : first + MAX_QUERIES]
        requests = [query.to_request(f"m{first + i}") for i, query in enumerate(batch)]
        found = pages(
            wb,
            "cloudwatch",
            "GetMetricData",
            "MetricDataResults",
            MetricDataQueries=requests,
            StartTime=start,
            EndTime=end,
            ScanBy="TimestampAscending",
        )
        for result in found:
            index = int(result["Id"][1:])
            scale = queries[index].scale
            points = zip(result["Timestamps"], result["Values"], strict=True)
            series[index].update((time, value * scale) for time, value in points)
            if result.get("StatusCode") in ("InternalError", "Forbidden"):
                notes.append(f"{queries[index].metric} ({queries[index].stat}): {result['StatusCode']}")
            notes += [f"{m.get('Code')}: {m.get('Value')}" for m in result.get("Messages") or ()]
    return series, tuple(notes)


def _queries(wb: Workbook, period_s: int) -> list[Query]:
    variant = (("EndpointName", wb.endpoint_name), ("VariantName", wb.variant_name))
    slow_s = max(period_s, _MINUTE_S)

    def of(frame: str, column: str, metric: str, stat: str, *, scale: float = 1.0) -> Query:
        namespace = UTILISATION_NAMESPACE if frame == "utilisation" else INVOCATION_NAMESPACE
        every_s = period_s if frame == "concurrency" else slow_s
        return Query(frame, column, namespace, metric, variant, stat, every_s, scale)

    queries = [
        of("concurrency", "concurrency_min_streams", CONCURRENCY, "Minimum"),
        of("concurrency", "concurrency_max_streams", CONCURRENCY, "Maximum"),
        of("concurrency", "concurrency_mean_streams", CONCURRENCY, "Average"),
        of("concurrency", "samples_count", CONCURRENCY, "SampleCount"),
        of("traffic", "invocations_count", "Invocations", "Sum"),
        of("traffic", "invocations_per_instance_count", "InvocationsPerInstance", "Sum"),
        of("traffic", "first_chunk_p50_ms", "FirstChunkLatency", "p50", scale=1e-3),
        of("traffic", "first_chunk_p99_ms", "FirstChunkLatency", "p99", scale=1e-3),
        of("traffic", "model_latency_p99_ms", "ModelLatency", "p99", scale=1e-3),
        of("traffic", "errors_4xx_count", "Invocation4XXErrors", "Sum"),
        of("traffic", "errors_5xx_count", "Invocation5XXErrors", "Sum"),
        of("traffic", "model_errors_count", "InvocationModelErrors", "Sum"),
        of("traffic", "mid_stream_errors_count", "MidStreamErrors", "Sum"),
        of("utilisation", "cpu_percent", "CPUUtilization", "Average"),
        of("utilisation", "memory_percent", "MemoryUtilization", "Average"),
        of("utilisation", "gpu_percent", "GPUUtilization", "Average"),
        of("utilisation", "gpu_memory_percent", "GPUMemoryUtilization", "Average"),
    ]
    for instance_type, dimensions in sorted(_dimensions_by_type(wb).items()):
        for what, stat in (("max", "Maximum"), ("mean", "Average")):
            column = f"concurrency_{what}_streams/{instance_type}"
            queries.append(Query("by_type", column, INVOCATION_NAMESPACE, CONCURRENCY, dimensions, stat, period_s))
    return queries


def _dimensions_by_type(wb: Workbook) -> dict[str, tuple[tuple[str, str], ...]]:
    """The dimensions of each type's own series. They are asked for: AWS's pages disagree on which ones there are."""
    found: dict[str, tuple[tuple[str, str], ...]] = {}
    listed = pages(
        wb,
        "cloudwatch",
        "ListMetrics",
        "Metrics",
        Namespace=INVOCATION_NAMESPACE,
        MetricName=CONCURRENCY,
        Dimensions=[
            {"Name": "EndpointName", "Value": wb.endpoint_name},
            {"Name": "VariantName", "Value": wb.variant_name},
        ],
    )
    for metric in listed:
        dimensions = {d["Name"]: d["Value"] for d in metric["Dimensions"]}
        instance_type = dimensions.get("InstanceType")
        # Where there are several sets for one type, the one with the fewest dimensions is the aggregate of the others.
        if instance_type and ("InstanceId" not in dimensions):
            best = found.get(instance_type)
            if best is None or len(dimensions) < len(best):
                found[instance_type] = tuple(dimensions.items())
    return found


def _frame(
    columns: Iterable[tuple[Query, Mapping[datetime, float]]], start: datetime, end: datetime, name: str
) -> pd.DataFrame:
    import pandas as pd

    columns = list(columns)
    period_s = columns[0][0].period_s if columns else _MINUTE_S
    index = pd.date_range(_floor(start, period_s), end, freq=f"{period_s}s", inclusive="left", name="time", tz="UTC")
    frame = pd.DataFrame(index=index)
    for query, points in columns:
        if name == "utilisation" and not points:
            continue
        values = pd.Series(points, dtype="float64")
        values.index = pd.to_datetime(values.index, utc=True)
        frame[query.column] = values.reindex(index)
    return frame


def _floor(time: datetime, period_s: int) -> datetime:
    seconds = time.timestamp()
    return datetime.fromtimestamp(seconds - seconds % period_s, time.tzinfo)


def _aware(time: datetime) -> datetime:
    if time.tzinfo is None:
        raise InvalidInput(f"The time {time} has no time zone.", hint="Give an aware datetime, such as wb.now().")
    return time


PERIOD_S = 10
OPENING_S = 2.0
"""Wall-clock seconds left out after the settling time: streams are opened one after the other."""


def gauge(wb: Workbook, *, settle_s: float) -> Callable[[float, float], float | None]:
    """A function of two wall-clock Unix times, a hold's begin and end: the most requests one instance held in between.

    It reads ``ConcurrentRequestsPerModel`` (Maximum, 10 s). None when CloudWatch has no whole period yet, or would not
    answer: the count guards a measurement and is not worth losing it.

    Args:
        settle_s: seconds after the begin that do not count.
    """
    dimensions = (("EndpointName", wb.endpoint_name), ("VariantName", wb.variant_name))
    query = Query("gauge", "streams", INVOCATION_NAMESPACE, CONCURRENCY, dimensions, "Maximum", PERIOD_S)
    pace = 1 / wb.wall_seconds(1.0)

    def count(begin_unix_s: float, end_unix_s: float) -> float | None:
        now, wall = wb.now(), time.time()

        def at(unix_s: float) -> float:
            return now.timestamp() + (unix_s - wall) * pace

        first, last = at(begin_unix_s + settle_s + OPENING_S), at(end_unix_s)
        if last - first < PERIOD_S:
            return None
        start, end = (now + timedelta(seconds=t - now.timestamp()) for t in (first - PERIOD_S, last))
        try:
            series, _ = read(wb, [query], start, end)
        except DgsmError:
            return None
        whole = [value for t, value in series[0].items() if first <= t.timestamp() <= last - PERIOD_S]
        return max(whole, default=None)

    return count
