"""The policy is the guide's, as a file, as commands, and as it is compared with what AWS holds."""

from __future__ import annotations

import json
import re
import shlex

import pytest

from dgsm_helpers.aws.scaling.policy import ScalingPolicy, cli_commands
from dgsm_helpers.aws.scaling.scalable_target import read_alarms, read_policy, read_target
from dgsm_helpers.aws.scaling.scaling_state import ScalingState
from dgsm_helpers.errors import InvalidInput
from dgsm_helpers.rules import request_checks

GUIDE = {
    "TargetValue": 5.0,
    "PredefinedMetricSpecification": {
        "PredefinedMetricType": "SageMakerVariantConcurrentRequestsPerModelHighResolution"
    },
    "ScaleInCooldown": 300,
    "ScaleOutCooldown": 60,
}
ON = {
    "ServiceNamespace": "sagemaker",
    "ResourceId": "endpoint/dg/variant/AllTraffic",
    "ScalableDimension": "sagemaker:variant:DesiredInstanceCount",
}


def test_file_holds_the_guides_policy(tmp_path):
    written = ScalingPolicy().write_json(tmp_path / "scaling-policy.json")
    assert json.loads(written.read_text()) == GUIDE
    assert ScalingPolicy().name == "deepgram-streaming-concurrency-policy"


def test_disabled_scale_in_is_stated():
    assert ScalingPolicy(disable_scale_in=True).to_request() == {**GUIDE, "DisableScaleIn": True}


@pytest.mark.parametrize(
    "given", [{"target_value": 0}, {"target_value": -1}, {"target_value": float("nan")}, {"scale_in_cooldown_s": -1}]
)
def test_impossible_policies_are_refused(given):
    with pytest.raises(InvalidInput):
        ScalingPolicy(**given)


def test_commands_are_the_guides_and_parse_in_a_shell(scripted):
    text = cli_commands(scripted().wb)
    commands = [shlex.split(block.replace("\\\n", " ")) for block in text.strip().split("\n\n")]
    assert [command[:3] for command in commands] == [
        ["aws", "application-autoscaling", operation]
        for operation in (
            "register-scalable-target",
            "put-scaling-policy",
            "describe-scaling-policies",
            "describe-scaling-activities",
        )
    ]
    assert commands[0][commands[0].index("--min-capacity") + 1] == "1"
    assert commands[0][commands[0].index("--max-capacity") + 1] == "4"
    assert "file://scaling-policy.json" in commands[1]


def _alarm(side: str, **given):
    name = f"TargetTracking-endpoint/dg/variant/AllTraffic-Alarm{side}-1"
    return {
        "AlarmName": name,
        "StateValue": "OK",
        "ComparisonOperator": "GreaterThanThreshold" if side == "High" else "LessThanThreshold",
        "Threshold": 5.0,
        "Statistic": "Maximum",
        "Period": 10,
        "EvaluationPeriods": 3,
        "DatapointsToAlarm": 3,
        **given,
    }


def _state(*, alarms=("High", "Low"), target=None, configuration=None, wanted=None, **bounds):
    target = {**ON, "MinCapacity": 1, "MaxCapacity": 4, **(target or {})}
    policy = {
        "PolicyName": "deepgram-streaming-concurrency-policy",
        "PolicyARN": "arn",
        "PolicyType": "TargetTrackingScaling",
        "TargetTrackingScalingPolicyConfiguration": {**GUIDE, **(configuration or {})},
        "Alarms": [{"AlarmName": _alarm(side)["AlarmName"]} for side in ("High", "Low")],
    }
    return ScalingState.judged(
        ON["ResourceId"],
        read_target(target),
        (read_policy(policy),),
        read_alarms([_alarm(side) for side in alarms]),
        expected=wanted or ScalingPolicy(),
        min_capacity=bounds.get("min_capacity"),
        max_capacity=bounds.get("max_capacity"),
    )


def test_state_as_asked_for_has_no_problems():
    state = _state(min_capacity=1, max_capacity=4)
    assert state.ok
    assert [alarm.side for alarm in state.alarms] == ["high", "low"]
    assert str(state.alarms[0]) == "high: OK (Maximum > 5, 3 of 3 × 10 s)"


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ({"alarms": ("High",)}, "AlarmLow-1 is missing"),
        ({"configuration": {"TargetValue": 7.0}}, "TargetValue .* is 7.0, not 5.0"),
        ({"configuration": {"DisableScaleIn": True}}, "DisableScaleIn .* is True, not False"),
        ({"target": {"SuspendedState": {"DynamicScalingInSuspended": True}}}, "Scale-in is suspended"),
        ({"max_capacity": 8}, "max capacity is 4, not 8"),
        ({"wanted": "another-policy"}, "There is no policy another-policy"),
    ],
)
def test_each_difference_is_said(given, text):
    state = _state(**given)
    assert not state.ok
    assert re.search(text, "\n".join(state.problems))


def test_policy_configuration_is_valid_by_awss_model():
    request = {**ON, "PolicyName": "p", "TargetTrackingScalingPolicyConfiguration": ScalingPolicy().to_request()}
    assert request_checks.problems("application-autoscaling", "PutScalingPolicy", request) == ()
