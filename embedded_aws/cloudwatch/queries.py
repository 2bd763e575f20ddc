"""Metric data queries: metrics and expressions over them, as GetMetricData and alarms on metric math ask for them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from embedded_aws.cloudwatch.expressions import ID, parse, references
from embedded_aws.cloudwatch.metric_store import Metric, is_period
from embedded_aws.cloudwatch.statistics import statistic
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

    @property
    def key(self) -> Metric:
        """What identifies the metric."""
        return Metric(self.namespace, self.name, frozenset(self.dimensions))

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


def dimensions_from_api(dimensions: Sequence[Mapping[str, str]]) -> tuple[tuple[str, str], ...]:
    """The API's list of dimensions as pairs. Raises AwsRefusal: ValidationError, when a name occurs twice."""
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
    in_order(queries)
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


def in_order(queries: Sequence[MetricQuery]) -> list[MetricQuery]:
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


def period_of(queries: Sequence[MetricQuery]) -> int:
    """The period that the metrics of an alarm share.

    Raises:
        AwsRefusal: ValidationError, when they do not, or there is no metric.
    """
    periods = {query.metric.period_s for query in queries if query.metric}
    if len(periods) != 1:
        raise AwsRefusal("Metrics must hold metrics of one Period, the same for all.")
    return periods.pop()
