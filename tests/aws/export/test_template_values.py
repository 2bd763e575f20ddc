"""What becomes a parameter of an export, and that everything else stays as it is in each format."""

from __future__ import annotations

import json
import os
import re
import subprocess
from types import SimpleNamespace

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from dgsm_helpers.aws.export.setup_export import FORMATS
from dgsm_helpers.aws.export.template_values import parametrised
from dgsm_helpers.aws.scaling.setup_calls import Setup, SetupCall, policy_mark
from dgsm_helpers.errors import UnsupportedFeature


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
    template = parametrised(Setup("dg", "us-east-1", (SetupCall("sagemaker", "CreateModel", request),)))
    names = {p.name: p for p in template.parameters}
    assert names["environment_deepgram_api_02"].secret
    assert {"subnets", "subnets_2", "security_group_ids", "model_package_arn"} <= set(names)
    for to in FORMATS:
        text = FORMATS[to](template)
        assert "max_active_requests=120" in text
        assert not re.search(r"s3cr3t|111122223333|subnet-|sg-0c", text), to
    assert "s3cr3t" not in repr(template)


SHELLS = {"bash": ["bash"], "bash --posix": ["bash", "--posix"], "dash": ["dash"]}
RECORDER = """#!/bin/sh
exec 3>> "$RECORD"
for word; do printf '%s\\0' "$word" >&3; done
printf '%s\\0' --end-- >&3
case "$*" in *PolicyARN*) echo arn:aws:autoscaling:of-the-policy ;; esac
"""
"""Stands for the AWS CLI: keeps the words that it is called with."""

TEXTS = st.text(st.characters(exclude_categories=["Cs", "Co"], exclude_characters="\x00"), min_size=1)
ON = {"ServiceNamespace": "sagemaker", "ResourceId": "endpoint/dg/variant/All", "ScalableDimension": "d"}


def set_up(text, secret):
    """A set-up with texts wherever AWS takes any."""
    model = {
        "ModelName": "dg-1",
        "ExecutionRoleArn": "arn:aws:iam::123456789012:role/x",
        "PrimaryContainer": {"Environment": {"GREETING": text, "DB_PWD": secret}},
        "Tags": [{"Key": "team", "Value": text}],
    }
    steps = {"AdjustmentType": "ChangeInCapacity", "StepAdjustments": [{"ScalingAdjustment": 1}]}
    policy = {**ON, "PolicyName": text, "PolicyType": "StepScaling", "StepScalingPolicyConfiguration": steps}
    alarm = {
        "AlarmName": f"{text} of dg",
        "AlarmDescription": text,
        "AlarmActions": [policy_mark(policy), "arn:aws:sns:us-east-1:123456789012:pager"],
        "Dimensions": [{"Name": "EndpointName", "Value": "dg"}],
    }
    return Setup(
        "dg",
        "us-east-1",
        (
            SetupCall("sagemaker", "CreateModel", model),
            SetupCall("application-autoscaling", "RegisterScalableTarget", {**ON, "Tags": {"team": text}}),
            SetupCall("application-autoscaling", "PutScalingPolicy", policy),
        ),
        notes=(f"Left out: {text}",),
        alarms=(SetupCall("cloudwatch", "PutMetricAlarm", alarm),),
    )


def as_made(setup):
    """The requests of a set-up, the policy's ARN where its mark stands."""
    alarm = dict(setup.alarms[0].request)
    alarm["AlarmActions"] = ["arn:aws:autoscaling:of-the-policy", *alarm["AlarmActions"][1:]]
    return [*(step.request for step in setup.steps), alarm]


def calls_recorded(words):
    """What the stand-in was called with, as requests."""
    requests = []
    for call in words.split("--end--\0")[:-1]:
        _, operation, *options = call.removesuffix("\0").split("\0")
        given = {}
        options = [part for option in options for part in (option.split("=", 1) if option[:2] == "--" else [option])]
        for name, value in zip(options[::2], options[1::2], strict=True):
            given[name.removeprefix("--")] = value
        requests.append((operation, given))
    return requests


@pytest.mark.parametrize("shell", SHELLS)
@settings(max_examples=30)
@given(text=TEXTS, secret=TEXTS)
@example(text="it's \"$HOME\" `x` \\ {y} ${z} $(id) !! ~ *\n  'ü'\nJSON\n\n", secret="\\\"'$`\t\r\x01\n")
@example(text="-x", secret="\n")
def test_case_of_any_text_runs_in_every_shell_as_it_is(tmp_path_factory, shell, text, secret):
    folder = tmp_path_factory.mktemp("shell")
    (folder / "aws").write_text(RECORDER)
    (folder / "aws").chmod(0o755)
    setup = set_up(text, f"token {secret}")
    template = parametrised(setup)
    given = {p.name.upper(): p.value for p in template.parameters if p.default is None}
    env = {"PATH": f"{folder}{os.pathsep}{os.environ['PATH']}", "RECORD": str(folder / "record"), **given}
    script = FORMATS["cli"](template)
    done = subprocess.run(
        SHELLS[shell], input=script.encode(), env=env, cwd=folder, capture_output=True, check=False, timeout=20
    )
    assert (done.returncode, done.stderr) == (0, b"")
    calls = calls_recorded((folder / "record").read_bytes().decode())
    model, target, policy, alarm = as_made(setup)
    assert [operation for operation, _ in calls] == [
        "create-model",
        "register-scalable-target",
        "put-scaling-policy",
        "put-metric-alarm",
    ]
    assert json.loads(calls[0][1]["cli-input-json"]) == model
    assert json.loads(calls[1][1]["tags"]) == target["Tags"]
    assert calls[1][1]["resource-id"] == ON["ResourceId"]
    assert calls[2][1]["policy-name"] == text
    assert json.loads((folder / "scaling-policy.json").read_text()) == policy["StepScalingPolicyConfiguration"]
    assert json.loads(calls[3][1]["cli-input-json"]) == alarm


