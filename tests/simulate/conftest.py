"""Plans and traffic that several tests of the simulator share."""

import dataclasses

import numpy as np
import pytest

from dgsm_helpers.rules.model import ScalingModel
from dgsm_helpers.rules.policies import Bounds, TargetTracking
from dgsm_helpers.simulate.scaling_plan import ScalingPlan
from dgsm_helpers.simulate.traffic import Traffic


@pytest.fixture
def exact() -> ScalingModel:
    """The nominal model without chance: every start takes 213 s."""
    return ScalingModel(provision_cached_spread=0.0, uncached_share=0.0)


@pytest.fixture
def plan_of():
    """Make a plan with one target-tracking policy; further arguments go to the policy or to the plan."""

    def make(target=5.0, *, smallest=1, largest=10, schedule=(), **changes):
        policy = TargetTracking(name="streams", target_value=target, scale_out_cooldown_s=60, scale_in_cooldown_s=300)
        mine = {k: changes.pop(k) for k in list(changes) if k in TargetTracking.__dataclass_fields__ and k != "name"}
        return ScalingPlan(
            name="plan",
            policies=changes.pop("policies", (dataclasses.replace(policy, **mine),)),
            bounds=changes.pop("bounds", Bounds(min_capacity=smallest, max_capacity=largest)),
            schedule=schedule,
            **changes,
        )

    return make


@pytest.fixture
def held():
    """Make traffic of ``streams`` sessions that begin at ``at_s`` and outlast ``horizon_s``."""

    def make(streams, *, at_s=0.0, horizon_s=3600.0, until_s=None):
        length = (until_s or horizon_s + 1) - at_s
        return Traffic(
            name="held", starts_s=np.full(streams, at_s), durations_s=np.full(streams, length), horizon_s=horizon_s
        )

    return make
