"""Sessions become streams: one after the other, none longer than the limit, in order of their begins."""

from __future__ import annotations

import math

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from dgsm_helpers.rules.model import ScalingModel
from dgsm_helpers.simulate.conditions import Capacity, Conditions
from dgsm_helpers.simulate.end_order import ending_before
from dgsm_helpers.simulate.events import lay_out
from dgsm_helpers.simulate.traffic import Traffic

LIMIT_S, HORIZON_S = 60.0, 400.0
# Halves, so that begins coincide and sums are exact.
SESSIONS = st.lists(st.tuples(st.integers(0, 799), st.integers(1, 1000)), min_size=1, max_size=40).map(sorted)


@given(sessions=SESSIONS)
def test_each_session_is_cut_at_the_limit_and_its_streams_stand_where_they_begin(sessions):
    starts, durations = (np.array(column) / 2 for column in zip(*sessions, strict=True))
    streams = []
    for start, duration in zip(starts, durations, strict=True):
        for number in range(math.ceil(duration / LIMIT_S)):
            begin = start + number * LIMIT_S
            if begin < HORIZON_S:
                # What lies more than a second beyond the horizon is not played.
                streams.append((begin, min(begin + LIMIT_S, start + duration, HORIZON_S + 1.0)))
    streams.sort(key=lambda stream: stream[0])  # stable: sessions stand in order
    model = ScalingModel(stream_limit_s=LIMIT_S)
    traffic = Traffic(name="any", starts_s=starts, durations_s=durations, horizon_s=HORIZON_S)
    events = lay_out(traffic, Conditions(capacity=Capacity(knee=10), model=model))
    assert list(zip(events.starts_s.tolist(), events.ends_s.tolist(), strict=True)) == streams


TIMES = st.floats(0, 1e7, exclude_min=True) | st.sampled_from([5e-324, 1.0, 30.0, 30.000000000000004, 400.0])


@given(st.lists(TIMES), st.floats(0, 1e7) | st.just(400.0))
def test_streams_stand_in_order_of_their_ends_and_of_equal_ones_the_first_stays_first(times, horizon_s):
    ending, ends_s = ending_before(horizon_s, np.array(times))
    expected = sorted((stream for stream, end_s in enumerate(times) if end_s < horizon_s), key=times.__getitem__)
    assert ending.tolist() == expected
    assert ends_s.tolist() == [times[stream] for stream in expected]


@given(sessions=SESSIONS)
def test_bounds_say_how_many_begin_and_end_before_each_tick(sessions):
    starts, durations = (np.array(column) / 2 for column in zip(*sessions, strict=True))
    traffic = Traffic(name="any", starts_s=starts, durations_s=durations, horizon_s=HORIZON_S)
    events = lay_out(traffic, Conditions(capacity=Capacity(knee=10), model=ScalingModel(stream_limit_s=LIMIT_S)))
    ended_s = events.ends_s[events.ending]
    assert len(events.bounds) == events.ticks + 1
    for tick, (begun, ended) in enumerate(events.bounds.tolist()):
        assert begun == (events.starts_s < 10 * tick).sum()
        assert ended == (ended_s < 10 * tick).sum()
