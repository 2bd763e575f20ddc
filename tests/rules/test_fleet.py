"""Rules of the fleet that the live fleet and the simulator share."""

import random
import statistics

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dgsm_helpers.errors import InvalidInput
from dgsm_helpers.rules.fleet import (
    LEAST_OUTSTANDING_REQUESTS,
    RANDOM,
    Shortage,
    choose_instance,
    place,
    removal_order,
    start_delay_s,
)
from dgsm_helpers.rules.model import ScalingModel

COUNTS = st.lists(st.integers(0, 20), min_size=1, max_size=12)


@given(COUNTS, st.integers())
def test_least_outstanding_requests_chooses_a_least_loaded_instance(outstanding, seed):
    index = choose_instance(outstanding, LEAST_OUTSTANDING_REQUESTS, random.Random(seed).random())
    assert outstanding[index] == min(outstanding)


def test_among_equals_the_oldest_is_chosen_and_at_random_every_one():
    rng = random.Random(1)
    assert choose_instance([2, 1, 1], LEAST_OUTSTANDING_REQUESTS, rng.random()) == 1
    assert {choose_instance([9, 0, 4], RANDOM, rng.random()) for _ in range(50)} == {0, 1, 2}


def test_routing_refuses_an_empty_fleet_and_an_unknown_strategy():
    with pytest.raises(InvalidInput, match="No instance"):
        choose_instance([], RANDOM, 0.0)
    with pytest.raises(InvalidInput, match="ROUND_ROBIN"):
        choose_instance([1], "ROUND_ROBIN", 0.0)


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 9)), max_size=10))
def test_removal_takes_every_instance_once_the_lowest_pool_first(instances):
    ranks, outstanding = [r for r, _ in instances], [o for _, o in instances]
    order = removal_order(ranks, outstanding)
    assert sorted(order) == list(range(len(instances)))
    assert [ranks[i] for i in order] == sorted(ranks, reverse=True)


def test_removal_prefers_the_emptiest_then_the_newest():
    assert removal_order([0, 0, 0, 1], [3, 1, 1, 9]) == [3, 2, 1, 0]


def test_a_start_takes_about_the_measured_times():
    rng = random.Random(3)
    cached = [start_delay_s(ScalingModel(uncached_share=0.0), rng) for _ in range(2000)]
    uncached = [start_delay_s(ScalingModel(uncached_share=1.0), rng) for _ in range(2000)]
    first = [start_delay_s(ScalingModel(uncached_share=0.0), rng, image_cached=False) for _ in range(2000)]
    assert statistics.median(cached) == pytest.approx(213, rel=0.03)
    assert statistics.median(uncached) == pytest.approx(400, rel=0.03)
    assert statistics.median(first) == pytest.approx(400, rel=0.03)


def test_a_shortage_delays_a_start_by_its_length():
    delays = [start_delay_s(ScalingModel(shortage_share=1.0), random.Random(seed)) for seed in range(200)]
    assert min(delays) > 900
    assert max(delays) < 2040 + 900


def test_a_type_without_capacity_gives_way_after_its_timeout():
    shortage = Shortage(instance_type="ml.g6.2xlarge", start_s=0, end_s=1000)
    types = ("ml.g6.2xlarge", "ml.g5.2xlarge")
    found = place(types, now_s=100, shortages=[shortage], provision_timeout_s=300)
    assert (found.instance_type, found.at_s) == ("ml.g5.2xlarge", 400)
    late = place(types, now_s=800, shortages=[shortage], provision_timeout_s=300)
    assert (late.instance_type, late.at_s) == ("ml.g6.2xlarge", 1000)
    alone = place(types[:1], now_s=100, shortages=[shortage], provision_timeout_s=300)
    assert (alone.instance_type, alone.at_s) == (None, 400)


def test_shortages_that_follow_each_other_are_one():
    shortages = [Shortage(instance_type="a", start_s=100, end_s=200), Shortage(instance_type="a", start_s=0, end_s=100)]
    assert place(["a"], now_s=50, shortages=shortages).at_s == 200
    with pytest.raises(InvalidInput):
        place([], now_s=0)
