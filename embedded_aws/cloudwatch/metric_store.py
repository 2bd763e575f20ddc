"""Metrics and their datapoints of one region, kept and thinned out as CloudWatch does.

Every point is added at once to the tables of a minute (kept for 15 days), five minutes (63 days) and an hour (455
days), and for high resolution to one of its own (3 hours). A query reads the coarsest table that its periods are made
of, which also decides how far back it sees. Periods are aligned to the epoch, or to the start (GetMetricStatistics),
and never partial: a start within a period is moved to the period's beginning.

A query without a unit reads the samples of one unit only, the first by name of those that have any: as recorded on AWS.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import ceil, floor, gcd, inf

from embedded_aws.cloudwatch.point_table import PointTable
from embedded_aws.cloudwatch.statistics import Aggregate, StatisticSet, statistic

MINUTE_S, HOUR_S, DAY_S = 60, 3600, 86400
FINE_KEPT_S = 3 * HOUR_S
COARSE_TABLES = ((60, 15 * DAY_S), (300, 63 * DAY_S), (3600, 455 * DAY_S))
"""Step and retention in seconds of what points become when they get older."""
LISTED_S = 14 * DAY_S
"""ListMetrics shows a metric for two weeks after its last datapoint."""
FINE_PERIODS_S = (1, 5, 10, 20, 30)

Dimensions = frozenset[tuple[str, str]]


def is_period(period_s: int) -> bool:
    """Whether CloudWatch has such a period: 1, 5, 10, 20, 30 or a multiple of 60 seconds."""
    return period_s in FINE_PERIODS_S or (period_s > 0 and period_s % MINUTE_S == 0)


def kept_s(period_s: int) -> int:
    """How far back a query with this period sees, in seconds."""
    return next((kept for step, kept in reversed(COARSE_TABLES) if period_s % step == 0), FINE_KEPT_S)


@dataclass(frozen=True)
class Metric:
    """What identifies a metric."""

    namespace: str
    name: str
    dimensions: Dimensions


class MetricStore:
    """The metrics of one region; thread-safe.

    Args:
        now_s: local time in Unix seconds; ages are counted from it.
    """

    def __init__(self, now_s: Callable[[], float]) -> None:
        self._now_s = now_s
        self._lock = threading.Lock()
        self._metrics: dict[Metric, _Points] = {}

    def put(
        self,
        namespace: str,
        name: str,
        dimensions: Mapping[str, str],
        *,
        timestamp_s: float,
        values: Sequence[float] = (),
        counts: Sequence[float] | None = None,
        statistics: StatisticSet | None = None,
        unit: str = "None",
        resolution_s: int = 60,
    ) -> None:
        """Add samples that were taken at one time.

        Args:
            namespace, name, dimensions: the metric.
            timestamp_s: when, in Unix seconds of local time.
            values: the samples; or
            statistics: all that is known of them.
            counts: how often each of them came; once each without it.
            unit: one of CloudWatch's units.
            resolution_s: 60, or 1 or 10 for high resolution.
        """
        weights = counts if counts is not None else [1.0] * len(values)

        def fill(aggregate: Aggregate) -> None:
            for value, count in zip(values, weights, strict=True):
                if count:
                    aggregate.add(value, count)
            if statistics:
                aggregate.add_set(statistics)

        metric = Metric(namespace, name, frozenset(dimensions.items()))
        with self._lock:
            points = self._metrics.get(metric)
            if points is None:
                points = self._metrics[metric] = _Points()
            points.add(timestamp_s, unit, resolution_s, fill, self._now_s())

    def series(
        self,
        namespace: str,
        name: str,
        dimensions: Mapping[str, str] | Dimensions,
        *,
        stat: str,
        period_s: int,
        start_s: float,
        end_s: float,
        unit: str | None = None,
        from_start: bool = False,
    ) -> list[tuple[float, float]]:
        """One statistic, a value per period in which there are samples.

        Args:
            namespace, name, dimensions: the metric; the dimensions must be all of its dimensions, in any order.
            stat: a statistic (``statistics.statistic``).
            period_s: 1, 5, 10, 20, 30 or a multiple of 60.
            start_s, end_s: from the period that holds ``start_s`` on, to the last that begins before ``end_s``.
            unit: only samples with this unit; without it those of the first unit that has any.
            from_start: periods begin at ``start_s``, rounded down to what is kept of its age: minutes for 15 days, five
                minutes for 63, hours (API reference, GetMetricStatistics).

        Returns:
            Beginning of the period and value, ascending; empty for a metric that does not exist.

        Raises:
            AwsRefusal: ValidationError for a statistic that is not supported.
        """
        compute = statistic(stat)
        pairs = dict(dimensions).items()
        metric = Metric(namespace, name, frozenset(pairs))
        with self._lock:
            points = self._metrics.get(metric)
            if points is None:
                return []
            span = _Span.of(period_s, start_s, end_s, self._now_s(), from_start=from_start)
            names = [unit] if unit is not None else points.units_read(span)
            aggregates = points.read(span, names[0]) if names else []
            computed = [(float(at), compute(aggregate)) for at, aggregate in aggregates]
        return [(at, value) for at, value in computed if value is not None]

    def units(self, metric: Metric) -> list[str]:
        """The units a metric was put with."""
        with self._lock:
            points = self._metrics.get(metric)
            return sorted(points.by_unit) if points else []

    def units_read(self, metric: Metric, *, period_s: int, start_s: float, end_s: float) -> list[str]:
        """The units with samples in a time, by name."""
        with self._lock:
            points = self._metrics.get(metric)
            return points.units_read(_Span.of(period_s, start_s, end_s, self._now_s())) if points else []

    def metrics(
        self,
        *,
        namespace: str | None = None,
        name: str | None = None,
        dimensions: Iterable[tuple[str, str | None]] = (),
        within_s: float = LISTED_S,
    ) -> list[Metric]:
        """The metrics with a datapoint in the last ``within_s`` seconds, each once, in a stable order.

        ``dimensions`` must all be among the metric's; one with None as its value matches any value.
        """
        filters = tuple(dimensions)
        since_s = self._now_s() - within_s
        with self._lock:
            metrics = [
                metric
                for metric, points in self._metrics.items()
                if points.newest_s >= since_s
                and namespace in (None, metric.namespace)
                and name in (None, metric.name)
                and all(_has(metric.dimensions, key, value) for key, value in filters)
            ]
        return sorted(metrics, key=lambda m: (m.namespace, m.name, sorted(m.dimensions)))


def _has(dimensions: Dimensions, key: str, value: str | None) -> bool:
    if value is None:
        return any(name == key for name, _ in dimensions)
    return (key, value) in dimensions


class _Points:
    """One metric's points, by unit."""

    __slots__ = ("by_unit", "newest_s")

    def __init__(self) -> None:
        self.by_unit: dict[str, list[PointTable]] = {}
        """From the finest on."""
        self.newest_s = 0.0

    def add(self, at_s: float, unit: str, resolution_s: int, fill: Callable[[Aggregate], None], now_s: float) -> None:
        tables = self.by_unit.get(unit)
        if tables is None:
            tables = self.by_unit[unit] = [PointTable(step, kept) for step, kept in COARSE_TABLES]
        if resolution_s % tables[0].step:
            _make_finer(tables, resolution_s, now_s)
        self.newest_s = max(self.newest_s, at_s)
        for table in tables:
            if at_s >= now_s - table.kept_s:
                step = table.step if table.step >= MINUTE_S else resolution_s
                fill(table.at(floor(at_s / step) * step, now_s))

    def units_read(self, span: _Span) -> list[str]:
        """The units that have samples in it, by name."""
        if len(self.by_unit) == 1:
            return list(self.by_unit)
        return [unit for unit in sorted(self.by_unit) if self.read(span, unit)]

    def read(self, span: _Span, unit: str) -> list[tuple[int, Aggregate]]:
        """The samples of a unit, period by period."""
        if unit not in self.by_unit:
            return []
        table = _table_for(self.by_unit[unit], span.grain_s)
        points = table.slice(span.first_s, span.end_s)
        if table.step == span.period_s:
            return points
        merged: dict[int, Aggregate] = {}
        for at, aggregate in points:
            merged.setdefault(span.beginning_of(at), Aggregate()).merge(aggregate)
        return sorted(merged.items())


