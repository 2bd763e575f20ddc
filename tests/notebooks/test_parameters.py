"""The committed notebooks with other parameters than their defaults, by papermill."""

from __future__ import annotations

from pathlib import Path

import papermill
import pytest

from dgsm_helpers.aws.endpoint import deployment, deployment_plan, endpoint_state
from dgsm_helpers.aws.scaling import registration
from dgsm_helpers.aws.scaling.policy import ScalingPolicy
from dgsm_helpers.workbook.run_notebooks import run_notebook

FOLDER = Path(__file__).resolve().parents[2] / "notebooks"


@pytest.fixture
def run(on_embedded, tmp_path):
    def run_one(name, **parameters):
        outcome = run_notebook(FOLDER / f"{name}.ipynb", parameters, tmp_path, 840, progress_bar=False)
        assert outcome.ok, str(outcome)
        return outcome.values

    return run_one


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.ipynb")), ids=lambda path: path.stem)
def test_papermill_reads_every_parameter_with_its_help(path, caplog):
    parameters = papermill.inspect_notebook(str(path))
    assert parameters and all(p["help"] for p in parameters.values())
    assert not caplog.records


def test_start_here_in_another_region_and_with_the_speech_listing(run):
    run("00_start_here", region="eu-west-1", listing="speech", endpoint_name="dg-elsewhere")


def test_deploy_with_one_listing_for_serving_and_transcribing(run, on_embedded):
    values = run("01_deploy", listing="metered", transcriber="metered")
    assert values["transcribed_by"].startswith("metered")
    assert endpoint_state.status(on_embedded).status == "InService"


def test_register_with_other_bounds_and_target(run, on_embedded):
    values = run("02_register", max_capacity=2, target_value=7.5, scale_in_cooldown_s=600)
    assert values == {"target_value": 7.5, "min_capacity": 1, "max_capacity": 2}
    wanted = ScalingPolicy(target_value=7.5, scale_in_cooldown_s=600)
    assert registration.verify(on_embedded, wanted, min_capacity=1, max_capacity=2).ok


@pytest.mark.live
@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_monitor_with_a_smaller_load_goes_to_two_instances_and_back(run):
    values = run("04_monitor", load_streams=8, target_value=4.0, max_capacity=3)
    counts = values["running_instances"]
    assert (counts[0], max(counts), counts[-1]) == (1, 2, 1)


def test_clean_up_can_only_list(run, on_embedded):
    deployment.deploy(on_embedded, deployment_plan.plan(on_embedded))
    values = run("99_clean_up", delete=False)
    assert "endpoint deepgram-demo" in values["left_behind"]
    assert run("99_clean_up")["left_behind"] == []
