"""Which plans are compared for given traffic."""

from __future__ import annotations

from dataclasses import replace
from math import ceil

import pytest

from dgsm_helpers.errors import InvalidInput
from dgsm_helpers.planning.applying import settings_for
from dgsm_helpers.planning.candidates import (
    FleetLimits,
    busy_hours,
    grid_for,
    most_instances,
    presets_for,
    targets_for,
    targets_of,
)
from dgsm_helpers.rules.model import ScalingModel
from dgsm_helpers.simulate.conditions import Capacity, Conditions
from dgsm_helpers.simulate.engine import simulate
from dgsm_helpers.simulate.replay import Series, replay
from dgsm_helpers.simulate.traffic import preset

LIMITS = FleetLimits(knee=10, instance_type="ml.g6.2xlarge")
MIDNIGHT_S = 1_795_478_400.0
"""Of a Tuesday, UTC."""


def test_the_presets_are_the_guides_one_that_spares_calls_no_scaling_and_a_scheduled_minimum(day):
    printed, at_target, sparing, fixed, scheduled = presets_for(day, LIMITS)
    assert (printed.tracking.target_value, printed.bounds.max_capacity) == (5.0, 4)
    assert at_target.tracking.target_value == 8.0
    assert (sparing.tracking.disable_scale_in, sparing.most_cut, sparing.can_be_applied) == (True, 2, True)
    assert fixed.bounds.min_capacity == fixed.bounds.max_capacity == ceil(day.concurrency().max() / 8)
    assert {change.min_capacity for change in scheduled.schedule} == {1, 3}
    assert {plan.instance_types for plan in presets_for(day, LIMITS)} == {("ml.g6.2xlarge",)}


def test_the_maximum_follows_the_busiest_moment_and_is_never_below_the_guides(day):
    most = int(day.concurrency().max())
    assert 8 * (most_instances(day, 8.0) - 2) < most <= 8 * (most_instances(day, 8.0) - 1)
    assert most_instances(preset("constant", peak=2, horizon_s=3600.0), 8.0) == 4
    _, at_target, sparing, _, scheduled = presets_for(day, replace(LIMITS, max_capacity=20))
    assert {p.bounds.max_capacity for p in (at_target, sparing, scheduled)} == {20}


def test_a_high_minimum_alone_raises_the_maximum_with_it(day):
    for plans in (presets_for, targets_for, grid_for):
        assert all(p.bounds.max_capacity >= 30 for p in plans(day, replace(LIMITS, min_capacity=30))[1:])


def test_a_maximum_is_never_taken_for_none(day):
    with pytest.raises(InvalidInput, match="above MaxCapacity 0"):
        presets_for(day, replace(LIMITS, max_capacity=0))


def test_a_day_is_busy_around_its_peak_and_instances_are_asked_for_early(day):
    begin, end = busy_hours(day)
    assert 5 * 3600 < begin < 9 * 3600
    assert 18 * 3600 < end < 22 * 3600
    assert begin % 3600 == 2700


def test_traffic_that_never_rests_or_is_short_has_no_scheduled_minimum():
    for traffic in (preset("constant", peak=30), preset("diurnal", peak=30, horizon_s=6 * 3600.0)):
        assert busy_hours(traffic) is None
        assert len(presets_for(traffic, LIMITS)) == 4


