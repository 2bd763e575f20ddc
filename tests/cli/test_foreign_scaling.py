"""Scaling as other tools set it up, on live endpoints that no workbook made: every verb knows it for what it is."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from kit import endpoints
from kit.waiting import until

from dgsm_helpers.aws.account.execution_role import execution_role_arn
from dgsm_helpers.aws.doctor.examine import RuleVerdict, examine
from dgsm_helpers.aws.endpoint import endpoint_state, pause_recipe, update
from dgsm_helpers.aws.scaling import registration, retargeting, scaling_setup, setup_calls
from dgsm_helpers.aws.scaling.policy import ScalingPolicy
from dgsm_helpers.aws.scaling.scalable_target import policies, triple
from dgsm_helpers.cli.options import NEEDS_CONFIRMATION, NO, YES
from dgsm_helpers.errors import InvalidInput, UnsupportedFeature
from dgsm_helpers.planning.calibrating import read_model
from dgsm_helpers.rules.guide import POLICY_NAME

OK, WARN, STOP, UNKNOWN = RuleVerdict.OK, RuleVerdict.WARN, RuleVerdict.STOP, RuleVerdict.UNKNOWN
OUT = {
    "AdjustmentType": "ChangeInCapacity",
    "Cooldown": 60,
    "MetricAggregationType": "Maximum",
    "StepAdjustments": [{"MetricIntervalLowerBound": 0.0, "ScalingAdjustment": 1}],
}
IN = {**OUT, "StepAdjustments": [{"MetricIntervalUpperBound": 0.0, "ScalingAdjustment": -1}]}


@pytest.fixture
def foreign(workbook):
    """A workbook on an endpoint that another tool made: one type, no tags, registered 1 to 4."""
    wb = workbook()
    name, sagemaker = wb.endpoint_name, wb.client("sagemaker")
    package = {"ModelPackageName": wb.model_package_arn}
    role = execution_role_arn(wb)
    sagemaker.create_model(ModelName=name, PrimaryContainer=package, ExecutionRoleArn=role, EnableNetworkIsolation=True)
    variant = {"ModelName": name, "InitialInstanceCount": 1, "InstanceType": "ml.g6.2xlarge"}
    sagemaker.create_endpoint_config(
        EndpointConfigName=f"{name}-cfg", ProductionVariants=[{**variant, "VariantName": "AllTraffic"}]
    )
    sagemaker.create_endpoint(EndpointName=name, EndpointConfigName=f"{name}-cfg")
    endpoints.running(wb, 1)
    wb.client("application-autoscaling").register_scalable_target(**triple(wb), MinCapacity=1, MaxCapacity=4)
    return wb


@pytest.fixture
def alarm(foreign):
    """Puts an alarm of the user's own on the endpoint's open streams; deleted afterwards."""
    cloudwatch, made = foreign.client("cloudwatch"), []

    def put(name, *actions, **changed):
        where = {"EndpointName": foreign.endpoint_name, "VariantName": "AllTraffic"}
        request = {
            "AlarmName": f"{foreign.endpoint_name}-{name}",
            "Namespace": "AWS/SageMaker",
            "MetricName": "ConcurrentRequestsPerModel",
            "Dimensions": [{"Name": key, "Value": value} for key, value in where.items()],
            "Statistic": "Maximum",
            "Period": 10,
            "EvaluationPeriods": 3,
            "Threshold": 7.0,
            "ComparisonOperator": "GreaterThanThreshold",
            "AlarmActions": list(actions),
            **changed,
        }
        cloudwatch.put_metric_alarm(**request)
        made.append(request["AlarmName"])
        return request["AlarmName"]

    yield put
    cloudwatch.delete_alarms(AlarmNames=made)


def step_policy(wb, name="out", config=OUT):
    request = {"PolicyName": name, "PolicyType": "StepScaling", "StepScalingPolicyConfiguration": config}
    return wb.client("application-autoscaling").put_scaling_policy(**triple(wb), **request)["PolicyARN"]


def tracking(wb, name, metric, value):
    config = {"TargetValue": value, "PredefinedMetricSpecification": {"PredefinedMetricType": metric}}
    request = {"PolicyType": "TargetTrackingScaling", "TargetTrackingScalingPolicyConfiguration": config}
    wb.client("application-autoscaling").put_scaling_policy(**triple(wb), PolicyName=name, **request)


def two_policies(wb):
    tracking(wb, "tt", "SageMakerVariantConcurrentRequestsPerModelHighResolution", 7.0)
    tracking(wb, "by-invocation", "SageMakerVariantInvocationsPerInstance", 70.0)


def test_a_foreign_step_policy_that_no_alarm_names_is_not_taken_for_scaling(foreign):
    step_policy(foreign)
    found = examine(foreign)
    assert (found["alarms-exist"].verdict, "nothing triggers out" in found["alarms-exist"].evidence) == (STOP, True)
    assert (found["scale-in-allowed"].verdict, "nothing scales in" in found["scale-in-allowed"].evidence) == (
        WARN,
        True,
    )
    judged = ("policy-metric", "alarms-untouched", "alarms-have-data", "target-below-knee", "max-covers-peak")
    assert {found[rule].verdict for rule in judged} == {UNKNOWN}


def test_a_foreign_pair_of_step_policies_with_their_alarms_is_seen_whole(foreign, alarm):
    loud = alarm("loud", step_policy(foreign))
    quiet = alarm("quiet", step_policy(foreign, "in", IN), ComparisonOperator="LessThanThreshold", Threshold=1.0)
    assert {p.name: p.alarm_names for p in policies(foreign)} == {"out": (loud,), "in": (quiet,)}
    found = examine(foreign)
    assert (found["alarms-exist"].verdict, loud in found["alarms-exist"].evidence) == (OK, True)
    assert (found["scale-in-allowed"].verdict, found["scale-in-allowed"].evidence) == (OK, "in scales in")
    assert found["policy-metric"].verdict is OK
    assert found["alarms-untouched"].verdict is UNKNOWN


def test_a_foreign_alarm_with_its_actions_off_triggers_nothing(foreign, alarm):
    alarm("loud", step_policy(foreign), ActionsEnabled=False)
    assert examine(foreign)["alarms-exist"].verdict is STOP


def test_of_two_foreign_policies_the_silent_one_is_named_as_what_holds_scale_in(foreign):
    two_policies(foreign)

    def looked():
        finding = examine(foreign)["alarms-have-data"]
        return finding if "tt still scales out" in finding.evidence else None

    finding = until(looked, "the concurrency alarm has data", every_s=0.3)
    assert finding.verdict is WARN
    assert "the alarms of by-invocation are in INSUFFICIENT_DATA" in finding.evidence
    assert "scale-in is held by by-invocation" in finding.evidence or "settling" in finding.evidence


def test_the_scaling_model_is_read_from_the_foreign_policy_on_streams_alone(foreign):
    two_policies(foreign)
    assert read_model(foreign).model.low_factor == pytest.approx(0.9)


def test_foreign_scheduled_actions_alone_are_not_taken_for_a_policy(foreign):
    foreign.client("application-autoscaling").put_scheduled_action(
        **triple(foreign),
        ScheduledActionName="night",
        Schedule="cron(0 22 * * ? *)",
        ScalableTargetAction={"MinCapacity": 1, "MaxCapacity": 1},
    )
    finding = examine(foreign)["policy-applied"]
    assert (finding.verdict, "only scheduled actions (night)" in finding.evidence) == (WARN, True)


def test_the_target_goes_to_the_foreign_policy_that_follows_streams_and_none_is_put_beside_it(foreign):
    two_policies(foreign)
    retargeted = retargeting.retarget(foreign, 9.0)
    assert (retargeted.policy.name, retargeted.former_value) == ("tt", 7.0)
    assert {p.name: p.configuration["TargetValue"] for p in policies(foreign)} == {"tt": 9.0, "by-invocation": 70.0}
    with pytest.raises(InvalidInput, match=r"policy 'tt' of the variant follows the same metric.*name=\"tt\""):
        registration.apply(foreign, ScalingPolicy(name="mine", target_value=5))


def test_a_foreign_step_policy_of_the_workbooks_name_is_in_the_way_and_said_to_be(foreign):
    step_policy(foreign, POLICY_NAME)
    for refused in (lambda: retargeting.retarget(foreign, 9.0), lambda: registration.apply(foreign)):
        with pytest.raises(InvalidInput, match="is a StepScaling policy"):
            refused()


def test_an_update_gives_the_foreign_alarm_the_policys_new_arn(run, foreign, alarm):
    topic = "arn:aws:sns:us-east-1:123456789012:pager"
    former = step_policy(foreign)
    name = alarm("loud", former, topic, OKActions=[topic])
    words = ("--instance-type", "ml.g5.2xlarge", "--single-type-reason", "a test")
    updated = run("update", foreign.endpoint_name, *words)
    assert (updated.exit_code, f"alarm {name}" in updated.stdout) == (YES, True), updated.stderr
    (policy,) = policies(foreign)
    assert policy.arn != former
    assert policy.alarm_names == (name,)
    (described,) = foreign.client("cloudwatch").describe_alarms(AlarmNames=[name])["MetricAlarms"]
    assert (described["AlarmActions"], described["OKActions"]) == ([policy.arn, topic], [topic])


def test_an_update_after_one_in_steps_says_that_this_one_is_not(foreign):
    state = endpoint_state.status(foreign)
    routing = {"Type": "CANARY", "CanarySize": {"Type": "INSTANCE_COUNT", "Value": 1}, "WaitIntervalInSeconds": 60}
    how = {
        "canary": {"BlueGreenUpdatePolicy": {"TrafficRoutingConfiguration": routing}},
        "rolling": {"RollingUpdatePolicy": {}},
        "at once": {"BlueGreenUpdatePolicy": {"TrafficRoutingConfiguration": {**routing, "Type": "ALL_AT_ONCE"}}},
        "none": {},
    }
    told = {
        name: any("went in steps" in w for w in update.warnings(foreign, replace(state, last_deployment=last), ()))
        for name, last in how.items()
    }
    assert told == {"canary": True, "rolling": True, "at once": False, "none": False}


def test_a_set_up_holds_the_foreign_alarms_and_a_fixed_schedule_cannot_tell_them_the_new_arn(foreign, alarm):
    name = alarm("loud", step_policy(foreign))
    setup = scaling_setup.read(foreign)
    (policy,) = setup.of("PutScalingPolicy")
    (held,) = setup.alarms
    assert (held.operation, held.request["AlarmName"]) == ("PutMetricAlarm", name)
    assert held.request["AlarmActions"] == [setup_calls.policy_mark(policy)]
    assert not setup.notes, "nothing is left out"
    with pytest.raises(UnsupportedFeature, match=name):
        pause_recipe.recipe(foreign, pause_at="20:00", resume_at="06:00")


def test_clean_up_leaves_a_foreign_endpoint_alone_and_says_that_it_bills(run, foreign):
    name = foreign.endpoint_name
    for words in ((), ("--yes",)):
        answer = run("clean-up", name, *words)
        assert answer.exit_code == NO
        assert f"Still bills in {foreign.region}: endpoint {name}, InService, 1 of 1 instances" in answer.stdout
        assert "Nothing" not in answer.stdout
    assert endpoint_state.status(foreign).status == "InService"
    billable = json.loads(run("clean-up", name, "--json").stdout)["billable"]
    assert [(item["kind"], item["ours"]) for item in billable] == [("endpoint", False)]


def test_a_foreign_alarm_that_outlives_the_endpoint_is_said_to_bill(run, foreign, alarm):
    name = alarm("loud", step_policy(foreign))
    sagemaker = foreign.client("sagemaker")
    arn = endpoint_state.status(foreign).arn
    sagemaker.add_tags(ResourceArn=arn, Tags=list(foreign.tags))
    assert run("clean-up", foreign.endpoint_name).exit_code == NEEDS_CONFIRMATION
    deleted = run("clean-up", foreign.endpoint_name, "--yes")
    assert (deleted.exit_code, endpoint_state.find(foreign)) == (NO, None)
    assert f"Still bills in {foreign.region}: alarm {name}, triggers policy" in deleted.stdout
    foreign.client("cloudwatch").delete_alarms(AlarmNames=[name])
    again = run("clean-up", foreign.endpoint_name, "--yes")
    assert again.exit_code == YES
    assert f"Nothing of {foreign.endpoint_name} bills in {foreign.region}." in again.stdout


def test_a_foreign_endpoint_without_its_config_is_still_cleaned_up_around(run, foreign):
    foreign.client("sagemaker").delete_endpoint_config(EndpointConfigName=f"{foreign.endpoint_name}-cfg")
    doctor = json.loads(run("doctor", foreign.endpoint_name, "--json").stdout)["findings"]
    assert (doctor[0]["rule"], doctor[0]["verdict"]) == ("endpoint-kind", "STOP")
    assert run("clean-up", foreign.endpoint_name).exit_code == NO
