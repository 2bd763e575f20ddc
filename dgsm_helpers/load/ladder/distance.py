"""How far streams stay from a bound, which proves more than that they stay within it (sampling by variables).

59 streams have to be counted before it is known at 95 % that 95 % of all keep to a bound, however far from it they are.
By their distance eight may do: the mean of ln(lag) and some standard deviations have to lie below the bound. How many
says the one-sided tolerance factor of the normal distribution (as ISO 3951 does beside ISO 2859), and Cantelli's
inequality says the least, because no distribution of that mean and deviation has more values beyond.

So the streams of an instance are taken to be alike: some that are late by nature, and of which none was among those
that were measured, are not foreseen. Lags that contradict a log-normal distribution show nothing by their distance.
"""

from collections.abc import Sequence
from functools import lru_cache
from math import exp, isfinite, log, sqrt
from statistics import NormalDist

import numpy as np

FEWEST = 5
"""Streams below which nothing is said about a distribution."""

SPENT = 0.1
"""Part of the doubt that the confidence leaves which is spent here; the rest is for counting (`rung.Effort`)."""


def far_from(limit: float, holds: Sequence[Sequence[float]], *, share: float, confidence: float) -> bool:
    """Whether ``share`` of all values are below ``limit``, at ``confidence``; False also where that cannot be said.

    Args:
        limit: of the values.
        holds: the values, by hold. A hold's streams have much in common, so it is their differences from its mean that
            have to be normal, each hold's by its own measure. Against the limit the worst hold's counts, and that
            another hold may be worse by as much as the holds differ: a backlog adds to every lag.
        share: of the values that have to be below.
        confidence: one-sided.
    """
    if not all(value > 0 and isfinite(value) for values in holds for value in values):
        return False
    logs = [np.log(values) for values in holds if len(values)]
    count = sum(map(len, logs))
    if count < FEWEST:
        return False
    means = [float(hold.mean()) for hold in logs]
    differences = [hold - mean for hold, mean in zip(logs, means, strict=True)]
    squares = [float(left @ left) for left in differences]
    if not looks_normal(np.concatenate(list(map(_in_deviations, differences, squares)))):
        return False
    known = count - len(logs) + 1
    spread = sqrt(sum(squares) / (known - 1))
    factor = tolerance_factor(known, share, 1 - SPENT * (1 - confidence))
    worst = 2 * exp(max(means)) - exp(min(means))
    return log(worst) + max(factor, sqrt(share / (1 - share))) * spread <= log(limit)


def _in_deviations(differences: np.ndarray, squares: float) -> np.ndarray:
    """A hold's in its own standard deviations, where it has streams enough to have one."""
    count = len(differences)
    return differences / sqrt(squares / (count - 1)) if count >= FEWEST and np.ptp(differences) > 0 else differences


@lru_cache(maxsize=1024)
def tolerance_factor(count: int, share: float, confidence: float) -> float:
    """Standard deviations above the mean of ``count`` values that cover ``share`` of the distribution (one-sided)."""
    from scipy.special import nctdtrit  # as `verdict.share_bounds` does

    shift = NormalDist().inv_cdf(share) * sqrt(count)
    return float(nctdtrit(count - 1, shift, confidence)) / sqrt(count)


@lru_cache(maxsize=1024)
def _normal_scores(count: int) -> np.ndarray:
    """Where so many sorted values of a normal distribution are expected, as a vector of length 1."""
    inverse = NormalDist().inv_cdf
    scores = np.array([inverse((rank - 0.375) / (count + 0.25)) for rank in range(1, count + 1)])
    return scores / sqrt(scores @ scores)


def looks_normal(values: np.ndarray) -> bool:
    """Whether the values do not contradict a normal distribution at 1 % (Ryan and Joiner 1976).

    That is the correlation of the sorted values with the scores expected of them.
    """
    count = len(values)
    if np.ptp(values) == 0:
        return False
    least = 0.9963 - 0.0211 / sqrt(count) - 1.4106 / count + 3.1791 / count**2
    left = np.sort(values) - values.mean()
    return float(left @ _normal_scores(count)) >= least * sqrt(left @ left)
