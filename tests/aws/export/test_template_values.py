"""What becomes a parameter of an export, and that everything else stays as it is in each format."""

from __future__ import annotations

import json
import os
import re
import subprocess

from dgsm_helpers.aws.export.setup_export import FORMATS
from dgsm_helpers.aws.export.template_values import parametrised
from dgsm_helpers.aws.scaling.scaling_setup import Setup, SetupCall


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


def test_exported_scripts_keep_special_characters_as_they_are(tmp_path):
    greeting = "say \"$HOME\" `x` \\ {y} ${z} %{w} 'ü'"
    request = {"ModelName": "dg-1", "PrimaryContainer": {"Environment": {"GREETING": greeting}}}
    template = parametrised(Setup("dg", "us-east-1", (SetupCall("sagemaker", "CreateModel", request),)))
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
