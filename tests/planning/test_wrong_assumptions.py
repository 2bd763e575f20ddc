"""What being wrong costs: every assumption that can matter is played as what else it may be."""

from __future__ import annotations

from dataclasses import replace

import pytest

from dgsm_helpers.planning.comparing import PlanStudy
from dgsm_helpers.planning.measured import measured
from dgsm_helpers.rules.model import ScalingModel


@pytest.fixture
def study(workbook, day):
    return PlanStudy(day, measured(workbook(), knee=10), ScalingModel())


def test_the_difference_is_that_of_the_same_plan_under_the_other_value(study):
    plan = study.presets[1]
    rows = {row.assumption.name: row for row in study.if_wrong(plan).rows}
    other = study.merits(plan, model=replace(study.model, statistic="Maximum"))
    assumed = study.merits(plan)
    assert rows["statistic"].usd == pytest.approx(other.cost_usd - assumed.cost_usd)
    assert rows["statistic"].calls_cut == other.streams_cut - assumed.streams_cut
    assert rows["statistic"].instance_hours > 0


def test_the_dearest_stands_first_and_what_changes_nothing_is_named_below(study):
    table = study.if_wrong(study.presets[1])
    hours = [abs(row.instance_hours) for row in table.rows]
    assert hours == sorted(hours, reverse=True)
    text = str(table)
    shown, _, below = text.partition("Less: ")
    matter = [row.assumption.name for row in table.rows if row.matters]
    assert all(name in shown for name in matter[:4])
    assert all(row.assumption.name in below for row in table.rows if row.assumption.name not in matter[:4])
    assert "step alarms" in text
    assert "$+" in text


def test_what_was_read_is_no_assumption_any_more(study, day):
    read = study.model.with_evidence("an endpoint", statistic="Average", reaction_overhead_s=40.0)
    names = {row.assumption.name for row in PlanStudy(day, study.instance, read).if_wrong(study.presets[1]).rows}
    assert "capacity_rounding" in names
    assert not names & {"statistic", "reaction_overhead_s"}


def test_without_a_price_the_cost_is_in_instance_hours(study):
    free = replace(study.instance, price=replace(study.instance.price, amount_usd=None))
    table = PlanStudy(study.traffic, free, study.model).if_wrong(study.presets[1])
    assert all(row.usd is None for row in table.rows)
    assert "instance-hours" in str(table)


@pytest.mark.parametrize(
    "row", [a for a in ScalingModel().assumptions() if a.otherwise is not None], ids=lambda a: a.name
)
def test_what_else_an_assumption_may_be_can_be_played(row):
    assert getattr(replace(ScalingModel(), **{row.name: row.otherwise}), row.name) != row.value
