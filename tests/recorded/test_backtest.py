"""The back-test of recorded runs: what its page shows is what it comes to now, and a wrong model does not pass."""

from __future__ import annotations

import sys
from importlib.util import module_from_spec, spec_from_file_location

import pytest
from kit.imports import ROOT


@pytest.fixture(scope="module")
def backtest():
    spec = spec_from_file_location("backtest", ROOT / "benchmarks" / "backtest.py")
    module = sys.modules["backtest"] = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def recording(backtest, name):
    return next(one for one in backtest.recorded_runs() if one["run"]["id"] == name)


def test_the_page_shows_what_the_back_test_comes_to(backtest):
    tests = [backtest.back_test(one) for one in backtest.recorded_runs()]
    assert backtest.PAGE.read_text(encoding="utf-8") == backtest.page(tests), "run benchmarks/backtest.py --page"


def test_runs_that_set_no_value_are_judged_and_hold_but_for_the_named_conflict(backtest):
    tests = [backtest.back_test(one) for one in backtest.recorded_runs()]
    assert [test.id for test in tests if not test.judged] == ["R2"]
    assert [test.id for test in tests if test.judged and not test.holds] == ["W2"]


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        ("R3", {"capacity_rounding": "down"}),
        ("R5a", {"reaction_overhead_s": 400.0}),
        ("R6", {"statistic": "Average"}),
        ("W1", {"minute_high_periods": 10}),
    ],
)
def test_a_model_that_is_wrong_does_not_hold(backtest, name, wrong):
    one = recording(backtest, name)
    assert not backtest.back_test({**one, "run": {**one["run"], "model": wrong}}).holds


def test_a_change_that_is_told_exactly_must_come_within_twenty_seconds(backtest):
    one = recording(backtest, "R2")
    run = {**one["run"], "sets": []}
    assert backtest.back_test({**one, "run": run}).holds
    late = {**run, "desired": [[0, 1], [90, 2]]}
    assert not backtest.back_test({**one, "run": late}).holds
