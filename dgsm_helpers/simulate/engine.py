"""Traffic through a fleet under a plan, in virtual time, beat by beat as the embedded AWS does it.

At each beat of ten seconds: the fleet moves on, the interval's metric is published, alarms are evaluated, bounds and
policies decide (`rules.target_tracking`). The same seed gives the same run; two plans on the same traffic and seed
differ in nothing but what the plans do.
"""

import math
import random
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from dgsm_helpers.errors import InvalidInput, UnsupportedFeature
from dgsm_helpers.rules.decision import EPSILON_S, Decision, State
from dgsm_helpers.rules.model import ScalingModel
from dgsm_helpers.rules.policies import TargetTracking
from dgsm_helpers.rules.target_tracking import decide, next_due_s, observe_endpoint, pull_into_bounds
from dgsm_helpers.rules.weighted_metrics import form_named
from dgsm_helpers.simulate.conditions import Capacity, Conditions
from dgsm_helpers.simulate.events import Events, lay_out
from dgsm_helpers.simulate.plan_alarms import PlanAlarms
from dgsm_helpers.simulate.scaling_plan import ScalingPlan
from dgsm_helpers.simulate.traffic import Traffic
from dgsm_helpers.simulate.virtual_fleet import Lifecycle, Tally, VirtualFleet


@dataclass(frozen=True, kw_only=True)
class ScalingEvent:
    """An activity of the run.

    ``alarm_s`` is when the alarm went into ALARM, ``completed_s`` when the new capacity was there (None: not, or
    never). A reason for not scaling that repeats is one event with ``repeats``.
    """

    at_s: float
    kind: str
    before: int
    after: int
    policy: str = ""
    alarm: str = ""
    cause: str = ""
    code: str = ""
    alarm_s: float | None = None
    completed_s: float | None = None
    repeats: int = 1


@dataclass(frozen=True, kw_only=True, eq=False)
class Run:
    """What happened. Arrays have one value a beat, at ``times_s``; `instances` unpacks ``peaks``."""

    plan: ScalingPlan
    model: ScalingModel
    traffic: Traffic
    capacities: Mapping[str, Capacity]
    times_s: np.ndarray
    serving: np.ndarray
    desired: np.ndarray
    streams: np.ndarray
    average: np.ndarray
    maximum: np.ndarray
    events: tuple[ScalingEvent, ...]
    tally: Tally
    instance_s: Mapping[str, float]
    peaks: tuple[list[int], ...] = field(repr=False)

    def instances(self) -> np.ndarray:
        """Peak streams of every instance in every interval, shape (beats, slots); -1 where a slot was not serving."""
        table = np.full((len(self.peaks), max(map(len, self.peaks), default=0)), -1)
        for row, values in zip(table, self.peaks, strict=True):
            row[: len(values)] = values
        return table


def check_playable(traffic: Traffic, plan: ScalingPlan) -> None:
    """Refuse what a run could not say anything true about.

    Raises:
        InvalidInput: the traffic is not longer than the plan's longest cooldown.
        UnsupportedFeature: a policy follows a metric-math expression of no known form.
    """
    if traffic.horizon_s <= plan.longest_cooldown_s:
        raise InvalidInput(
            f"Traffic {traffic.name!r} lasts {traffic.horizon_s:g} s, no longer than the cooldown of "
            f"{plan.longest_cooldown_s:g} s of plan {plan.name!r}.",
            hint="Give longer traffic or a shorter cooldown.",
        )
    for policy in plan.policies:
        if not isinstance(policy, TargetTracking) or policy.metric != "metric-math":
            continue
        if not policy.form:
            raise UnsupportedFeature(
                f"Policy {policy.name!r} follows a metric-math expression; the planner plays concurrency alone.",
                hint="Plan with metric='one-minute', whose alarms are the same, or name its form over the pool.",
            )
        if form_named(policy.form).in_streams and len(policy.weights) != len(plan.instance_types):
            raise InvalidInput(
                f"Policy {policy.name!r} has {len(policy.weights)} weights, plan {plan.name!r} has "
                f"{len(plan.instance_types)} instance types.",
                hint="Give one weight for each type.",
            )


def simulate(traffic: Traffic, plan: ScalingPlan, conditions: Conditions, *, events: Events | None = None) -> Run:
    """Play ``traffic`` under ``plan``.

    Args:
        events: from `lay_out`, with the same traffic, stream limit and seed.

    Raises:
        NotReady: a capacity has not been measured.
        InvalidInput: the traffic is shorter than a cooldown.
        UnsupportedFeature: a policy follows a metric-math expression of no known form.
    """
    capacities = conditions.capacities_of(plan)
    check_playable(traffic, plan)
    return _Player(plan, conditions, capacities, events or lay_out(traffic, conditions)).play(traffic)


