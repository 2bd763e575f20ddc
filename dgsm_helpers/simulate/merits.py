"""Figures of merit of a run: what it costs, how it follows demand, and what callers feel.

SPEC's elasticity metrics: how closely supply follows demand.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from dgsm_helpers.errors import InvalidInput, UnsupportedFeature
from dgsm_helpers.simulate.engine import Run

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


@dataclass(frozen=True, kw_only=True)
class Merits:
    """One run in numbers.

    Instances count from serving to removal (an assumption: AWS does not say when within a start billing begins).
    ``elasticity`` takes its demand in instances of the preferred type; ``elastic_speedup`` compares it with no scaling:
    a fixed fleet of as many instances as ran on average, which costs the same.
    ``over_capacity_stream_s`` are stream-seconds in excess of the knees; ``affected_share`` is the share of all
    stream-seconds spent on an instance beyond its knee; ``new_above_knee_share`` the share of new streams that were put
    on such an instance; ``streams_cut`` those that a scale-in cut. Costs are None without prices.
    """

    stream_hours: float
    instance_hours: float
    peak_instances: int
    changes: int
    cost_usd: float | None
    usd_per_stream_hour: float | None
    over_capacity_stream_s: float
    over_capacity_share: float
    affected_share: float
    new_above_knee_share: float
    streams_cut: int
    elasticity: Elasticity
    elastic_speedup: float


@dataclass(frozen=True, kw_only=True)
class Lag:
    """p95 lag as streams felt it, in milliseconds, from the measured ladder.

    ``p50_ms`` and ``p95_ms`` are over stream-time, infinite where they fall on an instance fuller than any rung, for
    which no number is made up; NaN without rungs or streams. ``unmeasured_share`` is the share of stream-time on such
    instances. ``over_time_ms`` is the mean over the streams of each beat, NaN in a beat with an unmeasured one.
    """

    p50_ms: float
    p95_ms: float
    unmeasured_share: float
    over_time_ms: np.ndarray


def merits_of(run: Run, *, usd_per_hour: Mapping[str, float] | None = None) -> Merits:
    """The run in numbers; ``usd_per_hour`` by instance type.

    Raises:
        InvalidInput: prices are given, but not of every type that ran.
    """
    hours = {t: seconds / 3600 for t, seconds in run.instance_s.items()}
    stream_s = run.traffic.stream_seconds()
    cost = None
    if usd_per_hour is not None:
        if missing := [t for t, h in hours.items() if h and t not in usd_per_hour]:
            raise InvalidInput(f"No price of {', '.join(missing)} is given.", hint="Give all types or none.")
        cost = sum(h * usd_per_hour[t] for t, h in hours.items() if h)
    tally = run.tally
    demand = demand_of(run.streams, run.capacities[run.plan.instance_types[0]].knee)
    scaled = elasticity(demand, run.serving)
    fixed = elasticity(demand, np.full(demand.shape, max(1, round(float(run.serving.mean())))))
    return Merits(
        stream_hours=stream_s / 3600,
        instance_hours=sum(hours.values()),
        peak_instances=int(run.serving.max()),
        changes=sum(event.kind in ("out", "in") for event in run.events),
        cost_usd=cost,
        usd_per_stream_hour=cost / (stream_s / 3600) if cost is not None and stream_s else None,
        over_capacity_stream_s=tally.over_capacity_s,
        over_capacity_share=_share(tally.over_capacity_s, stream_s),
        affected_share=_share(tally.affected_s, stream_s),
        new_above_knee_share=_share(tally.opened_above_knee, tally.opened),
        streams_cut=tally.cut,
        elasticity=scaled,
        elastic_speedup=speedup(fixed, scaled),
    )


def lag_of(run: Run) -> Lag:
    """The lag that the measured ladder gives for how full instances were.

    Raises:
        UnsupportedFeature: the instance types of the plan have different ladders.
    """
    capacity = run.capacities[run.plan.instance_types[0]]
    if any(other != capacity for other in run.capacities.values()):
        raise UnsupportedFeature("Lag is worked out for fleets of one capacity only; the types of this plan differ.")
    peaks = run.instances()
    streams = np.maximum(peaks, 0)
    table = capacity.lag_ms(np.arange(streams.max(initial=0) + 1))
    lag = table[streams]
    held = np.bincount(streams.ravel(), weights=streams.ravel(), minlength=table.size)
    known = ~np.isnan(table)
    ranked = np.where(known, table, np.inf if capacity.rungs else np.nan)
    totals = streams.sum(axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        over_time = np.where(streams > 0, lag * streams, 0.0).sum(axis=1) / totals
    return Lag(
        p50_ms=_weighted(ranked, held, 0.5),
        p95_ms=_weighted(ranked, held, 0.95),
        unmeasured_share=_share(float(held[~known].sum()), float(held.sum())),
        over_time_ms=over_time,
    )


def _weighted(values: np.ndarray, weights: np.ndarray, share: float) -> float:
    if not weights.sum():
        return float("nan")
    order = np.argsort(values, kind="stable")
    reached = np.cumsum(weights[order])
    return float(values[order][np.searchsorted(reached, share * reached[-1])])


def _share(part: float, whole: float) -> float:
    return part / whole if whole else 0.0
