"""SPEC's elasticity metrics: how closely supply follows demand.

Source: SPEC RG / Wuerzburg as restated by Imdoukh et al. 2019, equations 12 to 16 (checked against a second
implementation). Demand is the least number of instances that meets the objective at the load of the moment, supply
the instances in service. Instability and jitter are left out: their formulas could not be verified.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from ..errors import InvalidInput

FLOOR_PERCENT = 0.01
"""Stands for a zero factor in `speedup`, which is undefined there: a hundredth of a percent."""


@dataclass(frozen=True, kw_only=True)
class Elasticity:
    """All in percent, 0 being ideal.

    ``under_accuracy`` (theta_U) and ``over_accuracy`` (theta_O) are the missing and the surplus instances relative to
    demand, averaged over time; ``under_share`` (tau_U) and ``over_share`` (tau_O) the shares of time with too few and
    too many.
    """

    under_accuracy: float
    over_accuracy: float
    under_share: float
    over_share: float


def demand_of(streams: np.ndarray, knee: int) -> np.ndarray:
    """Least instances that carry ``streams`` within the knee; at least 1, below which a real-time variant cannot go.

    That floor also keeps the accuracies defined when there is no traffic.
    """
    return np.maximum(1, np.ceil(np.asarray(streams) / knee)).astype(int)


def elasticity(demand: np.ndarray, supply: np.ndarray) -> Elasticity:
    """The four metrics over evenly spaced moments.

    Raises:
        InvalidInput: no moments, different lengths, or a demand of zero, for which they are undefined.
    """
    d, s = np.asarray(demand, float), np.asarray(supply, float)
    if d.shape != s.shape or not d.size:
        raise InvalidInput(f"Demand and supply must have the same moments, not {d.size} and {s.size}.")
    if (d <= 0).any():
        raise InvalidInput("Elasticity is undefined where demand is zero.", hint="Use a demand of at least 1.")
    return Elasticity(
        under_accuracy=100 * float(np.mean(np.maximum(d - s, 0) / d)),
        over_accuracy=100 * float(np.mean(np.maximum(s - d, 0) / d)),
        under_share=100 * float(np.mean(d > s)),
        over_share=100 * float(np.mean(s > d)),
    )


def speedup(without: Elasticity, scaled: Elasticity) -> float:
    """Elastic speedup (epsilon): above 1, ``scaled`` follows demand better than ``without``.

    The geometric mean of the four ratios. A factor below `FLOOR_PERCENT` counts as that, which bounds the ratio where
    the metric is perfect; two perfect ones give 1.
    """
    product = 1.0
    for name in ("under_accuracy", "over_accuracy", "under_share", "over_share"):
        product *= max(getattr(without, name), FLOOR_PERCENT) / max(getattr(scaled, name), FLOOR_PERCENT)
    return math.pow(product, 0.25)
