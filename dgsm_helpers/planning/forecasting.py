"""What the next two days will bring, from the weeks before, as minimums to be scheduled. Pure.

The method, which anybody can check by hand, is in ``docs/guides/forecast.md``, step by step.

A forecast only ever raises the minimum: the policy does all the rest, and alone removes instances. AWS's predictive
scaling works likewise (an hourly forecast for 48 hours from up to 14 days, never scaling in), but not for SageMaker.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta, tzinfo
from math import ceil

import numpy as np
import pandas as pd

from dgsm_helpers.errors import InvalidInput, NotReady
from dgsm_helpers.rules.policies import ROUNDING
from dgsm_helpers.simulate.scaling_plan import ScalingPlan

STEP = timedelta(minutes=15)
HORIZON = timedelta(hours=48)
HISTORY = timedelta(days=14)
"""How far back the forecast looks; CloudWatch keeps minutes for 15 days."""
CHECKED = timedelta(hours=3)
"""How long the last forecast is held against what came."""
LEAST_HISTORY = timedelta(days=1) + CHECKED
TRUSTED_ERROR = 0.5

_DAY, _WEEK = timedelta(days=1), timedelta(days=7)
_LEVEL_QUANTILE = 13 / 14
"""The second-highest of fifteen values, and what stands for it where there are more or fewer."""
_LEAD_STEPS = 1
_GROWTH_RANGE = (0.5, 2.0)
_CHANCE_GROWTH = 0.08
_TODAY_RANGE = (0.8, 1.25)


def instances_for(plan: ScalingPlan, streams: float) -> int:
    """What the plan's policy runs at a load; the plan's minimum where the load is not known."""
    wanted = streams / plan.tracking.target_value - ROUNDING if np.isfinite(streams) else 0
    return plan.bounds.clamp(ceil(wanted))


@dataclass(frozen=True, kw_only=True)
class MinimumStep:
    """From ``at`` on at least ``minimum`` instances; ``streams`` is the highest load that they are meant for."""

    at: datetime
    minimum: int
    streams: float


@dataclass(frozen=True, kw_only=True)
class Forecast:
    """The minimums of the next two days.

    ``steps`` are the changes, in order, the first at ``start``; at ``end`` the minimum is ``plan``'s own again.
    ``season`` is a week, or a day where less than a week is known. ``growth`` is this week over the last.
    ``error`` is how far the forecast of the last hours was off, in instances, as a share; ``trusted`` whether that is
    little. ``used_share`` is what the forecast load was multiplied by: today's level, or 0 where nothing is raised.
    """

    start: datetime
    end: datetime
    steps: tuple[MinimumStep, ...]
    plan: ScalingPlan
    season: timedelta
    growth: float
    error: float
    used_share: float

    @property
    def trusted(self) -> bool:
        """Whether the last hours came as forecast, or nearly."""
        return self.error <= TRUSTED_ERROR

    @property
    def highest(self) -> int:
        return max(step.minimum for step in self.steps)


class Levels:
    """The level of each quarter of an hour, from concurrency by the minute.

    Args:
        history: streams by aware time, evenly spaced, at most a step apart; NaN where nothing is known.
        zone: whose clock the callers live by: a week ago is at the same time on that clock, across its changes.

    Raises:
        NotReady: it is shorter than `LEAST_HISTORY`.
        InvalidInput: no times, or times that name no zone.
    """

    def __init__(self, history: pd.Series, *, zone: tzinfo = UTC) -> None:
        if not isinstance(history.index, pd.DatetimeIndex) or history.index.tz is None:
            raise InvalidInput(
                "The recorded traffic has no dates, so that nobody can say which of its times comes next.",
                hint="Give times with dates, such as 2026-11-24T09:00:00Z.",
            )
        utc = history.tz_convert(UTC)
        quarters = utc.resample(STEP).quantile(_LEVEL_QUANTILE)
        if len(quarters) and utc.index[-1] + (utc.index[1] - utc.index[0]) < quarters.index[-1] + STEP:
            quarters = quarters.iloc[:-1]
        self._zone, self._values = zone, quarters.to_numpy(float)
        if len(quarters) * STEP < LEAST_HISTORY:
            raise NotReady(
                f"Only {len(quarters) * STEP / timedelta(hours=1):g} hours of traffic are known; a forecast needs "
                f"{LEAST_HISTORY / timedelta(hours=1):g}, and two weeks to know the days of the week.",
                hint="Wait, or give recorded traffic (--file).",
            )
        self.begin: datetime = quarters.index[0].to_pydatetime()
        self.end = self.begin + len(quarters) * STEP

    def forecast(self, plan: ScalingPlan, *, start: datetime | None = None, horizon: timedelta = HORIZON) -> Forecast:
        """The minimums from ``start`` on, from what was known before it.

        Args:
            plan: with one target-tracking policy and the bounds: how a load becomes instances.
            start: on a quarter of an hour; default: where the history ends.
            horizon: how far ahead.

        Raises:
            InvalidInput: there is no history in the week before ``start``.
        """
        start = start or self.end
        known = min(start, self.end)
        if known - self.begin < LEAST_HISTORY or start - self.end > _WEEK:
            raise InvalidInput(
                f"A forecast from {start:%Y-%m-%d %H:%M} UTC on needs the traffic before it; known is "
                f"{self.begin:%Y-%m-%d %H:%M} to {self.end:%Y-%m-%d %H:%M} UTC.",
                hint="Give newer traffic.",
            )
        error, used = self._check(known, plan)
        count = round(horizon / STEP)
        times = [start + index * STEP for index in range(count + _LEAD_STEPS)]
        streams = self.predicted(times, known=known) * used
        steps: list[MinimumStep] = []
        for index in range(count):
            ahead = streams[index : index + _LEAD_STEPS + 1]
            most = float(np.nanmax(ahead)) if np.isfinite(ahead).any() else float("nan")
            minimum = instances_for(plan, most)
            if not steps or minimum != steps[-1].minimum:
                steps.append(MinimumStep(at=times[index], minimum=minimum, streams=most))
            else:
                steps[-1] = replace(steps[-1], streams=float(np.fmax(steps[-1].streams, most)))
        return Forecast(
            start=start,
            end=start + horizon,
            steps=tuple(steps),
            plan=plan,
            season=self._season(known),
            growth=self._growth(known),
            error=error,
            used_share=used,
        )

    def predicted(self, times: Sequence[datetime], *, known: datetime) -> np.ndarray:
        """The level at each of ``times`` from the levels before ``known``; NaN where there is none to go by."""
        season, growth = self._season(known), self._growth(known)
        first, last = self._position(max(self.begin, known - HISTORY)), self._position(known)
        predicted = np.full(len(times), np.nan)
        for index, time in enumerate(times):
            local, samples, ago = time.astimezone(self._zone), [], 1
            # Arithmetic within a zone is by its clock: nine in the morning stays nine in the morning.
            while (at := self._position((local - ago * season).astimezone(UTC))) >= first:
                around = self._values[max(first, at - 1) : min(last, at + 2)]
                samples += list(around[np.isfinite(around)] * growth**ago)
                ago += 1
            if samples:
                predicted[index] = np.median(samples)
        return predicted

    def _position(self, time: datetime) -> int:
        return (time - self.begin) // STEP

    def _season(self, known: datetime) -> timedelta:
        return _WEEK if known - CHECKED - self.begin >= _WEEK else _DAY

    def _growth(self, known: datetime) -> float:
        """The median, over the last seven days, of a day's levels against those of the same day a week before."""
        day, week = _DAY // STEP, _WEEK // STEP
        last, ratios = self._position(known), []
        for end in range(last, last - week, -day):
            if end - day - week < 0:
                break
            now, before = self._values[end - day : end], self._values[end - day - week : end - week]
            both = np.isfinite(now) & np.isfinite(before)
            if before[both].sum() > 0:
                ratios.append(now[both].sum() / before[both].sum())
        growth = float(np.clip(np.median(ratios), *_GROWTH_RANGE)) if ratios else 1.0
        return growth if abs(growth - 1) >= _CHANCE_GROWTH else 1.0

    def _check(self, known: datetime, plan: ScalingPlan) -> tuple[float, float]:
        """The forecast of the last hours, made before them, against what came.

        Returns:
            How many instances too many or too few, as a share of the lesser of the two sums; and what to multiply the
            next forecast by.
        """
        then = known - CHECKED
        times = [then + index * STEP for index in range(CHECKED // STEP)]
        forecast, came = self.predicted(times, known=then), self._values[self._position(then) : self._position(known)]
        both = np.isfinite(forecast) & np.isfinite(came)
        if not both.any():
            return 0.0, 1.0
        ours, theirs = (np.array([instances_for(plan, x) for x in part[both]]) for part in (forecast, came))
        error = float(np.abs(ours - theirs).sum() / min(ours.sum(), theirs.sum()))
        if error <= TRUSTED_ERROR:
            # An instance's load on both sides: of a few calls in the night, some more or less say nothing of the day.
            beside = plan.tracking.target_value * both.sum()
            level = (came[both].sum() + beside) / (forecast[both].sum() + beside)
            return error, float(np.clip(level, *_TODAY_RANGE))
        ratio = came[both].sum() / max(forecast[both].sum(), 1e-9)
        return error, float(ratio) if ratio < 1 else 0.0
