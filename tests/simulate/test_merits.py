"""Figures of merit against closed forms."""

import dataclasses
import math

import numpy as np
import pytest

from dgsm_helpers.errors import InvalidInput, UnsupportedFeature
from dgsm_helpers.simulate.conditions import Capacity, Conditions
from dgsm_helpers.simulate.engine import simulate
from dgsm_helpers.simulate.merits import compare_metrics, lag_of, merits_of, reaction
from dgsm_helpers.simulate.traffic import Traffic

LADDER = Capacity(knee=10, rungs=((1, 100.0), (10, 400.0), (12, 900.0)))


def test_cost_is_instance_hours_times_price(plan_of, held, exact):
    run = simulate(held(12), plan_of(20.0, smallest=2), Conditions(capacity=LADDER, model=exact))
    merits = merits_of(run, usd_per_hour={"ml.g5.2xlarge": 1.5})
    assert merits.instance_hours == pytest.approx(2.0)
    assert merits.cost_usd == pytest.approx(3.0)
    assert merits.usd_per_stream_hour == pytest.approx(0.25)
    assert merits_of(run).cost_usd is None
    with pytest.raises(InvalidInput, match="No price"):
        merits_of(run, usd_per_hour={"ml.g6.2xlarge": 1.0})


def test_callers_figures_have_their_closed_form(plan_of, held, exact):
    run = simulate(held(12), plan_of(20.0, largest=1), Conditions(capacity=LADDER, model=exact))
    merits = merits_of(run)
    assert merits.over_capacity_stream_s == pytest.approx(2 * 3600)
    assert merits.over_capacity_share == pytest.approx(2 / 12)
    assert merits.affected_share == pytest.approx(1.0)
    assert merits.new_above_knee_share == pytest.approx(4 / 24)
    assert merits.streams_cut == 0
    assert merits.elasticity.under_share == pytest.approx(100)
    assert merits.elasticity.under_accuracy == pytest.approx(50)


def test_no_traffic_has_no_shares_and_no_price_per_stream_hour(plan_of, held, exact):
    merits = merits_of(
        simulate(held(0), plan_of(), Conditions(capacity=LADDER, model=exact)), usd_per_hour={"ml.g5.2xlarge": 1.0}
    )
    assert (merits.over_capacity_share, merits.new_above_knee_share, merits.usd_per_stream_hour) == (0, 0, None)
    assert merits.elasticity.over_share == 0


def test_lag_comes_from_the_ladder_weighted_by_streams(plan_of, held, exact):
    run = simulate(held(10), plan_of(20.0, largest=1), Conditions(capacity=LADDER, model=exact))
    lag = lag_of(run)
    assert (lag.p95_ms, lag.unmeasured_share) == (400.0, 0.0)
    assert np.allclose(lag.over_time_ms, 400.0)


def test_lag_beyond_the_ladder_is_not_made_up(plan_of, held, exact):
    lag = lag_of(simulate(held(30), plan_of(90.0, largest=1), Conditions(capacity=LADDER, model=exact)))
    assert lag.unmeasured_share == 1.0
    assert lag.p95_ms == np.inf
    assert np.isnan(lag.over_time_ms).all()


def test_a_percentile_counts_the_streams_beyond_the_ladder_instead_of_dropping_them(plan_of, exact):
    """A quarter of the stream-time is on a fuller instance than any rung, and so is the p95."""
    starts, durations = np.array([0.0] * 9 + [2700.0] * 9), np.full(18, 3600.0)
    traffic = Traffic(name="twice", starts_s=starts, durations_s=durations, horizon_s=3600.0)
    model = dataclasses.replace(exact, stream_limit_s=9999.0)
    lag = lag_of(simulate(traffic, plan_of(90.0, largest=1), Conditions(capacity=LADDER, model=model)))
    assert lag.p95_ms == np.inf
    assert lag.unmeasured_share == pytest.approx(18 * 900 / (9 * 2700 + 18 * 900), rel=0.01)
    unknown = lag_of(simulate(traffic, plan_of(90.0, largest=1), Conditions(capacity=Capacity(knee=10), model=model)))
    assert np.isnan(unknown.p95_ms)


def test_elastic_speedup_compares_with_a_fixed_fleet_of_the_same_cost(plan_of, exact):
    """An hour that needs 1 instance and an hour that needs 3, followed almost exactly: 2 fixed ones never fit."""
    starts, durations = np.repeat([0.0, 3600.0], (5, 20)), np.full(25, 7200.0)
    traffic = Traffic(name="two hours", starts_s=starts, durations_s=durations, horizon_s=7200.0)
    model = dataclasses.replace(exact, stream_limit_s=9999.0, routing="LEAST_OUTSTANDING_REQUESTS")
    merits = merits_of(simulate(traffic, plan_of(8.5), Conditions(capacity=Capacity(knee=10), model=model)))
    late = 270 / 7200
    assert merits.elasticity.under_share == pytest.approx(100 * late, abs=0.3)
    fixed = (100 * 0.5 / 3, 100 * 0.5, 50, 50)
    scaled = (100 * late * 2 / 3, 0.01, 100 * late, 0.01)
    expected = math.prod(a / b for a, b in zip(fixed, scaled, strict=True)) ** 0.25
    assert merits.elastic_speedup == pytest.approx(expected, rel=0.05)
    still = merits_of(
        simulate(traffic, plan_of(8.5, smallest=2, largest=2), Conditions(capacity=Capacity(knee=10), model=model))
    )
    assert still.elastic_speedup == 1


def test_lag_of_a_pool_with_different_ladders_is_refused(plan_of, held, exact):
    types = ("ml.g6.2xlarge", "ml.g5.2xlarge")
    capacity = {types[0]: LADDER, types[1]: Capacity(knee=4)}
    run = simulate(held(3), plan_of(instance_types=types), Conditions(capacity=capacity, model=exact))
    with pytest.raises(UnsupportedFeature):
        lag_of(run)


def test_detection_is_up_to_six_times_sooner_and_less_end_to_end(plan_of, held, exact):
    traffic = held(8, at_s=600.0)
    result = compare_metrics(
        traffic, plan_of(5.0, initial_count=1), Conditions(capacity=Capacity(knee=10), model=exact)
    )
    assert result.high_resolution.detection_s == pytest.approx(30)
    assert result.one_minute.detection_s == pytest.approx(180)
    assert result.detection_factor == pytest.approx(6)
    assert 1.2 < result.total_factor < 2
    assert result.high_resolution.total_s == pytest.approx(30 + 30 + 213, abs=10)


def test_a_breach_is_where_the_metric_stays_above_the_target(plan_of, held, exact):
    run = simulate(held(8, at_s=605.0), plan_of(initial_count=1), Conditions(capacity=Capacity(knee=10), model=exact))
    found = reaction(run)
    assert (found.breach_s, found.alarm_s, found.asked_s) == (600.0, 630.0, 660.0)


def test_without_a_scale_out_there_is_nothing_to_compare(plan_of, held, exact):
    traffic, plan = held(2), plan_of(5.0)
    assert reaction(simulate(traffic, plan, Conditions(capacity=Capacity(knee=10), model=exact))) is None
    assert compare_metrics(traffic, plan, Conditions(capacity=Capacity(knee=10), model=exact)) is None
