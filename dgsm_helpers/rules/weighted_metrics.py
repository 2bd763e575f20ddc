"""Metric-math policies over a fleet of several instance types: what each published or guarded form makes of a minute.

Every function here is one expression as CloudWatch evaluates it (user guide, "Metric math": between two series a
missing point counts as zero where the other has one; dividing by zero drops the point). A test holds them equal to the
embedded CloudWatch.

Sources of the two published forms: SageMaker developer guide, "Heterogeneous endpoints" (weighted streams), and the AWS
blog of 4 May 2026 (mean of ratios).
"""

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
    where CloudWatch has no point. ``expression(capacities, weights)`` is the same as metric math over a1, a2… (streams
    per instance by type), s1… (their sums) and n1… (their sample counts). ``in_streams`` says that its target is in
    streams per instance, else it is a share of measured capacity.
    """

    name: str
    published: str
    about: str
    value: Callable[[Minutes, Sequence[float], Sequence[float]], float | None]
    expression: Callable[[Sequence[float], Sequence[float]], str]
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


def _weighted_streams_text(_capacities: Sequence[float], weights: Sequence[float]) -> str:
    return " + ".join(f"{weight:.6g}*a{number}" for number, weight in enumerate(weights, 1))


def _mean_of_ratios_text(capacities: Sequence[float], _weights: Sequence[float]) -> str:
    ratios = " + ".join(f"a{number}/{capacity:g}" for number, capacity in enumerate(capacities, 1))
    return f"({ratios})/{len(capacities)}"


def _max_of_ratios_text(capacities: Sequence[float], _weights: Sequence[float]) -> str:
    return f"MAX([{', '.join(_filled_ratios(capacities))}])"


def _guarded_mean_text(capacities: Sequence[float], _weights: Sequence[float]) -> str:
    populated = " + ".join(f"(FILL(n{number},0)>0)" for number in range(1, len(capacities) + 1))
    return f"({' + '.join(_filled_ratios(capacities))})/({populated})"


def _filled_ratios(capacities: Sequence[float]) -> list[str]:
    return [f"FILL(a{number},0)/{capacity:g}" for number, capacity in enumerate(capacities, 1)]


def _sum_over_sum_text(capacities: Sequence[float], _weights: Sequence[float]) -> str:
    streams = " + ".join(f"FILL(s{number},0)" for number in range(1, len(capacities) + 1))
    capacity = " + ".join(f"{capacity:g}*FILL(n{number},0)" for number, capacity in enumerate(capacities, 1))
    return f"({streams})/({capacity})"


FORMS: Mapping[str, Form] = {
    form.name: form
    for form in (
        Form(
            "weighted-streams",
            "SageMaker developer guide",
            "weighted mean of streams per instance; an empty pool counts as no streams",
            _weighted_streams,
            _weighted_streams_text,
            in_streams=True,
        ),
        Form(
            "mean-of-ratios",
            "AWS blog, May 2026",
            "mean of utilisations; an empty pool counts as idle, so the rest looks half as busy",
            _mean_of_ratios,
            _mean_of_ratios_text,
        ),
        Form(
            "max-of-ratios",
            "",
            "utilisation of the busiest type; an empty pool does not matter",
            _max_of_ratios,
            _max_of_ratios_text,
        ),
        Form(
            "guarded-mean",
            "",
            "mean of the utilisations of the types that have instances, however many each has",
            _guarded_mean,
            _guarded_mean_text,
        ),
        Form(
            "sum-over-sum",
            "",
            "all streams over all capacity, by the number of instances of each type",
            _sum_over_sum,
            _sum_over_sum_text,
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
