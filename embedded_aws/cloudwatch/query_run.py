"""Metric data queries computed over what a region's store holds, with labels and remarks as CloudWatch gives them."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from math import ceil, floor

from embedded_aws.cloudwatch.evaluation import Evaluation, Value
from embedded_aws.cloudwatch.expressions import calls, parse, references
from embedded_aws.cloudwatch.metric_store import MetricStore, kept_s
from embedded_aws.cloudwatch.queries import MetricQuery, MetricStat, in_order
from embedded_aws.cloudwatch.series_functions import Series, dropped
from embedded_aws.cloudwatch.statistics import is_extended
from embedded_aws.gateway.refusal import AwsRefusal


@dataclass(frozen=True)
class Result:
    """One series of a query (an expression can have several, or none). ``messages`` are CloudWatch's remarks on it."""

    query: MetricQuery
    label: str
    series: Series
    messages: tuple[tuple[str, str], ...] = ()


def read(store: MetricStore, stat: MetricStat, *, start_s: float, end_s: float, from_start: bool = False) -> Series:
    """A metric's points, as ``MetricStore.series`` has them."""
    points = store.series(
        stat.namespace,
        stat.name,
        frozenset(stat.dimensions),
        stat=stat.stat,
        period_s=stat.period_s,
        start_s=start_s,
        end_s=end_s,
        unit=stat.unit,
        from_start=from_start,
    )
    return dict(points)


