"""A scale-in of at most so many calls: none removed while the fullest instance has more, however the others are."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dgsm_helpers.rules.model import ScalingModel
from dgsm_helpers.rules.step_in import most_to_cut, step_in
from dgsm_helpers.simulate.conditions import Capacity, Conditions
from dgsm_helpers.simulate.engine import simulate
from dgsm_helpers.simulate.merits import merits_of
from dgsm_helpers.simulate.scaling_plan import guide, sparing
from dgsm_helpers.simulate.traffic import preset


@given(st.integers(1, 50), st.lists(st.floats(0, 60), min_size=10, max_size=10), st.integers(1, 30))
def test_one_instance_goes_at_a_time_while_the_fullest_has_no_more_calls(most, fullest, running):
    rule = step_in(most)
    breaching = all(value <= rule.alarm.threshold for value in fullest)
    assert rule.alarm.statistic == rule.aggregation == "Maximum"
    if breaching:
        assert rule.capacity_for(rule.aggregated(tuple(fullest)), running) == running - 1


@given(st.floats(2, 200))
def test_what_may_be_cut_leaves_two_instances_worth_of_calls_within_the_target(target):
    assert most_to_cut(target) >= 1
    assert 2 * most_to_cut(target) <= target


@pytest.mark.parametrize("seed", range(4))
def test_over_a_day_it_cuts_a_tenth_of_the_calls_and_each_removal_at_most_so_many(seed):
    day = preset("diurnal", peak=60, seed=seed)
    conditions = Conditions(capacity=Capacity(knee=10), model=ScalingModel(routing="LEAST_OUTSTANDING_REQUESTS"))
    plain = guide(target_value=8.0, max_capacity=12)
    tracked, spared = (simulate(day, plan, conditions) for plan in (plain, sparing(plain, 2)))
    removals = [event for event in spared.events if event.kind == "in"]
    assert removals
    assert {event.before - event.after for event in removals} == {1}
    assert spared.tally.cut <= 2 * len(removals)
    assert spared.tally.cut <= tracked.tally.cut / 10
    assert merits_of(tracked).instance_hours < merits_of(spared).instance_hours < 2 * merits_of(tracked).instance_hours
