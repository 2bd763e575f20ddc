"""What Application Auto Scaling refuses, and what goes when its endpoint goes.

Every refusal is followed by a look at what was left: nothing may be half-made.
"""

from __future__ import annotations

from typing import Any

import pytest
from kit.client_setup import NAMESPACE, POLICY, Scaling, make_endpoint, refused, wait_until_in_service
from kit.waiting import until


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"MinCapacity": 5, "MaxCapacity": 4}, "capacity"),
        ({"MinCapacity": -1, "MaxCapacity": 4}, "-1"),
        ({"MinCapacity": 1}, "MaxCapacity"),
        ({}, "MinCapacity"),
        (
            {"MinCapacity": 1, "MaxCapacity": 4, "ResourceId": "endpoint/no-such-thing/variant/AllTraffic"},
            "no-such-thing",
        ),
        ({"MinCapacity": 1, "MaxCapacity": 4, "ResourceId": "no-such-shape"}, "no-such-shape"),
        ({"MinCapacity": 1, "MaxCapacity": 4, "ScalableDimension": "ecs:service:DesiredCount"}, "ecs:service"),
    ],
    ids=["min-over-max", "min-below-0", "no-max", "no-bounds", "no-endpoint", "no-resource-id", "other-dimension"],
)
def test_a_target_that_cannot_be_is_not_registered(scaling, given, words):
    assert words in refused(scaling.client.register_scalable_target, **{**scaling.target, **given})
    assert scaling.targets() == []


def test_bounds_that_would_cross_leave_the_target_as_it_was(scaling):
    scaling.register(1, 3)
    refused(scaling.client.register_scalable_target, **scaling.target, MinCapacity=4)
    assert [(t["MinCapacity"], t["MaxCapacity"]) for t in scaling.targets()] == [(1, 3)]


def test_a_policy_needs_its_target_first(scaling):
    message = refused(scaling.client.put_scaling_policy, code="ObjectNotFoundException", **scaling.policy_request())
    assert message == (
        f"No scalable target registered for service namespace: sagemaker, resource ID: {scaling.resource_id}, "
        "scalable dimension: sagemaker:variant:DesiredInstanceCount"
    )
    assert scaling.policies() == {}


@pytest.mark.parametrize(
    "operation", ["deregister_scalable_target", "delete_scaling_policy", "delete_scheduled_action"]
)
def test_what_was_never_made_cannot_be_taken_away(scaling, operation):
    more = {"delete_scaling_policy": {"PolicyName": "p"}, "delete_scheduled_action": {"ScheduledActionName": "a"}}
    call = getattr(scaling.client, operation)
    refused(call, code="ObjectNotFoundException", **scaling.target, **more.get(operation, {}))


def _metric(**changes: Any) -> dict:
    metric = {"Namespace": "AWS/SageMaker", "MetricName": "ConcurrentRequestsPerModel"}
    return {"Id": "a", "MetricStat": {"Metric": metric, "Stat": "Average"}, "ReturnData": False, **changes}


def _expression(text: str, **changes: Any) -> dict:
    return {"Id": "x", "Expression": text, "ReturnData": True, **changes}


@pytest.mark.parametrize(
    ("configuration", "words"),
    [
        ({**POLICY, "TargetValue": 0.0}, "TargetValue"),
        ({**POLICY, "ScaleInCooldown": -1}, "ScaleInCooldown"),
        ({**POLICY, "PredefinedMetricSpecification": {"PredefinedMetricType": "Bogus"}}, "predefinedMetricType"),
        (
            {**POLICY, "PredefinedMetricSpecification": {"PredefinedMetricType": "ECSServiceAverageCPUUtilization"}},
            "ECSServiceAverageCPUUtilization",
        ),
        ({"TargetValue": 5.0}, "MetricSpecification"),
        ({"TargetValue": 1.0, "CustomizedMetricSpecification": {"Metrics": [_metric(), _expression("a/")]}}, "a/"),
        ({"TargetValue": 1.0, "CustomizedMetricSpecification": {"Metrics": [_metric(), _expression("b*2")]}}, "b"),
        (
            {"TargetValue": 1.0, "CustomizedMetricSpecification": {"Metrics": [_metric(), _expression("[a]")]}},
            "a single time series",
        ),
        (
            {
                "TargetValue": 1.0,
                "CustomizedMetricSpecification": {"Metrics": [_metric(ReturnData=True), _expression("a*2")]},
            },
            "return data",
        ),
    ],
    ids=[
        "target-0",
        "negative-cooldown",
        "unknown-metric-type",
        "other-services-metric-type",
        "no-metric",
        "broken-expression",
        "unknown-id",
        "an-array",
        "two-results",
    ],
)
def test_a_policy_that_cannot_be_leaves_the_former_one_and_its_alarms(boto, scaling, configuration, words):
    scaling.register(1, 4)
    scaling.client.put_scaling_policy(**scaling.policy_request())
    before = scaling.policies()
    assert words in refused(scaling.client.put_scaling_policy, **scaling.policy_request("p", **configuration))
    assert words in refused(scaling.client.put_scaling_policy, **scaling.policy_request("another", **configuration))
    assert scaling.policies() == before
    names = [alarm["AlarmName"] for alarm in before["p"]["Alarms"]]
    alarms = boto("cloudwatch").describe_alarms(AlarmNamePrefix=f"TargetTracking-{scaling.resource_id}")
    assert [alarm["AlarmName"] for alarm in alarms["MetricAlarms"]] == sorted(names)


