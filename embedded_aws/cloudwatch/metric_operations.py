"""CloudWatch's operations on metrics: GetMetricData, GetMetricStatistics, ListMetrics, PutMetricData.

Parameters are as boto3 takes them (times as aware datetimes) and have passed botocore's service model.
"""

import math
import re
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from embedded_aws.clock import moment
from embedded_aws.cloudwatch.labels import label
from embedded_aws.cloudwatch.metric_store import HOUR_S, LISTED_S, Metric, is_period
from embedded_aws.cloudwatch.queries import (
    MetricStat,
    dimensions_from_api,
    dimensions_to_api,
    queries_from_api,
)
from embedded_aws.cloudwatch.query_run import QueryRun, Result, read
from embedded_aws.cloudwatch.refusals import bad_combination, bad_token, bad_value
from embedded_aws.cloudwatch.region_watch import RegionWatch
from embedded_aws.cloudwatch.statistics import STANDARD, StatisticSet, is_extended, statistic
from embedded_aws.gateway.paging import make_token, one_page, read_token
from embedded_aws.gateway.refusal import AwsRefusal
from embedded_aws.gateway.regions import Operations, Params
from embedded_aws.listings import ACCOUNT_ID

_MOST_QUERIES = 500
_MOST_DATAPOINTS = 100_800
_MOST_STATISTICS = 1440
_LIST_PAGE = 500
_MOST_DATA = 1000
_MOST_VALUES = 150
_LARGEST = 2.0**360
_OLDEST_S, _NEWEST_S = 14 * 24 * HOUR_S, 2 * HOUR_S
_TIMEZONE = re.compile(r"[+-]\d{4}")


