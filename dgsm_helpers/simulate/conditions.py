"""What plans are played under: the measured capacity of an instance, the scaling model, prices and the seed.

A capacity is the knee and the lag at each rung: never a default, never extrapolated.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from dgsm_helpers.errors import InvalidInput, NotReady
from dgsm_helpers.rules.model import ScalingModel
from dgsm_helpers.simulate.scaling_plan import ScalingPlan


@dataclass(frozen=True, kw_only=True)
class Capacity:
    """A measured instance.

    Args:
        knee: most streams it sustains (``feasible_max``).
        rungs: (streams, p95 lag in ms) pairs of the ladder, ascending by streams; may be empty when only the knee is
            known.

    Raises:
        InvalidInput: the knee is below one or no whole number, or rungs are unordered or without a lag.
    """

    knee: int
    rungs: tuple[tuple[int, float], ...] = ()

    def __post_init__(self) -> None:
        if not 1 <= self.knee < math.inf or self.knee != int(self.knee):
            raise InvalidInput(f"An instance that sustains {self.knee} streams: the knee is a whole number above zero.")
        counts = [streams for streams, _ in self.rungs]
        if counts != sorted(set(counts)):
            raise InvalidInput(f"Rungs must ascend by streams, each once: {counts}.")
        if unknown := [streams for streams, lag in self.rungs if not math.isfinite(lag)]:
            raise InvalidInput(f"Rungs at {unknown} streams have no lag.", hint="Leave them out.")

    def lag_ms(self, streams: np.ndarray) -> np.ndarray:
        """p95 lag at each number of streams on one instance, between rungs in a straight line.

        NaN where nothing was measured: without rungs, and above the highest one. Below the lowest it is the lowest's.
        """
        counts = np.asarray(streams, float)
        if not self.rungs:
            return np.full(counts.shape, math.nan)
        xs, ys = zip(*self.rungs, strict=True)
        return np.interp(counts, xs, ys, right=math.nan)


@dataclass(frozen=True, kw_only=True)
class Conditions:
    """What all plans that are compared have in common, besides the traffic.

    Args:
        capacity: what one instance carries, as measured; by type when types differ.
        model: how AWS is taken to scale.
        usd_per_hour: price by instance type; None when it is not known.
        seed: of start-up times and routing.
        hand_over: callers open the next stream where theirs is cut, hear nothing twice, and leave overloaded instances
            (`handing_over`).
    """

    capacity: Capacity | Mapping[str, Capacity]
    model: ScalingModel = field(default_factory=ScalingModel)
    usd_per_hour: Mapping[str, float] | None = None
    seed: int = 0
    hand_over: bool = False

    def capacities_of(self, plan: ScalingPlan) -> dict[str, Capacity]:
        """The capacity of each of the plan's instance types; NotReady where one has not been measured."""
        types, capacity = plan.instance_types, self.capacity
        if isinstance(capacity, Capacity):
            return dict.fromkeys(types, capacity)
        if missing := [t for t in types if t not in (capacity or {})]:
            raise NotReady(
                f"The capacity of {', '.join(missing)} has not been measured.",
                hint="Measure each type of the pool (dgsm tune ENDPOINT), or leave it out of the plan.",
            )
        return {t: capacity[t] for t in types}
