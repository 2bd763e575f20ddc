"""How fast the planner plays traffic, and how that grows.

    python benchmarks/simulate.py [--plans 500] [--json FILE]

Prints, and with ``--json`` writes:

- one day of about 50,000 sessions at ten-second ticks: median seconds on one core, for both routings;
- the growth exponents: of time over sessions (the day fixed) and over ticks (the load fixed), 1 being linear;
- a sweep of 500 policies over that day on two processes, with progress (wall, and processor time of each core);
- the ratio to a plain SimPy model of the same fleet (a process per stream), which is also checked to end up with
  about the
  same instance-hours. Skipped, with the reason, where SimPy is not installed.

Times of single runs are processor seconds, so that a busy machine does not blur them.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import math
import random
import resource
import statistics
import sys
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np

from dgsm_helpers.rules.fleet import choose_instance
from dgsm_helpers.rules.model import ScalingModel
from dgsm_helpers.simulate.conditions import Capacity, Conditions
from dgsm_helpers.simulate.engine import simulate
from dgsm_helpers.simulate.merits import merits_of
from dgsm_helpers.simulate.scaling_plan import grid, guide
from dgsm_helpers.simulate.sweep import front_of, recommend, sweep
from dgsm_helpers.simulate.traffic import DAY_S, Traffic, diurnal

KNEE = Capacity(knee=10)
PLAN = guide(target_value=7.5, max_capacity=60)
ROUTINGS = ("RANDOM", "LEAST_OUTSTANDING_REQUESTS")
REPEATS = 5
PROCESSES = 2


def day(scale: float = 1.0, *, days: float = 1.0) -> Traffic:
    """A day's wave of about 50,000 sessions of five minutes, times ``scale``."""
    return diurnal(low=20 * scale, high=332 * scale, horizon_s=days * DAY_S, seed=1)


def cpu_seconds(work: Callable[[], object], repeats: int = REPEATS) -> float:
    """Median processor time of ``work``."""
    times = []
    for _ in range(repeats):
        start = time.process_time()
        work()
        times.append(time.process_time() - start)
    return statistics.median(times)


def play(traffic: Traffic, model: ScalingModel) -> None:
    """Everything a caller waits for: layout, run and figures of merit."""
    merits_of(simulate(traffic, PLAN, Conditions(capacity=KNEE, model=model)))


def exponent(sizes: list[float], times: list[float]) -> float:
    """Slope of time over size in logarithms."""
    return float(np.polyfit(np.log(sizes), np.log(times), 1)[0])


def one_day() -> dict:
    """Seconds for one day, by routing."""
    traffic = day()
    times = {r: cpu_seconds(lambda r=r: play(traffic, ScalingModel(routing=r))) for r in ROUTINGS}
    for routing, seconds in times.items():
        print(f"one day, {traffic.sessions} sessions, {routing}: {seconds:.3f} s")
    return {"sessions": traffic.sessions, "seconds": times}


def growth() -> dict:
    """Exponents over sessions and over ticks.

    More sessions on the same fleet: the load of the day stays, sessions are shorter. More ticks: longer traffic, same
    load.
    """
    model = ScalingModel()
    by_sessions = [diurnal(low=20, high=332, mean_s=300.0 / factor, seed=1) for factor in (1, 2, 4, 8)]
    by_ticks = [day(days=days) for days in (1, 2, 4, 8)]
    found = {}
    for name, series in (("sessions", by_sessions), ("ticks", by_ticks)):
        times = [cpu_seconds(lambda t=t: play(t, model), repeats=3) for t in series]
        sizes = [t.sessions if name == "sessions" else t.horizon_s / 10 for t in series]
        found[name] = {"sizes": sizes, "seconds": times, "exponent": exponent(sizes, times)}
        shown = ", ".join(f"{size:.0f}: {t:.2f} s" for size, t in zip(sizes, times, strict=True))
        print(f"growth over {name}: exponent {found[name]['exponent']:.2f} ({shown})")
    return found


def policies(number: int) -> dict:
    """A sweep of ``number`` policies on two processes."""
    plans = grid(
        targets=np.linspace(4, 9.5, max(1, math.ceil(number / 20))).tolist(),
        scale_out_cooldowns_s=(30.0, 60.0, 120.0, 180.0, 300.0),
        scale_in_cooldowns_s=(300.0, 600.0),
        maximums=(60,),
        minimums=(2, 10),
    )[:number]
    traffic = day()

    def progress(done: int, of: int) -> None:
        print(f"\rsweep {done}/{of}", end="", file=sys.stderr, flush=True)

    start, before = time.perf_counter(), _children_s()
    with ProcessPoolExecutor(PROCESSES) as pool:
        outcomes = sweep(
            traffic,
            plans,
            Conditions(
                capacity=KNEE,
                model=ScalingModel(routing="LEAST_OUTSTANDING_REQUESTS"),
                usd_per_hour={"ml.g5.2xlarge": 1.515},
            ),
            executor=pool,
            progress=progress,
        )
    seconds = time.perf_counter() - start
    core_s = (_children_s() - before) / PROCESSES
    print(file=sys.stderr)
    best = recommend(outcomes)
    print(
        f"sweep of {len(plans)} policies on {PROCESSES} processes: {seconds:.1f} s, {core_s:.1f} s of each core's time"
    )
    print(f"  front of {len(front_of(outcomes))}; recommended: {best.best.plan.name}")
    return {"plans": len(plans), "wall_seconds": seconds, "core_seconds": core_s, "recommended": best.best.plan.name}


def _children_s() -> float:
    """Processor time of the processes that have ended; the rest of the machine's load does not count."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def against_simpy() -> dict:
    """The same day in SimPy, written as its tutorials would: one process a stream, one for the autoscaler."""
    if importlib.util.find_spec("simpy") is None:
        reason = "SimPy is not installed (pip install simpy)"
        print(f"SimPy comparison skipped: {reason}")
        return {"skipped": reason}
    traffic = day()
    model = ScalingModel(
        routing="LEAST_OUTSTANDING_REQUESTS", provision_cached_spread=0.0, uncached_share=0.0, stream_limit_s=1e9
    )
    ours = cpu_seconds(lambda: simulate(traffic, PLAN, Conditions(capacity=KNEE, model=model)))
    hours = merits_of(simulate(traffic, PLAN, Conditions(capacity=KNEE, model=model))).instance_hours
    start = time.process_time()
    theirs_hours = _simpy_instance_hours(traffic, model)
    theirs = time.process_time() - start
    print(f"SimPy: {theirs:.2f} s, here {ours:.3f} s, ratio {theirs / ours:.1f}")
    print(f"  instance-hours: SimPy {theirs_hours:.0f}, here {hours:.0f}")
    return {
        "simpy_seconds": theirs,
        "seconds": ours,
        "ratio": theirs / ours,
        "instance_hours": {"simpy": theirs_hours, "here": hours},
    }


def _simpy_instance_hours(traffic: Traffic, model: ScalingModel) -> float:
    import simpy  # only where it is installed

    env, rng = simpy.Environment(), random.Random(0)
    policy, bounds = PLAN.policies[0], PLAN.bounds
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


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--plans", type=int, default=500, help="policies of the sweep (default 500)")
    parser.add_argument("--json", type=Path, help="file for the numbers")
    options = parser.parse_args()
    result = {
        "one_day": one_day(),
        "growth": growth(),
        "sweep": policies(options.plans),
        "simpy": against_simpy(),
    }
    if options.json:
        options.json.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(result))


if __name__ == "__main__":
    main()
