"""The fixture `embedded_aws` in somebody's own tests, run by a pytest of their own."""

from __future__ import annotations

import subprocess
import sys
import tomllib

import pytest
from kit.users_pytest import PLUGIN, ROOT, run_tests

USES = """
import os
import subprocess
import sys

import boto3
import pytest

from dgsm_helpers.load.transport.sdk_transport import stream_recording


def test_a_client_of_the_same_process_finds_the_endpoint_and_sees_it_scale(embedded_aws):
    endpoint = embedded_aws.endpoint()
    sagemaker = boto3.client("sagemaker")
    assert sagemaker.describe_endpoint(EndpointName=endpoint.name)["EndpointStatus"] == "InService"
    endpoint.scale(2)
    assert sagemaker.describe_endpoint(EndpointName=endpoint.name)["EndpointStatus"] == "Updating"
    endpoint.wait()
    assert endpoint.running_instances == 2
    endpoint.scale(1)
    endpoint.wait()
    assert endpoint.running_instances == 1


def test_a_process_of_its_own_finds_it_too(embedded_aws):
    name = embedded_aws.endpoint("from-outside").name
    script = f"import boto3; print(boto3.client('sagemaker').describe_endpoint(EndpointName={name!r}))"
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert "'EndpointStatus': 'InService'" in run.stdout


def test_nothing_of_another_test_is_left(embedded_aws):
    assert boto3.client("sagemaker").list_endpoints()["Endpoints"] == []


def test_what_goes_wrong_goes_wrong_once(embedded_aws):
    endpoint = embedded_aws.endpoint()
    embedded_aws.fault("dropped-connection", endpoint=endpoint.name)
    assert not stream_recording(endpoint.workbook, duration_s=2).ok
    assert stream_recording(endpoint.workbook, duration_s=1).ok


def test_faults_end_with_their_test(embedded_aws):
    endpoint = embedded_aws.endpoint()
    embedded_aws.fault("denied", service="sagemaker", operation="DescribeEndpoint")
    with pytest.raises(Exception, match="AccessDenied"):
        boto3.client("sagemaker").describe_endpoint(EndpointName=endpoint.name)


def test_nothing_is_denied_any_more(embedded_aws):
    assert embedded_aws.endpoint().running_instances == 1


def test_without_the_fixture_the_shells_own_settings_stand():
    assert os.environ["AWS_PROFILE"] == "mine" and "AWS_ENDPOINT_URL" not in os.environ
"""


def test_pytest_finds_the_fixture_where_the_package_is_installed():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["entry-points"]["pytest11"] == {"dgsm": PLUGIN}


@pytest.mark.timeout(1800)
def test_a_project_of_its_own_tests_its_client(tmp_path):
    (tmp_path / "test_mine.py").write_text(USES)
    assert "7 passed" in run_tests(tmp_path, tmp_path / "temp", AWS_PROFILE="mine")


def test_loading_the_fixture_imports_nothing_else(tmp_path):
    script = f"import sys, {PLUGIN}; print([n for n in ('boto3', 'pandas', 'numpy', 'moto') if n in sys.modules])"
    run = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"
