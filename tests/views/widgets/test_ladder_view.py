"""The ladder's live view and the sliders, fed by the search in virtual time."""

from __future__ import annotations

import threading
from dataclasses import dataclass

import pytest
from kit.virtual_endpoint import VirtualEndpoint
from kit.waiting import until

from dgsm_helpers.errors import MeasurementInvalid
from dgsm_helpers.load.ladder.capacity import CapacityResult
from dgsm_helpers.load.ladder.criteria import STRICT, Criteria
from dgsm_helpers.load.ladder.rung import QUICK
from dgsm_helpers.load.ladder.search import Search
from dgsm_helpers.load.ladder.target_value import TargetValue, derive_target
from dgsm_helpers.views.widgets.ladder_view import LadderView, figure_labels, rung_points
from dgsm_helpers.views.widgets.what_if import WhatIf


@dataclass
class Plan:
    """As much of a plan as the view needs."""

    criteria: Criteria = STRICT
    unit: str = "streams"
    longest_s: float = 90.0


@dataclass
class Measured:
    """As much of a tuning as the sliders need."""

    result: CapacityResult
    target: TargetValue
    server_per_client: float | None = None


@pytest.fixture(scope="module")
def measured():
    """A knee of 10, measured."""
    search = Search(VirtualEndpoint(10.5, STRICT, seed=3), criteria=STRICT, effort=QUICK, max_streams=200)
    found = search.run()
    result = CapacityResult(
        feasible_max=found.feasible,
        infeasible_min=found.infeasible,
        binding_constraint=found.constraint,
        confidence=QUICK.confidence,
        pass_share=QUICK.pass_share,
        tight=found.tight,
        instance_minutes=1.0,
        criteria=STRICT,
        effort="quick",
        fingerprint={},
        measured_at="2026-11-24T12:00:00+00:00",
        rungs=search.rungs,
    )
    return Measured(result, derive_target(found.feasible))


@pytest.fixture
def view(workbook):
    return LadderView(workbook(), Plan())


def test_it_says_that_nothing_has_been_started(view):
    assert "not started" in view.widget.value
    assert view.state.elapsed_s == 0


def test_rungs_appear_as_they_are_measured(view, measured):
    with view:
        assert "preparing the endpoint" in view.widget.value
        for rung in measured.result.rungs:
            view.add(rung)
        assert f"between {measured.result.feasible_max} and {measured.result.infeasible_min} streams" in (
            view.widget.value
        )
    assert "done" in view.widget.value
    assert view.widget.value.count("<g>") == len(measured.result.rungs)


def test_its_clock_runs_while_it_measures_and_stands_still_afterwards(view):
    view.start()
    seen = view.widget.value
    until(lambda: view.widget.value != seen, "the clock moves")
    view.stop()
    stopped = view.state.elapsed_s
    assert stopped > 0.5
    assert view.state.elapsed_s == stopped
    assert not [t for t in threading.enumerate() if t.name == "dgsm-ladder" and t.is_alive()]


def test_an_error_is_shown_and_not_swallowed(view):
    with pytest.raises(MeasurementInvalid), view:
        raise MeasurementInvalid("somebody switched scaling on.")
    assert "MeasurementInvalid: somebody switched scaling on." in view.widget.value
    assert not view.state.running


def test_a_void_rung_says_why(view, measured):
    from dataclasses import replace

    rung = measured.result.rungs[0]
    spoilt = replace(rung.holds[-1], void="the client sent late (p99 80 ms, limit 25 ms).")
    view.start()
    view.add(replace(rung, holds=(spoilt,)))
    assert "void, the client sent late" in view.widget.value
    view.stop()


def test_the_figure_is_told_limit_and_origin(view, workbook, measured):
    labels = figure_labels(workbook(), measured.result.criteria)
    assert (labels["limit_ms"], labels["limit_name"]) == (500, "p95 lag (strict)")
    assert "measured by this client" in labels["origin"]
    assert [p.streams for p in rung_points(measured.result.rungs)] == sorted(r.n for r in measured.result.rungs)


def test_sliders_begin_at_the_measurement(measured):
    sliders = WhatIf(measured)
    assert sliders.result is measured.result
    assert sliders.target == measured.target


def test_a_stricter_limit_judges_the_same_rungs_again(measured):
    sliders = WhatIf(measured)
    sliders.slo_ms.value = 50
    assert sliders.result.feasible_max <= measured.result.feasible_max
    assert [r.holds for r in sliders.result.rungs] == [r.holds for r in measured.result.rungs]
    sliders.slo_ms.value = 500
    assert sliders.result is measured.result


def test_headroom_and_growth_move_the_target(measured):
    sliders = WhatIf(measured)
    sliders.headroom.value = 0.7
    assert sliders.target.value == 7.0
    sliders.growth_per_min.value = 1.5
    assert sliders.target.binds == "time"
    assert "Time decides" in sliders.widget.children[-1].value
    sliders.instances.value = 10
    assert sliders.target.binds == "guide"


def test_a_limit_that_no_rung_keeps_is_said(measured):
    from dataclasses import replace

    slow = replace(
        measured.result,
        rungs=tuple(
            replace(
                r, holds=tuple(replace(h, streams=tuple(replace(s, lag_p95_s=0.4) for s in h.streams)) for h in r.holds)
            )
            for r in measured.result.rungs
        ),
    )
    sliders = WhatIf(Measured(slow, measured.target))
    sliders.slo_ms.value = 100
    assert sliders.target is None
    assert "too slow" in sliders.widget.children[-1].value
