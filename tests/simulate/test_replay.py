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
        ("start,duration_s\n1,2026-11-24\n", "Line 2 .* no number"),
        ("start,duration_s\n0,5,60\n", "Line 2 .* more cells .* point"),
        ("start,duration_s\n\n1,5\n\n-3,5\n", "Line 5 .* must not be -3"),
        ("start,duration_s\n1795514400000,60000\n", "milliseconds"),
        ("start,duration_s\n0,60000000\n", "694.4 days.*milliseconds"),
        ("start;duration_s\n0,5;60\n", "Line 2 .* neither seconds nor an ISO time"),
        (f"start,duration_s\n0,{'5' * 200_000}\n", "cannot be read"),
        ("start,duration_s\n0,1e400\n", "must not be 1e400"),
        ("start,duration_s\n0,nan\n", "must not be nan"),
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


@pytest.mark.parametrize(
    "text",
    [
        "\ufeffstart,duration_s\r\n100,60\r\n130.5,30\r\n",
        "start,duration_s\r100,60\r130.5,30\r",
        "Start; Duration_S\n100; 60\n130.5; 30\n",
        "duration_s\tagent\tstart\n60\tA, B\t100\n30\tC\t130.5\n",
        '"start","duration_s"\n"100","60"\n"130.5","30"\n',
        "start,duration_s,\n100,60,\n\n130.5,30,\n",
        "start,end\n2026-11-24T11:00:00+01:00,2026-11-24T10:01:00Z\n2026-11-24 10:00:30.5,2026-11-24T10:01:00.5\n",
    ],
    ids=["BOM and CRLF", "CR", "semicolons", "tabs", "quotes", "trailing separators", "time zones"],
)
def test_what_spreadsheets_write_is_read(text):
    traffic = read_calls(text)
    assert traffic.starts_s.tolist() == [0.0, 30.5]
    assert traffic.durations_s.tolist() == [60.0, 30.0]


def test_dated_calls_keep_their_date_and_undated_ones_begin_at_midnight():
    dated = read_calls("start,duration_s\n2026-11-24T10:00:00+01:00,60\n")
    assert dated.begin_s == 1795510800.0
    assert dated.midnight_utc_s == 9 * 3600
    assert read_calls("start,duration_s\n1795510800,60\n").midnight_utc_s == 9 * 3600
    undated = read_calls("start,duration_s\n100,60\n")
    assert (undated.begin_s, undated.midnight_utc_s) == (None, 0.0)
    series = read_series("time,streams\n2026-11-24T10:00:00Z,1\n2026-11-24T10:01:00Z,2\n")
    assert replay(series, mean_s=60).midnight_utc_s == 10 * 3600


def test_one_call_is_traffic_of_its_own_length():
    assert read_calls("start,duration_s\n5,700\n").horizon_s == 700


def test_more_streams_than_fit_are_refused_before_they_are_made():
    with pytest.raises(InvalidInput, match="at most 2,000,000"):
        replay(Series(name="s", start_s=0, period_s=60, values=(1, 1e9)), mean_s=60)


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
    with pytest.raises(InvalidInput, match="mean length"):
        replay(Series(name="s", start_s=0, period_s=60, values=(1, 2)), mean_s=0)
