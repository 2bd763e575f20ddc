"""Policies as other tools make them: step scaling by alarms of the user's own, several policies on one target."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from kit.scaling_bench import REGION, RESOURCE, START_S, TARGET, Bench

from dgsm_helpers.rules.alarms import AlarmSpec
from dgsm_helpers.rules.policies import StepAdjustment, StepScaling
from embedded_aws.cloudwatch.metric_alarm import MetricAlarm
from embedded_aws.cloudwatch.queries import MetricStat
from embedded_aws.gateway.refusal import AwsRefusal

WHERE = (("EndpointName", "e"), ("VariantName", "AllTraffic"))
INVOCATIONS = {"PredefinedMetricType": "SageMakerVariantInvocationsPerInstance"}


@pytest.fixture
def bench():
    made = Bench()
    made.register()
    return made


def steps(bench, *adjustments, name="steps", resource_id=RESOURCE, **config):
    """The ARN of a step policy: each adjustment is (lower, upper, change)."""
    members = ("MetricIntervalLowerBound", "MetricIntervalUpperBound", "ScalingAdjustment")
    listed = [{m: v for m, v in zip(members, one, strict=True) if v is not None} for one in adjustments]
    body = {"AdjustmentType": "ChangeInCapacity", "Cooldown": 60, "StepAdjustments": listed, **config}
    request = {"PolicyName": name, "PolicyType": "StepScaling", "StepScalingPolicyConfiguration": body}
    return bench.api.put_scaling_policy({**TARGET, "ResourceId": resource_id, **request})["PolicyARN"]


def watch(bench, name, *policies, threshold=4.0, comparison=">", periods=2, **actions):
    """An alarm of the user's own, by default with the policies as its alarm actions."""
    spec = AlarmSpec(
        threshold=threshold,
        comparison=comparison,
        period_s=10,
        evaluation_periods=periods,
        datapoints_to_alarm=periods,
    )
    metric = MetricStat("AWS/SageMaker", "ConcurrentRequestsPerModel", WHERE, "Maximum", 10)
    bench.watch.alarms.put(MetricAlarm(name=name, spec=spec, metric=metric, **(actions or {"alarm_actions": policies})))


def listed(bench, name="steps"):
    rows = bench.api.describe_scaling_policies({"ServiceNamespace": "sagemaker"})["ScalingPolicies"]
    return [a["AlarmName"] for row in rows if row["PolicyName"] == name for a in row["Alarms"]]


def test_a_step_policy_lists_the_alarms_that_hold_its_arn_while_they_do(bench):
    arn = steps(bench, (0.0, None, 1))
    assert listed(bench) == []
    watch(bench, "loud", arn)
    watch(bench, "when-quiet", ok_actions=(arn,))
    watch(bench, "of-others", "arn:aws:sns:us-east-1:123456789012:topic")
    assert listed(bench) == ["loud", "when-quiet"]
    (row,) = bench.api.describe_scaling_policies(TARGET)["ScalingPolicies"]
    assert row["Alarms"][0]["AlarmARN"] == "arn:aws:cloudwatch:us-east-1:123456789012:alarm:loud"
    bench.watch.alarms.delete(["loud"])
    assert listed(bench) == ["when-quiet"]


def test_a_step_policy_survives_the_alarm_and_the_alarm_the_step_policy(bench):
    watch(bench, "loud", steps(bench, (0.0, None, 1)))
    bench.api.delete_scaling_policy({**TARGET, "PolicyName": "steps"})
    assert [a.alarm.name for a in bench.watch.alarms.describe(["loud"])] == ["loud"]


def test_every_alarm_of_a_step_policy_triggers_it_whatever_its_name(bench):
    arn = steps(bench, (0.0, None, 2))
    watch(bench, "a-quiet", arn, threshold=1000.0)
    watch(bench, "b-loud", arn)
    bench.load(6)
    bench.run(START_S + 120)
    assert bench.running == 3
    assert "monitor alarm b-loud in state ALARM triggered policy steps" in bench.activities()[-1]["Cause"]


