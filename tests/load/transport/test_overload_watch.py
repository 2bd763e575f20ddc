"""Leaving an overloaded instance: only when it lasts, one after the other, and not again and again."""

from __future__ import annotations

import itertools
import random

from hypothesis import given
from hypothesis import strategies as st

from dgsm_helpers.load.transport.overload_watch import MINUTE_S, Leaving, OverloadWatch


def departures(leaving, lags, *, callers=1, step_s=0.5):
    """(time, caller) of each, for callers that all see the lags, one every half second."""
    watches = [OverloadWatch(leaving, random.Random(number)) for number in range(callers)]
    return [
        (at * step_s, number)
        for at, lag_s in enumerate(lags)
        for number, watch in enumerate(watches)
        if watch.should_leave(at * step_s, lag_s)
    ]


def test_a_short_delay_moves_nobody():
    assert departures(Leaving(for_s=5), [3.0] * 9 + [0.5] + [3.0] * 9) == []


def test_callers_of_one_slow_instance_leave_one_after_the_other():
    leaving = Leaving(lag_s=2, for_s=5, spread_s=20, per_minute=100)
    left = departures(leaving, [5.0] * 60, callers=15)
    assert len(left) == 15
    moments = sorted({at for at, _ in left})
    assert moments[0] >= 5 and len(moments) > 8, "they are spread over the twenty seconds"


@given(
    st.integers(1, 20),
    st.integers(1, 5),
    st.floats(0, 30),
    st.lists(st.floats(0, 10), min_size=1, max_size=400),
)
def test_a_stampede_is_impossible_whatever_the_lags_are(callers, per_minute, stay_s, lags):
    left = departures(Leaving(per_minute=per_minute, for_s=0, spread_s=0, stay_s=stay_s), lags, callers=callers)
    for at, _ in left:
        assert sum(at - MINUTE_S < other <= at for other, _ in left) <= per_minute
    for number in range(callers):
        own = [at for at, caller in left if caller == number]
        assert all(b - a >= stay_s for a, b in itertools.pairwise(own))
    assert all(lags[int(at / 0.5)] > 2.0 for at, _ in left)


def test_a_call_that_found_nothing_better_waits_longer_each_time_until_it_does():
    leaving = Leaving(lag_s=1, for_s=0, spread_s=0, stay_s=10, per_minute=1000)
    watch = OverloadWatch(leaving, random.Random(1))
    at, tries = 0.0, []
    while len(tries) < 5:
        if watch.should_leave(at, 5.0):
            tries.append(at)
            watch.moved() if len(tries) == 4 else watch.stayed(at)
        at += 1.0
    assert [b - a for a, b in itertools.pairwise(tries)] == [20, 40, 80, 10]
