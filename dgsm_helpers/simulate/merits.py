"""Figures of merit of a run: what it costs, how it follows demand (SPEC's elasticity metrics), what callers feel.

And how long scaling out took, end to end, with the high-resolution metric against a one-minute one.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from dgsm_helpers.errors import InvalidInput, UnsupportedFeature
from dgsm_helpers.rules.policies import Metric, TargetTracking
from dgsm_helpers.simulate.conditions import Conditions
from dgsm_helpers.simulate.engine import simulate
from dgsm_helpers.simulate.runs import Run
from dgsm_helpers.simulate.scaling_plan import ScalingPlan
from dgsm_helpers.simulate.traffic import Traffic

FLOOR_PERCENT = 0.01
"""Stands for a zero factor in `speedup`, which is undefined there: a hundredth of a percent."""
_BEATS_AT_ONCE = 8640
"""A day: tables of a month of instances would not fit beside each other."""


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
    """The four metrics over evenly spaced moments; ``demand`` is above zero."""
    d, s = np.asarray(demand, float), np.asarray(supply, float)
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
    on such an instance; ``streams_cut`` those that a scale-in cut, ``hand_overs`` those that went on elsewhere.
    ``relief_s`` is how long overload lasted at most: until callers felt new instances, or calls had ended. Costs are
    None without prices.
    """

    instance_hours: float
    peak_instances: int
    cost_usd: float | None
    usd_per_stream_hour: float | None
    over_capacity_stream_s: float
    over_capacity_share: float
    affected_share: float
    new_above_knee_share: float
    streams_cut: int
    hand_overs: int
    relief_s: float
    elasticity: Elasticity
    elastic_speedup: float


@dataclass(frozen=True, kw_only=True)
class Lag:
    """p95 lag as streams felt it, in milliseconds, from the measured ladder.

    ``p95_ms`` is over stream-time, infinite where it falls on an instance fuller than any rung, for which no number is
    made up; NaN without rungs or streams. ``unmeasured_share`` is the share of stream-time on such
    instances. ``over_time_ms`` is the mean over the streams of each beat, NaN in a beat with an unmeasured one.
    """

    p95_ms: float
    unmeasured_share: float
    over_time_ms: np.ndarray


def merits_of(run: Run, *, usd_per_hour: Mapping[str, float] | None = None) -> Merits:
    """The run in numbers; ``usd_per_hour`` by instance type, of every one that ran, or None."""
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
        instance_hours=sum(hours.values()),
        peak_instances=int(run.serving.max()),
        cost_usd=cost,
        usd_per_stream_hour=cost / (stream_s / 3600) if cost is not None and stream_s else None,
        over_capacity_stream_s=tally.over_capacity_s,
        over_capacity_share=_share(tally.over_capacity_s, stream_s),
        affected_share=_share(tally.affected_s, stream_s),
        new_above_knee_share=_share(tally.opened_above_knee, tally.opened),
        streams_cut=tally.cut,
        hand_overs=tally.handed_over,
        relief_s=_longest(run.over > 0) * float(run.times_s[0]),
        elasticity=scaled,
        elastic_speedup=speedup(fixed, scaled),
    )


def lag_of(run: Run) -> Lag:
    """The lag that the ladder gives for how full instances were; UnsupportedFeature where types have different ones."""
    capacity = run.capacities[run.plan.instance_types[0]]
    if any(other != capacity for other in run.capacities.values()):
        raise UnsupportedFeature("Lag is worked out for fleets of one capacity only; the types of this plan differ.")
    table = capacity.lag_ms(np.arange(run.peaks.max(initial=0) + 1))
    held, over_time = np.zeros(table.size), np.empty(len(run.peaks))
    for first in range(0, len(run.peaks), _BEATS_AT_ONCE):
        streams = np.maximum(run.peaks[first : first + _BEATS_AT_ONCE], 0)
        held += np.bincount(streams.ravel(), weights=streams.ravel(), minlength=table.size)
        with np.errstate(invalid="ignore", divide="ignore"):
            felt = np.where(streams > 0, table[streams] * streams, 0.0).sum(axis=1) / streams.sum(axis=1)
        over_time[first : first + _BEATS_AT_ONCE] = felt
    known = ~np.isnan(table)
    ranked = np.where(known, table, np.inf if capacity.rungs else np.nan)
    return Lag(
        p95_ms=_weighted(ranked, held, 0.95),
        unmeasured_share=_share(float(held[~known].sum()), float(held.sum())),
        over_time_ms=over_time,
    )


