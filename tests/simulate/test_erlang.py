"""Erlang's formulas against printed tables, against each other, and against fleets that are played."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dgsm_helpers.errors import InvalidInput
from dgsm_helpers.rules.model import ScalingModel
from dgsm_helpers.simulate.conditions import Capacity, Conditions
from dgsm_helpers.simulate.engine import simulate
from dgsm_helpers.simulate.fixed_fleet import (
    admitted,
    crowded_share,
    erlang_b,
    erlang_c,
    full_share_of,
    mean_wait_s,
    simulated_full_share,
)
from dgsm_helpers.simulate.traffic import Traffic, constant

POOLED, RANDOM = "LEAST_OUTSTANDING_REQUESTS", "RANDOM"
PAIRS = (
    (1, 5, 1.36, POOLED),
    (1, 10, 4.46, POOLED),
    (2, 5, 4.0, POOLED),
    (2, 10, 12.03, POOLED),
    (3, 10, 20.34, POOLED),
    (4, 8, 26.0, POOLED),
    (7, 10, 56.1, POOLED),
    (10, 10, 84.1, POOLED),
    (3, 4, 6.0, RANDOM),
    (5, 10, 25.0, RANDOM),
    (8, 10, 36.0, RANDOM),
    (4, 20, 48.0, RANDOM),
)
"""Instances, places of each, erlangs, routing."""
offered = st.floats(0.01, 500)
places_of = st.integers(1, 600)


@pytest.mark.parametrize(
    ("places", "erlangs", "share"),
    # Traffic tables give the load at which so many circuits lose one call in a hundred.
    [(1, 0.0101, 0.01), (5, 1.361, 0.01), (10, 4.461, 0.01), (30, 20.34, 0.01), (100, 84.06, 0.01), (10, 5.084, 0.02)],
)
def test_erlang_b_is_that_of_the_tables(places, erlangs, share):
    assert erlang_b(places, erlangs) == pytest.approx(share, rel=0.002)


@given(places_of, offered)
def test_erlang_b_is_the_last_of_the_truncated_poisson_states(places, erlangs):
    from scipy.stats import poisson  # half a second, for whoever collects the tests

    reached = poisson.cdf(places, erlangs)
    if reached > 1e-250:
        assert erlang_b(places, erlangs) == pytest.approx(poisson.pmf(places, erlangs) / reached, rel=1e-6, abs=1e-280)


@given(places_of, offered)
def test_who_is_refused_is_fewer_than_who_crowds_and_these_fewer_than_who_waits(places, erlangs):
    refused, crowded, waiting = (f(places, erlangs) for f in (erlang_b, crowded_share, erlang_c))
    assert 0 <= refused <= crowded + 1e-12 and crowded <= waiting + 1e-9 and waiting <= 1


@given(places_of, offered)
def test_a_place_more_refuses_fewer_and_waits_less(places, erlangs):
    assert erlang_b(places + 1, erlangs) < erlang_b(places, erlangs) or erlang_b(places, erlangs) == 0
    assert mean_wait_s(places + 1, erlangs, mean_s=60) <= mean_wait_s(places, erlangs, mean_s=60)


def test_one_server_waits_as_the_textbook_says():
    assert erlang_c(1, 0.5) == pytest.approx(0.5)
    assert mean_wait_s(1, 0.5, mean_s=60) == pytest.approx(60)
    assert mean_wait_s(2, 2.0, mean_s=60) == math.inf
    assert erlang_c(2, 2.0) == erlang_c(0, 1.0) == 1.0


def test_nothing_offered_is_never_refused_and_no_place_always():
    assert erlang_b(3, 0.0) == 0.0
    assert erlang_b(0, 2.0) == erlang_b(0, 0.0) == crowded_share(0, 1.0) == 1.0


@pytest.mark.parametrize(("places", "erlangs"), [(-1, 1.0), (3, -0.1), (3, math.nan), (3, math.inf)])
def test_what_is_no_load_is_refused(places, erlangs):
    for formula in (erlang_b, erlang_c, crowded_share):
        with pytest.raises(InvalidInput):
            formula(places, erlangs)


@pytest.mark.slow
@pytest.mark.parametrize(("instances", "places", "erlangs", "routing"), PAIRS)
def test_a_fixed_fleet_refuses_what_erlang_b_says_within_a_tenth_of_a_point(instances, places, erlangs, routing):
    simulated = simulated_full_share(
        instances=instances, places=places, routing=routing, erlangs=erlangs, call_s=30.0, calls=1_500_000, seed=4
    )
    assert simulated == pytest.approx(full_share_of(routing, instances, places, erlangs), abs=0.001)


@pytest.mark.parametrize(("instances", "places", "erlangs", "routing"), [PAIRS[2], PAIRS[9]])
def test_a_fixed_fleet_refuses_about_what_erlang_b_says(instances, places, erlangs, routing):
    simulated = simulated_full_share(
        instances=instances, places=places, routing=routing, erlangs=erlangs, call_s=30.0, calls=200_000, seed=4
    )
    assert simulated == pytest.approx(full_share_of(routing, instances, places, erlangs), abs=0.003)


@pytest.fixture(scope="module")
def calls():
    """Half a day of calls of five minutes, about twenty at once."""
    return constant(streams=20, horizon_s=43_200.0, seed=3)


def chosen(traffic: Traffic, which: np.ndarray) -> Traffic:
    """The sessions of a traffic that a mask names."""
    return Traffic(
        name="chosen",
        starts_s=traffic.starts_s[which],
        durations_s=traffic.durations_s[which],
        horizon_s=traffic.horizon_s,
    )


def test_the_calls_that_get_in_never_fill_the_played_fleet_beyond_its_knee(calls, plan_of):
    inside = admitted(calls, instances=3, places=8, routing=POOLED)
    assert 0 < (~inside).mean() < 0.2
    conditions = Conditions(capacity=Capacity(knee=8), model=ScalingModel(routing=POOLED, stream_limit_s=1e9))
    fixed = plan_of(target=6.0, smallest=3, largest=3)
    refusing = simulate(chosen(calls, inside), fixed, conditions)
    assert refusing.tally.opened_above_knee == 0
    assert refusing.streams.max() <= 24 and max(refusing.peaks.max(axis=1)) == 8
    # One call that was refused, let in after all, is one too many for it.
    also = inside.copy()
    also[np.flatnonzero(~inside)[0]] = True
    assert simulate(chosen(calls, also), fixed, conditions).tally.opened_above_knee >= 1


def test_where_nobody_is_refused_the_played_fleet_is_crowded_as_poisson_says(plan_of):
    calls = constant(streams=20, horizon_s=10 * 86_400.0, seed=5)
    conditions = Conditions(capacity=Capacity(knee=8), model=ScalingModel(routing=POOLED, stream_limit_s=1e9))
    run = simulate(calls, plan_of(target=6.0, smallest=3, largest=3), conditions)
    crowded = crowded_share(24, calls.stream_seconds() / calls.horizon_s)
    assert (run.streams >= 24).mean() == pytest.approx(crowded, abs=0.04)
    # Streams end where they end: with 24 in all, one of the three may still have room.
    assert crowded / 2 < run.tally.opened_above_knee / run.tally.opened <= crowded + 0.01


def test_random_routing_refuses_beside_empty_instances_and_the_other_does_not(calls):
    refused = {
        routing: (~admitted(calls, instances=4, places=8, routing=routing)).mean() for routing in (POOLED, RANDOM)
    }
    assert refused[RANDOM] > 5 * refused[POOLED]


@pytest.mark.parametrize(("instances", "places"), [(0, 5), (3, 0)])
def test_a_fleet_without_a_place_is_refused(calls, instances, places):
    with pytest.raises(InvalidInput, match="take no call"):
        admitted(calls, instances=instances, places=places, routing=POOLED)
