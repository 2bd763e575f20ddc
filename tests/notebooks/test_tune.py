"""The tuning notebook with other parameters than its defaults, by papermill."""

from __future__ import annotations

from pathlib import Path

import pytest
from kit.machine import require_measured

from dgsm_helpers import state
from dgsm_helpers.aws.endpoint import deployment, deployment_plan
from dgsm_helpers.aws.scaling import registration
from dgsm_helpers.aws.scaling.policy import ScalingPolicy
from dgsm_helpers.workbook.run_notebooks import run_notebook

TUNE = Path(__file__).resolve().parents[2] / "notebooks" / "03_tune.ipynb"


@pytest.mark.timeout(1800)
def test_tune_short_of_the_knee_claims_no_more_than_it_saw(on_embedded, tmp_path):
    deployment.deploy(on_embedded, deployment_plan.plan(on_embedded))
    registration.register(on_embedded, 1, 2)
    registration.apply(on_embedded, ScalingPolicy(scale_in_cooldown_s=900))
    given = {"max_streams": 4, "headroom": 0.75, "growth_per_min": 0.0, "criteria": "deepgram"}
    outcome = run_notebook(TUNE, given, tmp_path, 840, progress_bar=False)
    require_measured(outcome.error)
    assert outcome.ok, str(outcome)
    assert outcome.values["feasible_max"] == 4
    assert outcome.values["infeasible_min"] is None
    assert outcome.values["target_value"] == 3.0
    wanted = ScalingPolicy(target_value=3.0, scale_in_cooldown_s=900)
    assert registration.verify(on_embedded, wanted, min_capacity=1, max_capacity=2).ok
    assert state.newest(on_embedded)["criteria"]["name"] == "deepgram"
