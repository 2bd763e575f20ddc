"""The workbook's own alarms and dashboard on the embedded AWS: made once, changed when needed, removed whole."""

from __future__ import annotations

import json

import pytest
from kit.doctor_snapshots import evidence

from dgsm_helpers.aws.account import inventory, operator_alarms
from dgsm_helpers.aws.account.recommended import gpus_of, recommended
from dgsm_helpers.aws.scaling import registration
from dgsm_helpers.aws.scaling.policy import ScalingPolicy
from dgsm_helpers.aws.watch import observe
from dgsm_helpers.errors import InvalidInput, InvalidRequest, NotFound, NotReady
from dgsm_helpers.rules import request_checks

TOPIC = "arn:aws:sns:us-east-1:123456789012:operators"


@pytest.fixture
def watched(deployed):
    """The module's endpoint with a policy; alarms and dashboard are removed after each test."""
    registration.register(deployed, 1, 4)
    registration.apply(deployed, ScalingPolicy(target_value=7))
    yield deployed
    operator_alarms.remove(deployed)


def held(wb) -> dict[str, dict]:
    found = wb.client("cloudwatch").describe_alarms(AlarmNamePrefix=f"dgsm/{wb.endpoint_name}/")["MetricAlarms"]
    return {alarm["AlarmName"].rpartition("/")[2]: alarm for alarm in found}


def test_they_are_made_once_and_then_left_as_they_are(watched):
    first, second = (operator_alarms.put(watched, knee=10) for _ in range(2))
    assert (len(first.created), first.updated, first.unchanged) == (5, (), ())
    assert (second.created, second.updated, sorted(second.unchanged)) == ((), (), sorted(first.created))


def test_thresholds_follow_the_knee_in_the_metrics_units(watched):
    operator_alarms.put(watched, knee=20, first_chunk_ms=400)
    alarms = held(watched)
    assert {name: alarm["Threshold"] for name, alarm in alarms.items()} == {
        "concurrency-near-capacity": 17.0,
        "errors-5xx": 5.0,
        "first-chunk-p99": 1_200_000.0,
        "gpu-utilisation": 80.0,
    }
    assert alarms["first-chunk-p99"]["TreatMissingData"] == "notBreaching"
    assert alarms["concurrency-near-capacity"]["Statistic"] == "Maximum"


def test_measured_capacity_is_the_default(watched):
    path = watched.state_path(f"capacity/{watched.endpoint_name}/2026-11-24T110000Z.json")
    rungs = [{"n": 12, "first_chunk_p95_ms": 500.0}]
    path.write_text(json.dumps({"schema": 1, "problem": "", **evidence(12), "rungs": rungs}))
    try:
        operator_alarms.put(watched)
        alarms = held(watched)
    finally:
        path.unlink()
    assert alarms["concurrency-near-capacity"]["Threshold"] == pytest.approx(10.2)
    assert alarms["first-chunk-p99"]["Threshold"] == 1_500_000


def test_without_a_measurement_a_knee_has_to_be_given(watched):
    with pytest.raises(NotReady, match="knee="):
        operator_alarms.put(watched)
    assert held(watched) == {}


def test_a_new_knee_changes_what_depends_on_it_and_nothing_else(watched):
    operator_alarms.put(watched, knee=10)
    changed = operator_alarms.put(watched, knee=12)
    assert [name.rpartition("/")[2] for name in changed.updated] == [
        "concurrency-near-capacity",
        f"dgsm_{watched.endpoint_name}_overview",
    ]
    assert changed.created == ()


def test_an_edited_or_disabled_alarm_is_put_right(watched):
    operator_alarms.put(watched, knee=10)
    name = next(alarm["AlarmName"] for alarm in held(watched).values())
    watched.client("cloudwatch").disable_alarm_actions(AlarmNames=[name])
    assert operator_alarms.put(watched, knee=10).updated == (name,)


def test_a_topic_is_told_of_both_ends_of_an_alarm(watched):
    operator_alarms.put(watched, knee=10, sns_topic_arn=TOPIC)
    assert all(a["AlarmActions"] == a["OKActions"] == [TOPIC] for a in held(watched).values())
    operator_alarms.put(watched, knee=10)
    assert all(a["AlarmActions"] == [] for a in held(watched).values())


