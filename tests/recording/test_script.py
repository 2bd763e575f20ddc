"""How `dgsm record` is run: priced and confirmed first, asked once, cleaned up, replayed, and gone by afterwards."""

from __future__ import annotations

import json
import re
from dataclasses import replace

import pytest
from kit import endpoints
from kit.moved_workbook import EmptyAws, MovedLoad, moved_workbook
from kit.replaying import Mismatch, Replay

from dgsm_helpers import local
from dgsm_helpers.aws.endpoint import endpoint_state
from dgsm_helpers.aws.watch import observe
from dgsm_helpers.errors import InvalidInput, NotReady, SpendNotConfirmed
from dgsm_helpers.planning.calibrating import model_for
from dgsm_helpers.recording import growing, resting, script
from dgsm_helpers.recording.ground import Observed
from dgsm_helpers.recording.script import ENDPOINT, STEPS, Step, record
from dgsm_helpers.rules.model import FIXED_RULES, ScalingModel, recorded_model
from dgsm_helpers.session import open_workbook

ALARMS = Step(ask=resting.alarms, minutes=1, instances=1)
GROWTH = Step(ask=growing.growth, minutes=19, instances=3)


@pytest.fixture
def aws():
    return EmptyAws()


@pytest.fixture
def wb(aws, tmp_path):
    return moved_workbook(aws, tmp_path, ENDPOINT)


def recorded(wb, aws, *steps):
    return record(wb, steps=steps, load_of=lambda wb: MovedLoad(aws, wb.endpoint_name), say=lambda _: None)


def fails(ground) -> Observed:
    """A question that cannot be put."""
    raise NotReady("no capacity")


def test_every_assumption_names_the_step_that_settles_it_or_why_none_does():
    built_in = {rule.name for rule in FIXED_RULES}
    for assumption in ScalingModel().assumptions():
        if assumption.name not in built_in:
            step = assumption.settled_by.removeprefix("step ")
            assert step in {step.name for step in STEPS} or step.startswith("no step: ")


def test_the_price_is_stated_before_anything_is_made(wb, aws):
    careful = replace(wb, bills=True, confirm_spend=False)
    with pytest.raises(SpendNotConfirmed, match=r"about \d+ minutes costs about .* instance-minutes of ml\.\S+ at \$"):
        recorded(careful, aws, *STEPS)
    assert endpoint_state.find(wb) is None


@pytest.mark.parametrize(("limit", "most"), [("MOST_USD", 0.5), ("MOST_MINUTES", 30.0)])
def test_what_would_cost_too_much_is_refused(wb, aws, monkeypatch, limit, most):
    monkeypatch.setattr(script, limit, most)
    with pytest.raises(InvalidInput, match="It would take"):
        recorded(wb, aws, *STEPS)


def test_the_whole_script_stays_within_its_limits(wb):
    cost = script.price(wb)
    assert cost.usd is not None
    assert cost.usd <= script.MOST_USD
    assert sum(step.minutes for step in STEPS) <= script.MOST_MINUTES


def test_what_it_takes_is_said_first_and_what_it_took_last_wherever_it_runs(wb, aws):
    said = []
    record(wb, steps=(ALARMS,), load_of=lambda _: None, say=said.append)
    assert re.fullmatch(r"It takes about 1 minutes and, on AWS, about .* \$\d+\.\d\d, plus the software fee\.", said[0])
    assert re.fullmatch(r"It took \d+ minutes\.", said[-1])


def test_a_run_that_was_cut_off_deletes_its_endpoint_and_goes_on_with_what_is_left(wb, aws):
    with pytest.raises(NotReady):
        recorded(wb, aws, ALARMS, Step(ask=fails, minutes=1, instances=1))
    assert endpoint_state.find(wb) is None
    asked = []
    again = record(wb, steps=(ALARMS,), load_of=lambda _: None, say=asked.append)
    assert asked == []
    assert again.values["high_periods"] == 3


def test_an_endpoint_that_nobody_asked_for_is_left_alone(wb, aws):
    other = endpoints.deployed(moved_workbook(aws, wb.home, "somebody-elses"))
    recorded(wb, aws, ALARMS)
    assert endpoint_state.status(other).status == "InService"


@pytest.mark.parametrize("values", [{}, {"high_periods": 5, "reaction_overhead_s": 60.0}], ids=["as-assumed", "other"])
def test_a_recording_is_replayed_by_an_embedded_aws_that_goes_by_its_values(tmp_path, values):
    aws = EmptyAws(model=ScalingModel(**values))
    recording = recorded(moved_workbook(aws, tmp_path, ENDPOINT), aws, ALARMS, GROWTH)
    kept = json.loads(recording.path.read_text(encoding="utf-8"))
    Replay(kept).run()
    kept["values"]["high_periods"]["value"] = 40
    with pytest.raises(Mismatch):
        Replay(kept).run()


def test_the_planner_goes_by_what_was_recorded_of_aws_and_not_of_the_embedded_aws(wb, aws):
    recording = recorded(wb, aws, ALARMS)
    path = recording.path
    kept = json.loads(path.read_text(encoding="utf-8"))
    kept["values"] = {"statistic": {"value": "Maximum", "step": "alarms"}}
    path.write_text(json.dumps(kept), encoding="utf-8")
    assert model_for(wb).model.statistic == "Average"
    path.rename(path.with_name("aws-us-east-1-dgsm-record.json"))
    calibration = model_for(wb)
    assert calibration.model.statistic == "Maximum"
    assert "statistic" in {row.name for row in calibration.read}


def test_an_embedded_aws_behaves_as_its_home_recorded(tmp_path):
    (tmp_path / "recordings").mkdir()
    recording = {"source": "AWS", "date": "2026-11-29", "values": {"high_periods": {"value": 4}}}
    (tmp_path / "recordings" / "aws-eu-west-1-dgsm-record.json").write_text(json.dumps(recording), encoding="utf-8")
    local.up(tmp_path, speed=600)
    try:
        wb = endpoints.scaled(open_workbook("local", home=tmp_path))
        assert [alarm.evaluation_periods for alarm in observe.alarm_states(wb)] == [4, 90]
    finally:
        local.down(tmp_path)


@pytest.mark.parametrize(
    "recording",
    [
        "{",
        "[]",
        '{"values": {"statistic": {"value": "Average"}}}',
        '{"source": "a", "date": "b", "values": {"statistic": {"value": "Sum"}}}',
        '{"source": "a", "date": "b", "values": {"no_such_thing": {"value": 1}}}',
        '{"source": "a", "date": "b", "values": {"high_periods": {"value": "3"}}}',
        '{"source": "a", "date": "b", "values": {"high_periods": 3}}',
        '{"source": "a", "date": "b", "values": 3}',
    ],
)
def test_what_is_no_recording_is_refused_before_anything_starts(tmp_path, recording):
    (tmp_path / "recordings").mkdir()
    (tmp_path / "recordings" / "aws-us-east-1-x.json").write_text(recording, encoding="utf-8")
    with pytest.raises(InvalidInput):
        local.up(tmp_path)
    assert local.find(tmp_path) is None


def test_a_range_is_read_back_from_json():
    recording = {"source": "a", "date": "b", "values": {"shortage_s": {"value": [60.0, 90.0]}}}
    assert recorded_model(recording).shortage_s == (60.0, 90.0)
