"""Frames are read from AWS's answers as documented: batched, paged, at the period that is kept, gaps as gaps."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dgsm_helpers.aws.watch import observe
from dgsm_helpers.aws.watch.metrics import MAX_QUERIES, SeriesQuery, read, read_metrics
from dgsm_helpers.aws.watch.retention import finest_period_s, looked_back
from dgsm_helpers.errors import InvalidInput

START = datetime(2026, 11, 24, 11, 45, tzinfo=UTC)
POLICY = "deepgram-streaming-concurrency-policy"
ALARM = "TargetTracking-endpoint/dg/variant/AllTraffic-AlarmHigh-0a1b"


QUERY = SeriesQuery("Invocations", "Sum", 60, (("EndpointName", "dg"),))


def _result(query_id: str, points: dict[datetime, float], **given):
    return {
        "Id": query_id,
        "Timestamps": list(points),
        "Values": list(points.values()),
        "StatusCode": "Complete",
        **given,
    }


@pytest.mark.parametrize(
    ("age", "period_s"),
    [
        (timedelta(hours=3), 10),
        (timedelta(hours=3, seconds=1), 60),
        (timedelta(days=15), 60),
        (timedelta(days=16), 300),
        (timedelta(days=64), 3600),
    ],
)
def test_period_is_the_finest_that_cloudwatch_keeps(age, period_s):
    assert finest_period_s(age) == period_s


@given(st.timedeltas(min_value=timedelta(0)), st.timedeltas(min_value=timedelta(0)))
def test_older_data_never_has_a_finer_period(one, other):
    young, old = sorted((one, other))
    assert finest_period_s(young) <= finest_period_s(old)


@pytest.mark.parametrize("seconds", [0, -1, float("nan"), float("inf"), 1e13, 456 * 86_400])
def test_a_time_that_nothing_is_kept_of_is_no_time_to_look_back(seconds):
    with pytest.raises(InvalidInput, match="is no time to look back"):
        looked_back(seconds)


def test_more_than_500_series_are_asked_for_in_batches(scripted):
    s = scripted()
    s.answers("cloudwatch", "get_metric_data", {"MetricDataResults": [_result("m0", {START: 1.0})]})
    s.answers("cloudwatch", "get_metric_data", {"MetricDataResults": [_result(f"m{MAX_QUERIES}", {START: 2.0})]})
    series, _ = read(s.wb, [QUERY] * (MAX_QUERIES + 1), START, s.wb.now())
    assert (series[0], series[MAX_QUERIES]) == ({START: 1.0}, {START: 2.0})


def test_pages_of_one_series_are_joined_and_messages_kept(scripted):
    s = scripted()
    later = START + timedelta(minutes=1)
    message = {"Code": "InternalError", "Value": "try again"}
    first = {"MetricDataResults": [_result("m0", {START: 1.0}, StatusCode="PartialData")], "NextToken": "t"}
    s.answers("cloudwatch", "get_metric_data", first)
    s.answers("cloudwatch", "get_metric_data", {"MetricDataResults": [_result("m0", {later: 2.0}, Messages=[message])]})
    series, notes = read(s.wb, [QUERY], START, s.wb.now())
    assert series == [{START: 1.0, later: 2.0}]
    assert notes == ("InternalError: try again",)


def test_window_becomes_frames_with_gaps_and_units(scripted):
    s = scripted()
    by_type = [{"Name": "EndpointName", "Value": "dg"}, {"Name": "VariantName", "Value": "AllTraffic"}]
    by_type.append({"Name": "InstanceType", "Value": "ml.g6.2xlarge"})
    listed = {
        "Metrics": [{"Namespace": "AWS/SageMaker", "MetricName": "ConcurrentRequestsPerModel", "Dimensions": by_type}]
    }
    s.answers("cloudwatch", "list_metrics", listed)
    points = {START + timedelta(seconds=10): 3.0}
    # m1 is the concurrency's Maximum, m6 the first-chunk p50 in microseconds, m15 the GPU, m17 the type's own Maximum.
    results = [
        _result("m1", points),
        _result("m6", {START: 250_000.0}),
        _result("m15", {START: 80.0}),
        _result("m17", points),
    ]
    s.answers("cloudwatch", "get_metric_data", {"MetricDataResults": results})
    found = read_metrics(s.wb)
    assert found.period_s == 10
    assert len(found.concurrency) == 90
    assert found.concurrency["concurrency_max_streams"].tolist()[:2] == pytest.approx([float("nan"), 3.0], nan_ok=True)
    assert str(found.concurrency.index.tz) == "UTC"
    assert found.traffic["first_chunk_p50_ms"].iloc[0] == 250.0
    assert list(found.utilisation.columns) == ["gpu_percent"]
    assert list(found.by_type.columns) == [
        "concurrency_max_streams/ml.g6.2xlarge",
        "concurrency_mean_streams/ml.g6.2xlarge",
    ]


@pytest.mark.parametrize(
    ("window", "text"),
    [
        ({"start": START + timedelta(hours=1)}, "window is empty"),
        ({"start": START - timedelta(hours=4), "period_s": 10}, "kept every 60 s only"),
        ({"start": START.replace(tzinfo=None)}, "no time zone"),
    ],
)
def test_windows_that_cannot_be_answered_are_refused(scripted, window, text):
    with pytest.raises(InvalidInput, match=text):
        read_metrics(scripted().wb, **window)


def _activity(minute: int, **given):
    started = START + timedelta(minutes=minute)
    return {
        "ActivityId": str(minute),
        "ServiceNamespace": "sagemaker",
        "ResourceId": "endpoint/dg/variant/AllTraffic",
        "ScalableDimension": "sagemaker:variant:DesiredInstanceCount",
        "Description": "Setting desired instance count to 3.",
        "Cause": f"monitor alarm {ALARM} in state ALARM triggered policy {POLICY}",
        "StartTime": started,
        "EndTime": started + timedelta(seconds=260),
        "StatusCode": "Successful",
        **given,
    }


def test_activities_are_parsed_and_put_in_order(scripted):
    s = scripted()
    not_scaled = _activity(
        9,
        Description="Attempting to scale due to alarm triggered",
        StatusCode="Failed",
        NotScaledReasons=[{"Code": "AlreadyAtMaxCapacity", "MaxCapacity": 4}],
    )
    bounds = _activity(5, Cause="minimum capacity was set to 2", Description="Setting desired instance count to 2.")
    del not_scaled["EndTime"]
    s.answers(
        "application-autoscaling",
        "describe_scaling_activities",
        {"ScalingActivities": [not_scaled, bounds], "NextToken": "t"},
    )
    s.answers("application-autoscaling", "describe_scaling_activities", {"ScalingActivities": [_activity(0)]})
    frame = observe.activities(s.wb)
    assert frame["started"].is_monotonic_increasing
    assert frame["desired_instances"].tolist() == [3, 2, pd.NA]
    assert frame["trigger"].tolist() == ["alarm", "bounds", "alarm"]
    assert frame["policy"].tolist() == [POLICY, "", POLICY]
    assert frame["alarm_side"].tolist() == ["high", "", "high"]
    assert frame["duration_s"].tolist()[:2] == [260.0, 260.0]
    assert frame["not_scaled_reasons"].tolist()[2] == ("AlreadyAtMaxCapacity",)


def test_no_activity_is_an_empty_frame(scripted):
    s = scripted()
    s.answers("application-autoscaling", "describe_scaling_activities", {"ScalingActivities": []})
    assert observe.activities(s.wb).empty
    s.answers("application-autoscaling", "describe_scaling_activities", {"ScalingActivities": []})
    assert observe.story(s.wb) == "No scaling activity yet."


def test_the_story_calls_nothing_a_failure_that_was_not_needed_and_names_no_alarm_by_its_id(scripted):
    s = scripted()
    alarm = "TargetTracking-endpoint/dg/variant/AllTraffic-AlarmHigh-f36d9c65-9deb-4bfd-b9dc-79add5953158"
    decided = {
        "ActivityId": "1",
        "ServiceNamespace": "sagemaker",
        "ResourceId": "endpoint/dg/variant/AllTraffic",
        "ScalableDimension": "sagemaker:variant:DesiredInstanceCount",
        "Description": "Attempting to scale due to alarm triggered",
        "Cause": f"monitor alarm {alarm} in state ALARM triggered policy p",
        "StartTime": datetime(2026, 11, 24, 12, tzinfo=UTC),
        "StatusCode": "Failed",
        "NotScaledReasons": [{"Code": "AlreadyAtDesiredCapacity"}, {"Code": "SomethingNew"}],
    }
    s.answers("application-autoscaling", "describe_scaling_activities", {"ScalingActivities": [decided]})
    told = observe.story(s.wb)
    assert "Not scaled: not needed, as many are there or on their way (AlreadyAtDesiredCapacity), SomethingNew" in told
    assert "monitor alarm AlarmHigh in state ALARM triggered policy p" in told
    assert "Failed" not in told and "f36d9c65" not in told


def _endpoint(created: datetime, running: int, desired: int):
    return {
        "EndpointName": "dg",
        "EndpointArn": "arn:aws:sagemaker:us-east-1:123456789012:endpoint/dg",
        "EndpointConfigName": "c",
        "EndpointStatus": "Updating",
        "CreationTime": created,
        "LastModifiedTime": START,
        "ProductionVariants": [
            {"VariantName": "AllTraffic", "CurrentInstanceCount": running, "DesiredInstanceCount": desired}
        ],
    }


CONFIG = {
    "EndpointConfigName": "c",
    "EndpointConfigArn": "arn:aws:sagemaker:us-east-1:123456789012:endpoint-config/c",
    "CreationTime": START,
    "ProductionVariants": [{"VariantName": "AllTraffic", "ModelName": "m", "InitialInstanceCount": 1}],
}


def test_instances_follow_the_activities(scripted):
    s = scripted()
    s.answers("sagemaker", "describe_endpoint", _endpoint(START - timedelta(hours=1), 3, 4))
    running = _activity(8, StatusCode="InProgress", Description="Setting desired instance count to 4.")
    del running["EndTime"]
    s.answers("application-autoscaling", "describe_scaling_activities", {"ScalingActivities": [running, _activity(0)]})
    s.answers("sagemaker", "describe_endpoint_config", CONFIG)
    frame = observe.instances(s.wb)
    assert frame["desired_instances"].tolist() == [1, 3, 3, 4, 4]
    assert frame["running_instances"].tolist() == [1, 1, 3, 3, 3]
    assert frame["reason"].tolist()[-1] == "now"


def test_activities_of_a_deleted_endpoint_of_the_same_name_made_none_of_its_instances(scripted):
    s = scripted()
    s.answers("sagemaker", "describe_endpoint", _endpoint(START + timedelta(minutes=10), 1, 2))
    own = _activity(30, StatusCode="InProgress", Description="Setting desired instance count to 2.")
    del own["EndTime"]
    s.answers("application-autoscaling", "describe_scaling_activities", {"ScalingActivities": [own, _activity(0)]})
    s.answers("sagemaker", "describe_endpoint_config", CONFIG)
    frame = observe.instances(s.wb)
    assert frame["desired_instances"].tolist() == [1, 2, 2]
    assert frame["running_instances"].tolist() == [1, 1, 1]


def test_the_alarm_history_says_when_an_alarm_went_off(scripted):
    script = scripted()
    summaries = {30: "from OK to ALARM", 20: "from ALARM to OK", 10: "from INSUFFICIENT_DATA to ALARM"}
    rows = [
        {"Timestamp": datetime.fromtimestamp(second, UTC), "HistorySummary": f"Alarm updated {summary}"}
        for second, summary in summaries.items()
    ]
    script.answers("cloudwatch", "describe_alarm_history", {"AlarmHistoryItems": rows})
    assert observe.times_in_alarm(script.wb, ["high"]) == {"high": (10.0, 30.0)}