def test_they_carry_the_workbooks_tags(watched):
    operator_alarms.put(watched, knee=10)
    arn = held(watched)["errors-5xx"]["AlarmArn"]
    tags = watched.client("cloudwatch").list_tags_for_resource(ResourceARN=arn)["Tags"]
    assert {tag["Key"]: tag["Value"] for tag in tags} == {tag["Key"]: tag["Value"] for tag in watched.tags}


def test_an_identity_that_may_not_tag_gets_untagged_alarms_and_is_told(scripted):
    script = scripted()
    alarm = recommended(script.wb, knee=10, knee_from="given", gpus=1)[0]
    denied = "User: u is not authorized to perform: cloudwatch:TagResource on resource: r"
    script.refuses("cloudwatch", "put_metric_alarm", "AccessDenied", denied)
    script.answers("cloudwatch", "put_metric_alarm", {}, dict(alarm.request))
    (warning,) = operator_alarms._put_alarm(script.wb, alarm, script.wb.tags)
    assert "TagResource" in warning


def test_the_dashboard_shows_target_capacity_and_every_alarm(watched):
    operator_alarms.put(watched, knee=10)
    name = f"dgsm_{watched.endpoint_name}_overview"
    body = json.loads(watched.client("cloudwatch").get_dashboard(DashboardName=name)["DashboardBody"])
    lines = body["widgets"][0]["properties"]["annotations"]["horizontal"]
    assert {line["value"] for line in lines} == {7.0, 10}
    shown = {arn.partition(":alarm:")[2] for arn in body["widgets"][-1]["properties"]["alarms"]}
    policy_alarms = {alarm.name for alarm in observe.alarm_states(watched)}
    assert shown == policy_alarms | {alarm["AlarmName"] for alarm in held(watched).values()}


def test_the_policys_own_alarms_are_never_touched(watched):
    def policy_alarms():
        found = watched.client("cloudwatch").describe_alarms(AlarmNamePrefix=f"TargetTracking-{watched.resource_id}-")[
            "MetricAlarms"
        ]
        return {alarm["AlarmName"]: alarm["AlarmConfigurationUpdatedTimestamp"] for alarm in found}

    before = policy_alarms()
    operator_alarms.put(watched, knee=10)
    operator_alarms.put(watched, knee=11)
    operator_alarms.remove(watched)
    assert (policy_alarms(), len(before)) == (before, 2)


def test_removal_is_complete_and_may_be_repeated(watched):
    put = operator_alarms.put(watched, knee=10)
    assert sorted(operator_alarms.remove(watched)) == sorted(put.created)
    assert operator_alarms.remove(watched) == ()


def test_clean_up_finds_them(watched):
    put = operator_alarms.put(watched, knee=10)
    found = {item.name for item in inventory.find(watched).items if item.kind in ("alarm", "dashboard")}
    assert found == set(put.created)


def test_every_request_is_one_that_awss_model_takes(watched):
    for alarm in recommended(watched, knee=10, knee_from="given", gpus=4, sns_topic_arn=TOPIC):
        assert request_checks.problems("cloudwatch", "PutMetricAlarm", dict(alarm.request)) == ()


def test_bad_values_make_nothing(watched):
    with pytest.raises(InvalidInput):
        operator_alarms.put(watched, knee=0)
    with pytest.raises(InvalidRequest):
        operator_alarms.put(watched, knee=10, sns_topic_arn="x" * 2000)
    assert held(watched) == {}


def test_a_missing_endpoint_gets_no_alarms(workbook):
    with pytest.raises(NotFound):
        operator_alarms.put(workbook(endpoint_name="never-made"), knee=10)


def test_the_gpu_alarm_counts_every_gpu(scripted):
    wb = scripted().wb
    four = recommended(wb, knee=10, knee_from="given", gpus=4)[-1]
    assert four.request["Threshold"] == 320
    assert gpus_of("ml.g6.12xlarge") == 4


@pytest.mark.parametrize(("baseline_ms", "threshold_us"), [(None, 5_000_000), (80, 1_000_000), (600, 1_800_000)])
def test_the_latency_alarm_stands_well_above_the_baseline(scripted, baseline_ms, threshold_us):
    given = {"knee": 10, "knee_from": "given", "gpus": 1, "first_chunk_ms": baseline_ms}
    alarm = recommended(scripted().wb, **given)[2]
    assert (alarm.request["MetricName"], alarm.request["Threshold"]) == ("FirstChunkLatency", threshold_us)
    assert f"> {threshold_us:,} µs" in alarm.rule
