"""What the engine says of itself, beside the measured knee: as `dgsm tune`, `dgsm doctor` and `dgsm report` show it."""

from __future__ import annotations

import json

import pytest
from kit import endpoints
from kit.command_line import run_line
from kit.machine import require_measured

from dgsm_helpers import local
from dgsm_helpers.cli.options import FAILED
from dgsm_helpers.session import open_workbook

NAME = "cli-engine"
KNEE = 4
"""Of an engine with four lanes and 90 ms of work for 100 ms of audio."""


@pytest.fixture(scope="module")
def wb(tmp_path_factory):
    """An endpoint whose engines sustain `KNEE` streams, on an embedded AWS of its own."""
    home = tmp_path_factory.mktemp("engine")
    local.up(home, metered={"lanes": 4, "service_ms": 90})
    yield endpoints.scaled(open_workbook("local", home=home, endpoint_name=NAME))
    local.down(home)


@pytest.fixture
def enriched(wb):
    """The account's metrics can be asked for by PromQL."""
    cloudwatch = wb.client("cloudwatch")
    cloudwatch.start_otel_enrichment()
    yield
    cloudwatch.stop_otel_enrichment()


def said(wb, *words):
    answer = run_line(wb.home, *words)
    if answer.exit_code == FAILED:
        require_measured(answer.stderr)
    assert answer.exit_code != FAILED, answer.stderr
    return answer.stdout


def tuned(wb, most):
    """What measuring up to so many streams says to a person."""
    return said(wb, "tune", NAME, "--max-streams", str(most))


def finding(wb):
    findings = json.loads(said(wb, "doctor", NAME, "--json"))["findings"]
    return next(one for one in findings if one["rule"] == "engine-agrees")


def page(wb, tmp_path):
    said(wb, "report", NAME, "--out", str(tmp_path / "report.html"))
    return (tmp_path / "report.html").read_text(encoding="utf-8")


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_where_metrics_are_enriched_it_stands_beside_the_knee_that_was_measured(wb, enriched, tmp_path):
    assert f"The engine's own estimate: {KNEE} streams, agrees." in tuned(wb, KNEE)
    there = finding(wb)
    assert (there["verdict"], there["evidence"]) == ("OK", f"the engine estimates {KNEE} streams, {KNEE} were measured")
    assert f"The engine's own word: the engine estimates {KNEE} streams, {KNEE} were measured." in page(wb, tmp_path)


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_more_than_a_fifth_between_them_is_flagged(wb, enriched, tmp_path):
    answer = json.loads(said(wb, "tune", NAME, "--max-streams", "3", "--json"))
    assert (answer["engine_estimate"], answer["feasible_max"]) == (KNEE, 3)
    assert answer["engine_says"].startswith(f"The engine's own estimate: {KNEE} streams, 33% off the measured 3")
    there = finding(wb)
    assert (there["verdict"], there["evidence"]) == ("WARN", f"the engine estimates {KNEE} streams, 3 were measured")
    assert f"the engine estimates {KNEE} streams, 3 were measured" in page(wb, tmp_path)


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_where_metrics_are_not_enriched_all_three_say_how_to_switch_it_on(wb, tmp_path):
    how = "the account's metrics are not enriched. Switch it on: aws cloudwatch start-otel-enrichment"
    assert f"The engine's own estimate: {how}" in tuned(wb, 2)
    assert finding(wb)["evidence"] == f"no second witness: {how}"
    assert "aws cloudwatch start-otel-enrichment" in page(wb, tmp_path)
