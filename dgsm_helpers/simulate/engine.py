"""Traffic through a fleet under a plan, in virtual time, beat by beat as the embedded AWS does it.

At each beat of ten seconds: the fleet moves on, the interval's metric is published, alarms are evaluated, bounds and
policies decide (`rules.target_tracking`). The same seed gives the same run; two plans on the same traffic and seed
differ in nothing but what the plans do.
"""

from __future__ import annotations

import math
import random
from dataclasses import replace

import numpy as np

from dgsm_helpers.errors import InvalidInput, UnsupportedFeature
from dgsm_helpers.rules.decision import EPSILON_S, Decision, State
from dgsm_helpers.rules.policies import TargetTracking
from dgsm_helpers.rules.target_tracking import decide, next_due_s, observe_endpoint, pull_into_bounds
from dgsm_helpers.rules.weighted_metrics import form_named
from dgsm_helpers.simulate.conditions import Conditions
from dgsm_helpers.simulate.events import Events, events_of
from dgsm_helpers.simulate.plan_alarms import PlanAlarms, Samples
from dgsm_helpers.simulate.scaling_plan import ScalingPlan
from dgsm_helpers.simulate.simulated_run import Run, ScalingEvent
from dgsm_helpers.simulate.traffic import STEP_S, Traffic
from dgsm_helpers.simulate.virtual_fleet import Lifecycle, VirtualFleet


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


def lay_out(traffic: Traffic, conditions: Conditions) -> Events:
    """The traffic's events for `simulate`, to be made once for many runs with the same stream limit and seed."""
    limit_s = conditions.model.stream_limit_s
    return events_of(traffic, stream_limit_s=limit_s, tick_s=STEP_S, seed=conditions.seed)


def simulate(traffic: Traffic, plan: ScalingPlan, conditions: Conditions, *, events: Events | None = None) -> Run:
    """Play ``traffic`` under ``plan``.

    Args:
        traffic: sessions.
        plan: policies, bounds, schedule, types.
        conditions: what one instance carries, the model, the seed.
        events: from `lay_out`, with the same traffic, stream limit and seed.

    Raises:
        NotReady: a capacity has not been measured.
        InvalidInput: the traffic is shorter than a cooldown.
        UnsupportedFeature: a policy follows a metric-math expression of no known form.
    """
    conditions.capacities_of(plan)
    check_playable(traffic, plan)
    return _Player(traffic, plan, conditions, events or lay_out(traffic, conditions)).play()


class _Player:
    """The mutable side of one run."""

    def __init__(self, traffic: Traffic, plan: ScalingPlan, conditions: Conditions, events: Events) -> None:
        self._traffic, self._plan, self._conditions, self._events = traffic, plan, conditions, events
        self._model = model = conditions.model
        knees = {t: c.knee for t, c in conditions.capacities_of(plan).items()}
        self._fleet = VirtualFleet(events, routing=model.routing, knees=knees, reopen=model.reopen_cut_streams)
        count = _start_count(plan, events)
        for _ in range(count):
            self._fleet.add(plan.instance_types[0], 0.0)
        self._lifecycle = Lifecycle(self._fleet, plan, model, random.Random(conditions.seed))
        self._alarms = PlanAlarms(plan, model, knees=knees, tick_s=events.tick_s)
        self._state = State(running=count, desired=count)
        self._bounds = plan.bounds
        self._schedule = sorted(plan.schedule, key=lambda change: change.at_s)
        self._due_s: float | None = None
        self._cause = ""
        self._log: list[ScalingEvent] = []

    def play(self) -> Run:
        """Every beat, in order."""
        events, fleet, tick_s = self._events, self._fleet, self._events.tick_s
        peaks: list[list[int]] = []
        serving: list[int] = []
        desired: list[int] = []
        streams: list[int] = []
        average: list[float] = []
        maximum: list[float] = []
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
            if self._alarms.push(Samples(row, fleet.types, total, publishing, top), tick + 1):
                self._due_s = next_due_s(self._state, self._alarms.signals(with_datapoints=False), self._model)
            self._scale(now_s)
            peaks.append(row)
            serving.append(count)
            desired.append(self._state.desired)
            streams.append(fleet.streams)
            average.append(total / publishing if publishing else np.nan)
            maximum.append(top if publishing else np.nan)
        tally = fleet.close(events.ticks * tick_s)
        return Run(
            plan=self._plan,
            model=self._model,
            traffic=self._traffic,
            capacities=self._conditions.capacities_of(self._plan),
            seed=self._conditions.seed,
            times_s=np.arange(1, events.ticks + 1) * tick_s,
            serving=np.array(serving),
            desired=np.array(desired),
            streams=np.array(streams),
            average=np.array(average, float),
            maximum=np.array(maximum, float),
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
        if self._bounds.clamp(self._state.desired) != self._state.desired:
            self._carry_out(pull_into_bounds(self._state, self._bounds, now_s, cause=self._cause), now_s)
        elif self._due_s is not None and now_s >= self._due_s - EPSILON_S:
            signals = self._alarms.signals(with_datapoints=True)
            decision = decide(self._state, signals, self._plan.policies, self._bounds, self._model, now_s=now_s)
            self._carry_out(decision, now_s)
            self._due_s = next_due_s(self._state, signals, self._model)

    def _carry_out(self, decision: Decision, now_s: float) -> None:
        before = self._state.desired
        self._state = decision.state
        if decision.kind in ("out", "in"):
            self._lifecycle.change(decision.capacity, now_s)
            self._record(decision, now_s, before, decision.capacity)
        elif decision.kind == "not_scaled":
            last = self._log[-1] if self._log else None
            if last and (last.kind, last.code, last.alarm) == ("not_scaled", decision.code, decision.alarm):
                self._log[-1] = replace(last, repeats=last.repeats + 1)
            else:
                self._record(decision, now_s, before, before)

    def _record(self, decision: Decision, now_s: float, before: int, after: int) -> None:
        self._log.append(
            ScalingEvent(
                at_s=now_s,
                kind=decision.kind,
                before=before,
                after=after,
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
