"""AWS's JavaScript SDK, which finds address, credentials and authority in the environment."""

from __future__ import annotations

import pytest
from kit.client_setup import SAMPLE_WAV

from dgsm_helpers.rules.sample import bundled_sample

RUNTIME = pytest.mark.parametrize("client", ["@aws-sdk/client-sagemaker-runtime"])
SCALING = pytest.mark.parametrize(
    "client", ["@aws-sdk/client-sagemaker, client-application-auto-scaling, client-cloudwatch"]
)


@pytest.fixture
def invoke(javascript_sdk, run_script, endpoint):
    def run(path: str, *, name: str = endpoint, env: dict[str, str] | None = None) -> dict:
        modules = {"NODE_PATH": str(javascript_sdk), "NODE_NO_WARNINGS": "1"}
        return run_script("node", "invoke_endpoint.cjs", name, path, str(SAMPLE_WAV), env={**modules, **(env or {})})

    return run


@pytest.fixture
def scale(javascript_sdk, run_script, endpoint, scaling):
    def run(least: int) -> dict:
        modules = {"NODE_PATH": str(javascript_sdk), "NODE_NO_WARNINGS": "1"}
        return run_script("node", "scale_endpoint.cjs", endpoint, str(least), env=modules)

    return run


@SCALING
def test_an_endpoint_is_described_made_to_scale_and_let_go(scale, client):
    got = scale(1)
    assert got == {
        "error": None,
        "status": "InService",
        "made": True,
        "thresholds": [6.75, 7.5],
        "targets": 1,
        "left": 0,
    }


@SCALING
def test_a_minimum_above_the_maximum_is_a_validation_exception(scale, client):
    error = scale(9)["error"]
    assert (error["name"], error["status"]) == ("ValidationException", 400)


@RUNTIME
def test_a_file_comes_back_transcribed(invoke, client):
    got = invoke("v1/listen?model=nova-3&punctuate=true")
    assert got["error"] is None
    assert (got["contentType"], got["variant"]) == ("application/json", "AllTraffic")
    transcript = got["body"]["results"]["channels"][0]["alternatives"][0]["transcript"]
    assert transcript == bundled_sample().transcript


@RUNTIME
def test_the_containers_refusal_is_a_model_error_with_its_text(invoke, client):
    error = invoke("v1/listen?model=nova-3&no_such_parameter=1")["error"]
    assert (error["name"], error["status"], error["originalStatus"]) == ("ModelError", 424, 400)
    assert "no_such_parameter" in error["originalMessage"]
    assert ":log-group:/aws/sagemaker/Endpoints/dg-clients:log-stream:AllTraffic/" in error["logStream"]


@RUNTIME
def test_an_unknown_endpoint_is_a_validation_error(invoke, client):
    error = invoke("v1/listen", name="no-such-endpoint")["error"]
    assert (error["name"], error["status"]) == ("ValidationError", 400)
    assert error["message"] == "Endpoint no-such-endpoint of account 123456789012 not found."


@RUNTIME
def test_a_bad_signature_is_refused(invoke, client):
    error = invoke("v1/listen", env={"AWS_SECRET_ACCESS_KEY": "not-the-secret"})["error"]
    assert error["status"] == 403
