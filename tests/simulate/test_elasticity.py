"""SPEC's elasticity metrics on hand-computed cases."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dgsm_helpers.simulate.merits import Elasticity, demand_of, elasticity, speedup


def test_hand_computed_case():
    result = elasticity(np.array([2, 4, 4, 1]), np.array([2, 2, 5, 3]))
    assert result.under_accuracy == pytest.approx(100 * (0.5) / 4)
    assert result.over_accuracy == pytest.approx(100 * (0.25 + 2.0) / 4)
    assert (result.under_share, result.over_share) == (25.0, 50.0)


def test_a_supply_that_follows_exactly_is_ideal():
    demand = np.array([1, 3, 2])
    assert elasticity(demand, demand) == Elasticity(
        under_accuracy=0.0, over_accuracy=0.0, under_share=0.0, over_share=0.0
    )


def test_demand_is_the_least_number_of_instances_and_never_zero():
    assert demand_of(np.array([0, 1, 10, 11]), 10).tolist() == [1, 1, 1, 2]


def test_speedup_is_the_geometric_mean_of_the_ratios():
    slow = Elasticity(under_accuracy=8, over_accuracy=4, under_share=20, over_share=10)
    fast = Elasticity(under_accuracy=4, over_accuracy=4, under_share=10, over_share=10)
    assert speedup(slow, fast) == pytest.approx((2 * 1 * 2 * 1) ** 0.25)
    assert speedup(fast, slow) == pytest.approx(1 / speedup(slow, fast))


def test_speedup_is_bounded_where_a_factor_is_zero():
    perfect = Elasticity(under_accuracy=0, over_accuracy=0, under_share=0, over_share=0)
    other = Elasticity(under_accuracy=1, over_accuracy=1, under_share=1, over_share=1)
    assert speedup(perfect, perfect) == 1
    assert speedup(other, perfect) == pytest.approx(100)


@given(st.lists(st.tuples(st.integers(1, 20), st.integers(1, 20)), min_size=1))
def test_shares_are_shares_and_accuracies_are_bounded_by_them(pairs):
    demand, supply = np.array(pairs).T
    result = elasticity(demand, supply)
    assert 0 <= result.under_share + result.over_share <= 100 + 1e-9
    assert result.under_accuracy <= result.under_share + 1e-9
    assert (result.over_accuracy > 0) == (result.over_share > 0)
