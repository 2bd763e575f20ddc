"""Rules of a fleet, pure: how long a start takes, which type it gets, who gets a new stream, who goes first.

The embedded AWS's live fleet and the simulator in virtual time both follow these functions; randomness is handed in.
"""

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal, Self

from dgsm_helpers.errors import InvalidInput
from dgsm_helpers.rules.model import ScalingModel

RANDOM: Final = "RANDOM"
LEAST_OUTSTANDING_REQUESTS: Final = "LEAST_OUTSTANDING_REQUESTS"


@dataclass(frozen=True, kw_only=True)
class Shortage:
    """A time in which an instance type cannot be had."""

    instance_type: str
    start_s: float
    end_s: float


@dataclass(frozen=True, kw_only=True)
class Placement:
    """What asking for an instance ends in: a machine of ``instance_type`` at ``at_s``, or None when given up then."""

    instance_type: str | None
    at_s: float


def start_delay_s(model: ScalingModel, rng: random.Random, *, image_cached: bool = True) -> float:
    """Draw the seconds from a new desired count to a serving instance.

    Log-normal around the cached median, or around the uncached one: when the endpoint has no image cached yet, and for
    ``uncached_share`` of the other starts. ``shortage_share`` of the starts wait out a shortage first. All are
    assumptions of ``model``.
    """
    cached = rng.random() >= model.uncached_share and image_cached
    median_s = model.provision_cached_s if cached else model.provision_uncached_s
    spread = model.provision_cached_spread if cached else model.provision_uncached_spread
    waiting_s = rng.uniform(*model.shortage_s) if rng.random() < model.shortage_share else 0.0
    return waiting_s + rng.lognormvariate(math.log(median_s), spread)


def place(
    types: Sequence[str], *, now_s: float, shortages: Sequence[Shortage] = (), provision_timeout_s: float = 300.0
) -> Placement:
    """Find a machine: each type in order of priority is tried for ``provision_timeout_s``, then the next one."""
    if not types:
        raise InvalidInput("A fleet needs at least one instance type.")
    begin_s = now_s
    for instance_type in types:
        free_s = _free_from(instance_type, begin_s, shortages)
        if free_s <= begin_s + provision_timeout_s:
            return Placement(instance_type=instance_type, at_s=free_s)
        begin_s += provision_timeout_s
    return Placement(instance_type=None, at_s=begin_s)


def _free_from(instance_type: str, begin_s: float, shortages: Sequence[Shortage]) -> float:
    at_s = begin_s
    for shortage in sorted((s for s in shortages if s.instance_type == instance_type), key=lambda s: s.start_s):
        if shortage.start_s <= at_s < shortage.end_s:
            at_s = shortage.end_s
    return at_s


def choose_instance(outstanding: Sequence[int], strategy: str, draw: float) -> int:
    """Index of the instance that gets a new request.

    Args:
        outstanding: requests in flight on each serving instance, oldest instance first.
        strategy: ``RANDOM``, or ``LEAST_OUTSTANDING_REQUESTS``: the least loaded, among equals the first listed (an
            assumption; it makes the live fleet and the simulator choose alike).
        draw: a uniform random number from 0 to below 1.

    Raises:
        InvalidInput: no instance, or a strategy SageMaker does not have.
    """
    if not outstanding:
        raise InvalidInput("No instance serves, so none can be chosen.")
    if strategy == RANDOM:
        return int(draw * len(outstanding))
    if strategy != LEAST_OUTSTANDING_REQUESTS:
        raise InvalidInput(
            f"SageMaker has no routing strategy {strategy!r}.", hint="It has RANDOM and LEAST_OUTSTANDING_REQUESTS."
        )
    return outstanding.index(min(outstanding))


def removal_order(ranks: Sequence[int], outstanding: Sequence[int]) -> list[int]:
    """Indices of the instances in the order in which scale-in removes them.

    The lowest-priority pool goes first (AWS, instance pools); within a pool the emptiest, then the newest: an
    assumption, since AWS does not say.

    Args:
        ranks: each instance's place in the order of pools, 0 being the preferred type.
        outstanding: requests in flight on each; instances are listed oldest first.
    """
    return sorted(range(len(ranks)), key=lambda index: (-ranks[index], outstanding[index], -index))


@dataclass(frozen=True, kw_only=True)
class ContainerStop:
    """What happens to a container from its SIGTERM on; ages are seconds since then."""

    sigkill_after_s: float = ScalingModel.sigkill_after_s
    routed_until: Literal["SIGTERM", "SIGKILL"] = ScalingModel.routed_until

    @classmethod
    def of(cls, model: ScalingModel) -> Self:
        return cls(sigkill_after_s=model.sigkill_after_s, routed_until=model.routed_until)

    def killed(self, age_s: float) -> bool:
        """Whether it has had its SIGKILL: every stream that was left is cut."""
        return age_s >= self.sigkill_after_s

    def takes_streams(self, age_s: float) -> bool:
        """Whether new streams still reach it."""
        return self.routed_until == "SIGKILL" and not self.killed(age_s)
