"""A forecast in one call: what is known of the traffic, the minimums that follow, and how such forecasts have done."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any, ClassVar

import pandas as pd

from dgsm_helpers.aws.core.tables import Table
from dgsm_helpers.errors import InvalidInput, NotReady
from dgsm_helpers.load.ladder.target_value import derive_target
from dgsm_helpers.planning.applying import applied_plans, bounds_for
from dgsm_helpers.planning.back_testing import recorded_concurrency, without_pauses
from dgsm_helpers.planning.calibrating import model_for
from dgsm_helpers.planning.candidates import most_instances
from dgsm_helpers.planning.forecast_back_test import TESTED, ForecastTest, back_test_forecast, history_of
from dgsm_helpers.planning.forecasting import HISTORY, STEP, Forecast, Levels
from dgsm_helpers.planning.measured import Measured
from dgsm_helpers.planning.sources import STREAM_S
from dgsm_helpers.rules.policies import Bounds
from dgsm_helpers.session import Workbook
from dgsm_helpers.simulate.replay import replay, series_of
from dgsm_helpers.simulate.scaling_plan import ScalingPlan, guide
from dgsm_helpers.simulate.traffic import Traffic

_LEAD = timedelta(minutes=10)
"""From now to the begin of the forecast at least, so that all of it can be scheduled before it begins."""


@dataclass(frozen=True, kw_only=True, eq=False)
class KnownTraffic:
    """Traffic to forecast from: ``history``, streams by the minute and UTC time, and the ``calls`` of its last week.

    ``notes`` say what was assumed.
    """

    name: str
    history: pd.Series
    calls: Traffic
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True, eq=False)
class ForecastAdvice(Table):
    """The minimums to schedule. ``test`` is how forecasts have done on the last days, None where too few are known."""

    forecast: Forecast
    test: ForecastTest | None
    known: KnownTraffic
    plan: ScalingPlan
    notes: tuple[str, ...]

    _columns: ClassVar[tuple[str, ...]] = ("from (UTC)", "at least", "for streams up to")

    def to_dict(self) -> dict[str, Any]:
        forecast, test = self.forecast, self.test
        return {
            "start": forecast.start.isoformat(),
            "end": forecast.end.isoformat(),
            "minimums": [
                {
                    "at": step.at.isoformat(),
                    "min_capacity": step.minimum,
                    "streams": round(step.streams, 2) if step.streams == step.streams else None,
                }
                for step in forecast.steps
            ],
            "ordinary_minimum": self.plan.bounds.min_capacity,
            "max_capacity": self.plan.bounds.max_capacity,
            "target_value": self.plan.tracking.target_value,
            "season_days": forecast.season / timedelta(days=1),
            "growth": forecast.growth,
            "error": forecast.error,
            "trusted": forecast.trusted,
            "used_share": forecast.used_share,
            "traffic": self.known.name,
            "policy": self.plan.name,
            "back_test": test and test.to_dict(),
            "notes": list(self.notes),
        }

    def _caption(self) -> str:
        forecast = self.forecast
        week = "a week" if forecast.season > timedelta(days=1) else "a day (less than a week is known)"
        return (
            f"Minimums from {forecast.start:%Y-%m-%d %H:%M} to {forecast.end:%Y-%m-%d %H:%M} UTC, from "
            f"{self.known.name}: season {week}, {forecast.growth - 1:+.0%} over the week before."
        )

    def _rows(self) -> Sequence[Sequence[object]]:
        return [
            (f"{s.at:%a %Y-%m-%d %H:%M}", s.minimum, f"{s.streams:.0f}" if s.streams == s.streams else "not known")
            for s in self.forecast.steps
        ]

    def _notes(self) -> Sequence[str]:
        forecast = self.forecast
        if forecast.trusted:
            trust = (
                f"The last three hours came as forecast, off by {forecast.error:.0%} of the instances; today's level "
                f"is {forecast.used_share:.0%}."
            )
        elif forecast.used_share:
            trust = (
                f"Fewer calls came in the last three hours than were forecast: lowered to {forecast.used_share:.0%}."
            )
        else:
            trust = "More calls came in the last three hours than were forecast: not trusted, no minimum is raised."
        lines = [
            trust,
            f"Policy: {self.plan.name}. The minimum is what it would run at that load, a quarter of an hour early; "
            "only the policy removes instances. Make the forecast anew every hour.",
        ]
        return [*lines, *([str(self.test)] if self.test else []), *(f"Note: {note}" for note in self.notes)]


def known_from_traffic(traffic: Traffic) -> KnownTraffic:
    """Calls of some weeks; InvalidInput when they have no date, or there are none."""
    if traffic.begin_s is None:
        raise InvalidInput(
            f"The times in {traffic.name} have no dates, so that nobody can say which of them comes next.",
            hint="Give times with dates, such as 2026-11-24T09:00:00Z.",
        )
    if not traffic.sessions:
        raise InvalidInput(f"Traffic {traffic.name!r} has no streams.", hint="Give a busier period.")
    return KnownTraffic(name=traffic.name, history=history_of(traffic), calls=traffic, notes=traffic.notes)


def known_from_endpoint(wb: Workbook, *, mean_s: float = STREAM_S, seed: int = 0) -> KnownTraffic:
    """The endpoint's own concurrency of the last fourteen days, as far as CloudWatch has it; NotReady without any."""
    now = wb.now()
    history = recorded_concurrency(wb, now - HISTORY + timedelta(minutes=5), now - timedelta(minutes=1))
    name = f"the metric of {wb.endpoint_name}"
    history, pauses = without_pauses(wb, history)
    week = history[history.index > history.index[-1] - TESTED]
    series = series_of([time.timestamp() for time in week.index], week.fillna(0.0).tolist(), name=name)
    notes = [f"Streams last {mean_s:g} s on average (assumed): CloudWatch does not know.", *pauses]
    if gaps := int(history.isna().sum()):
        notes.append(f"CloudWatch has nothing for {gaps} of {len(history)} minutes.")
    return KnownTraffic(name=name, history=history, calls=replay(series, mean_s=mean_s, seed=seed), notes=tuple(notes))


