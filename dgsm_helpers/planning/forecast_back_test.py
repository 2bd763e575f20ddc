"""What forecasts would have brought: the last days of known traffic with and without their minimums, simulated."""

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pandas as pd

from dgsm_helpers.errors import NotReady
from dgsm_helpers.planning.forecasting import CHECKED, LEAST_HISTORY, Levels
from dgsm_helpers.planning.frames import row_of
from dgsm_helpers.rules.policies import ScheduledChange
from dgsm_helpers.simulate.conditions import Conditions
from dgsm_helpers.simulate.engine import simulate
from dgsm_helpers.simulate.merits import Merits, merits_of
from dgsm_helpers.simulate.scaling_plan import ScalingPlan
from dgsm_helpers.simulate.traffic import Traffic

REFRESH = timedelta(hours=1)
"""How often a forecast is made anew."""
TESTED = timedelta(days=7)
_DAY = timedelta(days=1)
_MINUTE_S = 60.0


@dataclass(frozen=True, kw_only=True)
class ForecastTest:
    """The same calls under the policy alone and with forecast minimums.

    ``lowered_share`` is the share of the forecasts that were not trusted: lowered to what came, or not used at all.
    """

    days: float
    reactive: Merits
    forecast: Merits
    lowered_share: float

    @property
    def cost_change(self) -> float:
        """Instance-hours with forecasts over those without, less one."""
        return self.forecast.instance_hours / self.reactive.instance_hours - 1

    @property
    def overload_change(self) -> float:
        """Stream-seconds over capacity with forecasts over those without, less one; 0 where there are none."""
        before, after = self.reactive.over_capacity_stream_s, self.forecast.over_capacity_stream_s
        return after / before - 1 if before else float("inf") if after else 0.0

    def to_dict(self) -> dict[str, Any]:
        """For JSON; a change from nothing is null."""
        before, after, overload = self.reactive, self.forecast, self.overload_change
        return {
            "days": self.days,
            "overload_change": overload if np.isfinite(overload) else None,
            "cost_change": self.cost_change,
            "lowered_share": self.lowered_share,
            "without": row_of(before),
            "with_forecasts": row_of(after),
        }

    def __str__(self) -> str:
        before, after = self.reactive, self.forecast
        overload = "" if not before.over_capacity_stream_s else f" ({self.overload_change:+.0%})"
        return (
            f"Back-test, simulated: over the last {self.days:.3g} days, forecast anew every hour from what was known "
            f"then, {after.over_capacity_stream_s:.0f} instead of {before.over_capacity_stream_s:.0f} stream-seconds "
            f"over capacity{overload} in {after.instance_hours:.1f} instead of {before.instance_hours:.1f} "
            f"instance-hours ({self.cost_change:+.1%}); {after.streams_cut} instead of {before.streams_cut} calls cut "
            f"by scale-ins. {self.lowered_share:.0%} of the forecasts were lowered or not used."
        )


def history_of(traffic: Traffic) -> pd.Series:
    """Concurrency by the minute, by UTC time. Traffic without a date is counted from 1970, which `Levels` refuses."""
    streams = traffic.concurrency(_MINUTE_S)
    if traffic.begin_s is None:
        return pd.Series(streams.astype(float))
    begin = pd.Timestamp(datetime.fromtimestamp(traffic.begin_s, UTC))
    return pd.Series(streams.astype(float), index=pd.date_range(begin, periods=len(streams), freq="min"))


def span_to_test(levels: Levels) -> timedelta:
    """As many of the last days as leave enough to forecast from: a week where it can be, at most `TESTED`, or none."""
    known = levels.end - levels.begin
    before = TESTED if known > TESTED + timedelta(days=2) else LEAST_HISTORY
    return max(timedelta(), min(TESTED, known - before - CHECKED) // _DAY * _DAY)


def back_test_forecast(levels: Levels, calls: Traffic, plan: ScalingPlan, conditions: Conditions) -> ForecastTest:
    """Play the last days with ``plan`` alone, and with minimums forecast from what was known each hour.

    Args:
        levels: all that is known.
        calls: of the last days at least, with their date.
        plan: with one target-tracking policy; its minimum and maximum are those of the forecasts.
        conditions: what one instance carries, how AWS is taken to scale, and the seed.

    Raises:
        NotReady: less than a day is left to test.
        InvalidInput: the calls are shorter than a cooldown.
    """
    tested = span_to_test(levels)
    if not tested:
        raise NotReady(f"{(levels.end - levels.begin) / _DAY:.2g} days of traffic are too few to test a forecast on.")
    begin = levels.end - tested
    forecasts = [levels.forecast(plan, start=begin + at * REFRESH, horizon=REFRESH) for at in range(tested // REFRESH)]
    changes = tuple(
        ScheduledChange(at_s=(step.at - begin).total_seconds(), min_capacity=step.minimum, name="forecast")
        for forecast in forecasts
        for step in forecast.steps
    )
    last_calls = last_part(calls, from_s=begin.timestamp() - (calls.begin_s or 0.0))
    without, with_forecasts = (
        merits_of(simulate(last_calls, played, conditions), usd_per_hour=conditions.usd_per_hour)
        for played in (plan, replace(plan, schedule=changes))
    )
    return ForecastTest(
        days=tested / _DAY,
        reactive=without,
        forecast=with_forecasts,
        lowered_share=float(np.mean([not forecast.trusted for forecast in forecasts])),
    )


def last_part(traffic: Traffic, *, from_s: float) -> Traffic:
    """The traffic from a moment on, with the calls that are in progress then."""
    ends = traffic.starts_s + traffic.durations_s
    there = ends > from_s
    starts = np.maximum(traffic.starts_s[there] - from_s, 0.0)
    return Traffic(
        name=traffic.name,
        starts_s=starts,
        durations_s=ends[there] - from_s - starts,
        horizon_s=traffic.horizon_s - from_s,
        begin_s=None if traffic.begin_s is None else traffic.begin_s + from_s,
    )
