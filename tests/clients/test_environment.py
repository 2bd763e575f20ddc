"""What else a shell may hold: clients still reach the embedded AWS, and nothing but it."""

from __future__ import annotations

import subprocess
import sys

import pytest
from kit.broken_environments import EVERYTHING_AT_ONCE, everything_at_once
from kit.client_setup import SAMPLE_WAV

LEFTOVERS = {
    "a-proxy": dict.fromkeys(("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"), "http://127.0.0.1:1"),
    "a-session-token": {"AWS_SESSION_TOKEN": "of-another-account"},
    "a-missing-profile": {"AWS_PROFILE": "no-such-profile"},
    "an-endpoint-elsewhere": {"AWS_ENDPOINT_URL_SAGEMAKER": "https://sagemaker.example.com"},
    "endpoint-urls-ignored": {"AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "true"},
    "fips-and-dual-stack": {"AWS_USE_FIPS_ENDPOINT": "true", "AWS_USE_DUALSTACK_ENDPOINT": "true"},
    "keys-that-expired": {"AWS_CREDENTIAL_EXPIRATION": "2020-01-01T00:00:00Z", "AWS_SECURITY_TOKEN": "old"},
    "a-default-profile": {"AWS_CONFIG_FILE": "{folder}/config"},
    "everything": EVERYTHING_AT_ONCE,
}
DEFAULT_PROFILE = """[default]
use_fips_endpoint = true
ignore_configured_endpoint_urls = true
ca_bundle = /nonexistent/corp.pem
max_attempts = many
services = elsewhere
[services elsewhere]
sagemaker =
  endpoint_url = https://sagemaker.example.com
"""
CALLS = """
import sys
sagemaker, runtime = client("sagemaker"), client("sagemaker-runtime")
assert sagemaker.list_endpoints()["Endpoints"]
body = open(sys.argv[2], "rb").read()
answer = runtime.invoke_endpoint(EndpointName=sys.argv[1], CustomAttributes="v1/listen", Body=body)
print(answer["InvokedProductionVariant"])
"""
PROGRAMS = {
    "boto3": ('eval "$(dgsm local env)" && exec "$@"', "from boto3 import client" + CALLS),
    "workbook": (
        'exec "$@"',
        "from dgsm_helpers.session import open_workbook\nclient = open_workbook().client" + CALLS,
    ),
}


@pytest.mark.parametrize("leftover", LEFTOVERS)
@pytest.mark.parametrize("client", PROGRAMS)
def test_case_of_what_a_shell_holds_of_elsewhere_does_no_harm(
    *, embedded, local_env, endpoint, leftover, client, tmp_path
):
    """The shell has the leftovers when it evaluates `dgsm local env`; the workbook needs no such thing."""
    shell, program = PROGRAMS[client]
    everything_at_once(tmp_path)
    (tmp_path / "config").write_text(DEFAULT_PROFILE)
    held = {name: value.format(folder=tmp_path) for name, value in LEFTOVERS[leftover].items()}
    clean = {name: value for name, value in local_env.items() if name not in embedded.info.env()}
    done = subprocess.run(
        ["bash", "-c", shell, "-", sys.executable, "-c", program, endpoint, str(SAMPLE_WAV)],
        env={**clean, **held},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.strip() == "AllTraffic", done.stderr[-1500:]


def test_no_variable_of_elsewhere_is_left_in_the_shell(embedded, local_env):
    """Whatever of AWS stands in a shell afterwards is what `dgsm local env` says, or how the AWS CLI prints."""
    clean = {name: value for name, value in local_env.items() if name not in embedded.info.env()}
    held = {
        "AWS_ENDPOINT_URL_S3": "https://s3.example.com",
        "AWS_ENDPOINT_URL_BEDROCK_RUNTIME": "https://bedrock.example.com",
        "AWS_ROLE_ARN": "arn:aws:iam::1:role/x",
        "AWS_A.B": "no variable of a shell",
        "AWS_PAGER": "cat",
        "DGSM_WHERE": "aws",
        **EVERYTHING_AT_ONCE,
    }
    done = subprocess.run(
        ["bash", "-c", 'eval "$(dgsm local env)" && env -0'],
        env={**clean, **held},
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    left = dict(line.split("=", 1) for line in done.stdout.split("\0") if line)
    ours = {name: value for name, value in left.items() if name.startswith(("AWS_", "DGSM_WHERE")) and "." not in name}
    expected = {name: value for name, value in embedded.info.env().items() if name.startswith("AWS_")}
    assert ours == {**expected, "AWS_PAGER": "cat"}