def test_an_alarm_whose_actions_are_switched_off_triggers_nothing(bench):
    arn = steps(bench, (0.0, None, 2))
    watch(bench, "switched-off", alarm_actions=(arn,), actions_enabled=False)
    bench.load(6)
    bench.run(START_S + 120)
    assert (bench.running, bench.activities()) == (1, [])


def test_a_policy_that_cannot_be_carried_out_stops_no_other_target_and_is_logged_once(caplog):
    bench = Bench()
    bench.begin(endpoint="broken")
    bench.run(START_S + 20)
    broken = "endpoint/broken/variant/AllTraffic"
    bench.register(ResourceId=broken)
    bench.register()
    watch(bench, "of-the-first", steps(bench, (0.0, None, 1), resource_id=broken))
    watch(bench, "of-the-second", steps(bench, (0.0, None, 1)))
    bench.api.state.policies[broken, "steps"].rule = lambda **_: 1 / 0
    bench.load(6)
    bench.run(START_S + 120)
    assert bench.running > 1
    [logged] = caplog.records
    assert broken in logged.getMessage()


@pytest.mark.parametrize("without", ["enabled actions", "the policy among them", "the alarm"])
def test_target_tracking_is_triggered_through_the_actions_of_its_alarms_alone(bench, without):
    alarms, names = bench.watch.alarms, bench.track(5.0)
    high, low = (alarms.get(name).alarm for name in names)

    def taken(alarm):
        match without:
            case "enabled actions":
                alarms.enable_actions([alarm.name], False)
            case "the policy among them":
                alarms.put(replace(alarm, alarm_actions=()))
            case "the alarm":
                alarms.delete([alarm.name])

    def given_back(alarm):
        alarms.put(alarm)
        alarms.enable_actions([alarm.name], True)

    taken(high)
    bench.load(13)
    bench.run(START_S + 120)
    assert (bench.running, bench.activities()) == (1, [])
    assert not any("executed action" in item.summary for item in alarms.history(high.name))
    given_back(high)
    bench.run(START_S + 120)
    assert bench.running == 3
    taken(high)
    taken(low)
    bench.load(0)
    bench.run(1500)
    assert bench.running == 3
    given_back(low)
    bench.run(1500)
    assert bench.running == 1, "AlarmLow acts whatever became of AlarmHigh"


def test_one_alarm_scales_out_when_it_fires_and_in_when_it_is_ok_again(bench):
    out = steps(bench, (0.0, None, 2), name="out")
    inwards = steps(bench, (None, 0.0, -1), name="in")
    watch(bench, "loud", alarm_actions=(out,), ok_actions=(inwards,))
    bench.load(6)
    bench.run(START_S + 120)
    assert bench.running > 1
    bench.load(0)
    bench.run(4 * START_S)
    assert bench.running == 1
    assert "monitor alarm loud in state OK triggered policy in" in bench.activities()[0]["Cause"]


def test_missing_data_say_nothing_to_a_policy_that_they_are_an_action_of(bench):
    arn = steps(bench, (0.0, None, 2), (None, 0.0, 2))
    watch(bench, "blind", insufficient_data_actions=(arn,), threshold=4.0)
    spec = AlarmSpec(threshold=4.0, comparison=">", period_s=10, evaluation_periods=1, datapoints_to_alarm=1)
    nowhere = MetricStat("AWS/SageMaker", "NoSuchMetric", WHERE, "Maximum", 10)
    bench.watch.alarms.put(
        MetricAlarm(name="never", spec=spec, metric=nowhere, insufficient_data_actions=(arn,), alarm_actions=())
    )
    bench.run(300)
    assert bench.activities() == []