def test_two_policies_on_one_metric_are_refused(scaling):
    scaling.register(1, 4)
    scaling.client.put_scaling_policy(**scaling.policy_request("one"))
    assert "Only one TargetTrackingScaling policy" in refused(
        scaling.client.put_scaling_policy, **scaling.policy_request("two")
    )


def test_predictive_scaling_is_not_for_sagemaker(scaling):
    scaling.register(1, 4)
    request = {**scaling.target, "PolicyName": "p", "PolicyType": "PredictiveScaling"}
    configuration = {"MetricSpecifications": [{"TargetValue": 5.0}]}
    refused(scaling.client.put_scaling_policy, **request, PredictiveScalingPolicyConfiguration=configuration)
    assert scaling.policies() == {}


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"Schedule": "every day"}, "every day"),
        ({"Schedule": "cron(0 8 * * ? *)", "Timezone": "Mars/Olympus"}, "Mars/Olympus"),
        ({}, "Schedule"),
        ({"Schedule": "rate(1 day)", "ScalableTargetAction": {"MinCapacity": 3, "MaxCapacity": 2}}, "capacity"),
    ],
    ids=["no-schedule-expression", "unknown-time-zone", "no-schedule", "min-over-max"],
)
def test_a_scheduled_action_that_cannot_be_is_not_kept(scaling, given, words):
    scaling.register(1, 4)
    request = {**scaling.target, "ScheduledActionName": "a", "ScalableTargetAction": {"MinCapacity": 2}, **given}
    assert words in refused(scaling.client.put_scheduled_action, **request)
    assert scaling.client.describe_scheduled_actions(**NAMESPACE)["ScheduledActions"] == []


@pytest.mark.parametrize(
    ("given", "code"),
    [
        ({"MaxResults": 51}, "ValidationException"),
        ({"NextToken": "garbage"}, "InvalidNextTokenException"),
        ({"ScalableDimension": "sagemaker:variant:DesiredInstanceCount"}, "ValidationException"),
    ],
    ids=["page-of-51", "broken-token", "dimension-without-resource"],
)
@pytest.mark.parametrize("what", ["scaling_policies", "scalable_targets", "scaling_activities", "scheduled_actions"])
def test_a_list_that_cannot_be_is_refused(scaling, what, given, code):
    refused(getattr(scaling.client, f"describe_{what}"), code=code, **NAMESPACE, **given)


def test_with_its_endpoint_goes_all_that_scaled_it(boto):
    sagemaker, name = boto("sagemaker"), "dg-scaled"
    make_endpoint(sagemaker, name, boto.listings["metered"], boto.role_arn)
    wait_until_in_service(sagemaker, name)
    calls = Scaling(boto("application-autoscaling"), f"endpoint/{name}/variant/AllTraffic")
    calls.register(1, 4)
    calls.client.put_scaling_policy(**calls.policy_request())
    sagemaker.delete_endpoint(EndpointName=name)
    until(lambda: not calls.targets() and not calls.policies(), "targets and policies go with their endpoint")
    alarms = boto("cloudwatch").describe_alarms(AlarmNamePrefix=f"TargetTracking-{calls.resource_id}")
    assert alarms["MetricAlarms"] == []
    sagemaker.delete_endpoint_config(EndpointConfigName=name)
    sagemaker.delete_model(ModelName=name)
