"""Made traffic follows its level; wrong traffic is refused."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from kit.laid_out import begins_and_ends

from dgsm_helpers.errors import InvalidInput
from dgsm_helpers.rules.model import ScalingModel
from dgsm_helpers.simulate.conditions import Capacity, Conditions
from dgsm_helpers.simulate.events import lay_out
from dgsm_helpers.simulate.traffic import DAY_S, Traffic, bursty, constant, diurnal, ramp, step

HALF_HOURS = Conditions(capacity=Capacity(knee=10), model=ScalingModel(stream_limit_s=1800.0))


def calls(*pairs, horizon_s=1000.0):
    starts, durations = zip(*pairs, strict=True)
    return Traffic(name="calls", starts_s=np.array(starts), durations_s=np.array(durations), horizon_s=horizon_s)


def mean_level(traffic, start_s, end_s):
    return traffic.concurrency()[int(start_s // 10) : int(end_s // 10)].mean()


def test_constant_traffic_holds_its_level_from_the_start():
    traffic = constant(streams=200, horizon_s=7200, seed=2)
    assert traffic.concurrency()[0] == pytest.approx(200, abs=60)
    assert mean_level(traffic, 0, 7200) == pytest.approx(200, rel=0.1)


@given(st.floats(10.0, 600.0), st.integers(0, 100))
@settings(max_examples=15, deadline=None)
def test_as_many_sessions_arrive_as_keep_the_level_whatever_their_length(mean_s, seed):
    streams = 500_000 * mean_s / DAY_S
    traffic = constant(streams=streams, horizon_s=DAY_S, mean_s=mean_s, seed=seed)
    # Little's law, and those that are there at the begin.
    assert traffic.sessions == pytest.approx(500_000 + streams, abs=5 * math.sqrt(500_000))
    assert traffic.stream_seconds() == pytest.approx(streams * DAY_S, rel=0.01)
    first, rest = traffic.concurrency()[0], traffic.concurrency()[1:].mean()
    assert first == pytest.approx(streams, abs=6 * math.sqrt(streams))
    assert rest == pytest.approx(streams, rel=0.01)


@given(st.floats(10.0, 600.0), st.integers(0, 100))
@settings(max_examples=15, deadline=None)
def test_a_level_that_changes_is_followed_without_a_lag_upwards(mean_s, seed):
    traffic = ramp(before=0, after=4000, start_s=0, end_s=7200, horizon_s=7200, mean_s=mean_s, seed=seed)
    above = traffic.concurrency() - 4000 * np.arange(720) / 720
    assert abs(above[360:].mean()) < 6 * math.sqrt(3000 * 2 * mean_s / 3600) + 1


def test_a_step_jumps_up_at_once():
    traffic = step(before=50, after=200, at_s=1200, horizon_s=3600, seed=3)
    assert mean_level(traffic, 0, 1190) == pytest.approx(50, rel=0.25)
    assert mean_level(traffic, 1210, 1300) == pytest.approx(200, rel=0.2)


def test_a_ramp_and_a_day_reach_their_ends():
    rising = ramp(before=20, after=200, start_s=600, end_s=1800, horizon_s=3600, seed=4)
    assert mean_level(rising, 0, 600) == pytest.approx(20, rel=0.4)
    assert mean_level(rising, 1150, 1250) == pytest.approx(110, rel=0.2)
    assert mean_level(rising, 2400, 3600) == pytest.approx(200, rel=0.15)
    day = diurnal(low=20, high=300, seed=5)
    assert mean_level(day, 14 * 3600 - 600, 14 * 3600 + 600) == pytest.approx(300, rel=0.1)
    assert mean_level(day, 2 * 3600 - 600, 2 * 3600 + 600) == pytest.approx(20, rel=0.4)


def test_bursts_come_and_go():
    levels = bursty(base=5, burst=100, every_s=3600, burst_s=300, horizon_s=86_400, mean_s=60, seed=6).concurrency()
    assert np.percentile(levels, 50) < 15
    assert levels.max() > 70


def test_the_same_seed_makes_the_same_traffic():
    one, two, other = (diurnal(low=5, high=20, seed=seed) for seed in (1, 1, 2))
    assert np.array_equal(one.starts_s, two.starts_s)
    assert np.array_equal(one.durations_s, two.durations_s)
    assert not np.array_equal(one.starts_s[:20], other.starts_s[:20])


def test_stream_seconds_end_with_the_horizon():
    assert calls((0, 100), (900, 500)).stream_seconds() == 200


@pytest.mark.parametrize(
    ("pairs", "says"),
    [
        (((-1, 10),), "negative"),
        (((5, 10), (4, 10)), "row 2"),
        (((5, 0),), "duration"),
        (((5, float("nan")),), "duration"),
        (((2000, 1),), "after its end"),
    ],
)
def test_wrong_sessions_are_refused_by_row(pairs, says):
    with pytest.raises(InvalidInput, match=says):
        calls(*pairs)


@pytest.mark.parametrize(
    "make",
    [
        lambda: constant(streams=-1, horizon_s=100),
        lambda: constant(streams=1, horizon_s=0),
        lambda: constant(streams=1, horizon_s=100, mean_s=0),
        lambda: constant(streams=math.nan, horizon_s=100),
        lambda: constant(streams=math.inf, horizon_s=100),
        lambda: constant(streams=1e9, horizon_s=86_400),
        lambda: constant(streams=1, horizon_s=math.inf),
        lambda: constant(streams=1, horizon_s=1e9),
        lambda: constant(streams=1, horizon_s=100, mean_s=math.inf),
        lambda: constant(streams=1, horizon_s=100, seed=-1),
        lambda: bursty(base=1, burst=2, every_s=60, burst_s=5, horizon_s=math.inf),
    ],
)
def test_wrong_shapes_are_refused(make):
    with pytest.raises(InvalidInput):
        make()


SESSIONS = st.lists(st.tuples(st.floats(0, 999), st.floats(0.1, 5000)), min_size=1, max_size=30).map(sorted)


@given(SESSIONS)
def test_cutting_into_streams_keeps_every_second_and_the_limit(pairs):
    traffic = calls(*pairs, horizon_s=6000.0)
    events = lay_out(traffic, HALF_HOURS)
    lengths = events.ends_s - events.starts_s
    assert lengths.max() <= 1800 + 1e-6
    assert lengths.sum() == pytest.approx(traffic.durations_s.sum())
    assert (np.diff(events.starts_s) >= 0).all()
    assert (np.diff(events.ends_s[events.ending]) >= 0).all()
    balance = np.cumsum([1 if begins else -1 for _, begins, _ in begins_and_ends(events)])
    assert balance.min() >= 0
    assert balance[-1] == traffic.concurrency()[-1]


def test_a_call_without_end_is_cut_at_the_horizon():
    events = lay_out(calls((0, 1e12), horizon_s=3600.0), HALF_HOURS)
    assert len(events.draws) == 2
    assert events.starts_s.tolist() == [0.0, 1800.0]
    assert events.ending.tolist() == [0]