@pytest.mark.parametrize(
    ("distance", "comparison", "capacity"),
    [
        (0.0, ">=", 5),
        (0.0, ">", 1),
        (0.0, "<", 5),
        (0.0, "<=", 1),
        (10.0, ">", 7),
        (9.99, ">", 5),
        (-10.0, "<", None),
        (-9.99, "<", 1),
    ],
)
def test_the_threshold_and_the_ends_of_steps_belong_to_one_side_each(distance, comparison, capacity):
    spec = AlarmSpec(threshold=100, comparison=comparison, period_s=60, evaluation_periods=1, datapoints_to_alarm=1)
    policy = StepScaling(
        name="s",
        alarm=spec,
        steps=(
            StepAdjustment(adjustment=3, lower=0.0, upper=10.0),
            StepAdjustment(adjustment=5, lower=10.0),
            StepAdjustment(adjustment=-1, lower=-10.0, upper=0.0),
        ),
    )
    assert policy.capacity_for(100 + distance, 2) == capacity


def rehearse(bench, name, *recent, state="ALARM"):
    """SetAlarmState, with data when datapoints are given."""
    data = {"version": "1.0", "recentDatapoints": list(recent), "threshold": 4.0}
    told = {"StateReasonData": json.dumps(data)} if recent else {}
    request = {"AlarmName": name, "StateValue": state, "StateReason": "rehearsal", **told}
    bench.cloudwatch(REGION).set_alarm_state(request)


def test_a_state_set_with_data_triggers_the_policy_on_them(bench):
    watch(bench, "loud", steps(bench, (0.0, 10.0, 1), (10.0, None, 2)))
    bench.run(60)
    rehearse(bench, "loud", 50.0)
    bench.run(START_S + 60)
    assert bench.running == 3
    [activity] = bench.activities()
    assert "monitor alarm loud in state ALARM triggered policy steps" in activity["Cause"]


def test_a_state_set_without_data_triggers_nothing(bench):
    watch(bench, "loud", steps(bench, (0.0, None, 1)))
    bench.run(60)
    rehearse(bench, "loud")
    bench.run(120)
    assert bench.activities() == []


def test_the_alarms_of_target_tracking_are_rehearsed_both_ways(bench):
    high, low = bench.track(5.0)
    bench.run(60)
    rehearse(bench, high, 12.0, 12.0, 12.0)
    bench.run(START_S + 60)
    assert bench.running == 3
    rehearse(bench, low, 0.5)
    bench.run(60)
    assert bench.running == 1
    assert len(bench.activities()) == 2, "each rehearsal acts once"


def test_a_step_that_is_met_once_the_alarm_is_set_to_ok(bench):
    watch(bench, "loud", ok_actions=(steps(bench, (None, 0.0, 1)),), threshold=4.0)
    bench.load(6)
    bench.run(60)
    rehearse(bench, "loud", 1.0, state="OK")
    bench.run(START_S + 30)
    assert bench.running == 2


@pytest.mark.parametrize(("aggregation", "running"), [("Maximum", 4), ("Average", 2), ("Minimum", 2), (None, 2)])
def test_steps_are_judged_on_the_datapoints_by_their_aggregation_type(bench, aggregation, running):
    config = {"MetricAggregationType": aggregation} if aggregation else {}
    # One of three datapoints is 10 above the threshold of 4, each is above it: by mean and least it is one step.
    watch(bench, "loud", steps(bench, (0.0, 10.0, 1), (10.0, None, 3), **config), periods=3)
    for streams in (5, 15, 5) * 6:
        bench.load(streams)
        bench.run(10)
    assert bench.activities()[-1]["Description"] == f"Setting desired instance count to {running}."


def test_a_pair_of_step_policies_scales_out_and_in_again(bench):
    watch(bench, "loud", steps(bench, (0.0, None, 1), name="out"))
    watch(bench, "quiet", steps(bench, (None, 0.0, -1), name="in"), threshold=1.0, comparison="<", periods=3)
    bench.load(6)
    bench.run(START_S + 60)
    assert bench.running > 1
    bench.load(0)
    bench.run(3 * START_S)
    assert bench.running == 1


