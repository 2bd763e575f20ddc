"""Recorded concurrency, as sessions."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dgsm_helpers.errors import InvalidInput
from dgsm_helpers.simulate.replay import Series, replay, series_of


@pytest.mark.parametrize(
    ("times", "values", "says"),
    [
        ([0, 60, 180], [1, 2, 3], "gap of 120 s after point 2"),
        ([0, 60, 60], [1, 2, 3], "Point 3"),
        ([60, 0], [1, 2], "Point 2"),
        ([0], [1], "at least two"),
        ([0, 60], [1], "at least two"),
        ([0, 60], [1, -1], "negative"),
        ([0, 60], [1, float("nan")], "no number"),
    ],
)
def test_wrong_series_are_refused_and_gaps_are_not_filled(times, values, says):
    with pytest.raises(InvalidInput, match=says):
        series_of(times, values)


def test_more_streams_than_fit_are_refused_before_they_are_made():
    with pytest.raises(InvalidInput, match="at most 2,000,000"):
        replay(Series(name="s", start_s=0, period_s=60, values=(1, 1e9)), mean_s=60)


def test_a_series_keeps_its_start_and_period():
    series = series_of([1795514400, 1795514460], [1, 2.5])
    assert (series.period_s, series.horizon_s, series.values) == (60.0, 120.0, (1.0, 2.5))
    assert replay(series, mean_s=60).midnight_utc_s == 10 * 3600
    undated = replay(series_of([100, 160], [1, 2]), mean_s=60)
    assert (undated.begin_s, undated.midnight_utc_s) == (None, 0.0)


@given(st.lists(st.integers(0, 30), min_size=2, max_size=40), st.floats(20, 5000))
def test_replay_has_the_recorded_concurrency_at_every_point(values, mean_s):
    series = Series(name="s", start_s=0.0, period_s=60.0, values=tuple(values))
    traffic = replay(series, mean_s=mean_s, seed=1)
    at = np.arange(len(values)) * 60.0 + 1e-6
    alive = [int(((traffic.starts_s <= t) & (traffic.starts_s + traffic.durations_s > t)).sum()) for t in at]
    assert alive == values


def test_replay_needs_a_duration():
    with pytest.raises(InvalidInput, match="mean length"):
        replay(Series(name="s", start_s=0, period_s=60, values=(1, 2)), mean_s=0)