class _Player:
    """The mutable side of one run."""

    def __init__(
        self, plan: ScalingPlan, conditions: Conditions, capacities: Mapping[str, Capacity], events: Events
    ) -> None:
        model = conditions.model
        self._plan, self._model, self._capacities, self._events = plan, model, capacities, events
        knees = {t: c.knee for t, c in capacities.items()}
        self._fleet = VirtualFleet(events, model, knees)
        count = _start_count(plan, events)
        for _ in range(count):
            self._fleet.add(plan.instance_types[0], 0.0)
        self._lifecycle = Lifecycle(self._fleet, plan, model, random.Random(conditions.seed))
        self._alarms = PlanAlarms(plan, model, knees=knees, tick_s=events.tick_s)
        self._state = State(running=count, desired=count)
        self._bounds = plan.bounds
        self._schedule = sorted(plan.schedule, key=lambda change: change.at_s)
        self._due_s: float | None = None
        self._bounds_act = True
        """Whether bounds have been set that the count was not brought into yet."""
        self._cause = ""
        self._log: list[ScalingEvent] = []

    def play(self, traffic: Traffic) -> Run:
        """Every beat, in order."""
        events, fleet, tick_s = self._events, self._fleet, self._events.tick_s
        peaks: list[list[int]] = []
        beats: list[tuple[int, int, int, float, float]] = []
        starts, zeros = events.bounds, self._model.idle_instance_emits_zero
        for tick in range(events.ticks):
            fleet.advance(starts[tick], starts[tick + 1])
            now_s = (tick + 1) * tick_s
            if self._lifecycle.busy and self._lifecycle.advance(now_s):
                self._look(now_s)
            row = fleet.take_peaks()
            count = len(fleet.serving)
            total, top = sum(row) + len(row) - count, max(row)
            publishing = count if zeros else sum(value > 0 for value in row)
            if self._alarms.push(row, fleet.types, total, publishing, top):
                self._due_s = next_due_s(self._state, self._alarms.signals(with_datapoints=False), self._model)
            self._scale(now_s)
            peaks.append(row)
            average, maximum = (total / publishing, float(top)) if publishing else (np.nan, np.nan)
            beats.append((count, self._state.desired, fleet.streams, average, maximum))
        tally = fleet.close(events.ticks * tick_s)
        serving, desired, streams, averages, maxima = map(np.array, zip(*beats, strict=True))
        return Run(
            plan=self._plan,
            model=self._model,
            traffic=traffic,
            capacities=self._capacities,
            times_s=np.arange(1, events.ticks + 1) * tick_s,
            serving=serving,
            desired=desired,
            streams=streams,
            average=averages,
            maximum=maxima,
            events=tuple(self._log),
            tally=tally,
            instance_s=dict(fleet.instance_s),
            peaks=tuple(peaks),
        )

    def _scale(self, now_s: float) -> None:
        while self._schedule and self._schedule[0].at_s <= now_s:
            change = self._schedule.pop(0)
            self._bounds = self._bounds.after(change)
            self._cause = f"scheduled action name {change.name} was triggered"
            self._bounds_act = True
        pulled = False
        if self._bounds_act:
            decision = pull_into_bounds(self._state, self._bounds, now_s, cause=self._cause)
            self._bounds_act = decision.note == "updating"
            pulled = self._bounds_act or decision.kind != "none"
            self._carry_out(decision, now_s)
        if pulled:
            return
        if self._due_s is not None and now_s >= self._due_s - EPSILON_S:
            signals = self._alarms.signals(with_datapoints=True)
            decision = decide(self._state, signals, self._plan.policies, self._bounds, self._model, now_s=now_s)
            self._carry_out(decision, now_s)
            self._due_s = next_due_s(self._state, signals, self._model)

    def _carry_out(self, decision: Decision, now_s: float) -> None:
        before, self._state = self._state.desired, decision.state
        if decision.kind == "none":
            return
        if decision.kind != "not_scaled":
            self._lifecycle.change(decision.capacity, now_s)
        elif self._log:
            last = self._log[-1]
            if (last.kind, last.code, last.alarm) == ("not_scaled", decision.code, decision.alarm):
                self._log[-1] = replace(last, repeats=last.repeats + 1)
                return
        self._log.append(
            ScalingEvent(
                at_s=now_s,
                kind=decision.kind,
                before=before,
                after=decision.capacity,
                policy=decision.policy,
                alarm=decision.alarm,
                cause=decision.cause,
                code=decision.code,
                alarm_s=self._alarms.since_s(decision.policy, decision.alarm),
            )
        )

    def _look(self, now_s: float) -> None:
        """The change has ended: tell the state, and the log if it brought what was asked for."""
        running = len(self._fleet.serving)
        change = self._state.change
        self._state = observe_endpoint(self._state, running=running, desired=running, busy=False, now_s=now_s)
        if change and running == change.after:
            index = max(i for i, event in enumerate(self._log) if event.kind in ("out", "in"))
            self._log[index] = replace(self._log[index], completed_s=now_s)


def _start_count(plan: ScalingPlan, events: Events) -> int:
    """Instances at the start: as given, or as many as the first interval's streams need under the plan."""
    if plan.initial_count is not None:
        return plan.initial_count
    targets = [p.target_value for p in plan.policies if isinstance(p, TargetTracking)]
    streams = sum(1 if code >= 0 else -1 for code in events.codes[: events.bounds[1]])
    return plan.bounds.clamp(math.ceil(streams / min(targets)) if targets else 1)
