"""Registering, applying, verifying, suspending and removing, on the embedded AWS."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys

import pytest
from kit import endpoints
from kit.waiting import until

from dgsm_helpers.aws.endpoint import deployment, deployment_plan
from dgsm_helpers.aws.scaling import registration, scalable_target, suspending
from dgsm_helpers.aws.scaling.policy import ScalingPolicy, cli_commands
from dgsm_helpers.aws.scaling.scalable_target import Suspension
from dgsm_helpers.aws.watch import observe
from dgsm_helpers.errors import InvalidInput, NotFound, NotReady, SpendNotConfirmed, UnsupportedFeature


def test_guides_settings_are_read_back_as_they_were_put(scaled):
    state = registration.verify(scaled, ScalingPolicy(), min_capacity=1, max_capacity=4)
    assert state.ok, state.problems
    assert state.target.resource_id == f"endpoint/{scaled.endpoint_name}/variant/AllTraffic"
    assert [policy.name for policy in state.policies] == ["deepgram-streaming-concurrency-policy"]
    high, low = state.alarms
    assert (high.side, high.threshold, high.period_s, high.datapoints_to_alarm) == ("high", 5.0, 10, 3)
    assert (low.side, low.threshold, low.datapoints_to_alarm) == ("low", 4.5, 90)
    assert high.statistic in ("Average", "Maximum")


def test_registering_again_changes_the_bounds_and_keeps_the_policy(scaled):
    again = registration.register(scaled, 1, 8)
    assert not again.created
    assert registration.verify(scaled, max_capacity=8).ok


def test_applying_another_target_changes_the_alarms(scaled):
    registration.apply(scaled, ScalingPolicy(target_value=7.5))
    state = registration.verify(scaled, ScalingPolicy(target_value=7.5))
    assert state.ok, state.problems
    assert {alarm.threshold for alarm in state.alarms} == {7.5, 6.75}


def test_what_differs_is_said(scaled):
    state = registration.verify(scaled, ScalingPolicy(target_value=9.0), max_capacity=6)
    assert not state.ok
    text = "\n".join(state.problems)
    assert "TargetValue of policy deepgram-streaming-concurrency-policy is 5.0, not 9.0" in text
    assert "max capacity is 4, not 6" in text


def test_deleted_alarm_is_noticed(scaled):
    name = registration.verify(scaled).alarms[1].name
    scaled.client("cloudwatch").delete_alarms(AlarmNames=[name])
    assert any(name in problem for problem in registration.verify(scaled).problems)
    registration.apply(scaled)
    assert registration.verify(scaled).ok


def test_nothing_registered_is_said(deployed):
    state = registration.verify(deployed)
    assert not state.ok
    assert "not registered" in state.problems[0]


def test_suspension_is_restored_even_after_an_error(scaled):
    suspending.resume_scaling(scaled, Suspension(scale_in=True))
    with pytest.raises(RuntimeError), suspending.suspended(scaled) as before:
        assert before == Suspension(scale_in=True)
        held = scalable_target.target(scaled)
        assert held.suspension == Suspension(scale_in=True, scale_out=True, scheduled=True)
        raise RuntimeError
    held = scalable_target.target(scaled)
    assert held.suspension == Suspension(scale_in=True)
    assert any("Scale-in is suspended" in problem for problem in registration.verify(scaled).problems)
    suspending.resume_scaling(scaled)
    assert registration.verify(scaled).ok


def test_suspending_keeps_the_bounds(scaled):
    with suspending.suspended(scaled):
        pass
    held = scalable_target.target(scaled)
    assert (held.min_capacity, held.max_capacity) == (1, 4)


def test_removal_takes_everything_and_may_be_repeated(scaled):
    alarms = [alarm.name for alarm in registration.verify(scaled).alarms]
    assert registration.remove(scaled) == (
        "policy deepgram-streaming-concurrency-policy",
        f"scalable target {scaled.resource_id}",
    )
    assert registration.remove(scaled) == ()
    assert scaled.client("cloudwatch").describe_alarms(AlarmNames=alarms)["MetricAlarms"] == []


@pytest.mark.parametrize(
    ("bounds", "kind", "text"),
    [
        ((0, 4), UnsupportedFeature, "cannot scale to zero"),
        ((5, 4), InvalidInput, "min_capacity 5 is above max_capacity 4"),
    ],
)
def test_impossible_bounds_are_refused(deployed, bounds, kind, text):
    with pytest.raises(kind, match=text):
        registration.register(deployed, *bounds)
    assert scalable_target.target(deployed) is None


def test_bounds_above_the_quota_are_warned_about(deployed, operator):
    operator.quota(deployed, "ml.g5.2xlarge", 2)
    fresh = dataclasses.replace(deployed, readings={})  # a workbook that has not read quotas yet
    made = registration.register(fresh, 1, 4)
    assert any("above the quota of ml.g5.2xlarge (2)" in warning for warning in made.warnings)
    assert "ml.g5.2xlarge" in made._repr_html_()
    registration.remove(deployed)


def test_missing_endpoint_variant_or_registration_is_not_found(workbook, deployed):
    with pytest.raises(NotFound):
        registration.register(workbook())
    with pytest.raises(NotFound, match=r"has no variant 'Other' \(it has: AllTraffic\)"):
        registration.register(dataclasses.replace(deployed, variant_name="Other"))
    with pytest.raises(NotFound, match=r"register\.register"):
        registration.apply(deployed)
    with pytest.raises(NotFound), suspending.suspended(deployed):
        pytest.fail("there is nothing to suspend")


def test_endpoint_still_creating_is_not_ready(workbook, operator):
    wb = workbook()
    plan = deployment_plan.plan(wb, provision_timeout_s=endpoints.PATIENT_S)
    operator.hold_starts()
    with pytest.raises(NotReady):
        deployment.deploy(wb, plan, timeout_s=1)
    with pytest.raises(NotReady, match="is Creating"):
        registration.register(wb)
    operator.undo()
    deployment.deploy(wb, plan)


def in_service(s):
    """The script answers for an endpoint of one instance."""
    variant = {"VariantName": "AllTraffic", "CurrentInstanceCount": 1, "DesiredInstanceCount": 1}
    arn = "arn:aws:sagemaker:us-east-1:123456789012:endpoint/dg"
    now = s.wb.now()
    described = {
        "EndpointName": "dg",
        "EndpointArn": arn,
        "EndpointConfigName": "c",
        "EndpointStatus": "InService",
        "CreationTime": now,
        "LastModifiedTime": now,
        "ProductionVariants": [variant],
    }
    s.answers("sagemaker", "describe_endpoint", described)
    config = {
        "EndpointConfigName": "c",
        "EndpointConfigArn": arn,
        "CreationTime": now,
        "ProductionVariants": [{"VariantName": "AllTraffic", "ModelName": "m", "InstanceType": "ml.g6.2xlarge"}],
    }
    s.answers("sagemaker", "describe_endpoint_config", config)


def test_bounds_need_confirmed_spending(scripted):
    s = scripted(confirm_spend=False)
    in_service(s)
    s.prices(1.5)
    with pytest.raises(SpendNotConfirmed, match=r"\$6\.00 per hour"):
        registration.register(s.wb, 1, 4)


def test_registering_without_the_right_to_tag_goes_on_without_tags(scripted):
    s = scripted()
    in_service(s)
    s.answers("application-autoscaling", "describe_scalable_targets", {"ScalableTargets": []})
    message = "User: x is not authorized to perform: application-autoscaling:TagResource on resource: y"
    s.refuses("application-autoscaling", "register_scalable_target", "AccessDeniedException", message)
    on = {
        "ServiceNamespace": "sagemaker",
        "ResourceId": "endpoint/dg/variant/AllTraffic",
        "ScalableDimension": "sagemaker:variant:DesiredInstanceCount",
    }
    bare = {**on, "MinCapacity": 1, "MaxCapacity": 4}
    s.answers("application-autoscaling", "register_scalable_target", {}, bare)
    s.refuses("service-quotas", "list_service_quotas", "AccessDeniedException", "no")
    assert any("carries no tags" in warning for warning in registration.register(s.wb, 1, 4).warnings)


def test_printed_commands_do_the_same_as_the_calls(deployed, embedded, tmp_path):
    ScalingPolicy().write_json(tmp_path / "scaling-policy.json")
    for block in cli_commands(deployed).strip().split("\n\n"):
        command = block.replace("aws ", f"{sys.executable} -m awscli ", 1)
        done = subprocess.run(
            command,
            shell=True,
            env=embedded.env,
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
    assert isinstance(json.loads(done.stdout)["ScalingActivities"], list)
    state = registration.verify(deployed, ScalingPolicy(), min_capacity=1, max_capacity=4)
    assert state.ok, state.problems
    registration.remove(deployed)


def test_raised_minimum_scales_out_at_once_and_is_in_the_activities(workbook):
    wb = endpoints.deployed(workbook())
    registration.register(wb, 2, 4)
    endpoints.running(wb, 2)
    until(lambda: observe.activities(wb)["status"].tolist() == ["Successful"], "the activity has succeeded")
    activities = observe.activities(wb)
    assert activities["desired_instances"].tolist() == [2]
    assert activities["trigger"].tolist() == ["bounds"]
    frame = observe.instances(wb)
    assert frame["desired_instances"].tolist()[0] == 1
    assert frame["running_instances"].tolist()[-1] == 2
    registration.remove(wb)
