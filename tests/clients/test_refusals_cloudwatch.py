"""What CloudWatch refuses, rather than to answer wrongly.

Every refusal is followed by a look at what was left: nothing may be half-made.
"""

from __future__ import annotations

import pytest
from kit.client_setup import refused


@pytest.mark.parametrize(
    ("given", "code"),
    [
        ({"Namespace": "AWS/SageMaker"}, "InvalidParameterValue"),
        ({"MetricData": [{"MetricName": "m"}]}, "MissingParameter"),
        ({"MetricData": [{"MetricName": "m", "Value": 1.0, "StorageResolution": 10}]}, "InvalidParameterValue"),
        ({"MetricData": [{"MetricName": "m", "Values": [1.0, 2.0], "Counts": [1.0]}]}, "InvalidParameterValue"),
    ],
    ids=["awss-namespace", "no-value", "resolution-10", "unequal-counts"],
)
def test_metric_data_that_cannot_be_is_not_kept(boto, given, code):
    cloudwatch = boto("cloudwatch")
    whole = {"Namespace": "DGSM/Refused", "MetricData": [{"MetricName": "m", "Value": 1.0}], **given}
    refused(cloudwatch.put_metric_data, code=code, **whole)
    assert cloudwatch.list_metrics(Namespace="DGSM/Refused")["Metrics"] == []


@pytest.mark.parametrize(
    "query",
    [
        {"Expression": "SEARCH('{AWS/SageMaker,EndpointName}', 'Maximum', 10)"},
        {"Expression": "missing * 2"},
        {"Expression": "x + 1"},
        {"MetricStat": {"Metric": {"Namespace": "N", "MetricName": "m"}, "Period": 7, "Stat": "Sum"}},
        {"MetricStat": {"Metric": {"Namespace": "N", "MetricName": "m"}, "Period": 60, "Stat": "p101"}},
    ],
    ids=["unsupported-function", "unknown-id", "self-reference", "period-7", "p101"],
)
def test_a_query_that_cannot_be_answered_is_refused_rather_than_answered_empty(boto, query):
    times = {"StartTime": "2026-01-01T00:00:00Z", "EndTime": "2026-01-01T01:00:00Z"}
    refused(
        boto("cloudwatch").get_metric_data, code="ValidationError", MetricDataQueries=[{"Id": "x", **query}], **times
    )
