"""Forecast minimums against the policy alone, on weeks that can be foreseen and on weeks that cannot."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import pytest

from dgsm_helpers.errors import InvalidInput, NotReady
from dgsm_helpers.planning.forecast_back_test import back_test_forecast, history_of, last_part, span_to_test
from dgsm_helpers.planning.forecasting import Levels
from dgsm_helpers.rules.model import ScalingModel
from dgsm_helpers.simulate.conditions import Capacity, Conditions
from dgsm_helpers.simulate.scaling_plan import guide
from dgsm_helpers.simulate.traffic import Traffic, diurnal
from dgsm_helpers.simulate.weekly_traffic import MONDAY_S, TRACES, WRONG, weeks

PLAN = guide(target_value=8.0, max_capacity=30)
CONDITIONS = Conditions(capacity=Capacity(knee=10), model=ScalingModel(routing="LEAST_OUTSTANDING_REQUESTS"))
PEAK = 60.0


def third_week(traffic):
    """The third week of a trace, forecast from those before."""
    return back_test_forecast(Levels(history_of(traffic)), traffic, PLAN, CONDITIONS)


@pytest.mark.parametrize("name", TRACES)
def test_a_week_that_can_be_foreseen_is_four_fifths_less_overloaded_for_at_most_a_tenth_more(name):
    test = third_week(weeks(name, peak=PEAK, seed=0))
    assert test.days == 7
    assert test.reactive.over_capacity_stream_s > 1000, "there was something to gain"
    assert test.overload_change <= -0.8, str(test)
    assert test.cost_change <= 0.1, str(test)
    assert test.forecast.streams_cut < test.reactive.streams_cut


def test_an_inverted_week_is_no_more_overloaded_than_without_a_forecast_and_costs_hardly_more():
    test = third_week(weeks("inverted week", peak=PEAK, seed=0))
    assert test.overload_change <= 0, str(test)
    assert test.cost_change <= 0.05, str(test)
    assert test.lowered_share > 0.9
    assert f"{test.lowered_share:.0%} of the forecasts were lowered or not used" in str(test)


@pytest.mark.slow
def test_weeks_of_which_the_forecast_is_wrong_are_together_less_overloaded_for_at_most_an_eighth_more():
    """Together, since one week has so few hours of overload that a few calls on another instance move it by a tenth."""
    tests = [third_week(weeks(name, peak=PEAK, seed=seed)) for name in WRONG for seed in (0, 1)]
    before, after = (
        np.array([[m.over_capacity_stream_s, m.instance_hours] for m in which]).sum(axis=0)
        for which in ([t.reactive for t in tests], [t.forecast for t in tests])
    )
    assert after[0] <= 0.8 * before[0]
    assert after[1] <= 1.125 * before[1]


def test_as_many_days_are_tested_as_leave_enough_to_forecast_from():
    def days_tested(days):
        traffic = diurnal(low=2, high=9, horizon_s=days * 86_400.0)
        dated = Traffic(
            name="wave",
            starts_s=traffic.starts_s,
            durations_s=traffic.durations_s,
            horizon_s=traffic.horizon_s,
            begin_s=MONDAY_S,
        )
        return span_to_test(Levels(history_of(dated))) / timedelta(days=1), dated

    assert [days_tested(days)[0] for days in (1.5, 3, 8, 10, 15, 21)] == [0, 1, 6, 2, 7, 7]
    short = days_tested(1.5)[1]
    with pytest.raises(NotReady, match="too few to test"):
        back_test_forecast(Levels(history_of(short)), short, PLAN, CONDITIONS)


def test_calls_without_a_date_cannot_be_forecast():
    with pytest.raises(InvalidInput, match="no dates"):
        Levels(history_of(diurnal(low=2, high=9, horizon_s=3 * 86_400.0)))


def test_the_last_part_of_a_traffic_has_the_calls_that_are_in_progress():
    traffic = Traffic(
        name="calls", starts_s=[0.0, 50.0, 120.0], durations_s=[60.0, 500.0, 30.0], horizon_s=600.0, begin_s=MONDAY_S
    )
    part = last_part(traffic, from_s=100.0)
    assert part.starts_s.tolist() == [0.0, 20.0]
    assert part.durations_s.tolist() == [450.0, 30.0]
    assert (part.begin_s, part.horizon_s) == (MONDAY_S + 100, 500)


@pytest.mark.parametrize("name", [*TRACES, *WRONG])
def test_a_trace_is_as_high_as_asked_for_and_the_same_again_with_its_seed(name):
    made, again, other = (weeks(name, peak=20, seed=seed) for seed in (3, 3, 4))
    assert np.array_equal(made.starts_s, again.starts_s)
    assert made.sessions != other.sessions or not np.array_equal(made.starts_s, other.starts_s)
    assert 15 <= np.quantile(made.concurrency(), 0.999) <= 55
    assert made.horizon_s == 21 * 86_400


def test_a_trace_that_is_none_is_refused():
    with pytest.raises(InvalidInput, match="no trace 'carnival'"):
        weeks("carnival", peak=9)
