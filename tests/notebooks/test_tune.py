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


@pytest.mark.live
@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_short_of_the_knee_03_claims_no_more_than_it_saw_and_its_target_is_still_there_after_04(on_embedded, tmp_path):
    """On an endpoint whose policy and bounds somebody chose: of them 03 changes the target, and 04 nothing."""
    deployment.deploy(on_embedded, deployment_plan.plan(on_embedded))
    registration.register(on_embedded, 1, 3)
    registration.apply(on_embedded, ScalingPolicy(target_value=3.5, scale_in_cooldown_s=240, scale_out_cooldown_s=30))
    given = {"max_streams": 4, "headroom": 0.75, "growth_per_min": 0.0, "criteria": "deepgram"}
    tuned = run_notebook(FOLDER / "03_tune.ipynb", given, tmp_path, 840, progress_bar=False)
    require_measured(tuned.error)
    assert tuned.ok, str(tuned)
    assert (tuned.values["feasible_max"], tuned.values["infeasible_min"]) == (4, None)
    assert tuned.values["target_value"] == 3.0
    assert state.newest(on_embedded)["criteria"]["name"] == "deepgram"
    assert_only_the_target_is_another(on_embedded)
    watched = run_notebook(FOLDER / "04_monitor.ipynb", {"load_streams": 5}, tmp_path, 840, progress_bar=False)
    assert watched.ok, str(watched)
    assert_only_the_target_is_another(on_embedded)


def assert_only_the_target_is_another(wb):
    wanted = ScalingPolicy(target_value=3.0, scale_in_cooldown_s=240, scale_out_cooldown_s=30)
    found = registration.verify(wb, wanted, min_capacity=1, max_capacity=3)
    assert found.ok, found.problems