@dataclass(frozen=True)
class _Span:
    """The periods of a query, whole ones from ``first_s`` to ``end_s``."""

    period_s: int
    first_s: int
    end_s: int

    @classmethod
    def of(cls, period_s: int, start_s: float, end_s: float, now_s: float, *, from_start: bool = False) -> _Span:
        step = period_s
        if from_start and period_s % MINUTE_S == 0:
            age_s = now_s - start_s
            step = next((step for step, kept in COARSE_TABLES if age_s < kept), COARSE_TABLES[-1][0])
        first = floor(start_s / step) * step
        oldest_s = now_s - kept_s(gcd(period_s, first))
        if first < oldest_s:
            first += ceil((oldest_s - first) / period_s) * period_s
        return cls(period_s, first, first + max(0, ceil((end_s - first) / period_s)) * period_s)

    @property
    def grain_s(self) -> int:
        """What the steps of a table must be parts of."""
        return gcd(self.period_s, self.first_s)

    def beginning_of(self, at_s: int) -> int:
        return self.first_s + (at_s - self.first_s) // self.period_s * self.period_s


def _make_finer(tables: list[PointTable], resolution_s: int, now_s: float) -> None:
    """Points of a high resolution come: they have a table of their own, in which the others are as well."""
    if tables[0].step < MINUTE_S:
        tables[0].step = gcd(tables[0].step, resolution_s)
        return
    fine = PointTable(resolution_s, FINE_KEPT_S)
    for start, aggregate in tables[0].slice(floor(now_s) - FINE_KEPT_S, inf):
        fine.at(start, now_s).merge(aggregate)
    tables.insert(0, fine)


def _table_for(tables: list[PointTable], period_s: int) -> PointTable:
    return next((table for table in reversed(tables) if period_s % table.step == 0), tables[0])
