"""`dgsm record` as it will be run on AWS, on a running embedded AWS: real streams, real clients, nothing left."""

from __future__ import annotations

import json

import pytest

from dgsm_helpers import local
from dgsm_helpers.aws.endpoint import endpoint_state
from dgsm_helpers.cli.main import main
from dgsm_helpers.places.running_server import admin
from dgsm_helpers.recording import script
from dgsm_helpers.recording.script import ENDPOINT, STEPS
from dgsm_helpers.session import open_workbook

SPEED = 10.0
"""Local seconds in a wall second: the 30 s between SIGTERM and SIGKILL are then three, on a machine that is busy with a
dozen other tests."""


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("DGSM_HOME", str(tmp_path))
    yield tmp_path
    local.down(tmp_path)


def planted(home, **values):
    """A running embedded AWS that was recorded to behave so."""
    recording = {"source": "planted", "date": "2026-11-29", "values": {n: {"value": v} for n, v in values.items()}}
    (home / "recordings").mkdir()
    (home / "recordings" / "aws-us-east-1-planted.json").write_text(json.dumps(recording), encoding="utf-8")
    local.up(home, speed=SPEED)


@pytest.mark.live
@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_the_command_finds_the_embedded_aws_as_assumed_and_leaves_nothing(home, capsys):
    local.up(home, speed=SPEED)
    code = main(["record", "--json"])
    said = json.loads(capsys.readouterr().out)
    assert (code, said["deviations"], said["unsettled"]) == (0, {}, []), said["seen"]
    assert set(said["seen"]) == {step.name for step in STEPS}
    assert endpoint_state.find(open_workbook("local", home=home, endpoint_name=ENDPOINT)) is None


@pytest.mark.live
@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize(
    "deviation",
    [
        {"cut_stream_sees": "reset"},
        {"cut_stream_sees": "clean-end"},
        {"sigkill_after_s": 120.0},
        {"routed_until": "SIGKILL"},
        {"bounds_act": "always"},
    ],
    ids=lambda deviation: "-".join(map(str, deviation.values())),
)
def test_what_live_streams_see_of_a_planted_deviation_is_reported(home, capsys, monkeypatch, deviation):
    planted(home, **deviation)
    monkeypatch.setattr(script, "STEPS", [step for step in STEPS if step.name == "removal"])
    code = main(["record", "--json"])
    said = json.loads(capsys.readouterr().out)
    assert (code, set(said["deviations"])) == (1, set(deviation)), said["seen"]


def test_without_a_step_left_the_answer_is_there_at_once(home, capsys):
    info = local.up(home, speed=SPEED)
    wb = open_workbook("local", home=home, endpoint_name=ENDPOINT)
    seen = {step.name: "as before" for step in STEPS}
    values = {"statistic": {"value": "Maximum", "step": "alarms"}}
    content = {"schema": 1, "source": "x", "date": "y", "seen": seen, "values": values, "steps": []}
    wb.state_path(f"recordings/{wb.key}.json").write_text(json.dumps(content), encoding="utf-8")
    assert main(["record"]) == 1
    assert "differs" in capsys.readouterr().out
    assert admin(info, "GET", "status")["endpoints"] == []
