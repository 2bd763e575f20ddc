"""Metric data queries: metrics and expressions over them, as GetMetricData and alarms on metric math ask for them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import ceil, floor
from typing import Any

from embedded_aws.cloudwatch.evaluation import Series, Value, dropped, evaluate
from embedded_aws.cloudwatch.expressions import ID, parse, references, uses_all_metrics
from embedded_aws.cloudwatch.metric_store import MetricStore, is_period, kept_s
from embedded_aws.cloudwatch.statistics import is_extended, statistic
from embedded_aws.gateway.refusal import AwsRefusal
from embedded_aws.listings import ACCOUNT_ID


@dataclass(frozen=True)
class MetricStat:
    """A statistic of a metric; ``dimensions`` in the order they were given."""

    namespace: str
    name: str
    dimensions: tuple[tuple[str, str], ...]
    stat: str
    period_s: int
    unit: str | None = None

    def to_api(self) -> dict[str, Any]:
        """As the API's MetricStat."""
        pairs = dimensions_to_api(self.dimensions)
        metric = {"Namespace": self.namespace, "MetricName": self.name, "Dimensions": pairs}
        unit = {"Unit": self.unit} if self.unit else {}
        return {"Metric": metric, "Period": self.period_s, "Stat": self.stat} | unit


@dataclass(frozen=True)
class MetricQuery:
    """One metric or expression of a request; exactly one of ``metric`` and ``expression`` is there."""

    id: str
    metric: MetricStat | None = None
    expression: str | None = None
    label: str | None = None
    return_data: bool = True

    def to_api(self) -> dict[str, Any]:
        """As the API's MetricDataQuery."""
        row: dict[str, Any] = {"Id": self.id, "ReturnData": self.return_data}
        if self.label is not None:
            row["Label"] = self.label
        return row | ({"MetricStat": self.metric.to_api()} if self.metric else {"Expression": self.expression})


@dataclass(frozen=True)
class Result:
    """One series of a query (an expression can have several, or none). ``messages`` are CloudWatch's remarks on it."""

    query: MetricQuery
    label: str
    series: Series
    messages: tuple[tuple[str, str], ...] = ()


def dimensions_from_api(dimensions: Sequence[Mapping[str, str]]) -> tuple[tuple[str, str], ...]:
    """The API's list of dimensions as pairs.

    Raises:
        AwsRefusal: ValidationError, when a name occurs twice.
    """
    pairs = tuple((d["Name"], d["Value"]) for d in dimensions)
    if len({name for name, _ in pairs}) < len(pairs):
        raise AwsRefusal(f"Dimension names must be unique, got {', '.join(name for name, _ in pairs)}.")
    return pairs


def dimensions_to_api(pairs: Sequence[tuple[str, str]]) -> list[dict[str, str]]:
    """Pairs as the API's list of dimensions."""
    return [{"Name": name, "Value": value} for name, value in pairs]


def queries_from_api(members: Sequence[Mapping[str, Any]], *, where: str) -> tuple[MetricQuery, ...]:
    """Read and check the queries of a request.

    Args:
        members: the API's MetricDataQueries, or an alarm's Metrics.
        where: the parameter's name, for messages.

    Raises:
        AwsRefusal: ValidationError.
    """
    queries = tuple(_query(one, f"{where}.member.{i}") for i, one in enumerate(members, 1))
    ids = [query.id for query in queries]
    if twice := {name for name in ids if ids.count(name) > 1}:
        raise AwsRefusal(f"The values for parameter id in {where} are not unique: {', '.join(sorted(twice))}.")
    if not any(query.return_data for query in queries):
        raise AwsRefusal(f"At least one of {where} must return data.")
    _order(queries)
    _check_periods(members, queries)
    return queries


def _check_periods(members: Sequence[Mapping[str, Any]], queries: Sequence[MetricQuery]) -> None:
    """An expression may name a period, but only the one that its metrics have."""
    periods = {query.metric.period_s for query in queries if query.metric}
    for one in members:
        if "Expression" in one and "Period" in one and one["Period"] not in periods:
            raise AwsRefusal(f"Error in expression '{one['Id']}': a Period other than its metrics' is not supported.")


