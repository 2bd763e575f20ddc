"""The SageMaker SDK's resources, from nothing to nothing."""

from __future__ import annotations

import sys

import pytest
from kit.client_setup import SAMPLE_WAV

from dgsm_helpers.rules.sample import bundled_sample


@pytest.mark.parametrize("client", ["sagemaker.core.resources"])
def test_model_config_and_endpoint_are_made_used_changed_and_deleted(embedded, run_script, client):
    seen = run_script(
        sys.executable,
        "deploy_sagemaker_sdk.py",
        *("--name", "dg-sagemaker-sdk", "--wav", str(SAMPLE_WAV)),
        *("--package", embedded.info.listings["metered"], "--role", embedded.info.execution_role_arn),
    )
    assert seen["isolated"] is True
    assert seen["pools"] == [["ml.g6.2xlarge", 1], ["ml.g5.2xlarge", 2]]
    assert seen["created"] == "Creating"
    assert seen["in_service"] == ["InService", 1, {"ml.g6.2xlarge": 1, "ml.g5.2xlarge": 0}]
    assert seen["listed"] == ["dg-sagemaker-sdk"]
    transcript = seen["document"]["results"]["channels"][0]["alternatives"][0]["transcript"]
    assert transcript == bundled_sample().transcript
    assert seen["updated"] == ["InService", 2, {"ml.g6.2xlarge": 2, "ml.g5.2xlarge": 0}]
    assert seen["left"] == []
