"""Step 5, ``05_plan``: what a scaling policy will do to your traffic, in virtual time.

`instance` is what one instance carries, measured or given. `TrafficChooser` picks the traffic.

`Study` brings both together: it compares the usual policies, sweeps some hundred, recommends one, draws what it found
and puts the chosen one into the account; it sizes a fleet for so many calls an hour, and forecasts the minimums of the
next two days.

`back_test` plays a period again that the endpoint recorded, and compares.
"""

from concurrent.futures import Executor

import pandas as pd
import plotly.graph_objects as go

from dgsm_helpers import deploy, state, tune
from dgsm_helpers.aws.scaling.scaling_state import ScalingState
from dgsm_helpers.aws.scaling.scheduled_actions import ScheduledAction
from dgsm_helpers.planning import applying, calibrating, forecast_advice, frames
from dgsm_helpers.planning.back_testing import Replayed, back_test
from dgsm_helpers.planning.comparing import PlanStudy
from dgsm_helpers.planning.forecast_advice import ForecastAdvice
from dgsm_helpers.planning.forecast_schedule import put_forecast
from dgsm_helpers.planning.frames import PolicyTable
from dgsm_helpers.planning.measured import Measured, measured
from dgsm_helpers.planning.sizing import Sizing, busiest_hour, size_for
from dgsm_helpers.planning.sources import STREAM_S, load_traffic
from dgsm_helpers.progress.progress_line import ProgressLine
from dgsm_helpers.session import Workbook
from dgsm_helpers.settings.parameters import require_type
from dgsm_helpers.simulate.scaling_plan import ScalingPlan
from dgsm_helpers.simulate.sweep import Recommendation, recommend
from dgsm_helpers.simulate.traffic import Traffic
from dgsm_helpers.simulate.weekly_traffic import TRACES, weeks
from dgsm_helpers.views.figures import planning_figures
from dgsm_helpers.views.widgets.plan_sliders import PlanSliders
from dgsm_helpers.views.widgets.traffic_chooser import TrafficChooser

__all__ = ["Study", "TrafficChooser", "back_test", "instance"]


def instance(wb: Workbook, *, knee: int | None = None) -> Measured:
    """What one instance carries, and its price; measured now if no measurement is at hand and no ``knee`` is given.

    Args:
        knee: streams that one instance sustains; None: the newest measurement's.

    Raises:
        SpendNotConfirmed: an endpoint has to be deployed or measured, without ``confirm_spend=True``.
    """
    if knee is None and state.newest(wb) is None:
        deploy.ensure(wb)
        tune.tune(wb)
    return measured(wb, knee=knee)


