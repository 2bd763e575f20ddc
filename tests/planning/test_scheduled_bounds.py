"""Scheduled actions make bounds of the moment: which are ordinary, and which hold when traffic begins."""

from datetime import UTC, datetime, timedelta

import pytest

from dgsm_helpers.aws.scaling.scalable_target import Suspension, Target
from dgsm_helpers.aws.scaling.scheduled_actions import ScheduledAction
from dgsm_helpers.planning.scheduled_bounds import bounds_at, ordinary_bounds, scheduled_changes

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)
"""A Tuesday."""
BUSY = (
    ScheduledAction(name="up", schedule="cron(45 7 * * ? *)", min_capacity=3, max_capacity=9),
    ScheduledAction(name="down", schedule="cron(0 21 * * ? *)", min_capacity=1, max_capacity=5),
)


def registered(low, high, **suspended):
    return Target("endpoint/demo/variant/AllTraffic", low, high, Suspension(**suspended))


def once(name, at, **bounds):
    return ScheduledAction(name=name, schedule=f"at({at:%Y-%m-%dT%H:%M:%S})", **bounds)


def limits(bounds):
    return bounds.min_capacity, bounds.max_capacity


@pytest.mark.parametrize("momentary", [(3, 9), (1, 5), (2, 7)], ids=["busy", "quiet", "set by hand"])
def test_of_actions_that_recur_the_lowest_minimum_and_the_highest_maximum_are_ordinary(momentary):
    assert ordinary_bounds(registered(*momentary), BUSY, NOON) == (1, 9)


def test_a_bound_that_no_action_sets_stays_the_registered_one():
    raised = ScheduledAction(name="room", schedule="rate(12 hours)", max_capacity=8)
    assert ordinary_bounds(registered(2, 6), [raised], NOON) == (2, 8)
    assert ordinary_bounds(registered(2, 6), [], NOON) == (2, 6)


def test_of_actions_that_fire_once_the_last_leaves_the_ordinary_bounds():
    eve, end = NOON + timedelta(days=30), NOON + timedelta(days=32)
    actions = [once("forecast-end", end, min_capacity=2, max_capacity=4), once("eve", eve, min_capacity=5)]
    for momentary in ((2, 4), (5, 9)):
        assert ordinary_bounds(registered(*momentary), actions, NOON) == (2, 4)


def test_actions_that_are_over_or_suspended_or_beyond_understanding_say_nothing_of_ordinary_bounds():
    over = once("forecast-end", NOON - timedelta(hours=1), min_capacity=1)
    ended = ScheduledAction(name="last year", schedule="cron(0 7 * * ? *)", min_capacity=1, end=NOON)
    unread = ScheduledAction(name="unread", schedule="cron(0 7 L-3 * ? *)", min_capacity=1)
    assert ordinary_bounds(registered(3, 9), [over, ended, unread], NOON) == (3, 9)
    assert ordinary_bounds(registered(3, 9, scheduled=True), BUSY, NOON) == (3, 9)


def test_a_minimum_is_never_above_the_maximum():
    assert ordinary_bounds(registered(2, 4), [once("high", NOON + timedelta(days=1), min_capacity=6)], NOON) == (4, 4)


@pytest.mark.parametrize(
    ("hours", "expected"),
    [(-12, (1, 5)), (-36, (1, 5)), (-2, (3, 9)), (-24, (3, 9)), (0, (3, 9)), (8, (3, 9)), (10, (1, 5)), (21, (3, 9))],
)
def test_the_bounds_at_a_traffics_begin_are_those_that_fired_last_before_it(hours, expected):
    assert limits(bounds_at(NOON + timedelta(hours=hours), registered(3, 9), BUSY, NOON)) == expected


def test_what_was_set_by_hand_since_the_last_firing_holds_until_the_next_one():
    target = registered(2, 7)
    assert limits(bounds_at(NOON - timedelta(hours=4), target, BUSY, NOON)) == (2, 7)
    assert limits(bounds_at(NOON + timedelta(hours=4), target, BUSY, NOON)) == (2, 7)
    assert limits(bounds_at(NOON + timedelta(hours=10), target, BUSY, NOON)) == (1, 5)


def test_before_a_forecasts_first_step_its_last_minimum_held():
    actions = [
        once("forecast-1", NOON - timedelta(hours=2), min_capacity=4),
        once("forecast-end", NOON + timedelta(hours=6), min_capacity=1),
    ]
    begins = {-3: 1, -1: 4, 1: 4, 7: 1}
    for hours, low in begins.items():
        assert bounds_at(NOON + timedelta(hours=hours), registered(4, 6), actions, NOON).min_capacity == low


def test_a_monthly_action_is_found_weeks_back_and_a_failing_one_changes_nothing():
    monthly = ScheduledAction(name="month", schedule="cron(0 0 1 * ? *)", min_capacity=2)
    weekly = ScheduledAction(name="week", schedule="cron(0 9 ? * TUE *)", min_capacity=99)
    assert limits(bounds_at(NOON - timedelta(days=1), registered(1, 6), [monthly, weekly], NOON)) == (2, 6)


def test_while_scheduled_scaling_is_suspended_the_registered_bounds_hold():
    bounds = bounds_at(NOON - timedelta(hours=12), registered(3, 9, scheduled=True, scale_in=True), BUSY, NOON)
    assert (limits(bounds), bounds.scheduled_suspended, bounds.scaling_in_suspended) == ((3, 9), True, True)


def test_scheduled_actions_are_planned_in_their_time_zone():
    monday = datetime(2026, 11, 23, tzinfo=UTC)
    up = ScheduledAction(name="up", schedule="cron(0 7 ? * MON-FRI *)", timezone="Europe/Berlin", min_capacity=3)
    down = ScheduledAction(name="down", schedule="cron(0 20 * * ? *)", min_capacity=1, end=monday + timedelta(days=1))
    changes = scheduled_changes([down, up], monday, 48 * 3600)
    assert [(c.at_s / 3600, c.name, c.min_capacity) for c in changes] == [
        (6, "up", 3),
        (20, "down", 1),
        (30, "up", 3),
    ]


def test_a_cron_schedule_becomes_changes_in_the_traffics_own_time():
    tuesday = datetime(2026, 11, 24, tzinfo=UTC)
    weekdays = ScheduledAction(
        name="morning", schedule="cron(30 7 ? * MON-FRI *)", timezone="Europe/Berlin", min_capacity=4
    )
    changes = scheduled_changes([weekdays], tuesday, 7 * 86_400)
    assert [c.at_s / 3600 for c in changes] == [6.5, 30.5, 54.5, 78.5, 150.5]
    assert {(c.min_capacity, c.max_capacity, c.name) for c in changes} == {(4, None, "morning")}
