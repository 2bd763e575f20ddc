"""Application Auto Scaling's decision as a pure function: alarms, policies and bounds in, the new desired count out.

The simulator calls it in virtual time, the embedded AWS every ten seconds of local time, and tests on recorded AWS
runs. Whoever drives it holds a `State`, and at each beat:

1. tells it what the endpoint did since (`observe_endpoint`);
2. after a registration or a scheduled action lets the bounds act (`pull_into_bounds`), which ignore alarms and
   cooldowns: AWS enforces bounds when they are set, not a count that somebody else sets outside of them later;
3. else asks for a decision (`decide`), carries out its ``capacity`` if its ``kind`` is ``out`` or ``in``, and keeps
   ``decision.state``.

Example, one policy whose AlarmHigh went into ALARM 30 s ago with 7, 7 and 8 streams on the only instance::

    policy = TargetTracking(name="streams", target_value=5.0)
    reading = AlarmReading(name="TargetTracking-...-AlarmHigh-...", state="ALARM", since_s=1000.0, datapoints=(7, 7, 8))
    decision = decide(
        State(running=1, desired=1),
        {"streams": PolicySignals(high=reading)},
        [policy],
        Bounds(min_capacity=1, max_capacity=4),
        ScalingModel(),
        now_s=1030.0,
    )
    decision.kind, decision.capacity      # ("out", 2): ceil(1 * 7.33 / 5)

``datapoints`` are those the alarm was judged on, `alarms.deciding_datapoints(spec, recent)`; ``since_s`` is when it
entered its state.
"""

import dataclasses
import math
from collections.abc import Mapping, Sequence
from typing import Any, Literal, NamedTuple

from dgsm_helpers.rules.alarms import AlarmSpec
from dgsm_helpers.rules.decision import EPSILON_S, AlarmReading, Decision, PolicySignals, Signals, State, changing
from dgsm_helpers.rules.model import ScalingModel
from dgsm_helpers.rules.policies import ROUNDING, Bounds, Policy, StepScaling, TargetTracking


class _Wish(NamedTuple):
    """A capacity that a policy asks for, triggered by ``reading``."""

    capacity: int
    policy: str
    reading: AlarmReading
    cooldown_s: float

    @property
    def alarm(self) -> str:
        return self.reading.name

    def decision(self, **members: Any) -> Decision:
        """A decision that it is the reason of."""
        return Decision(policy=self.policy, alarm=self.alarm, alarm_state=self.reading.state, **members)


def decide(
    state: State, signals: Signals, policies: Sequence[Policy], bounds: Bounds, model: ScalingModel, *, now_s: float
) -> Decision:
    """Decide as Application Auto Scaling does.

    An alarm in ALARM triggers its policy ``reaction_overhead_s`` after it got there and then every
    ``reinvoke_every_s``. Out if any policy says so; in only if no policy wants out and all target-tracking policies
    that may scale in agree; the largest capacity wins. Missing data leaves alarms in INSUFFICIENT_DATA, which
    triggers nothing.

    Args:
        state: as the last decision left it, after `observe_endpoint`.
        signals: alarms by the policies' keys; policies without an entry are ignored.
        bounds: capacity limits and suspended directions.
        now_s: time, in the same seconds as the alarms'.
    """
    known = [p for p in policies if p.key in signals]
    due = {
        reading.name
        for policy in known
        for reading in _alarms(signals[policy.key])
        if _is_due(reading, state.invoked, model, now_s)
    }
    if not due:
        return Decision(kind="none", state=state)
    state = state._replace(invoked={**state.invoked, **dict.fromkeys(due, now_s)})
    outs, ins, wants_out = _wishes(known, signals, due, state, model)
    if outs:
        return _out(state, max(outs, key=lambda w: w.capacity), bounds, model, now_s)
    if wants_out or not ins:
        return Decision(kind="none", state=state, note="disagreement")
    return _in(state, max(ins, key=lambda w: w.capacity), bounds, model, now_s)