class Study(PlanStudy):
    """Policies on one traffic: simulated, compared, swept, and one of them recommended. Changes nothing but by `apply`.

    Every policy meets the same calls and the same random numbers; `play` plays a single one.

    Args:
        wb: the workbook; what its endpoint shows of its scaling replaces the model's assumptions.
        instance: what one instance carries, and its price.
        seed: of all that is random.
        min_capacity, max_capacity: bounds of the policies. None: those registered for the endpoint, else the settings',
            else from 1 to what the traffic needs.
        hand_over: callers hand over, as those of a `ContinuedStream` do: no scale-in cuts a call.

    Attributes:
        model: the scaling model, as far as it could be read; `assumptions` is its table.
        presets: the policies worth comparing; `compare` plays them.
    """

    def __init__(
        self,
        wb: Workbook,
        traffic: Traffic,
        instance: Measured,
        *,
        seed: int = 0,
        min_capacity: int | None = None,
        max_capacity: int | None = None,
        hand_over: bool = False,
    ) -> None:
        bounds = applying.bounds_for(wb, min_capacity, max_capacity)
        super().__init__(traffic, instance, calibrating.model_for(wb).model, seed=seed, hand_over=hand_over, **bounds)
        self.origin = f"seed {seed}; {self.assumptions.headline} (table in step 3)"
        self._wb = wb

    def compare(self) -> PolicyTable:
        """Play the presets: a row for each policy, what decides first.

        What is applied to the endpoint, if anything is, takes the place of the guide's policy as printed.
        """
        if applied := applying.applied_plans(self._wb, self.traffic, self.instance.instance_type):
            self.presets = (*applied, *self.presets[1:])
        self.play_presets()
        return PolicyTable(self.played, self.model.statistic, self.other_statistic)

    def policies_figure(self) -> go.Figure:
        """Instances, streams and cost over time of what is there, and of the cheapest and the calmest of the others."""
        prices = self.instance.usd_per_hour
        first, *others = self.played
        drawn = [first, *sorted(others, key=lambda o: o.cost)[:1]]
        drawn += sorted(others, key=lambda o: (o.merits.over_capacity_stream_s, o.cost))[:1]
        by_time = {item.plan.name: frames.over_time(item, usd_per_hour=prices) for item in drawn}
        return planning_figures.policies_side_by_side(by_time, knee=self.instance.knee, origin=self.origin)

    def sliders(self) -> PlanSliders:
        """Sliders over the policy at the measured target; every move simulates the whole traffic again."""
        return PlanSliders(self)

    def sweep(self, *, executor: Executor | None = None) -> go.Figure:
        """Simulate target × cooldowns × bounds × metric × schedule; draw cost and overload of each, with progress.

        Args:
            executor: where to run; default: all processors of this machine. A Dask client has one (`get_executor`).
        """
        with ProgressLine() as line:

            def tell(done: int, of: int) -> None:
                left_s = line.elapsed_s * (of - done) / done if done else None
                line.show(f"{done} of {of} policies simulated", left_s=left_s)

            self.sweep_grid(executor, tell)
        return planning_figures.sweep_heat_map(frames.swept(self.swept), origin=self.origin)

    def recommend(self, *, tolerated_percent: float, tolerated_cuts: int | None = None) -> Recommendation:
        """The cheapest applicable policy whose overload is tolerable, of those compared and swept.

        Args:
            tolerated_percent: share of stream-time that may be in excess of the knee.
            tolerated_cuts: calls that scale-ins may cut; None: any number, which the reason says first.

        Raises:
            InvalidInput: nothing has been compared or swept that can be applied, or ``tolerated_cuts`` is below zero.
        """
        return recommend(self.outcomes, tolerated_share=tolerated_percent / 100, tolerated_cuts=tolerated_cuts)

    def front_figure(self, choice: Recommendation) -> go.Figure:
        """Cost against overload: every policy a point, the front joined, the recommended one a star."""
        return planning_figures.pareto_front(
            frames.swept(self.outcomes),
            front=[outcome.plan.name for outcome in choice.front],
            best=choice.best.plan.name,
            runner_up=choice.runner_up.plan.name if choice.runner_up else None,
            origin=self.origin,
        )

    def size(self, *, full_percent: float, calls_per_hour: float | None = None, call_s: float | None = None) -> Sizing:
        """How many instances carry so many calls, by Erlang's formulas and by simulated calls beside them.

        Args:
            full_percent: share of calls that may find a full instance; it is full at its knee.
            calls_per_hour: calls that begin in the busiest hour; None: the traffic's.
            call_s: their mean length in seconds; None: the traffic's.

        Raises:
            InvalidInput: a number that is not above zero, a share outside its range, or more than an endpoint takes.
        """
        calls, length_s = busiest_hour(self.traffic)
        return size_for(
            self._wb,
            self.instance,
            calls_per_hour=calls if calls_per_hour is None else calls_per_hour,
            call_s=length_s if call_s is None else call_s,
            full_share=full_percent / 100,
            seed=self.seed,
        )

    def forecast(self, history: str, *, columns: str = "", stream_s: float = STREAM_S) -> ForecastAdvice:
        """The minimums of the next two days from the weeks before, with a back-test.

        Args:
            history: "recorded" (the endpoint's own metric of 14 days), a file with dates, or a made-up trace as high as
                the study's traffic: weekdays, weekend, campaign, growth or holiday.
            columns: names of a file's columns, as `TrafficChooser` takes them.
            stream_s: mean length of a stream in seconds, where the history does not tell.

        Raises:
            NotReady: too little traffic is known.
            InvalidInput, NotFound: no such trace or file, or one without dates.
        """
        if history == "recorded":
            known = forecast_advice.known_from_endpoint(self._wb, mean_s=stream_s, seed=self.seed)
        elif history in TRACES:
            peak = float(self.traffic.concurrency().max(initial=1))
            known = forecast_advice.known_from_traffic(weeks(history, peak=peak, mean_s=stream_s, seed=self.seed))
        else:
            recorded = load_traffic(history, mean_s=stream_s, seed=self.seed, columns=columns)
            known = forecast_advice.known_from_traffic(recorded)
        return forecast_advice.advise_forecast(self._wb, known, self.instance, seed=self.seed)

    def forecast_figure(self, advice: ForecastAdvice) -> go.Figure:
        """The last two days of what is known, and the minimums of the next two in streams that they carry."""
        return planning_figures.known_and_forecast(
            advice.known.history,
            pd.Series({step.at: step.minimum for step in advice.forecast.steps}),
            end=advice.forecast.end,
            target_value=advice.plan.tracking.target_value,
            origin=f"{advice.known.name}; forecast {advice.forecast.start:%Y-%m-%d %H:%M} UTC",
        )

    def schedule(self, advice: ForecastAdvice, *, confirmed: bool = True) -> tuple[ScheduledAction, ...]:
        """Schedule a forecast's minimums in place of those of the forecast before.

        Args:
            advice: a forecast that begins after now.
            confirmed: False to change nothing, which returns none; whatever is not a bool is refused.

        Raises:
            SpendNotConfirmed: it raises the minimum, and the workbook was opened without ``confirm_spend=True``.
            InvalidInput: it begins in the past, or other scheduled actions set the minimum, too.
            NotFound, NotReady: the endpoint or its scalable target is not there.
        """
        require_type(bool, confirmed=confirmed)
        return put_forecast(self._wb, advice.forecast) if confirmed else ()

    def back_test_figure(self, replayed: Replayed) -> go.Figure:
        """Recorded and simulated instance counts, minute by minute."""
        origin = f"{self._wb.endpoint_name}; {self.assumptions.headline}"
        return planning_figures.recorded_and_simulated(replayed.counts, origin=origin)

    def settings(self, plan: ScalingPlan) -> applying.PlannedSettings:
        """What a plan is in the account's terms: bounds, policy, scheduled actions."""
        return applying.settings_for(plan, midnight_utc_s=self.traffic.midnight_utc_s)

    def apply(self, plan: ScalingPlan, *, confirmed: bool = True) -> ScalingState | None:
        """Put a plan into the account and read it back.

        Args:
            plan: one that can be applied.
            confirmed: False to change nothing, which returns None; whatever is not a bool is refused.

        Raises:
            SpendNotConfirmed: it allows more instances, and the workbook was opened without ``confirm_spend=True``.
            NotFound, NotReady: there is no endpoint, or it is not ``InService``.
        """
        require_type(bool, confirmed=confirmed)
        return applying.apply_settings(self._wb, self.settings(plan)) if confirmed else None
