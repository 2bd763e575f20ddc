"""One run in virtual time: the compiled loop plays beats, and the rules decide where something can happen.

Between two moments at which an alarm changes, a decision or a scheduled action is due, or the fleet is changing,
nothing is to be decided: those beats are played without a look at the rules. A run is what it would be with a look at
every beat, which the tests hold it to.
"""

import math
import random
from collections.abc import Mapping

import numpy as np

from dgsm_helpers.rules.decision import EPSILON_S, Decision, State, observe_endpoint, pull_into_bounds
from dgsm_helpers.rules.policies import TargetTracking
from dgsm_helpers.rules.target_tracking import decide, next_due_s
from dgsm_helpers.simulate import beat_loop
from dgsm_helpers.simulate.conditions import Capacity, Conditions
from dgsm_helpers.simulate.events import Events
from dgsm_helpers.simulate.handing_over import HandingOver
from dgsm_helpers.simulate.plan_alarms import PlanAlarms
from dgsm_helpers.simulate.runs import Run, ScalingEvent
from dgsm_helpers.simulate.scaling_plan import ScalingPlan
from dgsm_helpers.simulate.traffic import Traffic
from dgsm_helpers.simulate.virtual_fleet import Lifecycle, VirtualFleet


class Player:
    """The mutable side of one run."""

    def __init__(
        self, plan: ScalingPlan, conditions: Conditions, capacities: Mapping[str, Capacity], events: Events
    ) -> None:
        model = conditions.model
        self._plan, self._model, self._capacities, self._events = plan, model, capacities, events
        knees = {t: c.knee for t, c in capacities.items()}
        self._fleet = VirtualFleet(events, model, knees, most=plan.bounds.max_capacity, hand_over=conditions.hand_over)
        # A generator of their own: start-up times are the same with and without hand-over.
        callers = HandingOver(self._fleet, random.Random(conditions.seed + 1))
        self._relieve = callers.relieve if conditions.hand_over else None
        count = _start_count(plan, events)
        for _ in range(count):
            self._fleet.add(plan.instance_types[0], 0.0)
        self._lifecycle = Lifecycle(self._fleet, plan, model, random.Random(conditions.seed))
        self._alarms = PlanAlarms(plan, model, knees=knees, tick_s=events.tick_s, ticks=events.ticks)
        self._state = State(running=count, desired=count)
        self._bounds = plan.bounds_at_begin
        self._schedule = sorted((c for c in plan.schedule if c.at_s >= 0), key=lambda change: change.at_s)
        self._due_s: float | None = None
        self._cause = ""
        self._log: list[ScalingEvent] = []

    def play(self, traffic: Traffic) -> Run:
        events, fleet, alarms = self._events, self._fleet, self._alarms
        beats, desired = fleet.arrays.beats, np.zeros(events.ticks, np.int64)
        streams = beats["streams"]
        tick = 0
        while tick < events.ticks:
            begin, stop = tick, self._next_look(tick)
            played = stop == tick
            if played:
                fleet.play_beat(tick)
                now_s = (tick + 1) * events.tick_s
                if self._lifecycle.advance(now_s):
                    self._look(now_s)
                stop = tick + 1
            tick, changed = beat_loop.run(tick, stop, played, tuple(fleet.arrays), tuple(alarms.watch))
            now_s = tick * events.tick_s
            if self._relieve:
                self._relieve(now_s)
            if alarms.pool_due(tick):
                changed |= alarms.push_pool(now_s)
            if changed:
                self._due_s = next_due_s(self._state, alarms.signals(with_datapoints=False), self._model)
            desired[begin:tick] = self._state.desired
            self._scale(now_s)
            desired[tick - 1], streams[tick - 1] = self._state.desired, fleet.streams
        tally = fleet.close(events.ticks * events.tick_s)
        with np.errstate(invalid="ignore", divide="ignore"):
            average = beats["total"] / beats["publishing"]
        return Run(
            plan=self._plan,
            model=self._model,
            traffic=traffic,
            capacities=self._capacities,
            times_s=np.arange(1, events.ticks + 1) * events.tick_s,
            serving=beats["serving"].copy(),
            desired=desired,
            streams=streams.copy(),
            over=beats["over"].copy(),
            average=average,
            maximum=np.where(beats["publishing"] > 0, beats["top"], np.nan),
            events=tuple(self._log),
            tally=tally,
            instance_s=dict(fleet.instance_s),
            peaks=fleet.arrays.peaks[:, : beats["slots"][-1]],
        )

    def _next_look(self, tick: int) -> int:
        """The beat before which to stop; ``tick`` itself when the fleet may change within it."""
        fleet_s, decision_s = self._lifecycle.next_s, math.inf
        if self._schedule:
            decision_s = self._schedule[0].at_s
        if self._due_s is not None and self._within_bounds:
            decision_s = min(decision_s, self._due_s - EPSILON_S)
        return min(
            max(tick, self._beat_at(fleet_s)),
            max(tick, self._beat_at(decision_s)) + 1,
            self._alarms.next_pool(tick),
            self._events.ticks,
        )

    def _beat_at(self, at_s: float) -> int:
        """The first beat that ends at or after a moment."""
        return math.ceil(at_s / self._events.tick_s) - 1 if at_s < math.inf else self._events.ticks

    @property
    def _within_bounds(self) -> bool:
        return self._bounds.min_capacity <= self._state.desired <= self._bounds.max_capacity

    def _scale(self, now_s: float) -> None:
        while self._schedule and self._schedule[0].at_s <= now_s:
            change = self._schedule.pop(0)
            self._bounds = self._bounds.after(change)
            self._cause = f"scheduled action name {change.name} was triggered"
        if not self._within_bounds:
            self._carry_out(pull_into_bounds(self._state, self._bounds, now_s, cause=self._cause), now_s)
        elif self._due_s is not None and now_s >= self._due_s - EPSILON_S:
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
                self._log[-1] = last._replace(repeats=last.repeats + 1)
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
                alarm_s=self._alarms.since_s(decision.alarm),
            )
        )

    def _look(self, now_s: float) -> None:
        """The change has ended: tell the state, and the log if it brought what was asked for."""
        running = len(self._fleet.serving)
        change = self._state.change
        self._state = observe_endpoint(self._state, running=running, desired=running, busy=False, now_s=now_s)
        if change and running == change.after:
            index = next(i for i in reversed(range(len(self._log))) if self._log[i].kind in ("out", "in"))
            self._log[index] = self._log[index]._replace(completed_s=now_s)


def _start_count(plan: ScalingPlan, events: Events) -> int:
    """Instances at the start: as given, or as many as the first interval's streams need under the plan."""
    if plan.initial_count is not None:
        return plan.initial_count
    targets = [p.target_value for p in plan.policies if isinstance(p, TargetTracking)]
    begun, ended = events.bounds[1].tolist()
    streams = begun - ended
    return plan.bounds_at_begin.clamp(math.ceil(streams / min(targets)) if targets else 1)
