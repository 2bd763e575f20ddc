"""No notebook undoes the one before: what is on the endpoint stays unless a parameter says otherwise.

That 03's target outlives 04 is tried in test_tune.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from dgsm_helpers.aws.endpoint import deployment, deployment_plan
from dgsm_helpers.aws.scaling import registration
from dgsm_helpers.aws.scaling.policy import ScalingPolicy
from dgsm_helpers.workbook.run_notebooks import run_notebook

FOLDER = Path(__file__).resolve().parents[2] / "notebooks"
MEASURED = ScalingPolicy(target_value=3.5, scale_in_cooldown_s=240, scale_out_cooldown_s=30)


@pytest.fixture
def run(on_embedded, tmp_path):
    def run_one(name, **parameters):
        return run_notebook(FOLDER / f"{name}.ipynb", parameters, tmp_path, 840, progress_bar=False)

    return run_one


@pytest.fixture
def scaled(on_embedded):
    """An endpoint whose policy was measured and whose bounds somebody chose."""
    deployment.deploy(on_embedded, deployment_plan.plan(on_embedded))
    registration.register(on_embedded, 1, 3)
    registration.apply(on_embedded, MEASURED)
    return on_embedded


def assert_as_before(wb):
    state = registration.verify(wb, MEASURED, min_capacity=1, max_capacity=3)
    assert state.ok, state.problems


def test_02_run_again_leaves_what_was_measured(run, scaled):
    outcome = run("02_register")
    assert outcome.ok, str(outcome)
    assert outcome.values == {"target_value": 3.5, "min_capacity": 1, "max_capacity": 3}
    assert_as_before(scaled)


def test_02_changes_what_it_is_given_and_nothing_else(run, scaled):
    assert run("02_register", max_capacity=2, target_value=4.0).ok
    wanted = ScalingPolicy(target_value=4.0, scale_in_cooldown_s=240, scale_out_cooldown_s=30)
    assert registration.verify(scaled, wanted, min_capacity=1, max_capacity=2).ok


@pytest.mark.timeout(900)
def test_05_plans_within_the_bounds_that_are_there_and_applies_nothing_by_itself(run, scaled):
    outcome = run("05_plan", knee=5)
    assert outcome.ok, str(outcome)
    assert_as_before(scaled)
    text = outcome.output.read_text()
    assert "as applied to deepgram-demo" in text
    assert "Bounds 1 to 3 instances" in text or "Bounds 2 to 3 instances" in text


@pytest.mark.timeout(900)
def test_06_puts_back_what_it_found(run, scaled):
    outcome = run("06_mixed_fleet", load_streams=6, max_capacity=2)
    assert outcome.ok, str(outcome)
    assert_as_before(scaled)


def test_a_policy_on_a_metric_of_its_own_is_refused_before_it_is_replaced(run, scaled, on_embedded):
    from dgsm_helpers.aws.scaling.weighted_policy import capacities, weighted_policy

    by_type = dict.fromkeys(deployment_plan.plan(scaled).instance_types, 10)
    registration.apply(scaled, weighted_policy(scaled, "max-of-ratios", capacity_by_type=capacities(scaled, by_type)))
    outcome = run("04_monitor", load_streams=4)
    assert not outcome.ok and "follows a metric of its own" in outcome.error
    assert "CustomizedMetricSpecification" in registration.verify(scaled).policies[0].configuration
