"""The planner's fleet as a plain SimPy model, written as its tutorials would: one process a stream, one autoscaler."""

from __future__ import annotations

import math
import random
from collections import deque

import simpy

from dgsm_helpers.rules.fleet import choose_instance
from dgsm_helpers.rules.model import ScalingModel
from dgsm_helpers.simulate.scaling_plan import ScalingPlan
from dgsm_helpers.simulate.traffic import Traffic


def instance_hours(traffic: Traffic, plan: ScalingPlan, model: ScalingModel) -> float:
    """What the fleet uses on this traffic."""
    env, rng = simpy.Environment(), random.Random(0)
    policy, bounds = plan.policies[0], plan.bounds
    first = int((traffic.starts_s < 10).sum())
    fleet: list[_Instance] = [_Instance() for _ in range(bounds.clamp(math.ceil(first / policy.target_value)))]
    until = {"busy": 0.0, "out": 0.0, "in": 0.0}
    used_s = 0.0

    def place(call: list) -> None:
        mine = fleet[choose_instance([len(i.calls) for i in fleet], model.routing, rng.random())]
        call[0] = mine
        mine.calls[id(call)] = call
        mine.peak = max(mine.peak, len(mine.calls))

    def stream(duration_s: float):
        call: list = [None]
        place(call)
        yield env.timeout(duration_s)
        del call[0].calls[id(call)]

    def arrivals():
        for start_s, duration_s in zip(traffic.starts_s.tolist(), traffic.durations_s.tolist(), strict=True):
            yield env.timeout(start_s - env.now)
            env.process(stream(duration_s))

    def change(count: int):
        until["busy"] = math.inf
        grow = count - len(fleet)
        if grow > 0:
            yield env.timeout(model.provision_cached_s)
            fleet.extend(_Instance() for _ in range(grow))
            until["out"] = env.now + policy.scale_out_cooldown_s
        else:
            fleet.sort(key=lambda i: -len(i.calls))
            removed = fleet[count:]
            del fleet[count:]
            for call in [c for instance in removed for c in instance.calls.values()]:
                place(call)
            yield env.timeout(model.scale_in_s)
            until["in"] = env.now + policy.scale_in_cooldown_s
        until["busy"] = env.now

    def autoscaler():
        nonlocal used_s
        points: deque[float] = deque(maxlen=model.low_periods)
        since = 0.0
        while True:
            yield env.timeout(10)
            used_s += 10 * len(fleet)
            points.append(sum(i.peak for i in fleet) / len(fleet))
            for instance in fleet:
                instance.peak = len(instance.calls)
            latest = list(points)[-model.high_periods :]
            high = min(latest) > policy.target_value
            low = len(points) == model.low_periods and max(points) < model.low_factor * policy.target_value
            if not (high or low):
                since = env.now
            if env.now - since < model.reaction_overhead_s + 10 or env.now < until["busy"]:
                continue
            if env.now < until["out" if high else "in"]:
                continue
            metric = sum(latest) / len(latest) if high else sum(points) / len(points)
            count = bounds.clamp(math.ceil(len(fleet) * metric / policy.target_value - 1e-9))
            if count != len(fleet) and (count > len(fleet)) == high:
                env.process(change(count))

    env.process(arrivals())
    env.process(autoscaler())
    env.run(until=traffic.horizon_s)
    return used_s / 3600


class _Instance:
    """An instance of the SimPy model: its calls and the most it held in this interval."""

    def __init__(self) -> None:
        self.calls: dict[int, list] = {}
        self.peak = 0
