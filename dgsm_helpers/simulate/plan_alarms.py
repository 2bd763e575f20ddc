"""The alarms of a plan's policies in virtual time, as the arrays that `beat_loop` judges and as the rules read them."""

import math

import numpy as np

from dgsm_helpers.errors import InvalidInput
from dgsm_helpers.rules.alarms import AlarmSpec, AlarmStateName, deciding_datapoints
from dgsm_helpers.rules.decision import AlarmReading, PolicySignals
from dgsm_helpers.rules.model import ScalingModel
from dgsm_helpers.rules.policies import TargetTracking
from dgsm_helpers.rules.target_tracking import alarms_for, known_late_s
from dgsm_helpers.rules.weighted_metrics import PoolMinute, form_named
from dgsm_helpers.simulate import beat_loop, beat_records
from dgsm_helpers.simulate.scaling_plan import ScalingPlan


class PlanAlarms:
    """Every alarm of a plan; those of the same statistic and period share a feed. All start in INSUFFICIENT_DATA.

    Args:
        plan: whose policies have the alarms.
        model: how AWS makes them.
        knees: streams that an instance of each type sustains, for metric math over a pool.
        tick_s: seconds between beats.
        ticks: how many beats there will be at most.

    Attributes:
        watch: the arrays.

    Raises:
        InvalidInput: an alarm that cannot be simulated.
    """

    def __init__(
        self, plan: ScalingPlan, model: ScalingModel, *, knees: dict[str, int], tick_s: float, ticks: int
    ) -> None:
        self._specs: list[AlarmSpec] = []
        self._names: list[str] = []
        self._late_s: list[float] = []
        self._of_policy: dict[str, list[int]] = {}
        self._forms: list[tuple[int, TargetTracking]] = []
        self._readings: dict[int, AlarmReading] = {}
        self._capacities = [float(knees[instance_type]) for instance_type in plan.instance_types]
        feeds: dict[tuple[str, float], tuple[int, ...]] = {}
        alarms = []
        for policy in plan.policies:
            specs = alarms_for(policy, model) if isinstance(policy, TargetTracking) else (policy.alarm,)
            form = policy.form if isinstance(policy, TargetTracking) else ""
            self._of_policy[policy.key] = list(range(len(self._specs), len(self._specs) + len(specs)))
            for side, spec in zip(("High", "Low"), specs, strict=False):
                key = (policy.key, 0.0) if form else (spec.statistic, float(spec.period_s))
                if key not in feeds:
                    feeds[key] = _feed(spec, tick_s, over_pool=bool(form))
                    if isinstance(policy, TargetTracking) and form:
                        self._forms.append((len(feeds) - 1, policy))
                self._specs.append(spec)
                self._names.append(f"{policy.key}-Alarm{side}")
                self._late_s.append(known_late_s(policy, model))
                alarms.append(_alarm(spec, list(feeds).index(key)))
        self.watch = beat_loop.AlarmArrays(
            feeds=np.array(list(feeds.values()), beat_records.FEED),
            points=np.full((len(feeds), ticks), np.nan),
            alarms=np.array(alarms, beat_records.ALARM),
            pool=np.zeros(len(plan.instance_types) if self._forms else 0, beat_records.POOL),
        )
        # Looking a field up by its name takes as long as the rest of a reading.
        self._state, self._since_s = self.watch.alarms["state"], self.watch.alarms["since_s"]
        self._missing, self._length = self.watch.alarms["missing"], self.watch.feeds["length"]
        self._feed_of: list[int] = self.watch.alarms["feed"].tolist()
        self._pool_ticks = min((int(self.watch.feeds[number]["ticks"]) for number, _ in self._forms), default=0)

    def next_pool(self, tick: int) -> int:
        """The beat after which metric math over the pool has its next datapoint."""
        return (tick // self._pool_ticks + 1) * self._pool_ticks if self._pool_ticks else 1 << 60

    def pool_due(self, tick: int) -> bool:
        """Whether a period of metric math over the pool has just ended."""
        return bool(self._pool_ticks) and tick % self._pool_ticks == 0

    def push_pool(self, now_s: float) -> bool:
        """Judge the alarms on metric math over the pool; whether any changes its state. Starts the next period."""
        minutes = [PoolMinute(float(total), int(count)) for total, count in self.watch.pool]
        self.watch.pool[:] = 0
        changed = False
        for number, policy in self._forms:
            weights = policy.weights or (0.0,) * len(minutes)
            value = form_named(policy.form).value(minutes, self._capacities, weights)
            changed |= self.push(number, math.nan if value is None else float(value), now_s)
        return changed

    def push(self, feed: int, value: float, now_s: float) -> bool:
        """Give a feed its next datapoint (NaN: missing) and judge its alarms; whether any changes its state."""
        return bool(beat_loop.push(tuple(self.watch), feed, value, now_s))

    def signals(self, *, with_datapoints: bool) -> dict[str, PolicySignals]:
        """The alarms by policy; their datapoints only if asked for, since only a decision looks at them."""
        return {
            key: PolicySignals(*[self._reading(number, with_datapoints=with_datapoints) for number in numbers])
            for key, numbers in self._of_policy.items()
        }

    def since_s(self, alarm: str) -> float | None:
        """When an alarm came into its state; None when there is no such alarm."""
        return self._since_s.item(self._names.index(alarm)) if alarm in self._names else None

    def _reading(self, number: int, *, with_datapoints: bool) -> AlarmReading:
        known = self._readings.get(number)
        state, since_s = beat_records.STATES[self._state.item(number)], self._since_s.item(number)
        if with_datapoints and state == "ALARM":
            return self._made(number, state, since_s, self._datapoints(number))
        if known is None or known.state != state or known.since_s != since_s:
            known = self._readings[number] = self._made(number, state, since_s)
        return known

    def _made(
        self, number: int, state: AlarmStateName, since_s: float, datapoints: tuple[float, ...] = ()
    ) -> AlarmReading:
        return AlarmReading(self._names[number], state, since_s, datapoints, late_s=self._late_s[number])

    def _datapoints(self, number: int) -> tuple[float, ...]:
        spec, feed = self._specs[number], self._feed_of[number]
        end = self._length.item(feed)
        recent = self.watch.points[feed, max(0, end - spec.evaluation_range) : end].tolist()
        if self._missing.item(number):
            recent = [None if math.isnan(value) else value for value in recent]
        return deciding_datapoints(spec, recent)


def _feed(spec: AlarmSpec, tick_s: float, *, over_pool: bool) -> tuple[int, ...]:
    """A row of `beat_records.FEED`, of what can be simulated."""
    if spec.statistic not in beat_records.STATISTICS:
        raise InvalidInput(f"The simulator has the statistics Average, Maximum, Sum, not {spec.statistic!r}.")
    ticks = spec.period_s / tick_s
    if ticks < 1 or ticks != int(ticks):
        raise InvalidInput(f"An alarm's period must be a multiple of {tick_s:g} s, not {spec.period_s:g} s.")
    statistic = beat_records.OVER_POOL if over_pool else beat_records.STATISTICS.index(spec.statistic)
    return (statistic, int(ticks), 0, 0, 0, 0)


def _alarm(spec: AlarmSpec, feed: int) -> tuple[float, ...]:
    """A row of `beat_records.ALARM`."""
    return (
        feed,
        beat_records.COMPARISONS.index(spec.comparison),
        spec.datapoints_to_alarm,
        spec.evaluation_periods,
        spec.evaluation_range,
        beat_records.TREAT_MISSING.index(spec.treat_missing),
        0,
        0,
        spec.evaluation_range,
        spec.threshold,
        0.0,
    )
