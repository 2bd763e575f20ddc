"""The planning notebook on calls from a file and a given knee, its recommendation put into the account."""

from __future__ import annotations

from pathlib import Path

import pytest

from dgsm_helpers.aws.endpoint import deployment, deployment_plan
from dgsm_helpers.aws.scaling import registration
from dgsm_helpers.workbook.run_notebooks import run_notebook

PLAN = Path(__file__).resolve().parents[2] / "notebooks" / "05_plan.ipynb"


@pytest.fixture
def calls(tmp_path):
    """Two hours of calls of five minutes: one a minute, and from the first hour on four."""
    starts = [*range(0, 3600, 60), *range(3600, 7200, 15)]
    path = tmp_path / "calls.csv"
    path.write_text("start,duration_s\n" + "".join(f"{start},300\n" for start in starts))
    return path


def test_calls_from_a_file_and_the_recommendation_applied(on_embedded, calls, tmp_path):
    deployment.deploy(on_embedded, deployment_plan.plan(on_embedded))
    given = {"traffic": str(calls), "knee": 12, "apply": True, "tolerated_percent": 1.0}
    outcome = run_notebook(PLAN, given, tmp_path / "out", 840, progress_bar=False)
    assert outcome.ok, str(outcome)
    assert outcome.values["knee"] == 12
    assert outcome.values["over_capacity_percent"] <= 1.0
    state = registration.verify(on_embedded)
    assert state.ok, state.problems
    (policy,) = state.policies
    assert outcome.values["recommended"].startswith(f"target {policy.configuration['TargetValue']:g},")


def test_a_file_that_is_wrong_stops_the_notebook_with_its_line(on_embedded, calls, tmp_path):
    calls.write_text("start,duration_s\n9,5\n3,five\n")
    outcome = run_notebook(PLAN, {"traffic": str(calls), "knee": 12}, tmp_path / "out", 840, progress_bar=False)
    assert not outcome.ok
    assert "Line 3" in outcome.error
