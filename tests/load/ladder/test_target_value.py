from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dgsm_helpers.errors import InvalidInput
from dgsm_helpers.load.ladder.target_value import derive_target


def test_the_guides_example_ten_streams_give_seven_to_eight():
    target = derive_target(10)
    assert (target.guide_low, target.guide_high, target.value, target.binds) == (7.0, 8.0, 8.0, "guide")


def test_fast_growth_on_few_instances_leaves_less_than_the_guide():
    # 1 stream per minute over 60 + 260 s are 5.33 streams on one instance of 10.
    target = derive_target(10, growth_per_min=1)
    assert target.time_based == pytest.approx(10 - 320 / 60)
    assert (target.binds, target.value) == ("time", 4.6)
    assert "Time decides" in target.explanation


def test_growth_that_no_target_can_absorb_is_said():
    target = derive_target(10, growth_per_min=60)
    assert not target.feasible and target.value == 1.0
    assert "more instances from the start" in target.explanation


def test_the_value_is_in_the_alarms_units():
    assert derive_target(10, server_per_client=0.5).value == 4.0


@given(
    knee=st.integers(1, 500),
    instances=st.integers(1, 20),
    growth=st.floats(0, 100),
    headroom=st.floats(0.1, 1),
)
def test_the_target_never_exceeds_either_rule(knee, instances, growth, headroom):
    target = derive_target(knee, instances=instances, growth_per_min=growth, headroom=headroom)
    assert target.client_value <= max(headroom * knee, 1.0) + 1e-9
    if target.feasible:
        assert instances * (knee - target.value) >= growth / 60 * target.lag_s - 1e-6
    assert 0 < target.value <= max(target.client_value, 0.1) + 1e-9


@pytest.mark.parametrize("bad", [{"knee": 0}, {"instances": 0}, {"headroom": 0}, {"growth_per_min": -1}])
def test_impossible_values_are_refused(bad):
    with pytest.raises(InvalidInput):
        derive_target(**{"knee": 10, **bad})


def test_the_derivation_says_when_the_alarm_counts_in_other_units():
    assert "units" not in derive_target(10).explanation
    target = derive_target(10, server_per_client=1.1)
    assert target.value == 8.8
    assert "counted 1.1 requests per stream held: 8.8 in its units" in target.explanation
