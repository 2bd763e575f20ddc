"""Watching real streams on the embedded AWS: the metric, the alarms, the activity and the instances agree."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd
import pytest
from kit import endpoints
from kit.waiting import AT_MOST_S, until

from dgsm_helpers.aws.scaling import registration
from dgsm_helpers.aws.watch import observe
from dgsm_helpers.aws.watch.metrics import Metrics, read_metrics
from dgsm_helpers.load.transport.background_load import Load
from dgsm_helpers.rules.guide import POLICY_NAME

STREAMS = 12


@dataclass(frozen=True)
class Watched:
    """What was seen of an endpoint that 12 streams had to themselves, and then of its scaling out to a target of 5."""

    policy_name: str
    before: Metrics
    alarms: pd.DataFrame
    activities: pd.DataFrame
    instances: pd.DataFrame
    story: str


@pytest.fixture(scope="module")
def watched(deployed):
    registration.register(deployed)
    with Load(deployed) as load:
        begin = deployed.now()
        load.set(STREAMS)
        load.wait_open(timeout_s=AT_MOST_S)
        # The policy comes when one instance has been seen with all of them: a busy machine opens them slowly.
        endpoints.streams_seen(deployed, STREAMS, begin)
        before = until(lambda: whole(read_metrics(deployed, start=begin)), "metrics by type and by minute")
        registration.apply(deployed)
        until(lambda: "Successful" in set(observe.activities(deployed)["status"]), "a scale-out has succeeded")
        endpoints.running(deployed, 3)
        yield Watched(
            POLICY_NAME,
            before,
            observe.alarms(deployed),
            observe.activities(deployed),
            observe.instances(deployed),
            observe.story(deployed),
        )
    registration.remove(deployed)


def whole(metrics):
    """The metrics once a minute of every kind is there."""
    by_type, traffic = metrics.by_type, metrics.traffic
    seen = not by_type.empty and by_type.max().max() == STREAMS and traffic["invocations_count"].sum() >= STREAMS
    return metrics if seen and len(traffic) > 1 and traffic["first_chunk_p99_ms"].max() > 0 else None


def test_concurrency_is_what_was_opened(watched):
    found = watched.before
    assert found.period_s == 10
    assert found.notes == ()
    assert found.concurrency["concurrency_max_streams"].max() == STREAMS
    assert (found.concurrency.index[1] - found.concurrency.index[0]).total_seconds() == 10


def test_each_type_has_a_series_of_its_own(watched):
    by_type = watched.before.by_type
    assert "concurrency_max_streams/ml.g6.2xlarge" in by_type.columns
    assert by_type["concurrency_max_streams/ml.g6.2xlarge"].max() == STREAMS


def test_sessions_and_latency_are_counted(watched):
    traffic = watched.before.traffic
    assert traffic["invocations_count"].sum() >= STREAMS
    assert traffic["first_chunk_p99_ms"].max() > 0
    assert (traffic.index[1] - traffic.index[0]).total_seconds() == 60


def test_high_alarm_fired_and_its_geometry_is_readable(watched):
    alarms = watched.alarms.set_index("side")
    assert alarms.loc["high", "threshold_streams"] == 5.0
    assert alarms.loc["high", "period_s"] == 10
    assert alarms.loc["high", "statistic"] in ("Average", "Maximum")
    assert alarms.loc["low", "datapoints_to_alarm"] == 90


def test_activity_says_which_alarm_and_policy_and_how_many(watched):
    activities = watched.activities
    out = activities[activities["desired_instances"] == 3].iloc[0]
    assert (out["trigger"], out["alarm_side"], out["policy"]) == ("alarm", "high", POLICY_NAME)
    assert out["status"] == "Successful"
    assert out["duration_s"] > 0
    assert "Setting desired instance count to 3." in watched.story
    assert "monitor alarm AlarmHigh in state ALARM" in watched.story


def test_instances_went_from_one_to_three(watched):
    frame = watched.instances
    assert frame["desired_instances"].tolist()[0] == 1
    assert frame["running_instances"].tolist()[-1] == 3
    assert frame.index.is_monotonic_increasing


def test_a_window_may_begin_at_a_time_that_aws_answered_in_the_machines_zone(deployed):
    created = deployed.client("sagemaker").describe_endpoint(EndpointName=deployed.endpoint_name)["CreationTime"]
    assert str(read_metrics(deployed, start=created).concurrency.index.tz) == "UTC"
