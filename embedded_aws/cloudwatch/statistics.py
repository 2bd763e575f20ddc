"""What CloudWatch keeps of the samples of one period, and the statistics it computes from that.

A percentile is the smallest sample that at least p percent of the samples do not exceed (AWS does not say how it
interpolates). As on AWS, percentiles need the samples themselves, which a statistic set hides unless all are equal, and
there are none when a sample is negative.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

from embedded_aws.gateway.refusal import AwsRefusal

STANDARD = ("SampleCount", "Average", "Sum", "Minimum", "Maximum")
EXACT_VALUES = 1000
"""So many different samples a period are kept as they are; more are kept to three significant digits."""

Statistic = Callable[["Aggregate"], float | None]
_EXTENDED = re.compile(r"(?P<kind>p|tm|tc|ts)(?P<percent>\d{1,3}(?:\.\d{1,10})?)")


@dataclass(frozen=True)
class StatisticSet:
    """What is known of samples that are not known themselves."""

    count: float
    sum: float
    minimum: float
    maximum: float


class Aggregate:
    """Samples of one period: count, sum, extremes, and how often each value came as far as that is known."""

    __slots__ = ("_coarse", "count", "counts", "maximum", "minimum", "opaque", "sum")

    def __init__(self) -> None:
        self.count = 0.0
        self.sum = 0.0
        self.minimum = math.inf
        self.maximum = -math.inf
        self.counts: dict[float, float] | None = None
        """Value to count; None while all samples are equal, which is the common case and needs no table."""
        self.opaque = False
        self._coarse = False

    def add(self, value: float, count: float = 1.0) -> None:
        """Take in ``count`` samples of ``value``."""
        if self.counts is not None:
            rounded = _rounded(value) if self._coarse else value
            self.counts[rounded] = self.counts.get(rounded, 0.0) + count
            if len(self.counts) > EXACT_VALUES and not self._coarse:
                self.counts, self._coarse = _thinned(self.counts), True
        elif self.count and value != self.minimum and not self.opaque:
            self.counts = {self.minimum: self.count, value: count}
        self.count += count
        self.sum += value * count
        self.minimum = min(self.minimum, value)
        self.maximum = max(self.maximum, value)

    def add_set(self, statistics: StatisticSet) -> None:
        """Take in a statistic set."""
        if statistics.minimum == statistics.maximum:
            self.add(statistics.minimum, statistics.count)
            return
        self.opaque, self.counts = True, None
        self.count += statistics.count
        self.sum += statistics.sum
        self.minimum = min(self.minimum, statistics.minimum)
        self.maximum = max(self.maximum, statistics.maximum)

    def merge(self, other: Aggregate) -> None:
        """Take in what another period or unit holds."""
        if other.opaque:
            self.add_set(StatisticSet(other.count, other.sum, other.minimum, other.maximum))
            return
        for value, count in other.samples():
            self.add(value, count)

    def samples(self) -> list[tuple[float, float]]:
        """Value and count, ascending; empty when unknown."""
        if self.opaque or not self.count:
            return []
        return sorted(self.counts.items()) if self.counts is not None else [(self.minimum, self.count)]


@lru_cache(maxsize=512)
def statistic(name: str) -> Statistic:
    """The function that computes a statistic.

    Args:
        name: one of ``STANDARD``, ``pNN``, or ``tmNN``, ``tcNN``, ``tsNN``: mean, count, sum of the samples up to a
            percentile.

    Raises:
        AwsRefusal: ValidationError, naming what is not supported.
    """
    if name in _STANDARD:
        return _STANDARD[name]
    extended = _EXTENDED.fullmatch(name)
    if extended is None or not 0 <= float(extended["percent"]) <= 100:
        raise AwsRefusal(
            f"The statistic {name} is not supported: use {', '.join(STANDARD)}, or p0 to p100 "
            "(tm, tc, ts for the mean, count and sum of the samples up to a percentile)."
        )
    share = float(extended["percent"]) / 100
    if extended["kind"] == "p":
        return lambda a: _percentile(a, share)
    pick = {"tm": lambda n, s: s / n, "tc": lambda n, s: n, "ts": lambda n, s: s}[extended["kind"]]
    return lambda a: _trimmed(a, share, pick)


def is_extended(name: str) -> bool:
    """Whether a statistic needs the samples themselves."""
    return name not in _STANDARD


_STANDARD: dict[str, Statistic] = {
    "SampleCount": lambda a: a.count,
    "Average": lambda a: a.sum / a.count,
    "Sum": lambda a: a.sum,
    "Minimum": lambda a: a.minimum,
    "Maximum": lambda a: a.maximum,
}


def _percentile(aggregate: Aggregate, share: float) -> float | None:
    samples = aggregate.samples()
    if not samples or samples[0][0] < 0:
        return None
    rank, passed = share * aggregate.count, 0.0
    for value, count in samples:
        passed += count
        if passed >= rank - 1e-9 * aggregate.count:
            return value
    return samples[-1][0]


def _trimmed(aggregate: Aggregate, share: float, pick: Callable[[float, float], float]) -> float | None:
    limit = _percentile(aggregate, share)
    if limit is None:
        return None
    samples = [(value, count) for value, count in aggregate.samples() if value <= limit]
    return pick(sum(count for _, count in samples), sum(value * count for value, count in samples))


def _thinned(counts: dict[float, float]) -> dict[float, float]:
    thinned: dict[float, float] = {}
    for value, count in counts.items():
        rounded = _rounded(value)
        thinned[rounded] = thinned.get(rounded, 0.0) + count
    return thinned


def _rounded(value: float) -> float:
    """Three significant digits: percentiles are off by half a percent at most, and memory stays bounded."""
    return float(f"{value:.2e}")
