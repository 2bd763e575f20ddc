"""What plans lead to on the same traffic, side by side, and which one to take."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dgsm_helpers.errors import InvalidInput
from dgsm_helpers.rules.policies import TargetTracking
from dgsm_helpers.simulate.engine import lay_out, simulate
from dgsm_helpers.simulate.merits import Lag, Merits, lag_of, merits_of
from dgsm_helpers.simulate.sweep import Outcome, Recommendation, recommend

if TYPE_CHECKING:
    from dgsm_helpers.rules.model import ScalingModel
    from dgsm_helpers.simulate.instance_capacity import Capacity
    from dgsm_helpers.simulate.scaling_plan import Plan
    from dgsm_helpers.simulate.simulated_run import Run
    from dgsm_helpers.simulate.traffic import Traffic


@dataclass(frozen=True, kw_only=True, eq=False)
class Played:
    """One plan on the traffic.

    ``other`` is the same under the alarms' other statistic, None when the endpoint's alarms settled which it is.
    """

    plan: Plan
    run: Run
    merits: Merits
    lag: Lag
    other: Merits | None

    @property
    def outcome(self) -> Outcome:
        """As the sweep gives it."""
        return Outcome(plan=self.plan, merits=self.merits)


def other_statistic(model: ScalingModel) -> str | None:
    """The statistic to report beside the model's, None when it was read from the endpoint."""
    if "statistic" in dict(model.evidence):
        return None
    return "Maximum" if model.statistic == "Average" else "Average"


def play(
    traffic: Traffic,
    plans: Sequence[Plan],
    *,
    capacity: Capacity,
    model: ScalingModel,
    usd_per_hour: Mapping[str, float] | None = None,
    seed: int = 0,
) -> tuple[Played, ...]:
    """Simulate each plan on the same sessions and random numbers; also under the other statistic while unsettled.

    Raises:
        InvalidInput: traffic shorter than a cooldown.
    """
    events = lay_out(traffic, model, seed=seed)
    other = other_statistic(model)
    swapped = dataclasses.replace(model, statistic=other) if other else None
    found = []
    for plan in plans:
        given = {"capacity": capacity, "seed": seed, "events": events}
        run = simulate(traffic, plan, model=model, **given)
        second = simulate(traffic, plan, model=swapped, **given) if swapped else None
        found.append(
            Played(
                plan=plan,
                run=run,
                merits=merits_of(run, usd_per_hour=usd_per_hour),
                lag=lag_of(run),
                other=merits_of(second, usd_per_hour=usd_per_hour) if second else None,
            )
        )
    return tuple(found)


def can_be_applied(plan: Plan) -> bool:
    """Whether `applying.apply_plan` can put the plan in place: one policy on the predefined ten-second metric.

    Step scaling needs an alarm of the account's own, and the one-minute metric a published copy: they are compared,
    not recommended.
    """
    (first, *rest) = plan.policies
    return not rest and isinstance(first, TargetTracking) and first.metric == "high-resolution"


def recommended(outcomes: Sequence[Outcome], *, tolerated_share: float = 0.001) -> Recommendation:
    """The cheapest plan that keeps the excess tolerable, among those that can be applied.

    Raises:
        InvalidInput: none of them can.
    """
    usable = [outcome for outcome in outcomes if can_be_applied(outcome.plan)]
    if not usable:
        raise InvalidInput(
            "None of these plans can be applied as it is.", hint="Give one with a single target-tracking policy."
        )
    return recommend(usable, tolerated_share=tolerated_share)
