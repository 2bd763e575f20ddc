"""Recorded traffic: read exactly, or refused with the line."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dgsm_helpers.errors import InvalidInput
from dgsm_helpers.simulate.replay import Series, read_calls, read_series, replay, series_of


def test_calls_are_read_from_seconds_and_from_iso_times():
    seconds = read_calls("start,duration_s\n100,60\n130.5,30\n")
    iso = read_calls(
        "start, end\n2026-11-24T10:00:00Z, 2026-11-24T10:01:00Z\n2026-11-24T10:00:30.5,2026-11-24T10:01:00.5"
    )
    for traffic in (seconds, iso):
        assert traffic.starts_s.tolist() == [0.0, 30.5]
        assert traffic.durations_s.tolist() == [60.0, 30.0]
        assert traffic.horizon_s == 60.5


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "no column start"),
        ("start,duration_s\n", "no rows"),
        ("start\n1\n", "neither a column duration_s nor end"),
        ("start,duration_s\n1,5\n,5\n", "Line 3 .* no start"),
        ("start,duration_s\n1,\n", "Line 2 .* no duration_s"),
        ("start,duration_s\n1,5\n-3,5\n", "Line 3 .* must not be -3"),
        ("start,duration_s\n9,5\n3,5\n", "Line 3 .* before the line above"),
        ("start,duration_s\n9,0\n", "call of 0 s"),
        ("start,end\n9,8\n", "call of -1 s"),
        ("start,duration_s\nsoon,5\n", "'soon'"),
    ],
)
def test_wrong_calls_are_refused_by_line(text, says):
    with pytest.raises(InvalidInput, match=says):
        read_calls(text)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("time,streams\n0,1\n60,2\n180,3\n", "gap of 120 s after point 2"),
        ("time,streams\n0,1\n60,2\n60,3\n", "Point 3"),
        ("time,streams\n60,1\n0,2\n", "Point 2"),
        ("time,streams\n0,1\n", "at least two"),
        ("time,streams\n0,1\n60,-2\n", "Line 3"),
        ("time,streams\n0,1\n60,\n", "Line 3 .* no streams"),
        ("time\n0\n", "no column streams"),
    ],
)
def test_wrong_series_are_refused_and_gaps_are_not_filled(text, says):
    with pytest.raises(InvalidInput, match=says):
        read_series(text)


def test_a_series_keeps_its_start_and_period():
    series = read_series("time,streams\n2026-11-24T10:00:00Z,1\n2026-11-24T10:01:00Z,2.5\n")
    assert (series.period_s, series.horizon_s, series.values) == (60.0, 120.0, (1.0, 2.5))
    assert series.start_s == 1795514400.0
    with pytest.raises(InvalidInput, match="negative"):
        series_of([0, 60], [1, -1])


@given(st.lists(st.integers(0, 30), min_size=2, max_size=40), st.floats(20, 5000))
def test_replay_has_the_recorded_concurrency_at_every_point(values, mean_s):
    series = Series(name="s", start_s=0.0, period_s=60.0, values=tuple(values))
    traffic = replay(series, mean_s=mean_s, seed=1)
    at = np.arange(len(values)) * 60.0 + 1e-6
    alive = [int(((traffic.starts_s <= t) & (traffic.starts_s + traffic.durations_s > t)).sum()) for t in at]
    assert alive == values


def test_replay_needs_a_duration():
    with pytest.raises(InvalidInput, match="mean duration"):
        replay(Series(name="s", start_s=0, period_s=60, values=(1, 2)), mean_s=0)
