"""Traffic through a fleet under a plan, in virtual time, beat by beat as the embedded AWS does it.

At each beat of ten seconds: the fleet moves on, the interval's metric is published, alarms are evaluated, bounds and
policies decide (`target_tracking`). The same seed gives the same run; two plans on the same traffic and seed differ in
nothing but what the plans do.
"""

from __future__ import annotations

import math
import random
from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from dgsm_helpers.errors import InvalidInput, NotReady, UnsupportedFeature
from dgsm_helpers.rules.alarms import AlarmSpec
from dgsm_helpers.rules.decision import EPSILON_S, AlarmReading, Decision, PolicySignals, State
from dgsm_helpers.rules.model import ScalingModel
from dgsm_helpers.rules.policies import Bounds, TargetTracking
from dgsm_helpers.rules.target_tracking import alarms_for, decide, next_due_s, observe_endpoint, pull_into_bounds
from dgsm_helpers.rules.weighted_metrics import PoolDatapoints, form_named
from dgsm_helpers.simulate.alarm_tracker import AlarmTracker
from dgsm_helpers.simulate.engine_metric import Datapoints
from dgsm_helpers.simulate.events import Events, events_of
from dgsm_helpers.simulate.instance_capacity import Capacity
from dgsm_helpers.simulate.scaling_plan import Plan
from dgsm_helpers.simulate.simulated_run import Run, ScalingEvent
from dgsm_helpers.simulate.traffic import STEP_S, Traffic
from dgsm_helpers.simulate.virtual_fleet import Lifecycle, VirtualFleet


def capacities_of(plan: Plan, capacity: Capacity | Mapping[str, Capacity]) -> dict[str, Capacity]:
    """The capacity of each of the plan's instance types.

    Raises:
        NotReady: one has not been measured.
    """
    if isinstance(capacity, Capacity):
        return dict.fromkeys(plan.instance_types, capacity)
    if missing := [t for t in plan.instance_types if t not in (capacity or {})]:
        raise NotReady(
            f"The capacity of {', '.join(missing)} has not been measured.",
            hint="Measure each type of the pool (dgsm tune ENDPOINT), or leave it out of the plan.",
        )
    return {t: capacity[t] for t in plan.instance_types}


def check_playable(traffic: Traffic, plan: Plan) -> None:
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


def lay_out(traffic: Traffic, model: ScalingModel, *, seed: int = 0) -> Events:
    """The traffic's events for `simulate`, to be made once for many runs with the same model and seed."""
    return events_of(traffic, stream_limit_s=model.stream_limit_s, tick_s=STEP_S, seed=seed)


def simulate(
    traffic: Traffic,
    plan: Plan,
    *,
    capacity: Capacity | Mapping[str, Capacity],
    model: ScalingModel | None = None,
    seed: int = 0,
    events: Events | None = None,
) -> Run:
    """Play ``traffic`` under ``plan``.

    Args:
        traffic: sessions.
        plan: policies, bounds, schedule, types.
        capacity: what one instance carries, as measured; by type when types differ.
        model: assumptions; the nominal ones by default.
        seed: of start-up times and routing.
        events: from `lay_out` with the same traffic, model and seed.

    Raises:
        NotReady: a capacity has not been measured.
        InvalidInput: the traffic is shorter than a cooldown.
        UnsupportedFeature: a policy follows a metric-math expression of no known form.
    """
    model = model or ScalingModel()
    capacities = capacities_of(plan, capacity)
    check_playable(traffic, plan)
    laid_out = events or lay_out(traffic, model, seed=seed)
    return _Player(traffic=traffic, plan=plan, model=model, capacities=capacities, seed=seed, events=laid_out).play()


