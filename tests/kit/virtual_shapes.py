"""Six shapes of instances in virtual time, and streams of which just too few keep to a bound."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from math import exp, log
from statistics import NormalDist
from typing import Any

import numpy as np

from dgsm_helpers.load.ladder.criteria import STRICT
from dgsm_helpers.load.ladder.rung import Effort, Hold
from dgsm_helpers.load.ladder.search import Bracket, Search
from dgsm_helpers.load.ladder.trend import BINS
from dgsm_helpers.load.ladder.verdict import StreamOutcome
from kit.virtual_endpoint import VirtualEndpoint

SHAPES: Mapping[str, Mapping[str, Any]] = {
    "queue": {},
    "cliff": {"refuses": True},
    "batching": {"batch_s": 0.01},
    "drift": {"capacity_drift": 0.8, "lag_drift_s": 0.015},
    "jitter": {"jitter": 0.8},
    "content": {"base_lag_s": 0.06, "speech_lag_s": 0.3},
}


def instance(shape: str, seed: int, effort: Effort) -> VirtualEndpoint:
    """One whose knee is somewhere from 2 to 100, small ones as likely as large ones."""
    chance = random.Random(seed)
    capacity = round(2 * 50 ** chance.random()) + chance.uniform(0.25, 0.75)
    return VirtualEndpoint(capacity, STRICT, settle_s=effort.settle_s, seed=seed, **SHAPES[shape])


def found(simulated: VirtualEndpoint, effort: Effort) -> Bracket:
    """What a ramp and the search make of it."""
    around = simulated.ramp(1000).knee
    return Search(simulated, criteria=STRICT, effort=effort, max_streams=1000, around=around).run()


type Draw = Callable[[np.random.Generator, int], np.ndarray]


def populations(share: float) -> dict[str, Draw]:
    """Lags over their bound, of which exactly ``share`` are below 1, by how they are distributed."""
    beyond = 1 - share
    spread = 0.2
    # The scale of a t distribution is that of its own quantile.
    quantile = 2.132 if share == 0.95 else 0.941
    return {
        "log-normal": lambda r, n: np.exp(spread * (r.standard_normal(n) - NormalDist().inv_cdf(share))),
        "log-uniform": lambda r, n: np.exp(r.uniform(-share, beyond, n)),
        "heavy tail": lambda r, n: np.exp(spread * (r.standard_t(4, n) - quantile)),
        "Pareto": lambda r, n: np.exp(log(beyond) / 3 + r.exponential(1 / 3, n)),
        "two kinds": lambda r, n: np.where(r.random(n) < beyond, 1.5, exp(-0.5) * np.exp(0.2 * r.standard_normal(n))),
    }


EVEN = (0.05,) * BINS


class JustTooLate:
    """`search.Measure` where of ``n`` streams exactly the share that is asked for keeps to the lag; of fewer, all."""

    def __init__(self, n: int, draw: Draw, seed: int) -> None:
        self.n, self._draw, self._random = n, draw, np.random.default_rng(seed)

    def __call__(self, n: int, hold_s: float) -> Hold:
        near = self._draw(self._random, n) * STRICT.lag_s
        lags_s = near if n == self.n else 0.05 * np.exp(0.1 * self._random.standard_normal(n))
        ends_s = 0.1 * np.exp(0.1 * self._random.standard_normal(n))
        streams = tuple(
            StreamOutcome("s", 0.05, lag, lag, 0.05, end, 0.05, EVEN, hold_s, hold_s)
            for lag, end in zip(lags_s.tolist(), ends_s.tolist(), strict=True)
        )
        return Hold(n, hold_s, hold_s, streams)


def wrong_passes(n: int, draw: Draw, effort: Effort, *, runs: int) -> int:
    """In how many of ``runs`` searches ``n`` streams pass of which just too few keep to the lag."""
    answers = (
        Search(JustTooLate(n, draw, seed), criteria=STRICT, effort=effort, max_streams=n, begin_at=n).run()
        for seed in range(runs)
    )
    return sum(answer.feasible == n for answer in answers)
