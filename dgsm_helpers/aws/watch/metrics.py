"""CloudWatch's metrics of the endpoint as data frames: few calls, right periods, units in the column names.

The endpoint's own count of streams, to compare with what a load client holds.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from dgsm_helpers.aws.core.calls import pages
from dgsm_helpers.aws.watch.retention import finest_period_s, looked_back
from dgsm_helpers.errors import DgsmError, InvalidInput
from dgsm_helpers.session import Workbook

if TYPE_CHECKING:
    import pandas as pd

INVOCATION_NAMESPACE = "AWS/SageMaker"
UTILISATION_NAMESPACE = "/aws/sagemaker/Endpoints"
CONCURRENCY = "ConcurrentRequestsPerModel"
ERROR_METRICS = ("Invocation4XXErrors", "Invocation5XXErrors", "InvocationModelErrors", "MidStreamErrors")

FRAMES = ("concurrency", "traffic", "utilisation", "by_type")

MAX_QUERIES = 500
"""Metrics in one GetMetricData call (CloudWatch's limit)."""

MINUTE_S = 60


type MetricSeries = dict[datetime, float]
"""A series' values by aware datetime; periods without data are not in it."""


@dataclass(frozen=True)
class SeriesQuery:
    """One series to read: a statistic of a metric per period, times ``scale``.

    ``dimensions`` are (name, value) pairs.
    """

    metric: str
    stat: str
    period_s: int
    dimensions: tuple[tuple[str, str], ...]
    namespace: str = INVOCATION_NAMESPACE
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


def variant_dimensions(wb: Workbook) -> tuple[tuple[str, str], ...]:
    """The dimensions of the workbook's variant, as (name, value) pairs."""
    return (("EndpointName", wb.endpoint_name), ("VariantName", wb.variant_name))


def variant_query(wb: Workbook, metric: str, stat: str, period_s: int, *, scale: float = 1.0) -> SeriesQuery:
    """The query of an invocation metric of the workbook's variant."""
    return SeriesQuery(metric, stat, period_s, variant_dimensions(wb), scale=scale)


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


def read_metrics(
    wb: Workbook,
    start: datetime | None = None,
    end: datetime | None = None,
    *,
    last_s: float = 900.0,
    period_s: int | None = None,
    frames: Collection[str] = FRAMES,
) -> Metrics:
    """The endpoint's metrics of a window, in one ListMetrics and one (paged) GetMetricData call.

    Args:
        start, end: aware datetimes; default: the last ``last_s`` seconds up to now.
        period_s: for the concurrency; default: the finest that CloudWatch keeps for data as old as ``start``.
        frames: which of `Metrics`' frames are read; the others stay empty. Only ``by_type`` needs ListMetrics.

    Raises:
        InvalidInput: the window is empty, a time has no time zone, or the period is finer than what is kept.
    """
    end = end or wb.now()
    start = start or end - looked_back(last_s)
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
    columns = list(_columns(wb, frames, chosen_s))
    series, notes = read(wb, [query for _, _, query in columns], start, end)
    series_of: dict[str, dict[str, tuple[int, MetricSeries]]] = {name: {} for name in FRAMES}
    for (name, column, query), points in zip(columns, series, strict=True):
        series_of[name][column] = (query.period_s, points)
    concurrency, traffic, utilisation, by_type = (_frame(name, series_of[name], start, end) for name in FRAMES)
    return Metrics(concurrency, by_type, traffic, utilisation, chosen_s, start, end, notes)


def read(
    wb: Workbook, queries: Sequence[SeriesQuery], start: datetime, end: datetime
) -> tuple[list[MetricSeries], tuple[str, ...]]:
    """One series per query, and CloudWatch's messages; batched by 500, every page read."""
    series: list[MetricSeries] = [{} for _ in queries]
    notes: list[str] = []
    for first in range(0, len(queries), MAX_QUERIES):
        batch = queries[first : first + MAX_QUERIES]
        results = pages(
            wb,
            "cloudwatch",
            "GetMetricData",
            "MetricDataResults",
            MetricDataQueries=[query.to_request(f"m{first + i}") for i, query in enumerate(batch)],
            StartTime=start,
            EndTime=end,
            ScanBy="TimestampAscending",
        )
        for result in results:
            index = int(result["Id"][1:])
            query = queries[index]
            points = zip(result["Timestamps"], result["Values"], strict=True)
            series[index].update((time, value * query.scale) for time, value in points)
            if result.get("StatusCode") in ("InternalError", "Forbidden"):
                notes.append(f"{query.metric} ({query.stat}): {result['StatusCode']}")
            notes += [f"{m.get('Code')}: {m.get('Value')}" for m in result.get("Messages") or ()]
    return series, tuple(notes)


_COLUMNS = (
    ("concurrency", "concurrency_min_streams", CONCURRENCY, "Minimum", 1.0),
    ("concurrency", "concurrency_max_streams", CONCURRENCY, "Maximum", 1.0),
    ("concurrency", "concurrency_mean_streams", CONCURRENCY, "Average", 1.0),
    ("concurrency", "samples_count", CONCURRENCY, "SampleCount", 1.0),
    ("traffic", "invocations_count", "Invocations", "Sum", 1.0),
    ("traffic", "invocations_per_instance_count", "InvocationsPerInstance", "Sum", 1.0),
    ("traffic", "first_chunk_p50_ms", "FirstChunkLatency", "p50", 1e-3),
    ("traffic", "first_chunk_p99_ms", "FirstChunkLatency", "p99", 1e-3),
    ("traffic", "model_latency_p99_ms", "ModelLatency", "p99", 1e-3),
    ("traffic", "errors_4xx_count", "Invocation4XXErrors", "Sum", 1.0),
    ("traffic", "errors_5xx_count", "Invocation5XXErrors", "Sum", 1.0),
    ("traffic", "model_errors_count", "InvocationModelErrors", "Sum", 1.0),
    ("traffic", "mid_stream_errors_count", "MidStreamErrors", "Sum", 1.0),
    ("utilisation", "cpu_percent", "CPUUtilization", "Average", 1.0),
    ("utilisation", "memory_percent", "MemoryUtilization", "Average", 1.0),
    ("utilisation", "gpu_percent", "GPUUtilization", "Average", 1.0),
    ("utilisation", "gpu_memory_percent", "GPUMemoryUtilization", "Average", 1.0),
)
"""Frame, column, metric, statistic and scale of everything but ``by_type``."""


def _columns(wb: Workbook, frames: Collection[str], period_s: int) -> Iterator[tuple[str, str, SeriesQuery]]:
    """(frame, column, query) of all the columns of the frames."""
    variant = variant_dimensions(wb)
    for frame, column, metric, stat, scale in _COLUMNS:
        if frame in frames:
            namespace = UTILISATION_NAMESPACE if frame == "utilisation" else INVOCATION_NAMESPACE
            every_s = period_s if frame == "concurrency" else max(period_s, MINUTE_S)
            yield frame, column, SeriesQuery(metric, stat, every_s, variant, namespace, scale)
    for instance_type, dimensions in sorted(_dimensions_by_type(wb).items()) if "by_type" in frames else ():
        for short, stat in (("max", "Maximum"), ("mean", "Average")):
            column = f"concurrency_{short}_streams/{instance_type}"
            yield "by_type", column, SeriesQuery(CONCURRENCY, stat, period_s, dimensions)


def _dimensions_by_type(wb: Workbook) -> dict[str, tuple[tuple[str, str], ...]]:
    """The dimensions of each type's own series. They are asked for: AWS's pages disagree on which ones there are."""
    by_type: dict[str, tuple[tuple[str, str], ...]] = {}
    listed = pages(
        wb,
        "cloudwatch",
        "ListMetrics",
        "Metrics",
        Namespace=INVOCATION_NAMESPACE,
        MetricName=CONCURRENCY,
        Dimensions=[{"Name": name, "Value": value} for name, value in variant_dimensions(wb)],
    )
    for metric in listed:
        dimensions = {d["Name"]: d["Value"] for d in metric["Dimensions"]}
        instance_type = dimensions.get("InstanceType")
        # Where there are several sets for one type, the one with the fewest dimensions is the aggregate of the others.
        if instance_type and "InstanceId" not in dimensions:
            best = by_type.get(instance_type)
            if best is None or len(dimensions) < len(best):
                by_type[instance_type] = tuple(dimensions.items())
    return by_type


def _frame(name: str, columns: Mapping[str, tuple[int, MetricSeries]], start: datetime, end: datetime) -> pd.DataFrame:
    """One frame of (period in seconds, series) by column; utilisation has only the columns with data."""
    import pandas as pd

    period_s = next((period_s for period_s, _ in columns.values()), MINUTE_S)
    begin = datetime.fromtimestamp(start.timestamp() // period_s * period_s, start.tzinfo)
    index = pd.date_range(begin, end, freq=f"{period_s}s", inclusive="left", name="time", tz="UTC")
    frame = pd.DataFrame(index=index)
    for column, (_, points) in columns.items():
        if points or name != "utilisation":
            values = pd.Series(points, dtype="float64")
            values.index = pd.to_datetime(values.index, utc=True)
            frame[column] = values.reindex(index)
    return frame


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
    query = variant_query(wb, CONCURRENCY, "Maximum", PERIOD_S)
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