class _Player:
    """The mutable side of one run."""

    def __init__(
        self,
        *,
        traffic: Traffic,
        plan: Plan,
        model: ScalingModel,
        capacities: Mapping[str, Capacity],
        seed: int,
        events: Events,
    ) -> None:
        self._given = {"traffic": traffic, "plan": plan, "model": model, "capacities": capacities, "seed": seed}
        self._plan, self._model, self._events = plan, model, events
        self._fleet = VirtualFleet(
            events,
            routing=model.routing,
            knees={t: c.knee for t, c in capacities.items()},
            reopen=model.reopen_cut_streams,
        )
        count = _start_count(plan, events)
        for _ in range(count):
            self._fleet.add(plan.instance_types[0], 0.0)
        self._lifecycle = Lifecycle(self._fleet, plan, model, random.Random(seed))
        self._state = State(running=count, desired=count)
        self._bounds: Bounds = plan.bounds
        self._schedule = sorted(plan.schedule, key=lambda change: change.at_s)
        self._due_s: float | None = None
        self._cause = ""
        self._log: list[ScalingEvent] = []
        self._feeds: dict[tuple[str, float], tuple[Datapoints, list[AlarmTracker]]] = {}
        self._pools: list[tuple[PoolDatapoints, tuple[AlarmTracker, ...]]] = []
        self._trackers: dict[str, tuple[AlarmTracker, ...]] = {}
        for policy in plan.policies:
            specs = alarms_for(policy, model) if isinstance(policy, TargetTracking) else (policy.alarm,)
            if isinstance(policy, TargetTracking) and policy.form:
                self._trackers[policy.name] = self._track_pool(policy, specs)
            else:
                self._trackers[policy.name] = tuple(self._track(spec) for spec in specs)

    def _track(self, spec: AlarmSpec) -> AlarmTracker:
        """An alarm, fed together with those of the same statistic and period."""
        key = (spec.statistic, spec.period_s)
        if key not in self._feeds:
            feed = Datapoints(statistic=spec.statistic, period_s=spec.period_s, tick_s=self._events.tick_s)
            self._feeds[key] = (feed, [])
        tracker = AlarmTracker(spec, 0.0)
        self._feeds[key][1].append(tracker)
        return tracker

    def _track_pool(self, policy: TargetTracking, specs: tuple[AlarmSpec, ...]) -> tuple[AlarmTracker, ...]:
        """The alarms of a policy on metric math over the pool's types."""
        types, capacities = self._plan.instance_types, self._given["capacities"]
        feed = PoolDatapoints(
            form_named(policy.form),
            {t: float(capacities[t].knee) for t in types},
            weights=dict(zip(types, policy.weights, strict=False)),
            ticks=int(specs[0].period_s / self._events.tick_s),
            zeros=self._model.idle_instance_emits_zero,
        )
        trackers = tuple(AlarmTracker(spec, 0.0) for spec in specs)
        self._pools.append((feed, trackers))
        return trackers

    def play(self) -> Run:
        """Every beat, in order."""
        events, fleet, tick_s = self._events, self._fleet, self._events.tick_s
        peaks, serving, desired, streams, average, maximum = [], [], [], [], [], []
        starts, feeds = events.bounds, list(self._feeds.values())
        zeros = self._model.idle_instance_emits_zero
        for tick in range(events.ticks):
            fleet.advance(starts[tick], starts[tick + 1])
            now_s = (tick + 1) * tick_s
            if self._lifecycle.busy and self._lifecycle.advance(now_s):
                self._look(now_s)
            row = fleet.take_peaks()
            count = len(fleet.serving)
            total, top = sum(row) + len(row) - count, max(row)
            samples = count if zeros else sum(value > 0 for value in row)
            changed = False
            for feed, trackers in feeds:
                feed.add(total, samples, top)
                if (tick + 1) % feed.ticks == 0:
                    value = feed.take()
                    for tracker in trackers:
                        changed |= tracker.push(value, now_s)
            for pool, trackers in self._pools:
                pool.add(row, fleet.types)
                if (tick + 1) % pool.ticks == 0:
                    value = pool.take()
                    for tracker in trackers:
                        changed |= tracker.push(value, now_s)
            if changed:
                self._due_s = next_due_s(self._state, self._signals(light=True), self._model)
            self._scale(now_s)
            peaks.append(row)
            serving.append(count)
            desired.append(self._state.desired)
            streams.append(fleet.streams)
            average.append(total / samples if samples else np.nan)
            maximum.append(top if samples else np.nan)
        tally = fleet.close(events.ticks * tick_s)
        return Run(
            **self._given,
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
            signals = self._signals(light=False)
            decision = decide(self._state, signals, self._plan.policies, self._bounds, self._model, now_s=now_s)
            self._carry_out(decision, now_s)
            self._due_s = next_due_s(self._state, signals, self._model)

    def _signals(self, *, light: bool) -> dict[str, PolicySignals]:
        """Alarms by policy; ``light`` leaves out the datapoints, which only a decision looks at."""

        def reading(name: str, tracker: AlarmTracker) -> AlarmReading:
            points = () if light or tracker.state != "ALARM" else tracker.datapoints()
            return AlarmReading(name=name, state=tracker.state, since_s=tracker.since_s, datapoints=points)

        return {
            name: PolicySignals(
                high=reading(f"{name}-AlarmHigh", trackers[0]),
                low=reading(f"{name}-AlarmLow", trackers[1]) if len(trackers) > 1 else None,
            )
            for name, trackers in self._trackers.items()
        }

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
        trackers = self._trackers.get(decision.policy)
        since = None
        if trackers:
            low = decision.alarm.endswith("-AlarmLow")
            since = trackers[1 if low else 0].since_s
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
                alarm_s=since,
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


def _start_count(plan: Plan, events: Events) -> int:
    """Instances at the start: as given, or as many as the first interval's streams need under the plan."""
    if plan.initial_count is not None:
        return plan.initial_count
    targets = [p.target_value for p in plan.policies if isinstance(p, TargetTracking)]
    streams = sum(1 if code >= 0 else -1 for code in events.codes[: events.bounds[1]])
    return plan.bounds.clamp(math.ceil(streams / min(targets)) if targets else 1)
