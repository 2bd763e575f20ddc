"""Figures of simulated plans: what each shows, and that each says it is simulated."""

from __future__ import annotations

from xml.etree import ElementTree

import pandas as pd
import pytest
from kit.stored import agrees_with_snapshot

from dgsm_helpers.errors import InvalidInput
from dgsm_helpers.views.figures import planning_figures
from dgsm_helpers.views.figures.plan_svg import PlanState, plan_html, plan_svg

ORIGIN = "seed 0; 1 of 38 rules read from the endpoint, 37 assumed"


def over_time(*, lag=100.0, cost=True):
    frame = pd.DataFrame(
        {
            "running_instances": [1, 2, 2],
            "max_streams": [4.0, 12.0, 9.0],
            "lag_p95_ms": [lag, None, lag],
            "cost_usd" if cost else "instance_hours": [1.0, 3.0, 5.0],
        },
        index=pd.Index([1.0, 2.0, 3.0], name="hours"),
    )
    return frame.astype({"lag_p95_ms": float})


@pytest.fixture
def outcomes():
    rows = [
        (target, metric, 100 - 10 * target, 50.0 * target, metric == "high-resolution")
        for metric in ("high-resolution", "one-minute")
        for target in (5.0, 8.0)
    ]
    frame = pd.DataFrame(rows, columns=["target_value", "metric", "cost", "over_capacity_stream_s", "can_be_applied"])
    frame["cost_usd"] = frame["cost"]
    frame["over_capacity_percent"] = frame["over_capacity_stream_s"] / 1000
    fixed = {"scale_out_cooldown_s": 60, "scale_in_cooldown_s": 300, "min_capacity": 1, "max_capacity": 4}
    frame = frame.assign(**fixed, scheduled_minimum=None, scheduled_until_h=None, calls_cut=[70, 1, 0, 4])
    frame.index = [f"{m} {t:g}" for t, m in zip(frame["target_value"], frame["metric"], strict=True)]
    return frame


@pytest.fixture
def drawn(outcomes):
    counts = pd.DataFrame(
        {"recorded_instances": [1, 2], "simulated_instances": [1, 3]},
        index=pd.date_range("2026-11-24", periods=2, freq="min", tz="UTC"),
    )
    front = ["high-resolution 8", "high-resolution 5"]
    return {
        "side": planning_figures.policies_side_by_side(
            {"guide": over_time(), "other": over_time()}, knee=10, origin=ORIGIN
        ),
        "heat": planning_figures.sweep_heat_map(outcomes, origin=ORIGIN),
        "front": planning_figures.pareto_front(outcomes, front=front, best=front[1], runner_up=front[0], origin=ORIGIN),
        "back-test": planning_figures.recorded_and_simulated(counts, origin=ORIGIN),
    }


def test_a_forecast_shows_the_last_days_and_what_its_minimums_carry():
    begin = pd.Timestamp("2026-11-24", tz="UTC")
    history = pd.Series(7.0, index=pd.date_range(begin - pd.Timedelta(days=5), begin, freq="min", inclusive="left"))
    minimums = pd.Series({begin: 1, begin + pd.Timedelta(hours=8): 4})
    end = begin + pd.Timedelta(days=2)
    figure = planning_figures.known_and_forecast(history, minimums, end=end, target_value=8.0, origin=ORIGIN)
    known, carried = figure.data
    assert len(known.x) == 48 and set(known.y) == {7.0}
    assert list(carried.y) == [8.0, 32.0, 32.0]
    assert carried.line.shape == "hv" and carried.x[-1] == "2026-11-26T00:00"
    assert ORIGIN in figure.layout.title.text


def test_every_figure_says_that_it_is_simulated_and_under_which_assumptions(drawn):
    for name, figure in drawn.items():
        assert "simulated" in figure.layout.title.text, name
        assert ORIGIN in figure.layout.title.text, name


