"""Plans side by side, as tables, and which can be recommended."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from dgsm_helpers.errors import InvalidInput
from dgsm_helpers.planning.calibrating import Assumptions
from dgsm_helpers.planning.candidates import targets_for
from dgsm_helpers.planning.comparing import PlanStudy
from dgsm_helpers.planning.frames import PolicyTable, comparison, over_time, swept
from dgsm_helpers.planning.measured import Measured
from dgsm_helpers.prices import Price
from dgsm_helpers.rules.model import ScalingModel
from dgsm_helpers.simulate.conditions import Capacity, Conditions
from dgsm_helpers.simulate.engine import simulate
from dgsm_helpers.simulate.merits import merits_of
from dgsm_helpers.simulate.scaling_plan import guide, sparing
from dgsm_helpers.simulate.sweep import recommend

LADDER = Capacity(knee=10, rungs=((4, 100.0), (10, 180.0), (14, 900.0)))
PRICE = {"ml.g6.2xlarge": 1.2}


def study(day, model=None, *, usd=None):
    price = Price(amount_usd=usd, source="this test")
    instance = Measured(capacity=LADDER, instance_type="ml.g6.2xlarge", source="this test", price=price)
    return PlanStudy(day, instance, model or ScalingModel())


@pytest.fixture(scope="module")
def played(day):
    priced = study(day, usd=1.2)
    priced.play_presets()
    return priced.played


def test_each_plan_is_what_a_single_run_gives(day, played):
    alone = merits_of(simulate(day, played[1].plan, Conditions(capacity=LADDER)), usd_per_hour=PRICE)
    assert played[1].merits == alone
    assert played[1].cost == alone.cost_usd


def test_both_statistics_are_reported_until_the_endpoint_settles_it(day, played):
    assert all(item.other is not None for item in played)
    assert played[1].other.instance_hours > played[1].merits.instance_hours
    settled = ScalingModel().with_evidence("endpoint", statistic="Average")
    one = study(day, settled).play(played[1].plan)
    assert one.other is None
    assert "instance_hours_other_statistic" not in comparison([one])


def test_only_a_single_policy_on_the_predefined_metric_is_recommended(played):
    assert all(item.plan.can_be_applied for item in played)
    other = played[1].plan.tracking
    plans = [
        replace(played[1].plan, policies=(replace(other, metric="one-minute"),)),
        replace(played[1].plan, policies=(other, replace(other, name="two"))),
        sparing(guide(target_value=3.0), 2),
    ]
    assert not any(plan.can_be_applied for plan in plans)
    assert recommend(played).best.plan.can_be_applied
    with pytest.raises(InvalidInput, match="None of these plans"):
        recommend([replace(played[2], plan=plans[0])])


def test_a_run_by_time_is_small_and_loses_no_peak_and_no_dollar(played):
    item = played[1]
    frame = over_time(item, usd_per_hour=PRICE)
    assert len(frame) <= 72
    assert frame.index[-1] == pytest.approx(24.0)
    assert frame["running_instances"].max() == item.merits.peak_instances
    assert frame["streams"].max() == item.run.streams.max()
    assert frame["cost_usd"].iloc[-1] == pytest.approx(item.merits.cost_usd, rel=0.01)
    assert frame["cost_usd"].is_monotonic_increasing
    assert "instance_hours" in over_time(item)


def test_the_comparison_has_a_row_a_plan_with_units_in_its_columns(played):
    table = comparison(played)
    assert list(table.index) == [item.plan.name for item in played]
    assert table["over_capacity_percent"].iloc[1] == pytest.approx(100 * played[1].merits.over_capacity_share)


def test_the_policies_are_a_table_in_words_and_units(played):
    table = PolicyTable(played, "Average", "Maximum")
    text, html = str(table), table._repr_html_()
    assert not re.findall(r"[a-z]+_[a-z]+", text + re.sub(r"<[^>]*>", "", html)), "names of columns are no words"
    for item in played:
        assert item.plan.name in text
        assert f"{item.merits.over_capacity_share:.2%}" in text
    assert "In brackets: if the alarms follow the instances' Maximum, not their Average." in text
    shown, _, opened = html.partition("<details")
    assert "calls cut" in shown and "θU" not in shown and "θU" in opened
    assert repr(table) == text
    assert "In brackets" not in str(PolicyTable([], "Average", None))


def test_a_sweep_as_a_table_holds_settings_and_merits(day):
    unpriced = study(day)
    table = swept([unpriced.play(plan) for plan in targets_for(day, unpriced.limits)[:4:2]])
    assert list(table["target_value"]) == [5.0, 6.0]
    assert list(table["cost"]) == list(table["instance_hours"])
    assert table["can_be_applied"].all()


def test_the_table_of_assumptions_shows_what_was_read_first_and_counts_it():
    table = Assumptions(ScalingModel().with_evidence("DescribeAlarms", statistic="Maximum", high_periods=4))
    assert [row.name for row in table.rows[:2]] == ["statistic", "high_periods"]
    assert table.headline.startswith("2 of ")
    assert "DescribeAlarms" in str(table)
    assert "<table" in table._repr_html_()
