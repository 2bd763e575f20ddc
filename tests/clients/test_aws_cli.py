"""The AWS CLI: the guide's commands as printed, in a shell that has evaluated `dgsm local env`."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable

import pytest
from kit.client_setup import SAMPLE_WAV
from kit.waiting import AT_MOST_S, until

from dgsm_helpers.load.transport.background_load import Load
from dgsm_helpers.rules.sample import bundled_sample

NAME = "dg-aws-cli"
SCALING_POLICY = """\
{
  "TargetValue": 5.0,
  "PredefinedMetricSpecification": {
    "PredefinedMetricType": "SageMakerVariantConcurrentRequestsPerModelHighResolution"
  },
  "ScaleInCooldown": 300,
  "ScaleOutCooldown": 60
}
"""
"""The guide's `scaling-policy.json`."""

REGISTER = """
aws application-autoscaling register-scalable-target \
  --service-namespace sagemaker \
  --resource-id endpoint/YOUR_ENDPOINT_NAME/variant/AllTraffic \
  --scalable-dimension sagemaker:variant:DesiredInstanceCount \
  --min-capacity 1 \
  --max-capacity 4
"""
PUT_POLICY = """
aws application-autoscaling put-scaling-policy \
  --service-namespace sagemaker \
  --resource-id endpoint/YOUR_ENDPOINT_NAME/variant/AllTraffic \
  --scalable-dimension sagemaker:variant:DesiredInstanceCount \
  --policy-name deepgram-streaming-concurrency-policy \
  --policy-type TargetTrackingScaling \
  --target-tracking-scaling-policy-configuration file://scaling-policy.json
"""
DESCRIBE_POLICIES = """
aws application-autoscaling describe-scaling-policies \
  --service-namespace sagemaker \
  --resource-id endpoint/YOUR_ENDPOINT_NAME/variant/AllTraffic
"""
DESCRIBE_ACTIVITIES = """
aws application-autoscaling describe-scaling-activities \
  --service-namespace sagemaker \
  --resource-id endpoint/YOUR_ENDPOINT_NAME/variant/AllTraffic
"""


@pytest.fixture
def shell(local_env, tmp_path) -> Callable[[str], dict | list | str]:
    """Runs a command line in a folder that holds `scaling-policy.json`; returns its JSON, or its text."""
    (tmp_path / "scaling-policy.json").write_text(SCALING_POLICY)

    def run(command: str) -> dict | list | str:
        line = command.replace("YOUR_ENDPOINT_NAME", NAME)
        done = subprocess.run(
            ["bash", "-c", line],
            env={**local_env, "AWS_PAGER": ""},
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"{line}\n{done.stderr}"
        return json.loads(done.stdout) if done.stdout.lstrip()[:1] in ("{", "[") else done.stdout

    return run


@pytest.mark.parametrize("client", ["aws-cli"])
def test_the_guides_commands_as_printed_end_in_a_scale_out(shell, local_env, workbook, embedded, client):
    package, role = embedded.info.listings["metered"], embedded.info.execution_role_arn
    variant = f"VariantName=AllTraffic,ModelName={NAME},InitialInstanceCount=1,InstanceType=ml.g5.2xlarge"
    shell(
        f"aws sagemaker create-model --model-name {NAME} --execution-role-arn {role} "
        f"--primary-container ModelPackageName={package} --enable-network-isolation"
    )
    shell(f"aws sagemaker create-endpoint-config --endpoint-config-name {NAME} --production-variants {variant}")
    made = shell(f"aws sagemaker create-endpoint --endpoint-name {NAME} --endpoint-config-name {NAME}")
    assert made["EndpointArn"].endswith(f":endpoint/{NAME}")
    # The CLI's waiter asks every 30 seconds; meanwhile the rest goes on.
    waiting = subprocess.Popen(
        ["aws", "sagemaker", "wait", "endpoint-in-service", "--endpoint-name", NAME], env=local_env
    )
    until(lambda: _in_service(shell), "the endpoint is in service")

    assert shell(REGISTER)["ScalableTargetARN"]
    assert len(shell(PUT_POLICY)["Alarms"]) == 2
    policy = shell(DESCRIBE_POLICIES)["ScalingPolicies"][0]
    assert policy["PolicyName"] == "deepgram-streaming-concurrency-policy"
    assert policy["TargetTrackingScalingPolicyConfiguration"] == json.loads(SCALING_POLICY)
    alarms = shell(f"aws cloudwatch describe-alarms --alarm-name-prefix TargetTracking-endpoint/{NAME}/")[
        "MetricAlarms"
    ]
    assert sorted(alarm["Threshold"] for alarm in alarms) == [4.5, 5.0]
    assert shell(DESCRIBE_ACTIVITIES)["ScalingActivities"] == []

    with Load(workbook(endpoint_name=NAME)) as load:
        load.set(8)
        load.wait_open(timeout_s=AT_MOST_S)
        activity = until(lambda: _scaled_out(shell(DESCRIBE_ACTIVITIES)), "a scale-out has succeeded")
    assert activity["Description"] == "Setting desired instance count to 2."
    assert activity["StatusMessage"] == (
        "Successfully set desired instance count to 2. Change successfully fulfilled by sagemaker."
    )
    high = next(alarm["AlarmName"] for alarm in alarms if "-AlarmHigh-" in alarm["AlarmName"])
    assert activity["Cause"] == (
        f"monitor alarm {high} in state ALARM triggered policy deepgram-streaming-concurrency-policy"
    )

    command = (
        f"aws sagemaker-runtime invoke-endpoint --endpoint-name {NAME} --content-type audio/wav "
        f"--custom-attributes 'v1/listen?model=nova-3&punctuate=true' --body fileb://{SAMPLE_WAV} out.json"
    )
    assert shell(command)["InvokedProductionVariant"] == "AllTraffic"
    document = shell("cat out.json")
    heard = document["results"]["channels"][0]["alternatives"][0]["transcript"]
    assert heard == bundled_sample().transcript

    assert waiting.wait(120) == 0
    _take_down(shell)


def _in_service(shell: Callable) -> bool:
    return shell(f"aws sagemaker describe-endpoint --endpoint-name {NAME}")["EndpointStatus"] == "InService"


def _scaled_out(answer: dict) -> dict | None:
    rows = [row for row in answer["ScalingActivities"] if row["StatusCode"] == "Successful"]
    return rows[-1] if rows else None


def _take_down(shell: Callable) -> None:
    target = f"--service-namespace sagemaker --resource-id endpoint/{NAME}/variant/AllTraffic"
    dimension = "--scalable-dimension sagemaker:variant:DesiredInstanceCount"
    shell(f"aws application-autoscaling deregister-scalable-target {target} {dimension}")
    until(lambda: _in_service(shell), "the endpoint is in service again")
    shell(f"aws sagemaker delete-endpoint --endpoint-name {NAME}")
    shell(f"aws sagemaker delete-endpoint-config --endpoint-config-name {NAME}")
    shell(f"aws sagemaker delete-model --model-name {NAME}")
