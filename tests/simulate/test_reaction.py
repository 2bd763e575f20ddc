"""The guide's claim, checked: detection with the ten-second metric against the one-minute metric."""

import pytest

from dgsm_helpers.simulate.conditions import Capacity, Conditions
from dgsm_helpers.simulate.engine import simulate
from dgsm_helpers.simulate.reaction import compare_metrics, reaction


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