@dataclass(frozen=True, kw_only=True)
class Reaction:
    """The first scale-out of a run; seconds from the start of the traffic.

    ``breach_s`` is the begin of the first interval whose metric was above the target and stayed so until the alarm;
    ``alarm_s`` when AlarmHigh went into ALARM, ``asked_s`` when the new count was set, ``served_s`` when it served
    (None: not within the run).
    """

    breach_s: float
    alarm_s: float
    asked_s: float
    served_s: float | None

    @property
    def detection_s(self) -> float:
        return self.alarm_s - self.breach_s

    @property
    def total_s(self) -> float | None:
        return None if self.served_s is None else self.served_s - self.breach_s


@dataclass(frozen=True, kw_only=True)
class MetricComparison:
    """The same traffic and policy with two metrics; the factors are one-minute over high-resolution."""

    high_resolution: Reaction
    one_minute: Reaction

    @property
    def detection_factor(self) -> float:
        """How much sooner the alarm comes."""
        return self.one_minute.detection_s / self.high_resolution.detection_s

    @property
    def total_factor(self) -> float | None:
        """How much sooner the new instances serve."""
        slow, fast = self.one_minute.total_s, self.high_resolution.total_s
        return None if slow is None or fast is None else slow / fast

    def __str__(self) -> str:
        """The guide's claim on this traffic, in a sentence: detection alone, and end to end."""
        fast, slow = self.high_resolution, self.one_minute
        text = (
            f"A step to that height: detected in {fast.detection_s:.0f} s with the 10 s metric, {slow.detection_s:.0f} "
            f"s with a 1-minute one ({self.detection_factor:.1f}x sooner; the guide says up to 6x)"
        )
        if self.total_factor is None:
            return f"{text}. The new instance did not serve within this traffic."
        return (
            f"{text}; end to end, until the new instance serves, {fast.total_s:.0f} s against {slow.total_s:.0f} s "
            f"({self.total_factor:.1f}x)."
        )


def reaction(run: Run) -> Reaction | None:
    """The first scale-out by an alarm; None when there was none."""
    outs = ((event, event.alarm_s) for event in run.events if event.kind == "out")
    first, alarm_s = next(((event, at_s) for event, at_s in outs if at_s is not None), (None, 0.0))
    if first is None:
        return None
    policy = next(p for p in run.plan.policies if p.name == first.policy)
    threshold = policy.target_value if isinstance(policy, TargetTracking) else policy.alarm.threshold
    metric = run.average if run.model.statistic == "Average" else run.maximum
    at = int(np.searchsorted(run.times_s, alarm_s))
    calm = np.flatnonzero(~(metric[: at + 1] > threshold))
    breach = calm[-1] + 1 if calm.size else 0
    return Reaction(
        breach_s=float(breach * run.times_s[0]), alarm_s=alarm_s, asked_s=first.at_s, served_s=first.completed_s
    )


def compare_metrics(traffic: Traffic, plan: ScalingPlan, conditions: Conditions) -> MetricComparison | None:
    """Play the plan twice, its target-tracking policies on the ten-second and on the one-minute metric.

    None when either did not scale out.
    """

    def reaction_on(metric: Metric) -> Reaction | None:
        policies = (replace(p, metric=metric) if isinstance(p, TargetTracking) else p for p in plan.policies)
        return reaction(simulate(traffic, replace(plan, policies=tuple(policies)), conditions))

    fast, slow = reaction_on("high-resolution"), reaction_on("one-minute")
    return MetricComparison(high_resolution=fast, one_minute=slow) if fast and slow else None


def _weighted(values: np.ndarray, weights: np.ndarray, share: float) -> float:
    if not weights.sum():
        return float("nan")
    order = np.argsort(values, kind="stable")
    reached = np.cumsum(weights[order])
    return float(values[order][np.searchsorted(reached, share * reached[-1])])


def _longest(which: np.ndarray) -> int:
    """The most beats in a row of which it is true."""
    edges = np.flatnonzero(np.diff(which, prepend=False, append=False))
    return int((edges[1::2] - edges[::2]).max(initial=0))


def _share(part: float, whole: float) -> float:
    return part / whole if whole else 0.0