def advise_forecast(
    wb: Workbook,
    known: KnownTraffic,
    instance: Measured,
    *,
    min_capacity: int | None = None,
    max_capacity: int | None = None,
    zone: tzinfo = UTC,
    seed: int = 0,
) -> ForecastAdvice:
    """Forecast the next two days' minimums, and test such forecasts on the last days. Changes nothing.

    The policy is the endpoint's where it has one that can be played, else the guide's at the measured target.

    Args:
        min_capacity, max_capacity: bounds; default: the endpoint's, else from 1 to what the traffic needs.
        zone: whose clock the callers live by.

    Raises:
        NotReady: too little traffic is known.
        InvalidInput: bounds that are the wrong way round.
    """
    levels = Levels(known.history, zone=zone)
    notes = list(known.notes)
    bounds = bounds_for(wb, min_capacity, max_capacity)
    plan = _plan(wb, known, instance, bounds, notes)
    forecast = levels.forecast(plan, start=_start(wb.now(), levels))
    conditions = instance.conditions(model_for(wb).model, seed=seed)
    try:
        test = back_test_forecast(levels, known.calls, plan, conditions)
    except NotReady as error:
        test = None
        notes.append(f"No back-test: {error}")
    return ForecastAdvice(forecast=forecast, test=test, known=known, plan=plan, notes=tuple(notes))


def _start(now: datetime, levels: Levels) -> datetime:
    """The next quarter of an hour that can be scheduled, where the traffic is known until today; else its end."""
    soon = now + _LEAD
    begin = datetime.fromtimestamp(-(-soon.timestamp() // STEP.total_seconds()) * STEP.total_seconds(), UTC)
    return begin if levels.end <= begin <= levels.end + timedelta(days=1) else levels.end


def _plan(
    wb: Workbook, known: KnownTraffic, instance: Measured, bounds: Mapping[str, int | None], notes: list[str]
) -> ScalingPlan:
    """The policy that the minimums stand beside, without its schedule."""
    applied = applied_plans(wb, known.calls, instance.instance_type, notes)
    plan = next((p for p in applied if p.can_be_applied), None)
    plan = plan or guide(target_value=derive_target(instance.knee).value)
    low, high = bounds["min_capacity"], bounds["max_capacity"]
    low = 1 if low is None else low
    high = most_instances(known.calls, plan.tracking.target_value, min_capacity=low) if high is None else high
    return replace(
        plan,
        bounds=Bounds(min_capacity=low, max_capacity=high),
        schedule=(),
        instance_types=(instance.instance_type,),
        initial_count=None,
    )