def test_each_plan_has_instances_streams_lag_and_cost(drawn):
    figure = drawn["side"]
    labels = [axis.title.text for axis in figure.select_yaxes()]
    assert labels == ["instances", "streams on the<br>fullest instance", "lag p95 (ms)", "cost (US$)"]
    guide = [trace for trace in figure.data if trace.name == "guide"]
    assert [list(trace.y) for trace in guide] == [[1, 2, 2], [4, 12, 9], [100, None, 100], [1, 3, 5]]
    assert {(trace.x0, trace.dx) for trace in guide} == {(1.0, 1.0)}
    assert {shape.y0 for shape in figure.layout.shapes} == {10}
    assert len({(t.line.color, t.line.dash) for t in figure.data}) == 2


def test_without_prices_cost_is_in_instance_hours_and_without_a_ladder_that_is_said():
    frames = {"guide": over_time(cost=False, lag=float("nan"))}
    figure = planning_figures.policies_side_by_side(frames, knee=10, origin=ORIGIN)
    assert [axis.title.text for axis in figure.select_yaxes()][-1] == "instance-hours"
    assert "no lag was measured" in figure.layout.title.text
    assert "lag p95 (ms)" not in [axis.title.text for axis in figure.select_yaxes()]


@pytest.mark.parametrize("count", [0, 4, 6])
def test_no_plans_or_too_many_to_tell_apart_are_refused(count):
    with pytest.raises(InvalidInput, match="side by side"):
        planning_figures.policies_side_by_side({str(i): over_time() for i in range(count)}, knee=10, origin=ORIGIN)


def test_the_heat_map_labels_only_the_settings_that_differ(drawn):
    over, cost, cut = drawn["heat"].data
    assert list(over.x) == ["5", "8"]
    assert list(over.y) == ["1-minute metric", "10 s metric"]
    assert [list(row) for row in over.z] == [[0.25, 0.4], [0.25, 0.4]]
    assert list(cost.z[0]) == [50.0, 20.0]
    assert [list(row) for row in cut.z] == [[0, 4], [70, 1]]


def test_the_front_tells_recommended_runner_up_and_what_cannot_be_applied(drawn):
    figure = drawn["front"]
    named = {trace.name: trace for trace in figure.data}
    assert list(named["recommended: 70 calls cut"].x) == [50.0]
    assert list(named["runner-up: 1 call cut"].x) == [20.0]
    crossed = list(named["for comparison only"].hovertext)
    assert crossed == ["one-minute 5: 0 calls cut", "one-minute 8: 4 calls cut"]
    assert "other policies" not in named
    assert len({trace.marker.symbol for trace in figure.data}) == len(figure.data)


def test_the_back_test_has_both_lines(drawn):
    assert {trace.name: list(trace.y) for trace in drawn["back-test"].data} == {
        "recorded": [1, 2],
        "simulated": [1, 3],
    }


STATE = PlanState(
    hours=(0.5, 1.0, 1.5, 2.0),
    streams=(4, 12, 15, 9),
    instances=(1, 1, 2, 2),
    knee=10,
    facts=(("cost", "$5.20"), ("streams cut", "3")),
    origin=ORIGIN,
)


def test_the_picture_for_sliders_is_the_stored_one():
    agrees_with_snapshot("plan.html", plan_html(STATE))


def test_the_picture_is_well_formed_says_it_is_simulated_and_takes_the_pages_colours():
    html = plan_html(STATE)
    ElementTree.fromstring(plan_svg(STATE))
    assert f"Source: simulated; {ORIGIN}" in html
    assert 'fill="currentColor"' in html
    assert "<script" not in html


def test_nothing_simulated_yet_is_drawn_empty_with_its_trouble():
    evil = "<img src=x>"
    state = PlanState(hours=(), streams=(), instances=(), knee=10, facts=(), origin=evil, trouble=evil)
    ElementTree.fromstring(plan_svg(state))
    assert "⚠" in plan_html(state)
    assert "<img" not in plan_html(state)
