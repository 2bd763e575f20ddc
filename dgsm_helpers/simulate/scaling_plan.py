"""What is compared: a scalable target with its policies, bounds, schedule and instance types."""

from __future__ import annotations

from dataclasses import dataclass

from dgsm_helpers.errors import InvalidInput
from dgsm_helpers.rules.fleet import Shortage
from dgsm_helpers.rules.policies import Bounds, Policy, ScheduledChange, TargetTracking


@dataclass(frozen=True, kw_only=True)
class ScalingPlan:
    """One way to scale a variant.

    ``instance_types`` are by priority, the preferred one first; ``shortages`` are times (of the traffic) without
    capacity; ``initial_count`` defaults to the minimum.

    Raises:
        InvalidInput: no policy, two of the same name, no instance type, or an initial count outside the bounds.
    """

    name: str
    policies: tuple[Policy, ...]
    bounds: Bounds
    schedule: tuple[ScheduledChange, ...] = ()
    instance_types: tuple[str, ...] = ("ml.g5.2xlarge",)
    shortages: tuple[Shortage, ...] = ()
    provision_timeout_s: float = 300.0
    initial_count: int | None = None

    def __post_init__(self) -> None:
        names = [policy.name for policy in self.policies]
        if not names or len(set(names)) < len(names):
            raise InvalidInput(f"Plan {self.name!r} needs policies, each with a name of its own; it has {names}.")
        if not self.instance_types:
            raise InvalidInput(f"Plan {self.name!r} names no instance type.")
        if self.initial_count is not None and self.bounds.clamp(self.initial_count) != self.initial_count:
            raise InvalidInput(f"Plan {self.name!r} starts with {self.initial_count} instances, outside its bounds.")

    @property
    def tracking(self) -> TargetTracking:
        """Its first policy, which must be target tracking.

        Raises:
            InvalidInput: it is step scaling.
        """
        first = self.policies[0]
        if not isinstance(first, TargetTracking):
            raise InvalidInput(f"Plan {self.name!r} begins with step scaling, not with target tracking.")
        return first

    @property
    def longest_cooldown_s(self) -> float:
        """The longest cooldown of its policies."""
        return max(
            max(p.scale_in_cooldown_s, p.scale_out_cooldown_s) if isinstance(p, TargetTracking) else p.cooldown_s
            for p in self.policies
        )
