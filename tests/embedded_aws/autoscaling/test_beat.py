"""The embedded AWS scales as Application Auto Scaling does: fleet, metrics, alarms, policies and activities on a moved
clock."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from kit.scaling_bench import REGION, RESOURCE, START_S, TARGET, Bench

from dgsm_helpers.rules.alarms import AlarmSpec
from embedded_aws.cloudwatch.metric_alarm import MetricAlarm
from embedded_aws.cloudwatch.metric_store import MetricStore
from embedded_aws.cloudwatch.queries import MetricStat
from embedded_aws.fleet.vitals import Vitals
from embedded_aws.gateway.refusal import AwsRefusal


@pytest.fixture
def bench():
    return Bench()


def test_load_above_target_scales_out_in_one_step_after_thirty_seconds_and_the_reaction(bench):
    bench.register()
    bench.track()
    bench.run(60)
    began = bench.clock.s
    bench.load(13)
    bench.run(START_S + 200)
    [out] = bench.activities()
    waited = out["StartTime"].timestamp() - began
    assert 30 + 30 <= waited <= 30 + 30 + 20
    assert (bench.running, bench.status) == (3, "InService")
    assert out["Description"] == "Setting desired instance count to 3."
    assert out["StatusCode"] == "Successful"
    assert out["StatusMessage"].endswith("Change successfully fulfilled by sagemaker.")
    high = bench.api.describe_scaling_policies(TARGET)["ScalingPolicies"][0]["Alarms"][0]["AlarmName"]
    assert out["Cause"] == f"monitor alarm {high} in state ALARM triggered policy streams"


def test_an_idle_fleet_comes_back_to_the_minimum_after_fifteen_minutes(bench):
    bench.register()
    bench.track()
    bench.load(14)
    bench.run(START_S + 200)
    bench.load(0)
    began = bench.clock.s
    bench.run(1300)
    inwards = bench.activities()[0]
    assert inwards["Description"] == "Setting desired instance count to 1."
    assert 900 <= inwards["StartTime"].timestamp() - began <= 1000
    assert bench.running == 1


def test_while_updating_a_further_need_is_recorded_as_unscalable(bench):
    bench.register()
    bench.track()
    bench.load(6)
    bench.run(100)
    bench.load(30)
    bench.run(120)
    assert bench.status == "Updating"
    codes = {
        r["Code"] for a in bench.activities(IncludeNotScaledActivities=True) for r in a.get("NotScaledReasons", [])
    }
    assert "TargetServicePutResourceAsUnscalable" in codes


def test_not_scaled_reasons_are_shown_on_request_only(bench):
    bench.register(low=1, high=1)
    bench.track()
    bench.load(30)
    bench.run(200)
    assert bench.activities() == []
    [reason] = {
        (r["Code"], r.get("MaxCapacity"))
        for a in bench.activities(IncludeNotScaledActivities=True)
        for r in a["NotScaledReasons"]
    }
    assert reason == ("AlreadyAtMaxCapacity", 1)


def test_a_reason_not_to_scale_is_recorded_once_while_nothing_changes(bench):
    bench.register(low=1, high=1)
    bench.track()
    bench.load(30)
    bench.run(1000)
    assert len(bench.activities(IncludeNotScaledActivities=True)) == 1


def test_a_scale_out_that_finds_no_capacity_fails_and_says_so(bench):
    bench.register()
    bench.track()
    bench.faults.short.add("ml.g6.2xlarge")
    bench.load(13)
    bench.run(500)
    failed = bench.activities()[-1]
    assert failed["StatusCode"] == "Failed"
    assert failed["StatusMessage"] == (
        "Failed to set desired instance count to 3. Reason: Unable to provision requested ML compute capacity due to "
        "InsufficientInstanceCapacity error. Please retry using a different ML instance type or after some time."
    )
    assert bench.running == 1


def test_a_scale_out_whose_instances_do_not_start_fails_with_the_containers_reason(bench):
    bench.register()
    bench.track()
    bench.faults.failed_start = lambda instance_type: "container-failed"
    bench.load(13)
    bench.run(500)
    failed = bench.activities()[-1]
    assert failed["StatusCode"] == "Failed"
    assert "variant AllTraffic did not pass the ping health check" in failed["StatusMessage"]
    bench.faults.failed_start = lambda instance_type: None
    bench.run(START_S + 200)
    assert bench.activities()[0]["StatusCode"] == "Successful"
    assert bench.running == 3


def test_a_scale_out_beyond_the_quota_fails_in_the_guides_words_until_the_quota_is_raised(bench):
    bench.quotas.set(REGION, "ml.g6.2xlarge", 2)
    bench.register()
    bench.track()
    bench.load(13)
    bench.run(400)
    [failed] = bench.activities()  # once, while nothing changes
    assert failed["StatusCode"] == "Failed"
    assert failed["StatusMessage"].startswith(
        "Failed to set desired instance count to 3. Reason: The account-level service limit 'ml.g6.2xlarge for "
        "endpoint usage' is 2 Instances, with current utilization of 1 Instances and a request delta of 2 Instances."
    )
    assert failed["StatusMessage"].endswith("Error Code: ResourceLimitExceeded)")
    assert (bench.running, bench.status) == (1, "InService")
    bench.quotas.set(REGION, "ml.g6.2xlarge", 3)
    bench.run(START_S + 100)
    assert (bench.running, bench.activities()[0]["StatusCode"]) == (3, "Successful")


def test_a_minimum_beyond_the_quota_fails_as_an_activity_with_its_cause(bench):
    bench.quotas.set(REGION, "ml.g6.2xlarge", 2)
    bench.register(low=3, high=4)
    bench.run(60)
    [failed] = bench.activities()
    assert (failed["Cause"], failed["StatusCode"]) == ("minimum capacity was set to 3", "Failed")
    assert "ResourceLimitExceeded" in failed["StatusMessage"]
    assert bench.running == 1


def test_registration_pulls_the_count_into_the_bounds_without_an_alarm(bench):
    bench.register(low=2, high=4)
    bench.run(START_S + 40)
    assert bench.running == 2
    assert bench.activities()[0]["Cause"] == "minimum capacity was set to 2"


def test_suspended_scaling_does_nothing_until_resumed(bench):
    bench.register(SuspendedState={"DynamicScalingOutSuspended": True})
    bench.track()
    bench.load(13)
    bench.run(200)
    assert bench.activities() == []
    bench.api.register_scalable_target({**TARGET, "SuspendedState": {"DynamicScalingOutSuspended": False}})
    bench.run(80)
    assert bench.status == "Updating"


def test_a_policy_that_may_not_scale_in_never_does(bench):
    bench.register()
    bench.track(DisableScaleIn=True)
    bench.load(13)
    bench.run(START_S + 200)
    bench.load(0)
    bench.run(1500)
    assert bench.running == 3


def test_a_scheduled_action_raises_the_minimum_at_its_time(bench):
    bench.register()
    at = datetime.fromtimestamp(bench.clock.s + 120, UTC).strftime("%Y-%m-%dT%H:%M:%S")
    bench.api.put_scheduled_action(
        {
            **TARGET,
            "ScheduledActionName": "morning",
            "Schedule": f"at({at})",
            "ScalableTargetAction": {"MinCapacity": 3},
        }
    )
    bench.run(100)
    assert bench.activities() == []
    bench.run(START_S + 60)
    causes = [a["Cause"] for a in bench.activities()]
    assert causes == ["minimum capacity was set to 3", "scheduled action name morning was triggered"]
    assert bench.running == 3


def test_a_scheduled_minimum_above_the_maximum_fails_as_an_activity_and_changes_nothing(bench):
    bench.register(low=1, high=2)
    at = datetime.fromtimestamp(bench.clock.s + 60, UTC).strftime("%Y-%m-%dT%H:%M:%S")
    action = {"ScheduledActionName": "peak", "Schedule": f"at({at})", "ScalableTargetAction": {"MinCapacity": 3}}
    bench.api.put_scheduled_action({**TARGET, **action})
    bench.run(120)
    [failed] = bench.activities()
    assert (failed["StatusCode"], failed["StatusMessage"]) == (
        "Failed",
        "Maximum capacity cannot be less than minimum capacity: minimum 3, maximum 2",
    )
    assert bench.api.describe_scalable_targets(TARGET)["ScalableTargets"][0]["MinCapacity"] == 1


def test_metrics_held_back_by_a_fault_are_there_when_it_ends(bench):
    delays = [100_000.0]
    store = MetricStore(bench.clock.now_s)
    vitals = Vitals(bench.fleet, lambda region: store, lambda: delays[0])
    where = {"EndpointName": "e", "VariantName": "AllTraffic"}

    def points():
        span = {"start_s": bench.clock.s - 50, "end_s": bench.clock.s, "period_s": 10, "stat": "SampleCount"}
        return len(store.series("AWS/SageMaker", "ConcurrentRequestsPerModel", where, **span))

    for _ in range(5):
        bench.clock.s += 10
        vitals.publish(bench.clock.s)
    assert points() == 0
    delays[0] = 0.0
    bench.clock.s += 10
    vitals.publish(bench.clock.s)
    assert points() == 5


def test_a_step_policy_acts_on_the_users_own_alarm(bench):
    bench.register()
    policy = bench.api.put_scaling_policy(
        {
            **TARGET,
            "PolicyName": "steps",
            "PolicyType": "StepScaling",
            "StepScalingPolicyConfiguration": {
                "AdjustmentType": "ChangeInCapacity",
                "StepAdjustments": [{"MetricIntervalLowerBound": 0.0, "ScalingAdjustment": 2}],
                "Cooldown": 60,
            },
        }
    )
    where = (("EndpointName", "e"), ("VariantName", "AllTraffic"))
    alarm = MetricAlarm(
        name="mine",
        spec=AlarmSpec(threshold=4.0, comparison=">", period_s=10, evaluation_periods=2, datapoints_to_alarm=2),
        metric=MetricStat("AWS/SageMaker", "ConcurrentRequestsPerModel", where, "Maximum", 10),
        alarm_actions=(policy["PolicyARN"],),
    )
    bench.watch.alarms.put(alarm)
    bench.load(5)
    bench.run(START_S + 120)
    assert bench.running == 3
    assert "monitor alarm mine in state ALARM triggered policy steps" in bench.activities()[-1]["Cause"]


def test_a_weighted_policy_scales_a_mixed_fleet_by_the_minute():
    bench = Bench("ml.g6.2xlarge", "ml.g5.2xlarge")
    bench.register()
    metrics = [
        {
            "Id": "preferred",
            "MetricStat": {
                "Metric": {
                    "Namespace": "AWS/SageMaker",
                    "MetricName": "ConcurrentRequestsPerModel",
                    "Dimensions": [
                        {"Name": "EndpointName", "Value": "e"},
                        {"Name": "VariantName", "Value": "AllTraffic"},
                        {"Name": "InstanceType", "Value": "ml.g6.2xlarge"},
                    ],
                },
                "Stat": "Average",
            },
            "ReturnData": False,
        },
        {"Id": "utilisation", "Expression": "MAX([FILL(preferred, 0) / 20])", "ReturnData": True},
    ]
    bench.track(0.7, CustomizedMetricSpecification={"Metrics": metrics})
    bench.load(19)
    bench.run(START_S + 400)
    assert bench.running == 2


def test_deleting_the_endpoint_takes_target_policy_and_alarms_along(bench):
    bench.register()
    names = bench.track()
    bench.fleet.delete(REGION, "e")
    bench.run(40)
    assert bench.api.describe_scalable_targets(TARGET)["ScalableTargets"] == []
    assert bench.watch.alarms.describe(names) == []


def test_a_policy_put_again_has_new_thresholds_and_two_alarms(bench):
    bench.register()
    bench.track(5.0)
    bench.track(8.0)
    found = bench.watch.alarms.describe(prefix=f"TargetTracking-{RESOURCE}")
    assert sorted(a.alarm.spec.threshold for a in found) == [7.2, 8.0]
    assert all("DO NOT EDIT OR DELETE" in a.alarm.description for a in found)


REFUSALS = [
    ("register_scalable_target", {"MinCapacity": 4, "MaxCapacity": 1}, "ValidationException", "minimum 4, maximum 1"),
    ("register_scalable_target", {"MinCapacity": 1}, "ValidationException", "required"),
    (
        "register_scalable_target",
        {"MinCapacity": 1, "MaxCapacity": 2, "ResourceId": "endpoint/none/variant/AllTraffic"},
        "ValidationException",
        "endpoint/none",
    ),
    ("register_scalable_target", {"MinCapacity": 1, "MaxCapacity": 2, "ResourceId": "e"}, "ValidationException", "e;"),
    ("deregister_scalable_target", {}, "ObjectNotFoundException", "No scalable target registered"),
    ("delete_scaling_policy", {"PolicyName": "p"}, "ObjectNotFoundException", "p"),
    ("delete_scheduled_action", {"ScheduledActionName": "a"}, "ObjectNotFoundException", "a"),
    ("describe_scaling_policies", {"NextToken": "x"}, "InvalidNextTokenException", "token"),
    (
        "put_scaling_policy",
        {"PolicyName": "p", "PolicyType": "TargetTrackingScaling", "TargetTrackingScalingPolicyConfiguration": {}},
        "ObjectNotFoundException",
        "No scalable target registered",
    ),
]


@pytest.mark.parametrize(("operation", "given", "code", "text"), REFUSALS, ids=[f"{r[0]}-{r[3]}" for r in REFUSALS])
def test_refuses_in_aws_words_what_aws_refuses(bench, operation, given, code, text):
    with pytest.raises(AwsRefusal) as refused:
        getattr(bench.api, operation)({**TARGET, **given})
    assert refused.value.code == code
    assert text in refused.value.message


@pytest.mark.parametrize(
    "config",
    [
        {"PredefinedMetricSpecification": {"PredefinedMetricType": "ECSServiceAverageCPUUtilization"}},
        {"TargetValue": 0.0},
        {"CustomizedMetricSpecification": {"Metrics": [{"Id": "a", "Expression": "b", "ReturnData": False}]}},
        {"CustomizedMetricSpecification": {"MetricName": "m"}},
    ],
    ids=["metric of another service", "target of zero", "nothing returned", "half a metric"],
)
def test_refuses_a_target_tracking_policy_that_cannot_work(bench, config):
    bench.register()
    with pytest.raises(AwsRefusal) as refused:
        bench.track(**config)
    assert refused.value.code == "ValidationException"
    assert bench.api.describe_scaling_policies(TARGET)["ScalingPolicies"] == []


def test_pages_of_activities_join_to_the_whole(bench):
    for low, high in [(2, 2), (1, 1)] * 3:
        bench.register(low=low, high=high)
        bench.run(START_S + 100)
    everything = bench.activities(IncludeNotScaledActivities=True)
    pages, token = [], None
    while True:
        given = {"ServiceNamespace": "sagemaker", "IncludeNotScaledActivities": True, "MaxResults": 4}
        page = bench.api.describe_scaling_activities({**given, **({"NextToken": token} if token else {})})
        pages += page["ScalingActivities"]
        token = page.get("NextToken")
        if token is None:
            break
    assert pages == everything
    assert len(pages) == 6