@given(text=TEXTS, secret=TEXTS)
@example(text='""" \\ {y} ${z} %{w} \'ü\'\n\f\x85\u2028', secret='"\\')
def test_case_of_any_text_runs_in_python_as_it_is(text, secret):
    setup = set_up(text, f"token {secret}")
    template = parametrised(setup)
    calls = []

    class Boto3:
        def client(self, *_, **__):
            return self

        def __getattr__(self, operation):
            def call(**request):
                calls.append(request)
                return {"PolicyARN": "arn:aws:autoscaling:of-the-policy"}

            return call

    code = FORMATS["boto3"](template).replace("import os\n\nimport boto3\n", "")
    given = {p.name.upper(): p.value for p in template.parameters if p.default is None}
    exec(compile(code, "script", "exec"), {"boto3": Boto3(), "os": SimpleNamespace(environ=given)})
    assert calls == as_made(setup)


@given(text=TEXTS)
@example(text='"$HOME" ${z} %{w} \\b \b\f %')
@example(text="TOKEN")  # may be a secret, so it is a parameter
def test_case_of_any_text_is_written_for_terraform_and_cloudformation(text):
    template = parametrised(set_up(text, "token"))
    resources = json.loads(FORMATS["cloudformation"](template))["Resources"]
    written = resources["Model"]["Properties"]["PrimaryContainer"]["Environment"]["GREETING"]
    values = {parameter.name.title().replace("_", ""): parameter.value for parameter in template.parameters}
    assert (written if isinstance(written, str) else values[written["Ref"]]) == text
    assert resources["Alarm"]["Properties"]["AlarmActions"][0] == {"Ref": "Policy"}
    lines = FORMATS["terraform"](template).splitlines()
    assert not [line for line in lines if line.startswith("Left out")]
    assert any("aws_appautoscaling_policy.policy.arn" in line for line in lines)


@pytest.mark.parametrize("missing", ["ROLE_ARN", "ALARM_ACTIONS"])
@pytest.mark.parametrize("shell", SHELLS)
def test_case_of_a_parameter_that_is_not_set_ends_the_script_before_any_call(tmp_path, shell, missing):
    template = parametrised(set_up("text", "token"))
    given = {p.name.upper(): p.value for p in template.parameters if p.name.upper() != missing}
    done = subprocess.run(
        SHELLS[shell],
        input=FORMATS["cli"](template),
        env={"PATH": os.environ["PATH"], **given},
        capture_output=True,
        text=True,
        check=False,
        timeout=20,
        cwd=tmp_path,
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"{missing} is not set: ")


def test_export_of_a_containers_variables_does_not_touch_the_scripts_own():
    environment = {"PATH": "arn:aws:iam::111122223333:role/x", "ENDPOINT_NAME": "token", "DB_PWD": "s3cr3t"}
    request = {"ModelName": "dg-1", "PrimaryContainer": {"Environment": environment}}
    template = parametrised(Setup("dg", "us-east-1", (SetupCall("sagemaker", "CreateModel", request),)))
    assert {p.name: p.secret for p in template.parameters} == {
        "endpoint_name": False,
        "environment_path": False,
        "environment_endpoint_name": True,
        "environment_db_pwd": True,
    }


def test_export_of_an_endpoint_that_is_called_endpoint_puts_the_name_where_it_belongs():
    request = {"ResourceId": "endpoint/endpoint/variant/endpoint"}
    template = parametrised(
        Setup("endpoint", "r", (SetupCall("application-autoscaling", "RegisterScalableTarget", request),))
    )
    assert "endpoint/${endpoint_name}/variant/endpoint" in FORMATS["json"](template)


@pytest.mark.parametrize("to", FORMATS)
@pytest.mark.parametrize("text", ["\ue000PATH\ue001", "a \ue000PATH\ue001 b", "\ue000", "\ue001x"])
def test_marks_of_parameters_in_an_accounts_own_texts_name_no_parameter(to, text):
    setup = set_up(text, text)
    note = f"Policy {text} \x1b[31m is left out."
    template = parametrised(Setup(setup.endpoint_name, setup.region, setup.steps, (note,), setup.alarms))
    written = FORMATS[to](template)
    assert not re.search(r'"\$PATH"|\$\{P(ATH|ath)\}|\{PATH\}|var\.PATH|"Path"', written)
    assert "\x1b" not in written
    assert {p.value for p in template.parameters} >= {text}


@pytest.mark.parametrize(
    "request_",
    [
        {"Tags": [{"Key": "k\ue000PATH\ue001", "Value": "v"}]},
        {"Tags": {"k\ue001": "v"}},
        {"Dimensions": [{"Name": "\ue000PATH\ue001", "Value": "v"}]},
        {"PrimaryContainer": {"Environment": {"\ue000PATH\ue001": "v"}}},
    ],
    ids=lambda request: next(iter(request)),
)
def test_marks_of_parameters_in_a_name_are_refused(request_):
    with pytest.raises(UnsupportedFeature, match="marks of a parameter"):
        parametrised(Setup("dg", "us-east-1", (SetupCall("sagemaker", "CreateModel", request_),)))
