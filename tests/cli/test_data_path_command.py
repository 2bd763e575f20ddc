"""``dgsm doctor --data-path``: an answer and its exit code, whatever bars the way."""

from __future__ import annotations

import json

import pytest

from dgsm_helpers.cli.options import FAILED, NO, YES
from dgsm_helpers.load.transport import path_walk


@pytest.fixture(autouse=True)
def patient(monkeypatch):
    """Time for a busy machine; nothing hangs here."""
    monkeypatch.setattr(path_walk, "TOTAL_S", 120.0)


def test_doctor_says_that_the_data_path_is_open(run, endpoint):
    answer = run("doctor", endpoint.endpoint_name, "--data-path")
    assert (answer.exit_code, "reached the model" in answer.stdout, "STOP" in answer.stdout) == (YES, True, False)


def test_doctor_names_what_bars_the_data_path_and_what_to_do(run, endpoint, operator):
    operator.fault("denied", service="sagemaker-runtime")
    answer = run("doctor", endpoint.endpoint_name, "--data-path", "--json")
    worst = json.loads(answer.stdout)["findings"][0]
    assert (answer.exit_code, worst["rule"], worst["verdict"]) == (NO, "iam-action", "STOP")
    assert "InvokeEndpointWithBidirectionalStream" in worst["fix"]


def test_doctor_takes_no_traffic_for_the_data_path(run):
    answer = run("doctor", "any", "--data-path", "--peak-streams", "5")
    assert (answer.exit_code, "--data-path" in answer.stderr) == (FAILED, True)