class MetricOperations(Operations[RegionWatch]):
    """Operations on metrics."""

    def get_metric_data(self, p: Params) -> dict[str, Any]:
        """Series of metrics and of expressions over them."""
        members = p["MetricDataQueries"]
        if not 1 <= len(members) <= _MOST_QUERIES:
            raise AwsRefusal(f"The collection MetricDataQueries must have between 1 and {_MOST_QUERIES} elements.")
        start_s, end_s = p["StartTime"].timestamp(), p["EndTime"].timestamp()
        if start_s >= end_s:
            raise AwsRefusal("The parameter StartTime must be less than the parameter EndTime.")
        room = p.get("MaxDatapoints", _MOST_DATAPOINTS)
        if not 1 <= room <= _MOST_DATAPOINTS:
            raise AwsRefusal(f"The parameter MaxDatapoints must be between 1 and {_MOST_DATAPOINTS}.")
        if not _TIMEZONE.fullmatch(p.get("LabelOptions", {}).get("Timezone", "+0000")):
            raise AwsRefusal("The parameter LabelOptions.Timezone must look like +0130.")
        queries = queries_from_api(members, where="MetricDataQueries")
        results = QueryRun(self.state.store, queries, start_s, end_s, self.state.now_s()).results()
        newest_first = p.get("ScanBy", "TimestampDescending") == "TimestampDescending"
        return self._page(results, read_token(p.get("NextToken"), bad_token()), room, newest_first)

    def get_metric_statistics(self, p: Params) -> dict[str, Any]:
        """Statistics of one metric, period by period."""
        standard, extended = p.get("Statistics", ()), p.get("ExtendedStatistics", ())
        if not standard and not extended:
            raise bad_combination("Must specify either Statistics or ExtendedStatistics")
        if standard and extended:
            raise bad_combination("The parameters Statistics and ExtendedStatistics cannot be used together")
        if unknown := [name for name in standard if name not in STANDARD]:
            raise bad_value(f"The value {unknown[0]} for parameter Statistics is not supported.")
        for name in extended:
            _check_extended(name)
        start_s, end_s, period_s = p["StartTime"].timestamp(), p["EndTime"].timestamp(), p["Period"]
        if start_s >= end_s:
            raise bad_value("The parameter StartTime must be less than the parameter EndTime.")
        if not is_period(period_s):
            raise bad_value("The parameter Period must be 1, 5, 10, 20, 30 or a multiple of 60.")
        if (asked := math.ceil((end_s - start_s) / period_s)) > _MOST_STATISTICS:
            raise bad_combination(
                f"You have requested up to {asked} datapoints, which exceeds the limit of {_MOST_STATISTICS}. "
                "You may reduce the datapoints requested by increasing Period, or decreasing the time range."
            )
        pairs = _dimensions(p)
        points: dict[tuple[float, str], dict[str, Any]] = {}
        metric = Metric(p["Namespace"], p["MetricName"], frozenset(pairs))
        units = [p["Unit"]] if "Unit" in p else self.state.store.units(metric)
        for unit in units:
            for name in (*standard, *extended):
                stat = MetricStat(p["Namespace"], p["MetricName"], pairs, name, period_s, unit)
                series = read(self.state.store, stat, start_s=start_s, end_s=end_s, from_start=True)
                for at, value in series.items():
                    point = points.setdefault((at, unit), {"Timestamp": moment(at), "Unit": unit})
                    (point.setdefault("ExtendedStatistics", {}) if name in extended else point)[name] = value
        return {"Label": p["MetricName"], "Datapoints": [points[key] for key in sorted(points)]}

    def list_metrics(self, p: Params) -> dict[str, Any]:
        """Metrics with a datapoint in the last two weeks."""
        if p.get("OwningAccount", ACCOUNT_ID) != ACCOUNT_ID:
            raise bad_value(f"The value {p['OwningAccount']} for parameter OwningAccount is not this account.")
        metrics = self.state.store.metrics(
            namespace=p.get("Namespace"),
            name=p.get("MetricName"),
            dimensions=[(d["Name"], d.get("Value")) for d in p.get("Dimensions", ())],
            within_s=3 * HOUR_S if "RecentlyActive" in p else LISTED_S,
        )
        rows: list[dict[str, Any]] = [
            {
                "Namespace": metric.namespace,
                "MetricName": metric.name,
                "Dimensions": dimensions_to_api(sorted(metric.dimensions)),
            }
            for metric in metrics
        ]
        return one_page(
            rows,
            p,
            "Metrics",
            size=_LIST_PAGE,
            refusal=bad_value("Request parameter NextToken is invalid"),
            key=lambda row: [
                row["Namespace"],
                row["MetricName"],
                [[pair["Name"], pair["Value"]] for pair in row["Dimensions"]],
            ],
        )

    def put_metric_data(self, p: Params) -> dict[str, Any]:
        """Take in datapoints of the caller's own namespaces."""
        if p["Namespace"].startswith("AWS/"):
            raise bad_value("The value AWS/ for parameter Namespace is invalid.")
        if p.get("EntityMetricData"):
            raise AwsRefusal("EntityMetricData is not supported.")
        data = p.get("MetricData", ())
        if not 1 <= len(data) <= _MOST_DATA:
            raise bad_value(f"The collection MetricData must have between 1 and {_MOST_DATA} elements.")
        # All are checked before the first is kept: a refused call leaves nothing behind.
        puts = [self._checked(p["Namespace"], datum, f"MetricData.member.{i}") for i, datum in enumerate(data, 1)]
        for put in puts:
            put()
        return {}

    def _page(self, results: Sequence[Result], after: Any, room: int, newest_first: bool) -> dict[str, Any]:
        """Results from a position on: index of the result, and the time of its last point shown (None: none yet)."""
        try:
            first, last_s = after or (0, None)
            if not 0 <= first < max(len(results), 1) or not isinstance(last_s, float | None):
                raise bad_token()
        except (TypeError, ValueError):
            raise bad_token() from None
        answer: dict[str, Any] = {"MetricDataResults": [], "Messages": []}
        for index, result in enumerate(results[first:], first):
            points = sorted(result.series.items(), reverse=newest_first)
            if index == first and last_s is not None:
                points = [(at, v) for at, v in points if (at < last_s if newest_first else at > last_s)]
            page, complete = points[:room], len(points) <= room
            if page or complete:
                answer["MetricDataResults"].append(self._result_row(result, page, complete))
            room -= len(page)
            if not complete:
                answer["NextToken"] = make_token([index, page[-1][0] if page else None])
                break
        return answer

    def _result_row(self, result: Result, points: Sequence[tuple[float, float]], complete: bool) -> dict[str, Any]:
        messages = [{"Code": code, "Value": value} for code, value in result.messages]
        return {
            "Id": result.query.id,
            "Label": label(result, region=self.state.region),
            "Timestamps": [moment(at) for at, _ in points],
            "Values": [value for _, value in points],
            "StatusCode": "Complete" if complete else "PartialData",
        } | ({"Messages": messages} if messages else {})

    def _checked(self, namespace: str, datum: Params, where: str) -> Callable[[], None]:
        """What puts a datum that has passed all checks."""
        kinds = [member for member in ("Value", "Values", "StatisticValues") if member in datum]
        if len(kinds) > 1 and kinds[0] == "Value":
            raise bad_combination(
                f"The parameters {where}.{kinds[0]} and {where}.{kinds[1]} are mutually exclusive and you have "
                "specified both."
            )
        if not kinds:
            raise AwsRefusal(
                f"At least one of the parameters {where}.Value, Values or StatisticValues must be specified.",
                "MissingParameter",
            )
        resolution_s = datum.get("StorageResolution", 60)
        if resolution_s not in (1, 60):
            raise bad_value(f"The value {resolution_s} for parameter {where}.StorageResolution must be 1 or 60.")
        return partial(
            self.state.store.put,
            namespace,
            datum["MetricName"],
            dict(_dimensions(datum)),
            timestamp_s=self._timestamp_s(datum, where),
            unit=datum.get("Unit", "None"),
            resolution_s=resolution_s,
            **(_values(datum, where) if kinds[0] != "StatisticValues" else {}),
            **(_statistic_set(datum, where) if "StatisticValues" in kinds else {}),
        )

    def _timestamp_s(self, datum: Params, where: str) -> float:
        now_s = self.state.now_s()
        at_s = datum["Timestamp"].timestamp() if "Timestamp" in datum else now_s
        if not now_s - _OLDEST_S <= at_s <= now_s + _NEWEST_S:
            raise bad_value(
                f"The parameter {where}.Timestamp must specify a time no more than two weeks in the past and no more "
                f"than two hours in the future of {moment(now_s):%Y-%m-%d %H:%M:%S} UTC, the embedded AWS's time."
            )
        return at_s


