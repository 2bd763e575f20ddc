"""What plans lead to on the same traffic, side by side, and which one to take."""

from concurrent.futures import Executor
from dataclasses import dataclass, replace
from typing import Any, Literal

from dgsm_helpers.planning.calibrating import Assumptions
from dgsm_helpers.planning.candidates import FleetLimits, grid_for, presets_for
from dgsm_helpers.planning.measured import Measured
from dgsm_helpers.planning.wrong_assumptions import WrongAssumptions
from dgsm_helpers.rules.model import ScalingModel
from dgsm_helpers.simulate.engine import simulate
from dgsm_helpers.simulate.events import lay_out
from dgsm_helpers.simulate.merits import Lag, Merits, MetricComparison, compare_metrics, lag_of, merits_of
from dgsm_helpers.simulate.runs import Run
from dgsm_helpers.simulate.scaling_plan import ScalingPlan
from dgsm_helpers.simulate.sweep import Outcome, Progress, sweep
from dgsm_helpers.simulate.traffic import Traffic, step


@dataclass(frozen=True, kw_only=True, eq=False)
class Played(Outcome):
    """One plan on the traffic, in full.

    ``other`` is the same under the alarms' other statistic, None when the endpoint's alarms settled which it is.
    ``handed_over`` is the same where callers hand over, None where they do anyway.
    """

    run: Run
    lag: Lag
    other: Merits | None
    handed_over: Merits | None


class PlanStudy:
    """Plans on one traffic; every one meets the same sessions and the same random numbers.

    Args:
        traffic: sessions.
        instance: what one carries, and its price.
        model: how AWS is taken to scale.
        seed: of start-up times and routing.
        min_capacity, max_capacity: bounds of the plans; from 1, and the maximum follows from the traffic unless given.
        hand_over: callers hand over, as those of a `ContinuedStream` do.

    Attributes:
        presets: the plans worth comparing.
        played: those that `play_presets` played.
        swept: outcomes of the plans of which only the figures of merit are kept.

    Raises:
        InvalidInput: a minimum above the maximum.
    """

    def __init__(
        self,
        traffic: Traffic,
        instance: Measured,
        model: ScalingModel,
        *,
        seed: int = 0,
        min_capacity: int | None = None,
        max_capacity: int | None = None,
        hand_over: bool = False,
    ) -> None:
        self.traffic, self.instance, self.model, self.seed = traffic, instance, model, seed
        self.assumptions = Assumptions(model)
        self.limits = FleetLimits(
            knee=instance.knee,
            instance_type=instance.instance_type,
            min_capacity=1 if min_capacity is None else min_capacity,
            max_capacity=max_capacity,
        )
        self.presets = presets_for(traffic, self.limits)
        self.played: tuple[Played, ...] = ()
        self.swept: tuple[Outcome, ...] = ()
        self._conditions = replace(instance.conditions(model, seed=seed), hand_over=hand_over)
        self._events = lay_out(traffic, self._conditions)

    @property
    def other_statistic(self) -> Literal["Average", "Maximum"] | None:
        """The statistic to report beside the model's, None when it was read from the endpoint."""
        if "statistic" in dict(self.model.evidence):
            return None
        return "Maximum" if self.model.statistic == "Average" else "Average"

    @property
    def outcomes(self) -> tuple[Outcome, ...]:
        return (*self.played, *self.swept)

    def play(self, plan: ScalingPlan) -> Played:
        """One plan's run in full; also what the other statistic gives while that is unsettled.

        Raises:
            InvalidInput: the traffic is shorter than a cooldown.
        """
        run = simulate(self.traffic, plan, self._conditions, events=self._events)
        merits = merits_of(run, usd_per_hour=self._conditions.usd_per_hour)
        statistic = self.other_statistic
        other = self.merits(plan, model=replace(self.model, statistic=statistic)) if statistic else None
        handed_over = None if self._conditions.hand_over else self.merits(plan, hand_over=True)
        return Played(plan=plan, run=run, merits=merits, lag=lag_of(run), other=other, handed_over=handed_over)

    def merits(self, plan: ScalingPlan, **others: Any) -> Merits:
        """A plan's figures of merit under ``others`` of the conditions; a model with the same stream limit."""
        conditions = replace(self._conditions, **others)
        run = simulate(self.traffic, plan, conditions, events=self._events)
        return merits_of(run, usd_per_hour=conditions.usd_per_hour)

    def play_presets(self, *others: ScalingPlan) -> None:
        """Play the presets, after ``others``."""
        self.played = tuple(map(self.play, (*others, *self.presets)))

    def sweep_grid(self, executor: Executor | None = None, progress: Progress | None = None) -> None:
        """Simulate some hundred plans (`candidates.grid_for`); ``executor`` and ``progress`` as in `sweep`."""
        plans = grid_for(self.traffic, self.limits)
        self.swept = sweep(self.traffic, plans, self._conditions, executor=executor, progress=progress)

    def if_wrong(self, plan: ScalingPlan) -> WrongAssumptions:
        """What it costs under a plan when an assumption is wrong, in money and in calls cut."""
        return WrongAssumptions(plan.name, self.model, lambda model: self.merits(plan, model=model))

    def detection(self, plan: ScalingPlan) -> MetricComparison | None:
        """A step of traffic noticed by the 10-second and by the 1-minute metric; None when it needs no scale-out."""
        return compare_metrics(step_like(self.traffic), plan, self._conditions)


def step_like(traffic: Traffic) -> Traffic:
    """An hour at a tenth of the traffic's height, and from one moment on all of it: what detection is measured by.

    On a slope, noise carries the two metrics over the target at different moments, and there is no common begin.
    """
    height = float(traffic.concurrency().max(initial=1))
    mean_s = float(traffic.durations_s.mean()) if traffic.sessions else 300.0
    return step(before=height / 10, after=height, at_s=3600.0, horizon_s=7200.0, mean_s=mean_s)
