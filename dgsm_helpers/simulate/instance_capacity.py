"""What one instance can carry, as measured: the knee and the lag at each rung. Never a default, never extrapolated."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from dgsm_helpers.errors import InvalidInput, NotReady


@dataclass(frozen=True, kw_only=True)
class Capacity:
    """A measured instance.

    Args:
        knee: most streams it sustains (``feasible_max``).
        rungs: (streams, p95 lag in ms) pairs of the ladder, ascending by streams; may be empty when only the knee is
            known.

    Raises:
        NotReady: the knee is missing.
        InvalidInput: it is below one or no whole number, or rungs are unordered or without a lag.
    """

    knee: int
    rungs: tuple[tuple[int, float], ...] = ()

    def __post_init__(self) -> None:
        if self.knee is None:
            raise NotReady(
                "The knee of an instance has not been measured.",
                hint="Run the tuning ladder (dgsm tune ENDPOINT) or give the number of streams yourself.",
            )
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


def knee_of(rungs: Sequence[tuple[int, float]], *, limit_ms: float) -> tuple[int, int]:
    """The highest rung within the limit and the lowest beyond it.

    Args:
        rungs: (streams, lag in ms), ascending.
        limit_ms: the limit, inclusive.

    Raises:
        NotReady: the limit is not bracketed, so the ladder says nothing about the knee.
    """
    within = [streams for streams, lag in rungs if lag <= limit_ms]
    beyond = [streams for streams, lag in rungs if lag > limit_ms]
    if not beyond or not within or min(beyond) < max(within):
        raise NotReady(
            f"The ladder does not bracket the limit of {limit_ms:g} ms: within at {within}, beyond at {beyond}.",
            hint="Measure further rungs on the side that is missing.",
        )
    return max(within), min(beyond)