def test_a_policy_without_data_holds_the_scale_in_of_another_and_lets_it_scale_out(bench):
    bench.track(5.0)
    bench.track(70.0, "by-invocation", PredefinedMetricSpecification=INVOCATIONS)
    bench.load(13)
    bench.run(START_S + 200)
    assert bench.running == 3
    bench.load(0)
    bench.run(3600)
    assert bench.running == 3
    bench.api.delete_scaling_policy({**TARGET, "PolicyName": "by-invocation"})
    bench.run(1800)
    assert bench.running == 1


@pytest.mark.parametrize(
    ("adjustments", "config", "said"),
    [
        ([], {}, "at least one"),
        ([(None, None, 1)], {}, "Both lower and upper bounds of a step adjustment cannot be left unspecified"),
        ([(0.0, 10.0, 1), (5.0, None, 2)], {}, "overlap"),
        ([(0.0, 10.0, 1), (20.0, None, 2)], {}, "gap"),
        ([(None, 0.0, 1), (None, 10.0, 2)], {}, "overlap"),
        ([(-10.0, 0.0, -1)], {}, "unspecified lower bound"),
        ([(0.0, 10.0, 1)], {}, "unspecified upper bound"),
        ([(10.0, 10.0, 1)], {}, "greater than its lower bound"),
        ([(0.0, None, 1)], {"AdjustmentType": None}, "AdjustmentType is required"),
        ([(0.0, None, -1)], {"AdjustmentType": "ExactCapacity"}, "must not be negative"),
        ([*((float(n), float(n + 1), 1) for n in range(20)), (20.0, None, 1)], {}, "at most 20"),
        ([(0.0, None, 1)], {"Cooldown": -5}, "Cooldown must not be negative: -5"),
        ([(0.0, None, 1)], {"MinAdjustmentMagnitude": -1}, "MinAdjustmentMagnitude must not be negative: -1"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_step_adjustments_that_aws_refuses_are_refused_and_nothing_is_kept(bench, adjustments, config, said):
    with pytest.raises(AwsRefusal, match=said):
        steps(bench, *adjustments, **config)
    assert bench.api.describe_scaling_policies(TARGET)["ScalingPolicies"] == []


@pytest.mark.parametrize("adjustments", [[(None, 0.0, -1), (0.0, None, 1)], [(5.0, None, 1)], [(None, -5.0, -1)]])
def test_step_adjustments_that_aws_takes_are_taken(bench, adjustments):
    steps(bench, *adjustments)
    assert listed(bench) == []


def test_policies_come_ten_at_a_time(bench):
    for number in range(12):
        steps(bench, (0.0, None, 1), name=f"p{number}")
    first = bench.api.describe_scaling_policies(TARGET)
    rest = bench.api.describe_scaling_policies({**TARGET, "NextToken": first["NextToken"]})
    assert (len(first["ScalingPolicies"]), len(rest["ScalingPolicies"])) == (10, 2)
    with pytest.raises(AwsRefusal, match="between 1 and 10"):
        bench.api.describe_scaling_policies({**TARGET, "MaxResults": 11})


def test_a_second_policy_on_the_same_customized_metric_is_refused(bench):
    custom = {"MetricName": "Mine", "Namespace": "Own", "Statistic": "Average"}
    bench.track(5.0, "one", CustomizedMetricSpecification=custom)
    bench.track(5.0, "other", CustomizedMetricSpecification={**custom, "MetricName": "Yours"})
    with pytest.raises(AwsRefusal, match="Only one TargetTrackingScaling policy for a given metric"):
        bench.track(7.0, "two", CustomizedMetricSpecification=custom)
    pairs = [{"Name": "EndpointName", "Value": "e"}, {"Name": "VariantName", "Value": "AllTraffic"}]
    bench.track(5.0, "of-e", CustomizedMetricSpecification={**custom, "Dimensions": pairs})
    with pytest.raises(AwsRefusal, match="Only one TargetTrackingScaling policy for a given metric"):
        bench.track(7.0, "of-e-again", CustomizedMetricSpecification={**custom, "Dimensions": pairs[::-1]})
