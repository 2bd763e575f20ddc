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


def _ratios(minutes: Minutes, capacities: Sequence[float]) -> list[float]:
    """Utilisation of each type that has instances."""
    return [m.average / c for m, c in zip(minutes, capacities, strict=True) if m.average is not None]


def _mean(ratios: Sequence[float], of: int) -> float | None:
    return sum(ratios) / of if ratios else None


def _weighted_streams(minutes: Minutes, _: Sequence[float], weights: Sequence[float]) -> float | None:
    present = [w * m.average for m, w in zip(minutes, weights, strict=True) if m.average is not None]
    return sum(present) if present else None


def _guarded_mean(minutes: Minutes, capacities: Sequence[float], _: Sequence[float]) -> float | None:
    ratios = _ratios(minutes, capacities)
    return _mean(ratios, of=len(ratios))


def _sum_over_sum(minutes: Minutes, capacities: Sequence[float], _: Sequence[float]) -> float | None:
    capacity = sum(m.samples * c for m, c in zip(minutes, capacities, strict=True))
    return sum(m.total for m in minutes) / capacity if capacity else None


def _terms(term: str, numbers: Sequence[float], *, by: str = " + ") -> str:
    """The term for each type, ``#`` being its place in the pool and ``@`` its number."""
    return by.join(term.replace("#", str(place)).replace("@", f"{n:.6g}") for place, n in enumerate(numbers, 1))


FORMS: Mapping[str, Form] = {
    form.name: form
    for form in (
        Form(
            "weighted-streams",
            "SageMaker developer guide",
            "weighted mean of streams per instance; an empty pool counts as no streams",
            _weighted_streams,
            lambda _, weights: _terms("@*a#", weights),
            in_streams=True,
        ),
        Form(
            "mean-of-ratios",
            "AWS blog, May 2026",
            "mean of utilisations; an empty pool counts as idle, so the rest looks half as busy",
            lambda minutes, capacities, _: _mean(_ratios(minutes, capacities), of=len(minutes)),
            lambda capacities, _: f"({_terms('a#/@', capacities)})/{len(capacities)}",
        ),
        Form(
            "max-of-ratios",
            "",
            "utilisation of the busiest type; an empty pool does not matter",
            # FILL makes a point out of nothing at all, too: late metrics read as an idle fleet.
            lambda minutes, capacities, _: max(_ratios(minutes, capacities), default=0.0),
            lambda capacities, _: f"MAX([{_terms('FILL(a#,0)/@', capacities, by=', ')}])",
        ),
        Form(
            "guarded-mean",
            "",
            "mean of the utilisations of the types that have instances, however many each has",
            _guarded_mean,
            lambda capacities, _: f"({_terms('FILL(a#,0)/@', capacities)})/({_terms('(FILL(n#,0)>0)', capacities)})",
        ),
        Form(
            "sum-over-sum",
            "",
            "all streams over all capacity, by the number of instances of each type",
            _sum_over_sum,
            lambda capacities, _: f"({_terms('FILL(s#,0)', capacities)})/({_terms('@*FILL(n#,0)', capacities)})",
        ),
    )
}
"""The forms by name, the published ones first."""


def form_named(name: str) -> Form:
    """A form by name; InvalidInput where there is none."""
    if name not in FORMS:
        raise InvalidInput(f"There is no weighted form {name!r}.", hint=f"Give one of {', '.join(FORMS)}.")
    return FORMS[name]
