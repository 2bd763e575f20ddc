"""Metric-math policies over a fleet of several instance types: what each published or guarded form makes of a minute.

Every function here is one expression as CloudWatch evaluates it (user guide, "Metric math": between two series a
missing point counts as zero where the other has one; dividing by zero drops the point). A test holds them equal to the
embedded CloudWatch.

Sources of the two published forms: SageMaker developer guide, "Heterogeneous endpoints" (weighted streams), and the AWS
blog of 4 May 2026 (mean of ratios).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from dgsm_helpers.errors import InvalidInput


@dataclass(frozen=True)
class PoolMinute:
    """What CloudWatch holds of one instance type for one period.

    ``total`` is the sum of the streams over the samples, ``samples`` how many there are (one per instance and ten
    seconds). A type without an instance publishes nothing: zero samples.
    """

    total: float = 0.0
    samples: int = 0

    @property
    def average(self) -> float | None:
        """Streams per instance; None without an instance."""
        return self.total / self.samples if self.samples else None


Minutes = Sequence[PoolMinute]
"""One `PoolMinute` for each type of the pool, in its order."""


@dataclass(frozen=True)
class Form:
    """One way to combine the types of a pool into the number that target tracking follows.

    ``published`` names who publishes it, empty for ours. ``value(minutes, capacities, weights)`` computes it, None
    where CloudWatch has no point. ``in_streams`` says that its target is in streams per instance, else it is a share
    of measured capacity.
    """

    name: str
    published: str
    about: str
    value: Callable[[Minutes, Sequence[float], Sequence[float]], float | None]
    in_streams: bool = False


def _weighted_streams(minutes: Minutes, _capacities: Sequence[float], weights: Sequence[float]) -> float | None:
    present = [w * m.average for m, w in zip(minutes, weights, strict=True) if m.average is not None]
    return sum(present) if present else None


def _ratios(minutes: Minutes, capacities: Sequence[float]) -> list[float]:
    """Utilisation of each type that has instances."""
    return [m.average / c for m, c in zip(minutes, capacities, strict=True) if m.average is not None]


def _mean_of_ratios(minutes: Minutes, capacities: Sequence[float], _weights: Sequence[float]) -> float | None:
    present = _ratios(minutes, capacities)
    return sum(present) / len(minutes) if present else None


def _max_of_ratios(minutes: Minutes, capacities: Sequence[float], _weights: Sequence[float]) -> float:
    # FILL makes a point out of nothing at all, too: late metrics read as an idle fleet.
    return max(_ratios(minutes, capacities), default=0.0)


def _guarded_mean(minutes: Minutes, capacities: Sequence[float], _weights: Sequence[float]) -> float | None:
    present = _ratios(minutes, capacities)
    return sum(present) / len(present) if present else None


def _sum_over_sum(minutes: Minutes, capacities: Sequence[float], _weights: Sequence[float]) -> float | None:
    capacity = sum(m.samples * c for m, c in zip(minutes, capacities, strict=True))
    return sum(m.total for m in minutes) / capacity if capacity else None


FORMS: Mapping[str, Form] = {
    form.name: form
    for form in (
        Form(
            "weighted-streams",
            "SageMaker developer guide",
            "weighted mean of streams per instance; an empty pool counts as no streams",
            _weighted_streams,
            in_streams=True,
        ),
        Form(
            "mean-of-ratios",
            "AWS blog, May 2026",
            "mean of utilisations; an empty pool counts as idle, so the rest looks half as busy",
            _mean_of_ratios,
        ),
        Form(
            "max-of-ratios",
            "",
            "utilisation of the busiest type; an empty pool does not matter",
            _max_of_ratios,
        ),
        Form(
            "guarded-mean",
            "",
            "mean of the utilisations of the types that have instances, however many each has",
            _guarded_mean,
        ),
        Form(
            "sum-over-sum",
            "",
            "all streams over all capacity, by the number of instances of each type",
            _sum_over_sum,
        ),
    )
}
"""The forms by name, the published ones first."""


def form_named(name: str) -> Form:
    """A form by name.

    Raises:
        InvalidInput: there is none of that name.
    """
    if name not in FORMS:
        raise InvalidInput(f"There is no weighted form {name!r}.", hint=f"Give one of {', '.join(FORMS)}.")
    return FORMS[name]


class PoolDatapoints:
    """The form's value over each period, from the samples of every beat (as `metric.Datapoints` for one metric).

    ``zeros`` says whether an instance without streams publishes a sample.
    """

    def __init__(
        self,
        form: Form,
        capacities: Mapping[str, float],
        *,
        weights: Mapping[str, float],
        ticks: int,
        zeros: bool = True,
    ) -> None:
        self.ticks = ticks
        self._form = form
        self._least = 0 if zeros else 1
        self._capacities = list(capacities.values())
        self._weights = [weights.get(instance_type, 0.0) for instance_type in capacities]
        self._rank = {instance_type: index for index, instance_type in enumerate(capacities)}
        self._totals = [0.0] * len(self._rank)
        self._samples = [0] * len(self._rank)

    def add(self, peaks: Sequence[int], types: Sequence[str]) -> None:
        """One beat: each slot's streams (-1: not serving) and type."""
        for peak, instance_type in zip(peaks, types, strict=True):
            if peak >= self._least:
                rank = self._rank[instance_type]
                self._totals[rank] += peak
                self._samples[rank] += 1

    def take(self) -> float | None:
        """The period's datapoint; starts the next period."""
        minutes = [PoolMinute(total, count) for total, count in zip(self._totals, self._samples, strict=True)]
        self._totals = [0.0] * len(self._rank)
        self._samples = [0] * len(self._rank)
        return self._form.value(minutes, self._capacities, self._weights)
