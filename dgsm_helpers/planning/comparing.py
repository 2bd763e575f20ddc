"""What plans lead to on the same traffic, side by side, and which one to take."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from dgsm_helpers.errors import InvalidInput
from dgsm_helpers.rules.model import ScalingModel
from dgsm_helpers.rules.policies import TargetTracking
from dgsm_helpers.simulate.conditions import Conditions
from dgsm_helpers.simulate.engine import Run, lay_out, simulate
from dgsm_helpers.simulate.merits import Lag, Merits, lag_of, merits_of
from dgsm_helpers.simulate.scaling_plan import ScalingPlan
from dgsm_helpers.simulate.sweep import Outcome, Recommendation, recommend
from dgsm_helpers.simulate.traffic import Traffic


@dataclass(frozen=True, kw_only=True, eq=False)
class Played:
    """One plan on the traffic.

    ``other`` is the same under the alarms' other statistic, None when the endpoint's alarms settled which it is.
    """

    plan: ScalingPlan
    run: Run
    merits: Merits
    lag: Lag
    other: Merits | None

    @property
    def outcome(self) -> Outcome:
        """As the sweep gives it."""
        return Outcome(plan=self.plan, merits=self.merits)


def other_statistic(model: ScalingModel) -> Literal["Average", "Maximum"] | None:
    """The statistic to report beside the model's, None when it was read from the endpoint."""
    if "statistic" in dict(model.evidence):
        return None
    return "Maximum" if model.statistic == "Average" else "Average"


class PlanRuns:
    """Plans on the same sessions and random numbers; the traffic is laid out once and each plan simulated once."""

    def __init__(self, traffic: Traffic, conditions: Conditions) -> None:
        self.conditions = conditions
        self._traffic = traffic
        self._events = lay_out(traffic, conditions)
        self._runs: dict[ScalingPlan, Run] = {}

    def run(self, plan: ScalingPlan) -> Run:
        """The plan's run.

        Raises:
            InvalidInput: traffic shorter than a cooldown.
        """
        if plan not in self._runs:
            self._runs[plan] = simulate(self._traffic, plan, self.conditions, events=self._events)
        return self._runs[plan]

    def merits(self, plan: ScalingPlan) -> Merits:
        """The plan's figures of merit."""
        return merits_of(self.run(plan), usd_per_hour=self.conditions.usd_per_hour)

    def merits_with(self, plan: ScalingPlan, model: ScalingModel) -> Merits:
        """The same under another model with the same stream limit."""
        run = simulate(self._traffic, plan, replace(self.conditions, model=model), events=self._events)
        return merits_of(run, usd_per_hour=self.conditions.usd_per_hour)

    def play(self, plan: ScalingPlan) -> Played:
        """The plan's run in full; also what the other statistic gives while that is unsettled."""
        model, run = self.conditions.model, self.run(plan)
        other = other_statistic(model)
        return Played(
            plan=plan,
            run=run,
            merits=self.merits(plan),
            lag=lag_of(run),
            other=self.merits_with(plan, replace(model, statistic=other)) if other else None,
        )


def play(traffic: Traffic, plans: Iterable[ScalingPlan], conditions: Conditions) -> tuple[Played, ...]:
    """Simulate each plan on the same sessions and random numbers; also under the other statistic while unsettled.

    Raises:
        InvalidInput: traffic shorter than a cooldown.
    """
    return tuple(map(PlanRuns(traffic, conditions).play, plans))


def can_be_applied(plan: ScalingPlan) -> bool:
    """Whether `applying.apply_settings` can put the plan in place: one policy on the predefined ten-second metric.

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