def _query(member: Mapping[str, Any], where: str) -> MetricQuery:
    name = member["Id"]
    if not ID.fullmatch(name):
        raise AwsRefusal(
            f"The value {name} for parameter {where}.Id is not matching the expected pattern ^[a-z][a-zA-Z0-9_]*$."
        )
    stat, expression = member.get("MetricStat"), member.get("Expression")
    if (stat is None) == (expression is None):
        raise AwsRefusal(f"The parameter {where} must have exactly one of MetricStat and Expression.")
    if member.get("AccountId", ACCOUNT_ID) != ACCOUNT_ID:
        raise AwsRefusal(f"The value {member['AccountId']} for parameter {where}.AccountId is not this account.")
    if expression is not None:
        if expression.lstrip().upper().startswith("SELECT "):
            raise AwsRefusal(f"{where}.Expression is a Metrics Insights query, which is not supported.")
        parse(expression)
    elif "Period" in member:
        raise AwsRefusal(f"Period must not be set in {where} beside its MetricStat.")
    metric = _metric_stat(stat, f"{where}.MetricStat") if stat is not None else None
    return MetricQuery(name, metric, expression, member.get("Label"), member.get("ReturnData", True))


def _metric_stat(member: Mapping[str, Any], where: str) -> MetricStat:
    metric = member["Metric"]
    for name in ("Namespace", "MetricName"):
        if not metric.get(name):
            raise AwsRefusal(f"The parameter {where}.Metric.{name} is required.")
    if not is_period(member["Period"]):
        raise AwsRefusal(f"The parameter {where}.Period must be 1, 5, 10, 20, 30 or a multiple of 60.")
    statistic(member["Stat"])
    pairs = dimensions_from_api(metric.get("Dimensions", ()))
    return MetricStat(
        metric["Namespace"], metric["MetricName"], pairs, member["Stat"], member["Period"], member.get("Unit")
    )


def _order(queries: Sequence[MetricQuery]) -> list[MetricQuery]:
    """Each query after those it refers to."""
    by_id = {query.id: query for query in queries}
    ordered: dict[str, MetricQuery] = {}

    def visit(query: MetricQuery, path: tuple[str, ...]) -> None:
        if query.id in ordered:
            return
        if query.id in path:
            raise AwsRefusal(
                f"Error in expression '{query.id}': it refers to itself ({' -> '.join((*path, query.id))})."
            )
        for name in sorted(references(parse(query.expression))) if query.expression else ():
            if name not in by_id:
                raise AwsRefusal(f"Error in expression '{query.id}': undefined id {name}.")
            visit(by_id[name], (*path, query.id))
        ordered[query.id] = query

    for query in queries:
        visit(query, ())
    return list(ordered.values())


def read(store: MetricStore, stat: MetricStat, *, start_s: float, end_s: float) -> Series:
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
    )
    return dict(points)


def run(
    store: MetricStore, queries: Sequence[MetricQuery], *, start_s: float, end_s: float, now_s: float
) -> list[Result]:
    """Compute queries that ``queries_from_api`` has passed; results in the order of the queries that return data.

    Raises:
        AwsRefusal: ValidationError, when an expression's operands or result are of a wrong kind.
    """
    return _Run(store, queries, start_s, end_s, now_s).results()


def period_of(queries: Sequence[MetricQuery]) -> int:
    """The period that the metrics of an alarm share.

    Raises:
        AwsRefusal: ValidationError, when they do not, or there is no metric.
    """
    periods = {query.metric.period_s for query in queries if query.metric}
    if len(periods) != 1:
        raise AwsRefusal("Metrics must hold metrics of one Period, the same for all.")
    return periods.pop()


@dataclass(frozen=True)
class _Run:
    store: MetricStore
    queries: Sequence[MetricQuery]
    start_s: float
    end_s: float
    now_s: float

    def results(self) -> list[Result]:
        metrics = {query.id: self._read(query.metric) for query in self.queries if query.metric}
        values: dict[str, Value] = dict(metrics)
        for query in _order(self.queries):
            if query.expression is not None:
                grid = self._grid(self._period(query))
                values[query.id] = evaluate(parse(query.expression), values=values, metrics=metrics, grid=grid)
        return [
            result for query in self.queries if query.return_data for result in self._shown(query, values[query.id])
        ]

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
                pending += [other for other in self.queries if other.metric] if uses_all_metrics(node) else []
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
        label = query.label or (query.metric.name if query.metric else query.id)
        if isinstance(value, dict):
            return [self._result(query, label, value)]
        names = [one.label or one.metric.name for one in self.queries if one.metric]
        labels = names if len(names) == len(value) else [str(i) for i in range(1, len(value) + 1)]
        return [self._result(query, f"{label} {name}", series) for name, series in zip(labels, value, strict=True)]

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