def _check_extended(name: str) -> None:
    if not is_extended(name):
        raise bad_value(f"The value {name} for parameter ExtendedStatistics is not supported.")
    try:
        statistic(name)
    except AwsRefusal as refused:
        raise bad_value(refused.message) from None


def _values(datum: Params, where: str) -> dict[str, Any]:
    values = datum.get("Values", [datum.get("Value")])
    counts = datum.get("Counts", [1.0] * len(values))
    if not 1 <= len(values) <= _MOST_VALUES:
        raise bad_value(f"The collection {where}.Values must have between 1 and {_MOST_VALUES} elements.")
    if len(counts) != len(values) or ("Counts" in datum and "Values" not in datum):
        raise bad_value(f"The parameters {where}.Values and {where}.Counts must be of the same size.")
    for value in values:
        _check_number(value, f"{where}.Value")
    for count in counts:
        if not 0 <= count < math.inf:
            raise bad_value(f"The value {count} for parameter {where}.Counts is invalid.")
    return {"values": values, "counts": counts}


def _statistic_set(datum: Params, where: str) -> dict[str, Any]:
    values = datum["StatisticValues"]
    for name, value in values.items():
        _check_number(value, f"{where}.StatisticValues.{name}")
    if values["SampleCount"] <= 0:
        raise bad_value(
            f"The value {values['SampleCount']} for parameter {where}.StatisticValues.SampleCount is invalid."
        )
    if values["Minimum"] > values["Maximum"]:
        raise bad_value(f"{where}.StatisticValues.Maximum must be equal to or greater than Minimum.")
    return {"statistics": StatisticSet(values["SampleCount"], values["Sum"], values["Minimum"], values["Maximum"])}


def _check_number(value: float, where: str) -> None:
    if not abs(value) <= _LARGEST:  # also when it is not a number
        raise bad_value(f"The value {value} for parameter {where} is invalid.")


def _dimensions(datum: Params) -> tuple[tuple[str, str], ...]:
    try:
        return dimensions_from_api(datum.get("Dimensions", ()))
    except AwsRefusal as refused:
        raise bad_value(refused.message) from None