def week_from(hour, levels):
    """A week of ``levels``, one for each hour of UTC's day, recorded from that hour on."""
    values = [levels[(hour + minute // 60) % 24] for minute in range(7 * 1440)]
    return replay(Series(name="a week", start_s=MIDNIGHT_S + hour * 3600.0, period_s=60.0, values=values), mean_s=300)


OFFICE = (2.0,) * 8 + (60.0,) * 4 + (8.0,) * 2 + (60.0,) * 4 + (20.0,) * 2 + (2.0,) * 4
"""From eight to six, with a quiet lunch that is no evening."""
NIGHT = (60.0,) * 6 + (2.0,) * 14 + (60.0,) * 4
TWICE = (60.0,) * 6 + (2.0,) * 6 + (60.0,) * 6 + (2.0,) * 6
"""Two times that are as quiet and as long."""
MODEST = (25.0,) * 2 + (20.0,) + (25.0,) * 3 + (60.0,) * 12 + (25.0,) * 6
"""Never quiet enough to cut hardly any calls."""


@pytest.mark.parametrize("levels", [OFFICE, NIGHT, TWICE, MODEST], ids=["office", "night", "twice", "modest"])
def test_a_week_has_the_same_proposals_whatever_hour_it_is_recorded_from(levels):
    proposals = set()
    for hour in range(24):
        week = week_from(hour, levels)
        midnight_utc_s = week.midnight_utc_s
        busy, late = presets_for(week, LIMITS)[-1], targets_for(week, LIMITS)[-1]
        assert bool(busy.schedule) and bool(late.schedule), hour
        daily = tuple(settings_for(plan, midnight_utc_s=midnight_utc_s) for plan in (busy, late))
        proposals.add(tuple((str(one.policy), one.min_capacity, one.max_capacity, one.daily) for one in daily))
    assert len(proposals) == 1


def test_an_office_recorded_from_noon_on_is_busy_when_the_record_begins_and_when_it_ends():
    assert busy_hours(week_from(0, OFFICE)) == (7.75 * 3600, 18 * 3600)
    assert busy_hours(week_from(12, OFFICE)) == (19.75 * 3600, 6 * 3600)
    assert busy_hours(week_from(8, OFFICE)) == (23.75 * 3600, 10 * 3600)
    assert busy_hours(week_from(18, OFFICE)) == (13.75 * 3600, 24 * 3600)


@pytest.mark.parametrize(("hour", "held"), [(12, True), (15, True), (18, False), (0, False)])
def test_a_record_that_begins_in_the_busy_hours_begins_with_their_minimum(hour, held):
    week = week_from(hour, OFFICE)
    plan = presets_for(week, LIMITS)[-1]
    highest = max(change.min_capacity for change in plan.schedule)
    assert plan.bounds.min_capacity == 1
    assert plan.bounds_at_begin.min_capacity == (highest if held else 1)
    run = simulate(week, plan, Conditions(capacity=Capacity(knee=10), model=ScalingModel()))
    by_hour = {(hour + index) % 24: run.serving[index * 360 : (index + 1) * 360] for index in range(24)}
    # Instances for the lunch hours' few calls are there, as the minimum holds all day.
    assert min(by_hour[12].min(), by_hour[13].min()) >= highest
    assert (run.serving[0] >= highest) == held


def test_a_peak_that_one_instance_carries_needs_no_schedule():
    assert len(presets_for(preset("diurnal", peak=5), LIMITS)) == 4


def test_targets_are_shares_of_the_knee_and_never_below_one():
    assert targets_of(10) == [5.0, 6.0, 7.0, 8.0, 9.0]
    assert min(targets_of(1)) == 1.0


def test_the_grid_crosses_every_setting_once(day):
    plans = grid_for(day, LIMITS)
    assert len({plan.name for plan in plans}) == len(plans) == 5 * 2 * 2 * (2 * 3 + 1 + 1)
    metrics = {plan.policies[0].metric for plan in plans}
    assert metrics == {"high-resolution", "one-minute"}
    assert all(plan.bounds.min_capacity == 1 for plan in plans if plan.schedule)
    assert {plan.bounds.max_capacity for plan in plans} == {ceil(day.concurrency().max() / 8), 11}
    assert {plan.tracking.target_value for plan in targets_for(day, LIMITS)} == set(targets_of(10))


def test_a_minimum_that_is_lowered_late_carries_the_height_of_the_day_until_it_is_quiet(day):
    plain, late = (
        [plan for plan in targets_for(day, LIMITS) if bool(plan.schedule) is scheduled] for scheduled in (False, True)
    )
    assert len(plain) == len(late) == len(targets_of(10))
    names = {change.name: change for change in late[0].schedule}
    assert names["peak-minimum"].min_capacity == ceil(day.concurrency().max() / 8)
    lowered = int(names["off-peak-minimum"].at_s % 86_400 // 3600)
    by_hour = day.concurrency(60.0).reshape(24, 60).mean(axis=1)
    assert by_hour[lowered] <= 0.15 * by_hour.max()
    assert len({plan.name for plan in (*plain, *late)}) == 2 * len(plain)


def test_a_minimum_that_is_lowered_late_cuts_a_quarter_of_the_calls_and_a_third_on_the_worst_day():
    """What it cuts is left for the quiet hours: at its target nothing is removed while it holds.

    How many calls are on what goes then hangs on the day: 11 to 29 % of those cut without it, on eight days.
    """
    conditions = Conditions(capacity=Capacity(knee=10), model=ScalingModel(routing="LEAST_OUTSTANDING_REQUESTS"))
    total = {True: 0, False: 0}
    for seed in range(4):
        day, cut = preset("diurnal", peak=30, seed=seed), {True: 0, False: 0}
        for plan in targets_for(day, LIMITS):
            run = simulate(day, plan, conditions)
            cut[bool(plan.schedule)] += run.tally.cut
            if plan.schedule and plan.tracking.target_value == 8.0:
                held_from_s = next(c.at_s for c in plan.schedule if c.name == "peak-minimum" and c.at_s >= 0)
                removed_s = [event.at_s for event in run.events if event.kind == "in"]
                assert not [at_s for at_s in removed_s if held_from_s + 1800 < at_s < day.horizon_s]
        assert 0 < cut[True] <= cut[False] / 3
        total = {scheduled: total[scheduled] + cut[scheduled] for scheduled in total}
    assert total[True] <= total[False] / 4


def test_traffic_that_never_rests_has_no_minimum_to_lower_late():
    assert not any(plan.schedule for plan in targets_for(preset("constant", peak=30), LIMITS))


def test_cooldowns_that_the_traffic_does_not_outlast_are_not_in_the_grid():
    short = preset("step", peak=30, horizon_s=800.0)
    assert {plan.longest_cooldown_s for plan in grid_for(short, LIMITS)} == {300.0}
