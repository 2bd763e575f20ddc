"""Exports: nothing of the account in them, valid in each format, and the scripts make the same again elsewhere."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import hcl2
import pytest

from dgsm_helpers import cli, cli_export
from dgsm_helpers.aws import cleanup, deploy, scaling, setup
from dgsm_helpers.aws.export import FORMATS, export
from dgsm_helpers.aws.export_values import parametrised
from dgsm_helpers.aws.scaling import ScalingPolicy
from dgsm_helpers.aws.setup import Setup, Step
from dgsm_helpers.errors import InvalidInput, NotFound
from dgsm_helpers.local import process
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


@pytest.fixture(scope="module")
def scaled(embedded):
    """An endpoint with everything that can be exported: two policies, a suspension, two scheduled actions."""
    wb = open_workbook("local", home=embedded.home, endpoint_name="dg-export")
    deploy.deploy(wb, deploy.plan(wb))
    scaling.register(wb, 1, 3)
    scaling.apply(wb, ScalingPolicy(target_value=7.5, disable_scale_in=True))
    scaling.suspend(wb, scale_in=False, scale_out=False, scheduled=True)
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
    deploy.delete(wb)


@pytest.mark.parametrize("to", FORMATS)
def test_export_holds_nothing_of_the_account_but_the_endpoints_name(scaled, to):
    made = export(scaled, to)
    assert "123456789012" not in made.text
    assert "arn:aws" not in made.text
    key = scaled.credentials()
    assert key.access_key not in made.text
    assert key.secret_key not in made.text
    needed = {p.name for p in made.parameters if p.default is None}
    assert needed == {"model_package_arn", "role_arn"}
    assert [p.default for p in made.parameters if p.name == "endpoint_name"] == ["dg-export"]


def test_export_to_cloudformation_passes_the_linter(scaled):
    lint = Path(sys.executable).with_name("cfn-lint")
    text = export(scaled, "cloudformation").text
    done = subprocess.run([lint], input=text, capture_output=True, text=True, check=False, timeout=120)
    assert (done.returncode, done.stdout) == (0, "")
    resources = json.loads(text)["Resources"]
    assert [r["Type"].rpartition("::")[2] for r in resources.values()] == [
        "Model",
        "EndpointConfig",
        "Endpoint",
        "ScalableTarget",
        "ScalingPolicy",
        "ScalingPolicy",
    ]
    assert len(resources["Target"]["Properties"]["ScheduledActions"]) == 2


def test_export_to_terraform_parses_and_holds_the_scaling(scaled):
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
    started = {kind: process.up(home, speed=600) for kind, home in homes.items()}
    yield {kind: (homes[kind], info) for kind, info in started.items()}
    for home in homes.values():
        process.down(home)


@pytest.mark.parametrize("to", ["cli", "boto3"])
def test_exported_script_makes_the_same_again_on_a_fresh_aws(scaled, elsewhere, tmp_path, to):
    home, info = elsewhere[to]
    made = export(scaled, to)
    script = tmp_path / "script"
    script.write_text(made.text)
    # The AWS CLI of this environment is awscli 1, as `aws` on PATH.
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    given = {p.name.upper(): p.value for p in made.parameters if p.default is None}
    env = {k: v for k, v in os.environ.items() if not k.startswith("AWS_")} | info.env() | given | {"PATH": path}
    command = ["sh", script] if to == "cli" else [sys.executable, script]
    done = subprocess.run(command, env=env, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=240)
    assert done.returncode == 0, done.stderr
    wb = open_workbook("local", home=home, endpoint_name=scaled.endpoint_name)
    assert setup.read(wb) == setup.read(scaled)
    assert deploy.status(wb).status == "InService"
    assert cleanup.is_ours(wb, deploy.status(wb).arn)
    assert _alarms(wb) == _alarms(scaled)
    assert len(_alarms(wb)) == 4
    if to == "cli":
        policy = json.loads((tmp_path / "scaling-policy.json").read_text())
        assert policy == ScalingPolicy(target_value=7.5, disable_scale_in=True).to_request()


def _alarms(wb):
    """The policies' alarms without what differs by nature: names' random ends and states."""
    found = wb.client("cloudwatch").describe_alarms(AlarmNamePrefix="TargetTracking-")["MetricAlarms"]
    mine = [a for a in found if f"/{wb.endpoint_name}/" in a["AlarmName"]]
    kept = ("Threshold", "ComparisonOperator", "EvaluationPeriods", "DatapointsToAlarm", "Metrics", "Dimensions")
    rows = [{key: a.get(key) for key in (*kept, "Statistic", "Period", "TreatMissingData")} for a in mine]
    return sorted(rows, key=json.dumps)


def test_export_keeps_secrets_and_account_values_out_and_everything_else_in():
    environment = {
        "DEEPGRAM_API_01": "max_active_requests=120",
        "DEEPGRAM_API_02": "license_key=s3cr3t",
        "GREETING": 'say "$HOME" `x` \\ {y} ${z} %{w} ü',
    }
    request = {
        "ModelName": "dg-1",
        "PrimaryContainer": {"ModelPackageName": "arn:aws:sagemaker:r:111122223333:x", "Environment": environment},
        "VpcConfig": {"Subnets": ["subnet-1a", "subnet-2b"], "SecurityGroupIds": ["sg-0c"]},
    }
    template = parametrised(Setup("dg", "us-east-1", (Step("sagemaker", "CreateModel", request),)))
    names = {p.name: p for p in template.parameters}
    assert names["deepgram_api_02"].secret
    assert {"subnets", "subnets_2", "security_group_ids", "model_package_arn"} <= set(names)
    for to in FORMATS:
        text = FORMATS[to](template)
        assert "max_active_requests=120" in text
        assert not re.search(r"s3cr3t|111122223333|subnet-|sg-0c", text), to
    assert "s3cr3t" not in repr(template)


def test_exported_scripts_keep_special_characters_as_they_are(tmp_path):
    greeting = "say \"$HOME\" `x` \\ {y} ${z} %{w} 'ü'"
    request = {"ModelName": "dg-1", "PrimaryContainer": {"Environment": {"GREETING": greeting}}}
    template = parametrised(Setup("dg", "us-east-1", (Step("sagemaker", "CreateModel", request),)))
    aws = tmp_path / "aws"
    aws.write_text('#!/bin/sh\nwhile [ "$1" != --cli-input-json ]; do shift; done\nprintf %s "$2"\n')
    aws.chmod(0o755)
    env = {"PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}", "HOME": "elsewhere"}
    done = subprocess.run(
        ["sh"], input=FORMATS["cli"](template), env=env, capture_output=True, text=True, check=True, timeout=20
    )
    assert json.loads(done.stdout)["PrimaryContainer"]["Environment"]["GREETING"] == greeting
    calls = []

    class Boto3:
        def client(self, *_, **__):
            return self

        def create_model(self, **request):
            calls.append(request)

    code = FORMATS["boto3"](template).replace("import boto3", "")
    exec(compile(code, "script", "exec"), {"boto3": Boto3()})
    assert calls[0]["PrimaryContainer"]["Environment"]["GREETING"] == greeting
    assert calls[0]["ModelName"] == "dg-1"
    assert json.dumps(greeting)[1:-1].replace("${", "$${").replace("%{", "%%{") in FORMATS["terraform"](template)


def test_export_of_what_is_not_there_is_refused(workbook, scaled):
    with pytest.raises(NotFound):
        export(workbook(), "cli")
    with pytest.raises(InvalidInput, match="cloudformation"):
        export(scaled, "pulumi")


def test_export_command_prints_the_text_alone_and_says_its_parameters_beside_it(scaled, embedded, tmp_path):
    def dgsm(*words):
        command = [sys.executable, "-m", "dgsm_helpers.cli", "export", *words]
        return subprocess.run(command, env=embedded.env, capture_output=True, text=True, check=False, timeout=60)

    printed = dgsm("dg-export", "--to", "json")
    assert printed.returncode == cli.YES
    assert json.loads(printed.stdout)["schema"] == 1
    assert "parameter role_arn" in printed.stderr
    file = tmp_path / "endpoint.tf"
    assert dgsm("dg-export", "--to", "terraform", "--out", str(file)).stdout == ""
    assert file.read_text() == export(scaled, "terraform").text
    missing = dgsm("never-made")
    assert (missing.returncode, "never-made" in missing.stderr) == (cli.FAILED, True)


def test_export_command_offers_every_format():
    assert tuple(FORMATS) == cli_export.FORMATS
