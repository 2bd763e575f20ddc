"""The weighted forms side by side on the same simulated traffic: with every type available, and without the preferred.

The predefined metric, sized for the weakest type, stands beside them: it reacts sooner and needs no arithmetic, at the
price of treating every instance as the weakest.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from dgsm_helpers.rules.fleet import LEAST_OUTSTANDING_REQUESTS, Shortage
from dgsm_helpers.rules.model import ScalingModel
from dgsm_helpers.rules.policies import Bounds, TargetTracking
from dgsm_helpers.rules.weighted_metrics import FORMS, form_named
from dgsm_helpers.simulate.conditions import Capacity, Conditions
from dgsm_helpers.simulate.engine import simulate
from dgsm_helpers.simulate.events import lay_out
from dgsm_helpers.simulate.merits import Merits, merits_of
from dgsm_helpers.simulate.runs import Run
from dgsm_helpers.simulate.scaling_plan import ScalingPlan
from dgsm_helpers.simulate.traffic import Traffic, step

PREDEFINED = "predefined, weakest type"
TARGET_SHARE = 0.7
"""Of the capacity to aim for."""
AFFECTED_LIMIT = 0.02
"""Most stream-time on instances beyond their capacity that a recommended form may cause (ours)."""


@dataclass(frozen=True, kw_only=True)
class FormOutcome:
    """One form: the traffic with all types (``whole``) and with the preferred type out of stock (``short``).

    ``reaction_s`` is from a sudden rise of the load to the first scale-out.
    """

    form: str
    published: str
    whole: Merits
    short: Merits
    reaction_s: float | None

    @property
    def worst_affected(self) -> float:
        """Share of stream-time on instances beyond their capacity, the worse of the two."""
        return max(self.whole.affected_share, self.short.affected_share)

    def row(self) -> dict[str, object]:
        """For a table, under headings that may wrap; shares in percent."""
        return {
            "form": self.form,
            "published by": self.published,
            "overloaded, %": round(100 * self.whole.affected_share, 1),
            "overloaded in shortage, %": round(100 * self.short.affected_share, 1),
            "instance-hours": round(self.whole.instance_hours, 1),
            "instance-hours in shortage": round(self.short.instance_hours, 1),
            "reaction, s": self.reaction_s,
        }


def compare_forms(traffic: Traffic, capacities: Mapping[str, int], *, max_capacity: int) -> tuple[FormOutcome, ...]:
    """Play the traffic under every form and under the predefined metric, with least-outstanding routing.

    Args:
        traffic: sessions; the preferred type is out of stock in its middle half.
        capacities: streams per instance by type, the preferred type first.
        max_capacity: most instances.

    Raises:
        InvalidInput: the traffic is shorter than a cooldown, or a capacity below one.
    """
    conditions = Conditions(
        capacity={instance_type: Capacity(knee=knee) for instance_type, knee in capacities.items()},
        model=ScalingModel(routing=LEAST_OUTSTANDING_REQUESTS),
    )
    types, quarter_s = tuple(capacities), traffic.horizon_s / 4
    shortage = (Shortage(instance_type=types[0], start_s=quarter_s, end_s=3 * quarter_s),)
    weakest = min(capacities.values())
    sudden = step(before=0.3 * weakest, after=2.5 * weakest, at_s=1800, horizon_s=5400, mean_s=60)
    events = lay_out(traffic, conditions)
    outcomes = []
    for name in (*FORMS, PREDEFINED):
        policy = _policy(name, capacities)

        def played(over: Traffic, short: tuple[Shortage, ...], policy: TargetTracking = policy) -> Run:
            plan = ScalingPlan(
                name=policy.name,
                policies=(policy,),
                bounds=Bounds(min_capacity=1, max_capacity=max_capacity),
                instance_types=types,
                shortages=short,
                initial_count=1,
            )
            return simulate(over, plan, conditions, events=events if over is traffic else None)

        first = next((e.at_s - 1800 for e in played(sudden, ()).events if e.kind == "out" and e.at_s > 1800), None)
        outcomes.append(
            FormOutcome(
                form=name,
                published=FORMS[name].published if name in FORMS else "SageMaker",
                whole=merits_of(played(traffic, ())),
                short=merits_of(played(traffic, shortage)),
                reaction_s=first,
            )
        )
    return tuple(outcomes)


def recommended(outcomes: Sequence[FormOutcome]) -> tuple[FormOutcome, str]:
    """The outcome with the fewest instance-hours among those that hardly overload anyone, and why, in words.

    Where none keeps to ``AFFECTED_LIMIT``, the one that overloads least.
    """
    tolerable = [outcome for outcome in outcomes if outcome.worst_affected <= AFFECTED_LIMIT]
    if not tolerable:
        best = min(outcomes, key=lambda outcome: outcome.worst_affected)
        return best, f"every form overloads more than {AFFECTED_LIMIT:.0%} of stream-time; {best.form} least"
    best = min(tolerable, key=lambda outcome: outcome.whole.instance_hours + outcome.short.instance_hours)
    dropped = [o.form for o in outcomes if o not in tolerable]
    reason = f"fewest instance-hours of those that overload at most {AFFECTED_LIMIT:.0%} of stream-time"
    return best, f"{reason}; not so: {', '.join(dropped)}" if dropped else reason


def _policy(name: str, capacities: Mapping[str, int]) -> TargetTracking:
    policy = TargetTracking(name=name, target_value=TARGET_SHARE, scale_out_cooldown_s=60, scale_in_cooldown_s=300)
    if name == PREDEFINED:
        return replace(policy, target_value=TARGET_SHARE * min(capacities.values()))
    if not form_named(name).in_streams:
        return replace(policy, metric="metric-math", form=name)
    weight = 1 / len(capacities)
    return replace(
        policy,
        target_value=TARGET_SHARE * sum(weight * capacity for capacity in capacities.values()),
        metric="metric-math",
        form=name,
        weights=(weight,) * len(capacities),
    )
