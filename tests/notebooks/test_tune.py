"""The tuning notebook with other parameters than its defaults, by papermill, and the next one after it."""

from __future__ import annotations

from pathlib import Path

import pytest
from kit.machine import require_measured

from dgsm_helpers import state
from dgsm_helpers.aws.endpoint import deployment, deployment_plan
from dgsm_helpers.aws.scaling import registration
from dgsm_helpers.aws.scaling.policy import ScalingPolicy
from dgsm_helpers.workbook.run_notebooks import run_notebook

FOLDER = Path(__file__).resolve().parents[2] / "notebooks"


@pytest.fixture(scope="module")
def tuned(on_embedded_together, tmp_path_factory):
    """The outcome of 03 on an endpoint whose policy and bounds somebody chose, short of its knee."""
    wb = on_embedded_together
    deployment.deploy(wb, deployment_plan.plan(wb))
    registration.register(wb, 1, 3)
    registration.apply(wb, ScalingPolicy(target_value=3.5, scale_in_cooldown_s=240, scale_out_cooldown_s=30))
    given = {"max_streams": 4, "headroom": 0.75, "growth_per_min": 0.0, "criteria": "deepgram"}
    outcome = run_notebook(FOLDER / "03_tune.ipynb", given, tmp_path_factory.mktemp("03"), 840, progress_bar=False)
    require_measured(outcome.error)
    assert outcome.ok, str(outcome)
    return outcome


def assert_only_the_target_is_another(wb):
    wanted = ScalingPolicy(target_value=3.0, scale_in_cooldown_s=240, scale_out_cooldown_s=30)
    found = registration.verify(wb, wanted, min_capacity=1, max_capacity=3)
    assert found.ok, found.problems


@pytest.mark.timeout(1800)
def test_tune_short_of_the_knee_claims_no_more_than_it_saw(tuned, on_embedded_together):
    assert tuned.values["feasible_max"] == 4
    assert tuned.values["infeasible_min"] is None
    assert tuned.values["target_value"] == 3.0
    assert_only_the_target_is_another(on_embedded_together)
    assert state.newest(on_embedded_together)["criteria"]["name"] == "deepgram"


@pytest.mark.timeout(1800)
def test_the_target_that_03_measured_is_still_there_after_04(tuned, on_embedded_together, tmp_path):
    watched = run_notebook(FOLDER / "04_monitor.ipynb", {"load_streams": 5}, tmp_path, 840, progress_bar=False)
    assert watched.ok, str(watched)
    assert_only_the_target_is_another(on_embedded_together)
