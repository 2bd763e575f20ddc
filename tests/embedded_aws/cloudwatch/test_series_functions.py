"""Metric math beyond arithmetic: each function on rows that a person can check, and what it refuses."""

from datetime import UTC, datetime

import pytest

from embedded_aws.cloudwatch.metric_store import MetricStore
from embedded_aws.cloudwatch.queries import queries_from_api
from embedded_aws.cloudwatch.query_run import QueryRun
from embedded_aws.gateway.refusal import AwsRefusal

NOW = datetime(2026, 11, 29, 12, 5, tzinfo=UTC).timestamp()
"""A Sunday."""
GRID = [NOW - 300 + 60 * i for i in range(5)]
ROWS = {"a": [1, 4, None, 10, 2], "b": [5, 5, 5, 5, 5], "c": [None] * 5}


def results(expression):
    store = MetricStore(lambda: NOW)
    queries = [{"Id": "result", "Expression": expression}]
    for name, row in ROWS.items():
        for at, value in zip(GRID, row, strict=True):
            if value is not None:
                store.put("N", name, {}, timestamp_s=at, values=[value])
        metric = {"Namespace": "N", "MetricName": name}
        queries.append({"Id": name, "MetricStat": {"Metric": metric, "Period": 60, "Stat": "Sum"}, "ReturnData": False})
    parsed = queries_from_api(queries, where="MetricDataQueries")
    return [
        (result.label, [result.series.get(at) for at in GRID])
        for result in QueryRun(store, parsed, start_s=GRID[0], end_s=NOW, now_s=NOW).results()
    ]


@pytest.mark.parametrize(
    ("expression", "row"),
    [
        ("b / PERIOD(b)", [5 / 60] * 5),
        ("RATE(a)", [None, 3 / 60, None, 6 / 120, -8 / 60]),
        ("DIFF(a)", [None, 3, None, 6, -8]),
        ("DIFF_TIME(a)", [None, 60, None, 120, 60]),
        ("RUNNING_SUM(a)", [1, 5, None, 15, 17]),
        ("TIME_SERIES(7) + 0 * FILL(b, 0)", [7] * 5),
        ("a * 0 + METRIC_COUNT(METRICS())", [3, 3, None, 3, 3]),
        ("a * 0 + METRIC_COUNT(REMOVE_EMPTY(METRICS()))", [2, 2, None, 2, 2]),
        ("b * 0 + DATAPOINT_COUNT(a)", [4] * 5),
        ("DATAPOINT_COUNT([a, b])", [2, 2, 1, 2, 2]),
        ("FIRST([a, b])", ROWS["a"]),
        ("LAST([a, b])", ROWS["b"]),
        ("FIRST(SORT([a, b], MAX, DESC))", ROWS["a"]),
        ("FIRST(SORT([a, b], MIN, DESC))", ROWS["b"]),
        ("LAST(SORT([a, b], SUM, ASC))", ROWS["b"]),
        ("SUM(SLICE([a, b, c], 1))", ROWS["b"]),
        ("SUM(SLICE([a, b, c], 0, 1))", ROWS["a"]),
        ("SUM(SORT(METRICS(), AVG, DESC, 1))", ROWS["b"]),
        ("LOG10(b * 20)", [2] * 5),
        ("LOG(b - 5)", [None] * 5),
        ("HOUR(b)", [12] * 5),
        ("MINUTE(a)", [0, 1, 2, 3, 4]),
        ("DAY(b)", [7] * 5),
        ("DATE(b) + MONTH(b) * 100 + YEAR(b) * 10000", [20261129] * 5),
        ("EPOCH(a)", GRID),
        ("IF(HOUR(a) >= 9 AND HOUR(a) < 17, a)", [1, 4, 0, 10, 2]),
        ("IF(FIRST(SORT(METRICS(), AVG, DESC)) > 4, 1, 0)", [1] * 5),
    ],
)
def test_functions_give_what_the_guide_says(expression, row):
    [(_, found)] = results(expression)
    assert found == [None if value is None else pytest.approx(value) for value in row]


def test_functions_of_series_are_applied_to_each_of_an_array():
    assert [row for _, row in results("DIFF([a, b])")] == [[None, 3, None, 6, -8], [None, 0, 0, 0, 0]]


def test_a_sorted_array_keeps_its_labels():
    assert [label for label, _ in results("SORT(METRICS(), AVG, DESC)")] == ["result b", "result a", "result c"]
    assert [label for label, _ in results("SLICE(METRICS(), 1)")] == ["result b", "result c"]
    assert [label for label, _ in results("METRICS()")] == ["result a", "result b", "result c"]


@pytest.mark.parametrize(
    ("expression", "said"),
    [
        ("STDDEV(a)", "STDDEV is not supported: AWS does not say"),
        ("SEARCH('{N} a', 'Sum', 60)", "SEARCH is not supported"),
        ("ANOMALY_DETECTION_BAND(a)", "ANOMALY_DETECTION_BAND is not supported"),
        ("SERVICE_QUOTA(a)", "SERVICE_QUOTA is not supported"),
        ("PERIOD(a + b)", "PERIOD takes the id of a metric"),
        ("a * PERIOD(result)", "refers to itself"),
        ("FIRST(a)", "FIRST takes an array"),
        ("a + METRIC_COUNT(a)", "METRIC_COUNT takes an array"),
        ("TIME_SERIES(a)", "TIME_SERIES takes a number"),
        ("SORT([a, b], MEDIAN, ASC)", "SORT takes AVG or MAX or MIN or SUM there"),
        ("SORT([a, b], AVG, UP)", "SORT takes ASC or DESC there"),
        ("SORT([a, b], AVG)", "SORT does not take 2"),
        ("SLICE([a, b], -1)", "whole numbers from 0"),
        ("SLICE([a, b], 0.5)", "whole numbers from 0"),
        ("HOUR([a, b])", "HOUR takes a time series"),
        ("RATE(5)", "RATE takes a time series or an array"),
        ("DATAPOINT_COUNT(a)", "the result is a number"),
    ],
)
def test_what_a_function_does_not_take_is_refused_by_name(expression, said):
    with pytest.raises(AwsRefusal) as refused:
        results(expression)
    assert said in refused.value.message


def test_no_function_in_upper_case_is_ever_an_empty_answer():
    for name in ("MEDIAN", "PERCENTILE", "LAMBDA", "INSIGHT_RULE_METRIC", "DB_PERF_INSIGHTS", "ANY"):
        with pytest.raises(AwsRefusal, match=name):
            results(f"{name}(a)")
