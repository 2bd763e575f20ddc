"""Watching real streams on the embedded AWS: the metric, the alarms, the activity and the instances agree."""

from __future__ import annotations

import pytest

from dgsm_helpers.aws.scaling import registration
from dgsm_helpers.aws.watch import observe
from dgsm_helpers.load.transport.background_load import Load

STREAMS = 12


@pytest.fixture(scope="module")
def watched(deployed):
    """The deployed endpoint after 12 streams met a target of 5; scaled out, with the streams still on it."""
    registration.register(deployed)
    registration.apply(deployed)
    with Load(deployed) as load:
        load.set(STREAMS)
        load.wait_open()
        for _ in range(120):
            deployed.sleep(20)
            if "Successful" in set(observe.activities(deployed)["status"]):
                break
        deployed.sleep(70)
        yield deployed
    registration.remove(deployed)


def test_concurrency_is_what_was_opened(watched):
    found = observe.metrics(watched)
    assert found.period_s == 10
    assert found.notes == ()
    assert found.concurrency["concurrency_max_streams"].max() == STREAMS
    assert (found.concurrency.index[1] - found.concurrency.index[0]).total_seconds() == 10


def test_each_type_has_a_series_of_its_own(watched):
    by_type = observe.metrics(watched).by_type
    assert "concurrency_max_streams/ml.g6.2xlarge" in by_type.columns
    assert by_type["concurrency_max_streams/ml.g6.2xlarge"].max() == STREAMS


def test_sessions_and_latency_are_counted(watched):
    traffic = observe.metrics(watched, last_s=3600).traffic
    assert traffic["invocations_count"].sum() >= STREAMS
    assert traffic["first_chunk_p99_ms"].max() > 0
    assert (traffic.index[1] - traffic.index[0]).total_seconds() == 60


def test_high_alarm_fired_and_its_geometry_is_readable(watched):
    alarms = observe.alarms(watched).set_index("side")
    assert alarms.loc["high", "threshold_streams"] == 5.0
    assert alarms.loc["high", "period_s"] == 10
    assert alarms.loc["high", "statistic"] in ("Average", "Maximum")
    assert alarms.loc["low", "datapoints_to_alarm"] == 90


def test_activity_says_which_alarm_and_policy_and_how_many(watched):
    activities = observe.activities(watched)
    out = activities[activities["desired_instances"] == 3].iloc[0]
    assert (out["trigger"], out["alarm_side"], out["policy"]) == ("alarm", "high", watched.policy_name)
    assert out["status"] == "Successful"
    assert out["duration_s"] > 0
    assert "Setting desired instance count to 3." in observe.story(watched)


def test_instances_went_from_one_to_three(watched):
    frame = observe.instances(watched)
    assert frame["desired_instances"].tolist()[0] == 1
    assert frame["running_instances"].tolist()[-1] == 3
    assert frame.index.is_monotonic_increasing


def test_a_window_may_begin_at_a_time_that_aws_answered_in_the_machines_zone(deployed):
    created = deployed.client("sagemaker").describe_endpoint(EndpointName=deployed.endpoint_name)["CreationTime"]
    assert str(observe.metrics(deployed, start=created).concurrency.index.tz) == "UTC"
