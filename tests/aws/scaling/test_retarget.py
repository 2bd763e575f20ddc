"""Putting a measured TargetValue into the policy, on the embedded AWS."""

from __future__ import annotations

import pytest

from dgsm_helpers.aws.endpoint.endpoint_reading import EndpointReading
from dgsm_helpers.aws.scaling import registration, suspending
from dgsm_helpers.aws.scaling.policy import ScalingPolicy
from dgsm_helpers.aws.scaling.retargeting import retarget
from dgsm_helpers.aws.scaling.scalable_target import Suspension
from dgsm_helpers.errors import InvalidInput, NotReady


@pytest.fixture
def endpoint(deployed):
    yield deployed
    registration.remove(deployed)


def test_only_the_target_value_changes(endpoint):
    registration.register(endpoint, 1, 7)
    registration.apply(endpoint, ScalingPolicy(scale_in_cooldown_s=900, scale_out_cooldown_s=30))
    done = retarget(endpoint, 7.5)
    assert done.former_value == 5.0
    wanted = ScalingPolicy(target_value=7.5, scale_in_cooldown_s=900, scale_out_cooldown_s=30)
    assert registration.verify(endpoint, wanted, min_capacity=1, max_capacity=7).ok
    assert str(done) == "TargetValue of deepgram-streaming-concurrency-policy is 7.5 (it was 5)."


def test_policy_that_never_scales_in_stays_one(endpoint):
    registration.register(endpoint)
    registration.apply(endpoint, ScalingPolicy(disable_scale_in=True))
    assert retarget(endpoint, 6.4).policy.disable_scale_in


def test_unregistered_variant_gets_the_guides_bounds_and_policy(endpoint):
    done = retarget(endpoint, 6.4)
    assert done.former_value is None
    assert registration.verify(endpoint, ScalingPolicy(target_value=6.4), min_capacity=1, max_capacity=4).ok


def test_suspended_scaling_is_said(endpoint):
    registration.register(endpoint)
    suspending.resume_scaling(endpoint, Suspension(scale_out=True))
    with pytest.raises(NotReady, match="Scale-out is suspended"):
        retarget(endpoint, 6.4)


def test_impossible_target_is_refused(endpoint):
    with pytest.raises(InvalidInput):
        retarget(endpoint, 0.0)


def test_model_package_behind_an_endpoint_is_found(deployed):
    assert EndpointReading(deployed).model_package_arn == deployed.model_package_arn