def next_due_s(state: State, signals: Signals, model: ScalingModel) -> float | None:
    """The earliest time at which `decide` can do anything while these alarms keep their states; None for never.

    The simulator skips the calls in between, which a test holds equal to making them all.
    """
    times = [
        _due_s(reading, state.invoked, model)
        for signal in signals.values()
        for reading in _alarms(signal)
        if reading.state in reading.acts_in
    ]
    return min(times, default=None)


def alarms_for(policy: TargetTracking, model: ScalingModel) -> tuple[AlarmSpec, AlarmSpec]:
    """AlarmHigh and AlarmLow of a target-tracking policy; ``model`` holds how AWS makes them.

    A policy with scale-in disabled has its AlarmLow, too; it triggers nothing.
    """
    fine = policy.metric == "high-resolution"
    high_periods = model.high_periods if fine else model.minute_high_periods
    low_periods = model.low_periods if fine else model.minute_low_periods
    high = AlarmSpec(
        threshold=policy.target_value,
        comparison=">",
        period_s=model.high_resolution_period_s if fine else model.minute_period_s,
        evaluation_periods=high_periods,
        datapoints_to_alarm=high_periods,
        statistic=model.statistic,
        treat_missing=model.treat_missing,
        extra_range_periods=model.extra_range_periods,
    )
    low = dataclasses.replace(
        high,
        # AWS shows 63 for 70 and 4.5 for 5; the product in floating point may differ in the last digit.
        threshold=round(model.low_factor * policy.target_value, 10),
        comparison="<",
        evaluation_periods=low_periods,
        datapoints_to_alarm=low_periods,
    )
    return high, low


def known_late_s(policy: Policy, model: ScalingModel) -> float:
    """How long after their datapoints the policy's alarms are known: of a metric that AWS publishes by the minute."""
    by_minute = isinstance(policy, TargetTracking) and policy.metric == "one-minute"
    return model.minute_lag_s if by_minute else 0.0


def _alarms(signal: PolicySignals) -> tuple[AlarmReading, ...]:
    return tuple(reading for reading in signal if reading is not None)


def _due_s(reading: AlarmReading, invoked: Mapping[str, float], model: ScalingModel) -> float:
    first_s = reading.since_s + reading.late_s + model.reaction_overhead_s
    last_s = invoked.get(reading.name)
    return first_s if last_s is None or last_s < reading.since_s else last_s + model.reinvoke_every_s


def _is_due(reading: AlarmReading, invoked: Mapping[str, float], model: ScalingModel, now_s: float) -> bool:
    return reading.triggers and now_s >= _due_s(reading, invoked, model) - EPSILON_S


def _wishes(
    policies: Sequence[Policy], signals: Signals, due: set[str], state: State, model: ScalingModel
) -> tuple[list[_Wish], list[_Wish], bool]:
    """Wishes to grow and to shrink by the alarms that are due, and whether any policy wants to grow, due or not."""
    outs, ins, shrinking, wants_out, agreed = [], [], [], False, True

    def tracked(policy: TargetTracking, reading: AlarmReading, cooldown_s: float, least: int = 0) -> _Wish:
        metric = reading.metric if model.capacity_metric == "mean" else reading.datapoints[-1]
        capacity = max(_tracked_capacity(policy, metric, state, model), least)
        return _Wish(capacity, policy.name, reading, cooldown_s)

    for policy in policies:
        high, low = signals[policy.key]
        if isinstance(policy, StepScaling):
            wish = _step_wish(policy, high, state) if high and high.triggers else None
            if wish and wish.capacity > state.running:
                wants_out = True
                outs += [wish] if wish.alarm in due else []
            elif wish and wish.alarm in due:
                ins.append(wish)
            continue
        if high and high.state == "ALARM":
            wants_out = True
            if high.name in due:
                outs.append(tracked(policy, high, policy.scale_out_cooldown_s))
        if not policy.disable_scale_in:
            if low and low.triggers:
                # The 15 minutes may have begun on a larger fleet: what is removed must not bring today's load back up.
                least = _tracked_capacity(policy, low.datapoints[-1], state, model)
                shrinking.append(tracked(policy, low, policy.scale_in_cooldown_s, least))
            else:
                agreed = False
    if agreed and any(wish.alarm in due for wish in shrinking):
        ins.append(max(shrinking, key=lambda w: w.capacity))
    return outs, ins, wants_out


