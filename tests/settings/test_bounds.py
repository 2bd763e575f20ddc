"""Bounds and policy: what is given, else what is there, else the settings', else the guide's."""

from __future__ import annotations

from dataclasses import replace

import pytest

from dgsm_helpers.aws.endpoint import endpoint_state
from dgsm_helpers.aws.endpoint.endpoint_reading import EndpointReading
from dgsm_helpers.aws.scaling import registration, retargeting, setup_calls
from dgsm_helpers.aws.scaling.policy import ScalingPolicy
from dgsm_helpers.aws.scaling.weighted_policy import weighted_policy
from dgsm_helpers.errors import InvalidInput
from dgsm_helpers.planning.applying import bounds_for


@pytest.fixture
def unscaled(endpoint):
    yield endpoint
    setup_calls.unregister(endpoint)
    settle(endpoint)


def settle(wb):
    """Bounds that pull instances up or down are a change, which takes its time."""
    endpoint_state.settle(wb, timeout_s=3600, on_progress=None)


def bounds(wb):
    target = registration.verify(wb).target
    return target.min_capacity, target.max_capacity


def with_settings(wb, **settings):
    return replace(wb, settings={key.replace("_", "."): value for key, value in settings.items()})


def test_a_new_target_gets_the_settings_bounds_and_else_the_guides(unscaled):
    registration.register(with_settings(unscaled, bounds_min=2, bounds_max=3))
    assert bounds(unscaled) == (2, 3)
    setup_calls.unregister(unscaled)
    settle(unscaled)
    registration.register(with_settings(unscaled, bounds_max=2))
    assert bounds(unscaled) == (1, 2)
    setup_calls.unregister(unscaled)
    settle(unscaled)
    registration.register(unscaled)
    assert bounds(unscaled) == (1, 4)


def test_a_bound_that_is_not_given_stays_whatever_the_settings_say(unscaled):
    registration.register(unscaled, 1, 7)
    wb = with_settings(unscaled, bounds_max=2)
    registration.register(wb)
    assert bounds(wb) == (1, 7) == tuple(bounds_for(wb).values())
    registration.register(wb, max_capacity=5)
    assert bounds(wb) == (1, 5)
    assert tuple(bounds_for(wb, 2, 3).values()) == (2, 3)


@pytest.mark.parametrize("given", [("1", "4"), (1.0, 4), (True, 4)])
def test_bounds_that_are_no_whole_numbers_are_refused(unscaled, given):
    with pytest.raises(InvalidInput, match="min_capacity="):
        registration.register(unscaled, *given)


@pytest.mark.parametrize(
    "wrong",
    [{"target_value": "8"}, {"scale_in_cooldown_s": "600"}, {"disable_scale_in": "False"}, {"target_value": True}],
)
def test_a_policy_takes_values_of_its_types_only(wrong):
    with pytest.raises(InvalidInput, match="is not of type"):
        ScalingPolicy(**wrong)


def test_the_policy_that_is_there_is_changed_where_it_is_asked_for(unscaled):
    assert registration.verify(unscaled).policy(target_value=None) == ScalingPolicy()
    registration.register(unscaled)
    held = ScalingPolicy(target_value=8.0, scale_in_cooldown_s=900, disable_scale_in=True, name="made-elsewhere")
    registration.apply(unscaled, held)
    assert registration.verify(unscaled).policy(target_value=None) == held
    assert registration.verify(unscaled).policy(target_value=6.0) == replace(held, target_value=6.0)
    assert retargeting.retarget(unscaled, 7.0).policy == replace(held, target_value=7.0)
    assert [policy.name for policy in registration.verify(unscaled).policies] == ["made-elsewhere"]


def test_what_was_found_is_put_back(unscaled):
    registration.register(unscaled, 1, 3)
    registration.apply(unscaled, ScalingPolicy(target_value=8.0))
    found = registration.verify(unscaled)
    registration.register(unscaled, 1, 5)
    registration.apply(unscaled, ScalingPolicy(target_value=2.0, scale_in_cooldown_s=1))
    by_type = dict.fromkeys(EndpointReading(unscaled).instance_types, 10)
    weighted = weighted_policy(unscaled, "max-of-ratios", capacity_by_type=by_type)
    registration.apply(unscaled, replace(weighted, name="another"))
    back = registration.apply(unscaled, found)
    assert back.ok, back.problems
    assert (back.target, [p.configuration for p in back.policies]) == (
        found.target,
        [p.configuration for p in found.policies],
    )


def test_where_nothing_was_found_nothing_is_left(unscaled):
    found = registration.verify(unscaled)
    registration.register(unscaled)
    registration.apply(unscaled)
    back = registration.apply(unscaled, found)
    assert (back.target, back.policies) == (None, ())
