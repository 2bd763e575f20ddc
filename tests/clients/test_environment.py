"""What else a shell may hold: clients still reach the embedded AWS, and nothing but it."""

from __future__ import annotations

import subprocess
import sys

import pytest
from kit.client_setup import SAMPLE_WAV

LEFTOVERS = {
    "a-proxy": dict.fromkeys(("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"), "http://127.0.0.1:1"),
    "a-session-token": {"AWS_SESSION_TOKEN": "of-another-account"},
    "a-missing-profile": {"AWS_PROFILE": "no-such-profile"},
}
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
def test_what_a_shell_holds_of_elsewhere_does_no_harm(embedded, local_env, endpoint, leftover, client):
    """The shell has the leftovers when it evaluates `dgsm local env`; the workbook needs no such thing."""
    shell, program = PROGRAMS[client]
    clean = {name: value for name, value in local_env.items() if name not in embedded.info.env()}
    done = subprocess.run(
        ["bash", "-c", shell, "-", sys.executable, "-c", program, endpoint, str(SAMPLE_WAV)],
        env={**clean, **LEFTOVERS[leftover]},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.strip() == "AllTraffic", done.stderr[-1500:]