def _tracked_capacity(policy: TargetTracking, metric: float, state: State, model: ScalingModel) -> int:
    """``running * metric / target`` in whole instances, by the model's rounding.

    AWS publishes no formula; rounding up in both directions, a removal never brings the metric back above the target.
    """
    instances = min(max(0.0, state.running * metric / policy.target_value), _MOST_INSTANCES)
    return math.ceil(instances - _ROUNDED_OFF[model.capacity_rounding])


_MOST_INSTANCES = float(2**31 - 1)
"""The API's capacities are 32-bit integers; a target close to zero would ask for more than a float can hold."""

_ROUNDED_OFF = {"up": ROUNDING, "nearest": 0.5, "down": 1.0 - ROUNDING}
"""The part of an instance that is not worth one."""


def _step_wish(policy: StepScaling, reading: AlarmReading, state: State) -> _Wish | None:
    capacity = policy.capacity_for(policy.aggregated(reading.datapoints), state.running)
    return None if capacity is None else _Wish(capacity, policy.name, reading, policy.cooldown_s)


def _out(state: State, wish: _Wish, bounds: Bounds, model: ScalingModel, now_s: float) -> Decision:
    if bounds.scaling_out_suspended:
        return _nothing(state, wish, "suspended")
    capacity = wish.capacity
    last, cooling = state.last_out, False
    if last is not None and last.cooling(now_s, model.cooldown_anchor):
        # What the last scale-out added counts towards this one until its cooldown ends.
        cooling = True
        capacity -= last.after - last.before
    if bounds.clamp(capacity) > state.desired:
        if state.busy:
            return _not_scaled(state, wish, "TargetServicePutResourceAsUnscalable")
        return _scale("out", state, wish, bounds.clamp(capacity), now_s)
    if state.desired >= bounds.max_capacity:
        return _not_scaled(state, wish, "AlreadyAtMaxCapacity")
    if cooling and bounds.clamp(wish.capacity) > state.desired:
        return _nothing(state, wish, "cooldown")
    return _not_scaled(state, wish, "AlreadyAtDesiredCapacity")


def _in(state: State, wish: _Wish, bounds: Bounds, model: ScalingModel, now_s: float) -> Decision:
    if bounds.scaling_in_suspended:
        return _nothing(state, wish, "suspended")
    if state.desired <= bounds.min_capacity:
        return _not_scaled(state, wish, "AlreadyAtMinCapacity")
    capacity = bounds.clamp(wish.capacity)
    if capacity >= state.desired:
        return _not_scaled(state, wish, model.dead_band_code)
    if state.busy:
        return _not_scaled(state, wish, "TargetServicePutResourceAsUnscalable")
    if state.last_in is not None and state.last_in.cooling(now_s, model.cooldown_anchor):
        return _nothing(state, wish, "cooldown")
    if model.scale_in_rule == "one-at-a-time":
        capacity = state.desired - 1
    return _scale("in", state, wish, capacity, now_s)


def _scale(kind: Literal["out", "in"], state: State, wish: _Wish, capacity: int, now_s: float) -> Decision:
    if kind == "out":
        # A scale-out stops a running scale-in cooldown for good.
        state = state._replace(last_in=None)
    changed = changing(state, capacity, wish.cooldown_s, now_s)
    return wish.decision(kind=kind, state=changed)


def _not_scaled(state: State, wish: _Wish, code: str) -> Decision:
    return wish.decision(kind="not_scaled", state=state, code=code)


def _nothing(state: State, wish: _Wish, note: str) -> Decision:
    return wish.decision(kind="none", state=state, note=note)
