"""Exports: nothing of the account in them, valid in each format, and the scripts make the same again elsewhere."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import hcl2
import pytest
from kit import endpoints
from kit.command_line import run_line

from dgsm_helpers import local
from dgsm_helpers.aws.account import deletion
from dgsm_helpers.aws.account.inventory import is_ours
from dgsm_helpers.aws.endpoint import deployment, deployment_plan, endpoint_state
from dgsm_helpers.aws.export.setup_export import FORMATS, export
from dgsm_helpers.aws.scaling import registration, scaling_setup, suspending
from dgsm_helpers.aws.scaling.policy import ScalingPolicy
from dgsm_helpers.aws.scaling.scalable_target import Suspension
from dgsm_helpers.cli.endpoint_commands import FORMATS as OFFERED
from dgsm_helpers.cli.options import FAILED, YES
from dgsm_helpers.errors import InvalidInput, NotFound
from dgsm_helpers.session import open_workbook

WEIGHTED = {
    "TargetValue": 0.7,
    "CustomizedMetricSpecification": {
        "Metrics": [
            {
                "Id": "a",
                "MetricStat": {
                    "Metric": {
                        "Namespace": "AWS/SageMaker",
                        "MetricName": "ConcurrentRequestsPerModel",
                        "Dimensions": [
                            {"Name": "EndpointName", "Value": "dg-export"},
                            {"Name": "VariantName", "Value": "AllTraffic"},
                            {"Name": "InstanceType", "Value": "ml.g6.2xlarge"},
                        ],
                    },
                    "Stat": "Average",
                },
                "ReturnData": False,
            },
            {"Id": "e", "Expression": "FILL(a,0)/20", "ReturnData": True},
        ]
    },
    "ScaleInCooldown": 300,
    "ScaleOutCooldown": 60,
}


ON_VARIANT = {"ServiceNamespace": "sagemaker", "ScalableDimension": "sagemaker:variant:DesiredInstanceCount"}
STEPS = {
    "AdjustmentType": "ChangeInCapacity",
    "StepAdjustments": [
        {"MetricIntervalLowerBound": 0.0, "MetricIntervalUpperBound": 4.0, "ScalingAdjustment": 1},
        {"MetricIntervalLowerBound": 4.0, "ScalingAdjustment": 2},
    ],
    "Cooldown": 120,
    "MetricAggregationType": "Maximum",
}
FILES = {
    "TargetValue": 30.0,
    "CustomizedMetricSpecification": {
        "Namespace": "AWS/SageMaker",
        "MetricName": "Invocations",
        "Dimensions": [{"Name": "EndpointName", "Value": "endpoint"}, {"Name": "VariantName", "Value": "Blue"}],
        "Statistic": "Sum",
    },
}
METRIC = {key: FILES["CustomizedMetricSpecification"][key] for key in ("Namespace", "MetricName", "Dimensions")}
FILES_METRIC = {**METRIC, "Statistic": "Sum", "Period": 60}
ALARM = {
    "AlarmName": "files wait at endpoint",
    "AlarmDescription": "it's $HOME & `more`",
    "EvaluationPeriods": 2,
    "Threshold": 20.0,
    "ComparisonOperator": "GreaterThanThreshold",
    "TreatMissingData": "notBreaching",
}
TOPIC = "arn:aws:sns:us-east-1:123456789012:pager"
ALL_AT_ONCE = {
    "BlueGreenUpdatePolicy": {
        "TrafficRoutingConfiguration": {"Type": "ALL_AT_ONCE", "WaitIntervalInSeconds": 0},
        "TerminationWaitInSeconds": 60,
    }
}
SHELLS = {"bash": ["bash"], "bash --posix": ["bash", "--posix"], "dash": ["dash"]}


@pytest.fixture(scope="module")
def scaled(embedded):
    """An endpoint with everything that can be exported: two policies, a suspension, two scheduled actions."""
    wb = open_workbook("local", home=embedded.home, endpoint_name="dg-export")
    deployment.deploy(wb, deployment_plan.plan(wb))
    registration.register(wb, 1, 3)
    registration.apply(wb, ScalingPolicy(target_value=7.5, disable_scale_in=True))
    suspending.resume_scaling(wb, Suspension(scheduled=True))
    autoscaling = wb.client("application-autoscaling")
    on = {
        "ServiceNamespace": "sagemaker",
        "ResourceId": wb.resource_id,
        "ScalableDimension": "sagemaker:variant:DesiredInstanceCount",
    }
    autoscaling.put_scaling_policy(
        **on, PolicyName="mixed", PolicyType="TargetTrackingScaling", TargetTrackingScalingPolicyConfiguration=WEIGHTED
    )
    autoscaling.put_scheduled_action(
        **on,
        ScheduledActionName="morning",
        Schedule="cron(0 7 ? * MON-FRI *)",
        Timezone="Europe/Berlin",
        EndTime="2040-01-01T00:00:00Z",
        ScalableTargetAction={"MinCapacity": 2, "MaxCapacity": 3},
    )
    autoscaling.put_scheduled_action(
        **on, ScheduledActionName="launch", Schedule="at(2039-05-01T10:00:00)", ScalableTargetAction={"MinCapacity": 3}
    )
    yield wb
    deletion.delete(wb)


@pytest.fixture(scope="module")
def unusual(embedded):
    """What the guide's endpoint has not: two variants, a network, keys, data capture, tags, step scaling, own models.

    It is called ``endpoint``, so that its name stands in its resource ids twice.
    """
    wb = open_workbook("local", home=embedded.home, endpoint_name="endpoint", variant_name="Blue")
    sagemaker, plan = wb.client("sagemaker"), deployment_plan.plan(wb)
    network = {"Subnets": ["subnet-0a1b2c3d", "subnet-4e5f6a7b"], "SecurityGroupIds": ["sg-0a1b2c3d"]}
    for name in ("own-model", "own-model-for-g5"):
        sagemaker.create_model(**{**plan.model_request(), "ModelName": name, "VpcConfig": network})
    shared = {"InitialInstanceCount": 1, "InferenceAmiVersion": "al2023-ami-sagemaker-inference-gpu-4-1"}
    pools = [
        {"InstanceType": "ml.g6.2xlarge", "Priority": 1},
        {"InstanceType": "ml.g5.2xlarge", "Priority": 2, "ModelNameOverride": "own-model-for-g5"},
    ]
    capture = {
        "EnableCapture": True,
        "InitialSamplingPercentage": 5,
        "DestinationS3Uri": "s3://deepgram-capture/endpoint",
        "KmsKeyId": "arn:aws:kms:us-east-1:123456789012:key/1b2c",
        "CaptureOptions": [{"CaptureMode": "Input"}],
    }
    tags = [
        {"Key": "team", "Value": "Speech + voice = 1"},
        {"Key": "owner", "Value": "arn:aws:iam::123456789012:user/x"},
    ]
    sagemaker.create_endpoint_config(
        EndpointConfigName="own-config",
        KmsKeyId="1b2c3d4e-0000-0000-0000-000000000000",
        DataCaptureConfig=capture,
        Tags=tags,
        ProductionVariants=[
            {**shared, "VariantName": "Blue", "ModelName": "own-model", "InstanceType": "ml.g5.2xlarge"},
            {
                **shared,
                "VariantName": "Green-2",
                "ModelName": "own-model",
                "InstancePools": pools,
                "InitialVariantWeight": 2.5,
            },
        ],
    )
    sagemaker.create_endpoint(
        EndpointName="endpoint", EndpointConfigName="own-config", Tags=tags, DeploymentConfig=ALL_AT_ONCE
    )
    endpoints.settled(wb)
    autoscaling = wb.client("application-autoscaling")
    for variant in ("Blue", "Green-2"):
        on = {**ON_VARIANT, "ResourceId": f"endpoint/endpoint/variant/{variant}"}
        autoscaling.register_scalable_target(**on, MinCapacity=1, MaxCapacity=2, Tags={"team": "speech"})
        steps = autoscaling.put_scaling_policy(
            **on, PolicyName=f"steps of {variant}", PolicyType="StepScaling", StepScalingPolicyConfiguration=STEPS
        )
        if variant == "Blue":
            cloudwatch = wb.client("cloudwatch")
            cloudwatch.put_metric_alarm(**ALARM, AlarmActions=[steps["PolicyARN"]], **FILES_METRIC)
            cloudwatch.put_metric_alarm(
                **{**ALARM, "AlarmName": "many files", "Threshold": 50.0},
                AlarmActions=[steps["PolicyARN"], TOPIC],
                Metrics=[
                    {"Id": "files", "MetricStat": {"Metric": METRIC, "Period": 60, "Stat": "Sum"}, "ReturnData": False},
                    {"Id": "a", "Expression": "FILL(files, 0)", "Label": "files", "ReturnData": True},
                ],
            )
        autoscaling.put_scaling_policy(
            **on, PolicyName="files", PolicyType="TargetTrackingScaling", TargetTrackingScalingPolicyConfiguration=FILES
        )
        autoscaling.put_scheduled_action(
            **on, ScheduledActionName="often", Schedule="rate(12 hours)", ScalableTargetAction={"MaxCapacity": 2}
        )
    yield wb
    endpoints.deleted_with_all(wb)
    wb.client("cloudwatch").delete_alarms(AlarmNames=[ALARM["AlarmName"], "many files"])


@pytest.fixture(params=["scaled", "unusual"])
def either(request):
    return request.getfixturevalue(request.param)


@pytest.mark.parametrize("to", FORMATS)
def test_export_holds_nothing_of_the_account_but_the_endpoints_name(scaled, to):
    made = export(scaled, to)
    assert "123456789012" not in made.text
    assert "arn:aws" not in made.text
    key = scaled.credentials()
    assert key.access_key_id not in made.text
    assert key.secret_access_key not in made.text
    needed = {p.name for p in made.parameters if p.default is None}
    assert needed == {"model_package_arn", "role_arn"}
    assert [p.default for p in made.parameters if p.name == "endpoint_name"] == ["dg-export"]


@pytest.mark.parametrize("to", FORMATS)
def test_export_of_an_unusual_endpoint_has_a_parameter_for_each_value_of_the_account(unusual, to):
    made = export(unusual, to)
    assert not re.search(r"arn:aws|123456789012|subnet-|sg-0|s3://|1b2c", made.text)
    assert {p.name for p in made.parameters if p.default is None} == {
        "model_package_arn",
        "role_arn",
        "security_group_ids",
        "subnets",
        "subnets_2",
        "kms_key_id",
        "kms_key_id_2",
        "destination_s3_uri",
        "tag_owner",
        "alarm_actions",
    }
    assert made.notes == (
        "Policy steps of Green-2 is a step-scaling policy: no alarm triggers it.",
        "Alarm many files keeps its name: where there is one of that name already, it is overwritten.",
    )
    assert "Green-2" in made.text


def test_export_to_cloudformation_passes_the_linter(either):
    lint = Path(sys.executable).with_name("cfn-lint")
    text = export(either, "cloudformation").text
    done = subprocess.run([lint], input=text, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")


def test_export_to_cloudformation_has_a_resource_for_each_part(scaled, unusual):
    resources = json.loads(export(scaled, "cloudformation").text)["Resources"]
    assert [r["Type"].rpartition("::")[2] for r in resources.values()] == [
        "Model",
        "EndpointConfig",
        "Endpoint",
        "ScalableTarget",
        "ScalingPolicy",
        "ScalingPolicy",
    ]
    assert len(resources["Target"]["Properties"]["ScheduledActions"]) == 2
    other = json.loads(export(unusual, "cloudformation").text)
    pools = other["Resources"]["EndpointConfig"]["Properties"]["ProductionVariants"][1]["InstancePools"]
    assert pools[1]["ModelNameOverride"] == {"Fn::GetAtt": ["Model2", "ModelName"]}
    assert other["Resources"]["Target2"]["Properties"]["ResourceId"] == {
        "Fn::Sub": "endpoint/${EndpointName}/variant/Green-2"
    }
    assert len(other["Metadata"]["Notes"]) == 2
    assert other["Resources"]["Endpoint"]["Properties"]["DeploymentConfig"] == ALL_AT_ONCE
    alarms = [r["Properties"] for r in other["Resources"].values() if r["Type"] == "AWS::CloudWatch::Alarm"]
    acted_on = {"Ref": next(name for name, r in other["Resources"].items() if _is_steps_of_blue(r))}
    assert [alarm["AlarmActions"] for alarm in alarms] == [[acted_on], [acted_on, {"Ref": "AlarmActions"}]]
    assert alarms[0]["AlarmName"] == {"Fn::Sub": "files wait at ${EndpointName}"}


def _is_steps_of_blue(resource):
    return resource["Properties"].get("PolicyName") == "steps of Blue"


def test_export_to_terraform_parses(either):
    assert hcl2.loads(export(either, "terraform").text)["resource"]


def test_export_to_terraform_holds_the_scaling(scaled):
    found = hcl2.loads(export(scaled, "terraform").text)
    kinds = sorted(kind.strip('"') for block in found["resource"] for kind in block)
    assert kinds == [
        "aws_appautoscaling_policy",
        "aws_appautoscaling_policy",
        "aws_appautoscaling_scheduled_action",
        "aws_appautoscaling_scheduled_action",
        "aws_appautoscaling_target",
        "aws_cloudformation_stack",
    ]
    text = json.dumps(found)
    assert "FILL(a,0)/20" in text
    assert "InstancePools" in text


def test_export_to_terraform_has_the_alarms_of_step_policies(unusual):
    found = hcl2.loads(export(unusual, "terraform").text)
    alarms = [
        block['"aws_cloudwatch_metric_alarm"']
        for block in found["resource"]
        if '"aws_cloudwatch_metric_alarm"' in block
    ]
    one, other = (next(iter(alarm.values())) for alarm in alarms)
    assert "aws_appautoscaling_policy.policy" in one["alarm_actions"][0]
    assert one["dimensions"] == {'"EndpointName"': "${var.endpoint_name}", '"VariantName"': '"Blue"'}
    assert len(other["metric_query"]) == 2


def test_export_to_json_lists_the_calls_in_order(scaled):
    content = json.loads(export(scaled, "json").text)
    assert [c["operation"] for c in content["calls"]] == [
        "CreateModel",
        "CreateEndpointConfig",
        "CreateEndpoint",
        "RegisterScalableTarget",
        "PutScalingPolicy",
        "PutScalingPolicy",
        "PutScheduledAction",
        "PutScheduledAction",
    ]
    assert content["calls"][3]["request"]["ResourceId"] == "endpoint/${endpoint_name}/variant/AllTraffic"


@pytest.fixture(scope="module")
def elsewhere(tmp_path_factory):
    """Two fresh embedded AWS, so fast that a new endpoint is there at the first look."""
    homes = {kind: tmp_path_factory.mktemp(kind) for kind in ("cli", "boto3")}
    started = {kind: local.up(home, speed=600) for kind, home in homes.items()}
    yield {kind: (homes[kind], info) for kind, info in started.items()}
    for home in homes.values():
        local.down(home)


@pytest.mark.parametrize(
    ("by", "which"),
    [
        ("bash", "scaled"),
        ("python", "unusual"),
        pytest.param("bash --posix", "scaled", marks=pytest.mark.slow),
        pytest.param("dash", "scaled", marks=pytest.mark.slow),
        pytest.param("python", "scaled", marks=pytest.mark.slow),
        pytest.param("dash", "unusual", marks=pytest.mark.slow),
    ],
)
def test_case_of_an_exported_script_makes_the_same_again_on_a_fresh_aws(request, elsewhere, tmp_path, by, which):
    to = "boto3" if by == "python" else "cli"
    home, info = elsewhere[to]
    either = request.getfixturevalue(which)
    made = export(either, to)
    script = tmp_path / "script"
    script.write_text(made.text)
    # The AWS CLI of this environment is awscli 1, as `aws` on PATH.
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    given = {p.name.upper(): p.value for p in made.parameters if p.default is None}
    env = {k: v for k, v in os.environ.items() if not k.startswith("AWS_")} | info.env() | given | {"PATH": path}
    command = [*SHELLS.get(by, [sys.executable]), script]
    done = subprocess.run(command, env=env, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    wb = open_workbook("local", home=home, endpoint_name=either.endpoint_name)
    assert scaling_setup.read(wb) == scaling_setup.read(either)
    assert endpoint_state.status(wb).status == "InService"
    assert is_ours(wb, endpoint_state.status(wb).arn) == is_ours(either, endpoint_state.status(either).arn)
    assert _alarms(wb) == _alarms(either)
    assert len(_alarms(wb)) == 4
    if to == "cli" and either.endpoint_name == "dg-export":
        policy = json.loads((tmp_path / "scaling-policy.json").read_text())
        assert policy == ScalingPolicy(target_value=7.5, disable_scale_in=True).to_request()
        # The next shell makes it again.
        deletion.delete(wb)


def _alarms(wb):
    """The policies' alarms without what differs by nature: names' random ends and states."""
    found = wb.client("cloudwatch").describe_alarms(AlarmNamePrefix="TargetTracking-")["MetricAlarms"]
    mine = [a for a in found if f"/{wb.endpoint_name}/" in a["AlarmName"]]
    kept = ("Threshold", "ComparisonOperator", "EvaluationPeriods", "DatapointsToAlarm", "Metrics", "Dimensions")
    rows = [{key: a.get(key) for key in (*kept, "Statistic", "Period", "TreatMissingData")} for a in mine]
    return sorted(rows, key=json.dumps)


def test_export_leaves_out_a_scheduled_action_that_is_over_and_says_so(unusual):
    on = {**ON_VARIANT, "ResourceId": "endpoint/endpoint/variant/Blue"}
    soon = f"at({unusual.now() + timedelta(days=10):%Y-%m-%dT%H:%M:%S})"
    later_s = (unusual.now() + timedelta(days=11)).timestamp()
    later = replace(unusual, now_s=lambda: later_s)
    autoscaling = unusual.client("application-autoscaling")
    autoscaling.put_scheduled_action(
        **on, ScheduledActionName="once", Schedule=soon, ScalableTargetAction={"MaxCapacity": 2}
    )
    assert soon in export(unusual, "cli").text
    made = export(later, "cli")
    assert "--scheduled-action-name once" not in made.text
    assert any(note.startswith(f"Scheduled action once, {soon}, is over") for note in made.notes)
    autoscaling.delete_scheduled_action(**on, ScheduledActionName="once")


def test_export_of_what_is_not_there_is_refused(workbook, scaled):
    with pytest.raises(NotFound):
        export(workbook(), "cli")
    with pytest.raises(InvalidInput, match="cloudformation"):
        export(scaled, "pulumi")


def test_export_command_prints_the_text_alone_and_says_its_parameters_beside_it(scaled, embedded, tmp_path):
    printed = run_line(embedded.home, "export", "dg-export", "--to", "json")
    assert printed.exit_code == YES
    assert json.loads(printed.stdout)["schema"] == 1
    assert "parameter role_arn" in printed.stderr
    file = tmp_path / "endpoint.tf"
    assert run_line(embedded.home, "export", "dg-export", "--to", "terraform", "--out", str(file)).stdout == ""
    assert file.read_text() == export(scaled, "terraform").text
    missing = run_line(embedded.home, "export", "never-made")
    assert (missing.exit_code, "never-made" in missing.stderr) == (FAILED, True)


def test_export_command_offers_every_format():
    assert tuple(FORMATS) == OFFERED
