"""What plans lead to on the same traffic, side by side, and what it costs when an assumption is wrong."""

from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass, replace
from typing import Any, Literal

from dgsm_helpers.aws.core.tables import Table
from dgsm_helpers.planning.calibrating import Assumptions
from dgsm_helpers.planning.candidates import FleetLimits, grid_for, presets_for
from dgsm_helpers.planning.measured import Measured
from dgsm_helpers.rules.model import Assumption, ScalingModel
from dgsm_helpers.simulate.engine import simulate
from dgsm_helpers.simulate.events import lay_out
from dgsm_helpers.simulate.merits import Lag, Merits, MetricComparison, compare_metrics, lag_of, merits_of
from dgsm_helpers.simulate.runs import Run
from dgsm_helpers.simulate.scaling_plan import ScalingPlan
from dgsm_helpers.simulate.sweep import Outcome, Progress, sweep
from dgsm_helpers.simulate.traffic import Traffic, step

_SHOWN = 4
"""Rows of the table; what matters less is named below it."""


@dataclass(frozen=True, kw_only=True)
class IfWrong:
    """One assumption, and what the plan comes to if it is ``otherwise`` instead.

    The differences are to the plan as assumed: US dollars (None: the price is unknown), instance-hours, calls cut,
    share of stream-time over capacity.
    """

    assumption: Assumption
    usd: float | None
    instance_hours: float
    calls_cut: int
    over_capacity_share: float

    @property
    def matters(self) -> bool:
        return bool(round(self.instance_hours, 2) or self.calls_cut or round(self.over_capacity_share, 5))

    def to_dict(self) -> dict[str, Any]:
        return {
            "assumption": self.assumption.name,
            "assumed": self.assumption.value,
            "otherwise": self.assumption.otherwise,
            "usd": self.usd,
            "instance_hours": self.instance_hours,
            "calls_cut": self.calls_cut,
            "over_capacity_share": self.over_capacity_share,
            "settled_by": self.assumption.settled_by,
        }


class WrongAssumptions(Table):
    """What being wrong costs, by assumption: the dearest first. Shown as a table in a notebook.

    What was read from the endpoint or recorded of AWS is no assumption any more and is left out.
    """

    _columns = ("assumption", "assumed", "if it is", "cost", "calls cut", "over capacity", "asked by dgsm record")

    def __init__(self, plan: str, model: ScalingModel, play: Callable[[ScalingModel], Merits]) -> None:
        """``play`` says what the plan of that name comes to under a model."""
        self._plan = plan
        assumed = play(model)
        rows = [
            _compared(row, assumed, play(replace(model, **{row.name: row.otherwise})))
            for row in model.assumptions()
            if row.otherwise is not None and row.otherwise != row.value and row.grade not in ("READ", "CHOSEN")
        ]
        self.rows = tuple(sorted(rows, key=lambda r: (abs(r.instance_hours), abs(r.calls_cut)), reverse=True))

    def _caption(self) -> str:
        return f"What being wrong costs: {self._plan}, on this traffic"

    def _rows(self) -> list[tuple[object, ...]]:
        return [
            (
                row.assumption.name,
                row.assumption.value,
                row.assumption.otherwise,
                f"{row.instance_hours:+.1f} instance-hours" if row.usd is None else f"${row.usd:+.2f}",
                f"{row.calls_cut:+d}",
                f"{row.over_capacity_share:+.3%}",
                row.assumption.settled_by,
            )
            for row in self._matter[:_SHOWN]
        ]

    @property
    def _matter(self) -> list[IfWrong]:
        return [row for row in self.rows if row.matters]

    def _notes(self) -> list[str]:
        less = [row.assumption.name for row in self._matter[_SHOWN:]]
        none = [row.assumption.name for row in self.rows if not row.matters]
        notes = (("Less", less), ("No difference here", none))
        return [f"{what}: {', '.join(names)}." for what, names in notes if names]

    def __repr__(self) -> str:
        return f"<WrongAssumptions: {len(self._matter)} of {len(self.rows)} matter under {self._plan}>"


def _compared(assumption: Assumption, assumed: Merits, otherwise: Merits) -> IfWrong:
    unknown = assumed.cost_usd is None or otherwise.cost_usd is None
    return IfWrong(
        assumption=assumption,
        usd=None if unknown else (otherwise.cost_usd or 0.0) - (assumed.cost_usd or 0.0),
        instance_hours=otherwise.instance_hours - assumed.instance_hours,
        calls_cut=otherwise.streams_cut - assumed.streams_cut,
        over_capacity_share=otherwise.over_capacity_share - assumed.over_capacity_share,
    )


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
        """One plan's run in full; also what the other statistic gives while that is unsettled."""
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
