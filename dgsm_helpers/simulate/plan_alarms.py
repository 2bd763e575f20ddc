"""The alarms of a plan's policies in virtual time, fed with what the instances publish at each beat.

A beat's samples are: the most streams of each slot (-1: not serving), the slots' instance types, the sum of the peaks,
how many instances publish one, and the largest. They are single arguments because there are thousands of beats a day.
"""

from collections import deque
from collections.abc import Mapping, Sequence

from dgsm_helpers.errors import InvalidInput
from dgsm_helpers.rules.alarms import AlarmSpec, AlarmStateName, deciding_datapoints, evaluate
from dgsm_helpers.rules.decision import AlarmReading, PolicySignals
from dgsm_helpers.rules.model import ScalingModel
from dgsm_helpers.rules.policies import TargetTracking
from dgsm_helpers.rules.target_tracking import alarms_for
from dgsm_helpers.rules.weighted_metrics import Form, PoolMinute, form_named
from dgsm_helpers.simulate.scaling_plan import ScalingPlan

STATISTICS = ("Average", "Maximum", "Sum")


class Datapoints:
    """One statistic of the concurrency over each period, from the samples of every beat.

    Raises:
        InvalidInput: a statistic that is not simulated, or a period that is no multiple of a beat.
    """

    def __init__(self, *, statistic: str, period_s: float, tick_s: float) -> None:
        if statistic not in STATISTICS:
            raise InvalidInput(f"The simulator has the statistics {', '.join(STATISTICS)}, not {statistic!r}.")
        ticks = period_s / tick_s
        if ticks < 1 or ticks != int(ticks):
            raise InvalidInput(f"An alarm's period must be a multiple of {tick_s:g} s, not {period_s:g} s.")
        self.ticks = int(ticks)
        self._statistic = statistic
        self._total = self._count = self._top = 0

    def add(self, _peaks: Sequence[int], _types: Sequence[str], total: int, publishing: int, top: int) -> None:
        """Take one beat's samples."""
        self._total += total
        self._count += publishing
        self._top = max(self._top, top)

    def take(self) -> float | None:
        """The period's datapoint, None when there was no sample; starts the next period."""
        total, count, top = self._total, self._count, self._top
        self._total = self._count = self._top = 0
        if not count:
            return None
        if self._statistic == "Average":
            return total / count
        return float(top if self._statistic == "Maximum" else total)


class PoolDatapoints:
    """The value of a weighted form over each period, from the samples of every beat.

    ``zeros`` says whether an instance without streams publishes a sample.
    """

    def __init__(
        self, form: Form, capacities: Mapping[str, float], *, weights: Sequence[float], ticks: int, zeros: bool = True
    ) -> None:
        self.ticks = ticks
        self._form = form
        self._least = 0 if zeros else 1
        self._capacities = list(capacities.values())
        self._weights = [*weights, *[0.0] * len(capacities)][: len(capacities)]
        self._rank = {instance_type: index for index, instance_type in enumerate(capacities)}
        self._minutes = [[0.0, 0] for _ in self._rank]

    def add(self, peaks: Sequence[int], types: Sequence[str], _total: int, _publishing: int, _top: int) -> None:
        """Take one beat's samples."""
        for peak, instance_type in zip(peaks, types, strict=True):
            if peak >= self._least:
                minute = self._minutes[self._rank[instance_type]]
                minute[0] += peak
                minute[1] += 1

    def take(self) -> float | None:
        """The period's datapoint; starts the next period."""
        minutes = [PoolMinute(total, int(count)) for total, count in self._minutes]
        self._minutes = [[0.0, 0] for _ in self._rank]
        return self._form.value(minutes, self._capacities, self._weights)