@dataclass(frozen=True)
class QueryRun:
    """Queries that ``queries_from_api`` has passed, to be computed over what the store holds."""

    store: MetricStore
    queries: Sequence[MetricQuery]
    start_s: float
    end_s: float
    now_s: float

    def results(self) -> list[Result]:
        """In the order of the queries that return data.

        Raises:
            AwsRefusal: ValidationError, when an expression's operands or result are of a wrong kind.
        """
        values = self._values()
        return [
            result for query in self.queries if query.return_data for result in self._shown(query, values[query.id])
        ]

    def only_series(self) -> Series:
        """What an alarm watches: the series of the only query that returns data.

        Raises:
            AwsRefusal: ValidationError, as `results` has it; or several queries return data, or an array, however many
                series are in it now ("Any expression used in a PutMetricAlarm operation must return a single time
                series").
        """
        query, *others = (query for query in self.queries if query.return_data)
        if others:
            raise AwsRefusal(f"The metrics of an alarm must return a single time series, not also {others[0].id}.")
        value = self._values()[query.id]
        if isinstance(value, list):
            raise AwsRefusal(
                f"Error in expression '{query.id}': the result is an array of time series; the expression of an alarm "
                "must return a single time series."
            )
        [result] = self._shown(query, value)
        return result.series

    def _values(self) -> dict[str, Value]:
        """The value of each query by its id."""
        metrics = self._metrics
        values: dict[str, Value] = dict(metrics)
        for query in in_order(self.queries):
            if query.expression is not None:
                grid = self._grid(self._period(query))
                node = parse(query.expression)
                periods = {one.id: one.metric.period_s for one in self.queries if one.metric}
                values[query.id] = Evaluation(values=values, metrics=metrics, periods=periods, grid=grid).of(node)
        return values

    @cached_property
    def _metrics(self) -> dict[str, Series]:
        return {query.id: self._read(query.metric) for query in self.queries if query.metric}

    def _read(self, stat: MetricStat) -> Series:
        return read(self.store, stat, start_s=self.start_s, end_s=self.end_s)

    def _grid(self, period_s: int) -> list[float]:
        """Beginnings of the periods that may be filled: those that metrics are kept for, and that have begun."""
        if not period_s:
            return []
        first_s = max(self.start_s, self.now_s - kept_s(period_s))
        end_s = min(self.end_s, self.now_s)
        return [float(at) for at in range(floor(first_s / period_s) * period_s, ceil(end_s), period_s)]

    def _period(self, query: MetricQuery) -> int:
        """The period of the metrics beneath an expression; 0 without any."""
        by_id = {one.id: one for one in self.queries}
        pending = [query]
        seen: set[str] = set()
        periods: set[int] = set()
        while pending:
            one = pending.pop()
            if one.metric:
                periods.add(one.metric.period_s)
            elif one.id not in seen:
                seen.add(one.id)
                node = parse(one.expression or "")
                pending += [by_id[name] for name in references(node)]
                pending += [other for other in self.queries if other.metric] if calls(node, "METRICS") else []
        if len(periods) > 1:
            listed = ", ".join(map(str, sorted(periods)))
            raise AwsRefusal(
                f"Error in expression '{query.id}': metrics of different periods ({listed}) are not supported."
            )
        return periods.pop() if periods else 0

    def _shown(self, query: MetricQuery, value: Value) -> list[Result]:
        if isinstance(value, float):
            raise AwsRefusal(
                f"Error in expression '{query.id}': the result is a number; an expression must return a time series "
                "or an array of them. Set ReturnData to false to use it in other expressions only."
            )
        label = query.label or (self._own_label(query.metric) if query.metric else query.id)
        if isinstance(value, dict):
            return [self._result(query, label, value)]
        labels = self._labels_of_array(query, value)
        return [self._result(query, f"{label} {name}", series) for name, series in zip(labels, value, strict=True)]

    def _own_label(self, stat: MetricStat) -> str:
        """The metric's name, with the statistic and the period in which it differs from the same metric's others."""
        same = [one.metric for one in self.queries if one.metric and not one.label and one.metric.key == stat.key]
        differing = [str(getattr(stat, m)) for m in ("stat", "period_s") if len({getattr(o, m) for o in same}) > 1]
        return " ".join((stat.name, *differing))

    def _labels_of_array(self, query: MetricQuery, array: Sequence[Series]) -> list[str]:
        """The metrics' labels, as far as one can tell which series of the array is which; else their numbers."""
        named = [
            (self._metrics[one.id], one.label or self._own_label(one.metric)) for one in self.queries if one.metric
        ]
        numbers = [str(number) for number in range(1, len(array) + 1)]
        if calls(parse(query.expression or ""), "SORT", "SLICE", "REMOVE_EMPTY"):
            known = {id(series): name for series, name in named}
            return [known.get(id(series), number) for series, number in zip(array, numbers, strict=True)]
        return [name for _, name in named] if len(named) == len(array) else numbers

    def _result(self, query: MetricQuery, label: str, series: Series) -> Result:
        points, some_dropped = dropped(series)
        messages = []
        if some_dropped:
            text = "One or more data-points have been dropped due to non-numeric values (NaN, -Infinite, +Infinite)"
            messages.append(("ArithmeticError", text))
        if query.metric:
            messages += self._remarks(query.metric, points)
        return Result(query, label, points, tuple(messages))

    def _remarks(self, stat: MetricStat, points: Series) -> list[tuple[str, str]]:
        """Why points are lacking that one might expect: CloudWatch itself leaves them out without a word."""
        remarks = []
        units = self.store.units_read(stat.key, period_s=stat.period_s, start_s=self.start_s, end_s=self.end_s)
        if stat.unit is None and len(units) > 1:
            remarks.append(("MultipleUnits", f"Multiple units returned: '[{', '.join(units)}]'"))
        retention_s = kept_s(stat.period_s)
        if self.start_s < self.now_s - retention_s - stat.period_s:
            hours = retention_s // 3600
            text = f"Points with a period of {stat.period_s} s are kept for {hours} hours; older ones are left out."
            remarks.append(("Retention", text))
        if not points and is_extended(stat.stat) and self._read(replace(stat, stat="SampleCount")):
            text = (
                f"{stat.stat} needs the samples, none of them negative; what there is are statistic sets or negative."
            )
            remarks.append(("StatisticNotAvailable", text))
        return remarks
