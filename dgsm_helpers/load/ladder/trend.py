"""Is the lag growing? Robust slopes with their uncertainty, for many streams at once (Theil-Sen)."""

from dataclasses import dataclass
from functools import lru_cache
from math import isfinite, nan, sqrt
from statistics import NormalDist, median

import numpy as np

BINS = 20
"""Parts a hold is cut into for slopes; each part's median tames single late results and keeps the cost small."""


@dataclass(frozen=True, eq=False)
class Slopes:
    """Slopes with their confidence bounds in seconds of lag per second of time, one entry per stream."""

    slope: np.ndarray
    low: np.ndarray
    high: np.ndarray


@dataclass(frozen=True)
class Trend:
    """One slope with its bounds, in seconds of lag per second."""

    slope: float
    low: float
    high: float


def bin_medians(due_s: np.ndarray, lag_s: np.ndarray, *, from_s: float, to_s: float) -> np.ndarray:
    """Median lag in each of `BINS` equal parts of the window; NaN where there is no sample."""
    # Plain lists: a part holds a handful of samples, and numpy's median costs twenty times as much for those.
    parts: list[list[float]] = [[] for _ in range(BINS)]
    scale = BINS / (to_s - from_s)
    for due, lag in zip(due_s.tolist(), lag_s.tolist(), strict=True):
        parts[min(max(int((due - from_s) * scale), 0), BINS - 1)].append(lag)
    return np.array([median(part) if part else nan for part in parts])


def theil_sen(bins: np.ndarray, *, hold_s: float, confidence: float = 0.98) -> Slopes:
    """Slopes of rows of `bin_medians`, with confidence bounds from Kendall's statistic (Sen 1968, as scipy has it).

    Args:
        bins: streams x BINS; NaN and inf entries are left out.
        hold_s: seconds that a row spans.
        confidence: of the two-sided bounds.

    A row with fewer than five values has slope 0 and infinite bounds: nothing can be said about it.
    """
    count = bins.shape[0]
    slope, low, high = np.zeros(count), np.full(count, -np.inf), np.full(count, np.inf)
    valid = np.isfinite(bins)
    for row in set(map(tuple, valid.tolist())):
        present = np.array(row)
        number = int(present.sum())
        if number < 5:
            continue
        rows = (valid == present).all(axis=1)
        values = bins[rows][:, present]
        times = (np.flatnonzero(present) + 0.5) * hold_s / BINS
        first, second = _pairs(number)
        slopes = values.take(second, axis=1) - values.take(first, axis=1)
        slopes /= times.take(second) - times.take(first)
        slopes.sort(axis=1)
        slope[rows] = _middle(slopes)
        lowest, highest = _ranks(number, confidence)
        low[rows], high[rows] = slopes[:, lowest], slopes[:, highest]
    return Slopes(slope, low, high)


@lru_cache(maxsize=32)
def _pairs(number: int) -> tuple[np.ndarray, np.ndarray]:
    first, second = np.triu_indices(number, k=1)
    return first, second


@lru_cache(maxsize=32)
def _ranks(number: int, confidence: float) -> tuple[int, int]:
    """Which of the slopes between so many values, in order, are the bounds."""
    total = number * (number - 1) // 2
    spread = NormalDist().inv_cdf(0.5 + confidence / 2) * sqrt(number * (number - 1) * (2 * number + 5) / 18)
    return max(int((total - spread) / 2), 0), min(int((total + spread) / 2) + 1, total - 1)


def common_trend(bins: np.ndarray, *, hold_s: float) -> Trend:
    """The slope that the streams share: that of their median lag. A saturated instance slows all its streams alike."""
    return _first(theil_sen(_shared(bins)[None, :], hold_s=hold_s))


def common_and_own(bins: np.ndarray, *, hold_s: float) -> tuple[Trend, Slopes]:
    """`common_trend`, and the slopes of what is left of each stream's lags without the part that all share."""
    shared = _shared(bins)
    found = theil_sen(np.vstack([shared, bins - shared]), hold_s=hold_s)
    return _first(found), Slopes(found.slope[1:], found.low[1:], found.high[1:])


def _first(slopes: Slopes) -> Trend:
    return Trend(float(slopes.slope[0]), float(slopes.low[0]), float(slopes.high[0]))


def _shared(bins: np.ndarray) -> np.ndarray:
    """Per part of the hold: the median of the streams' lags, each relative to its own level; NaN without any."""
    rows = np.where(np.isfinite(bins), bins, np.nan)
    shared = np.full(rows.shape[1], np.nan)
    missing = np.isnan(rows)
    if not len(rows) or missing.all():
        return shared
    # Relative to its own level, a stream missing from a part does not move the median there.
    if not missing.any():
        # As usual; the middle values say the same in a twentieth of the time.
        return medians((rows - medians(rows)[:, None]).T)
    rows = rows[~missing.all(axis=1)]
    rows = rows - np.nanmedian(rows, axis=1)[:, None]
    present = ~np.isnan(rows).all(axis=0)
    shared[present] = np.nanmedian(rows[:, present].T, axis=1)
    return shared


def medians(rows: np.ndarray) -> np.ndarray:
    """Of rows without a gap; for few values, in a fraction of `numpy.median`'s time."""
    return _middle(np.sort(rows, axis=1))


def _middle(rows: np.ndarray) -> np.ndarray:
    """The medians of rows in order."""
    half, odd = divmod(rows.shape[1], 2)
    return rows[:, half] if odd else (rows[:, half - 1] + rows[:, half]) / 2


def combined(trends: list[Trend]) -> Trend:
    """Several holds' trends as one: a mean weighted by how well each is known."""
    measured = [t for t in trends if isfinite(t.high - t.low)]
    if not measured:
        return Trend(0.0, float("-inf"), float("inf"))
    weights = np.array([1 / max(t.high - t.low, 1e-4) ** 2 for t in measured])
    slopes = np.array([t.slope for t in measured])
    mean = float(np.dot(weights, slopes) / weights.sum())
    half = float(1 / np.sqrt(weights.sum())) / 2
    if len(measured) > 1:
        # Holds that disagree by more than their own uncertainty: something else moved the lag in one of them. The
        # spread counts by weight, so that a short hold with a hiccup in it does not blur what long ones show.
        half = max(half, 2 * float(np.sqrt(np.sum((weights * (slopes - mean)) ** 2)) / weights.sum()))
    # However they disagree, what every single hold shows stays shown.
    low = max(mean - half, min(t.low for t in measured))
    high = min(mean + half, max(t.high for t in measured))
    return Trend(mean, float(low), float(high))