class AlarmTracker:
    """One alarm in virtual time; starts in INSUFFICIENT_DATA at ``now_s``.

    While no datapoint is missing, M of N needs only a count of breaching ones. As soon as one is missing within the
    evaluation range, the documented table decides (`evaluate`).
    """

    def __init__(self, spec: AlarmSpec, now_s: float) -> None:
        self.spec = spec
        self.state: AlarmStateName = "INSUFFICIENT_DATA"
        self.since_s = now_s
        self._points: deque[float | None] = deque([None] * spec.evaluation_range, maxlen=spec.evaluation_range)
        self._flags = deque([False] * spec.evaluation_periods, maxlen=spec.evaluation_periods)
        self._breaching = 0
        self._missing = spec.evaluation_range
        self._needed = spec.datapoints_to_alarm
        self._breaches = spec.breaches

    def push(self, value: float | None, now_s: float) -> bool:
        """Take the next period's datapoint (None: missing) and evaluate; whether the state has changed."""
        points, flags = self._points, self._flags
        if points[0] is None:
            self._missing -= 1
        points.append(value)
        flag = value is not None and self._breaches(value)
        self._breaching += flag - flags[0]
        flags.append(flag)
        if value is None:
            self._missing += 1
        if self._missing == 0:
            state: AlarmStateName = "ALARM" if self._breaching >= self._needed else "OK"
        else:
            state = evaluate(self.spec, list(points)) or self.state
        if state == self.state:
            return False
        self.state, self.since_s = state, now_s
        return True

    def datapoints(self) -> tuple[float, ...]:
        """The datapoints it was judged on, oldest first."""
        return deciding_datapoints(self.spec, list(self._points))


class PlanAlarms:
    """Every alarm of a plan, fed together with those of the same metric.

    Args:
        plan: whose policies have the alarms.
        model: how AWS makes them.
        knees: streams that an instance of each type sustains, for metric math over a pool.
        tick_s: seconds between beats.

    Raises:
        InvalidInput: an alarm that cannot be simulated.
    """

    def __init__(self, plan: ScalingPlan, model: ScalingModel, *, knees: Mapping[str, int], tick_s: float) -> None:
        self._tick_s, self._beats = tick_s, 0
        self._feeds: dict[tuple[str, float], tuple[Datapoints | PoolDatapoints, list[AlarmTracker]]] = {}
        self._trackers: dict[str, list[AlarmTracker]] = {}
        for policy in plan.policies:
            specs = alarms_for(policy, model) if isinstance(policy, TargetTracking) else (policy.alarm,)
            trackers = self._trackers[policy.name] = [AlarmTracker(spec, 0.0) for spec in specs]
            if isinstance(policy, TargetTracking) and policy.form:
                pool = PoolDatapoints(
                    form_named(policy.form),
                    {t: float(knees[t]) for t in plan.instance_types},
                    weights=policy.weights,
                    ticks=int(specs[0].period_s / tick_s),
                    zeros=model.idle_instance_emits_zero,
                )
                self._feeds[policy.name, 0.0] = (pool, trackers)
                continue
            for spec, tracker in zip(specs, trackers, strict=True):
                key = (spec.statistic, spec.period_s)
                if key not in self._feeds:
                    feed = Datapoints(statistic=spec.statistic, period_s=spec.period_s, tick_s=tick_s)
                    self._feeds[key] = (feed, [])
                self._feeds[key][1].append(tracker)

    def push(self, peaks: Sequence[int], types: Sequence[str], total: int, publishing: int, top: int) -> bool:
        """Take the next beat's samples and evaluate; whether any alarm has changed its state."""
        self._beats += 1
        changed = False
        for feed, trackers in self._feeds.values():
            feed.add(peaks, types, total, publishing, top)
            if self._beats % feed.ticks == 0:
                value = feed.take()
                for tracker in trackers:
                    changed |= tracker.push(value, self._beats * self._tick_s)
        return changed

    def signals(self, *, with_datapoints: bool) -> dict[str, PolicySignals]:
        """The alarms by policy; their datapoints only if asked for, since only a decision looks at them."""

        def reading(name: str, tracker: AlarmTracker) -> AlarmReading:
            points = tracker.datapoints() if with_datapoints and tracker.state == "ALARM" else ()
            return AlarmReading(name=name, state=tracker.state, since_s=tracker.since_s, datapoints=points)

        return {
            name: PolicySignals(
                high=reading(f"{name}-AlarmHigh", trackers[0]),
                low=reading(f"{name}-AlarmLow", trackers[1]) if len(trackers) > 1 else None,
            )
            for name, trackers in self._trackers.items()
        }

    def since_s(self, policy: str, alarm: str) -> float | None:
        """When an alarm of a policy came into its state; None when there is no such policy."""
        trackers = self._trackers.get(policy)
        return None if trackers is None else trackers[1 if alarm.endswith("-AlarmLow") else 0].since_s
