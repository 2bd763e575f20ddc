"""How fast the planner plays traffic, and how that grows.

    python benchmarks/simulate.py [--plans 500] [--before COMMIT] [--json FILE]

Prints, and with ``--json`` writes:

- one day of about 50,000 sessions at ten-second ticks: median seconds on one core, for both routings;
- the growth exponents: of time over sessions (the day fixed) and over ticks (the load fixed), 1 being linear;
- a month of 1.5 million sessions, in a process of its own: seconds, and the most memory;
- a sweep of 500 policies over that day on two processes, with progress (wall, and processor time of each core);
- the ratio to a plain SimPy model of the same fleet (a process per stream), which is also checked to end up with
  about the same instance-hours. Skipped, with the reason, where SimPy is not installed;
- with ``--before``, day and month of the planner at that commit, in turns with this one, and the ratio.

Times of single runs are processor seconds, so that a busy machine does not blur them. ``kept`` in the output says which
of the promises in `MOST` hold.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import math
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np

from dgsm_helpers.rules.model import ScalingModel
from dgsm_helpers.simulate.conditions import Capacity, Conditions
from dgsm_helpers.simulate.engine import simulate
from dgsm_helpers.simulate.merits import merits_of
from dgsm_helpers.simulate.scaling_plan import grid, guide
from dgsm_helpers.simulate.sweep import front_of, recommend, sweep
from dgsm_helpers.simulate.traffic import DAY_S, Traffic, diurnal

REPOSITORY = Path(__file__).resolve().parents[1]
KNEE = Capacity(knee=10)
PLAN = guide(target_value=7.5, max_capacity=60)
ROUTINGS = ("RANDOM", "LEAST_OUTSTANDING_REQUESTS")
REPEATS = 5
PROCESSES = 2
MOST = {"day_s": 0.035, "sweep_s": 12.0, "month_s": 2.0, "month_mb": 450.0, "exponent": 1.1}
LEAST_TIMES_SIMPY = 25.0
PARTS = ("one_day", "month")
"""What is measured in a process of its own, and can be measured of another version."""
TURNS = 3


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
    play(traffic, ScalingModel())  # what is compiled or imported at the first run is no part of it
    times = {r: cpu_seconds(lambda r=r: play(traffic, ScalingModel(routing=r))) for r in ROUTINGS}
    return {"sessions": traffic.sessions, "seconds": times}


def month() -> dict:
    """Seconds for thirty days, and the most memory that the process had."""
    play(day(0.1), ScalingModel())
    traffic = day(days=30)
    seconds = cpu_seconds(lambda: play(traffic, ScalingModel()), repeats=3)
    most_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"sessions": traffic.sessions, "seconds": {"RANDOM": seconds}, "most_mb": most_mb}


def measure_apart(part: str, source: Path) -> dict:
    """One of `PARTS`, measured in a process of its own with the package in ``source``."""
    env = {**os.environ, "PYTHONPATH": str(source)}
    done = subprocess.run([sys.executable, __file__, "--part", part], env=env, check=True, stdout=subprocess.PIPE)
    return json.loads(done.stdout)


def parts() -> dict:
    """Day and month of this version."""
    found = {part: measure_apart(part, REPOSITORY) for part in PARTS}
    for part, one in found.items():
        times = ", ".join(f"{routing} {seconds:.3f} s" for routing, seconds in one["seconds"].items())
        memory = f"; most memory {one['most_mb']:.0f} MB" if "most_mb" in one else ""
        print(f"{part}, {one['sessions']} sessions: {times}{memory}")
    return found


def against_commit(commit: str) -> dict:
    """Day and month of both versions in turns: the medians, and how many times as fast this one is."""
    with tempfile.TemporaryDirectory() as folder:
        archive = subprocess.run(["git", "archive", commit, "dgsm_helpers"], cwd=REPOSITORY, check=True, stdout=-1)
        subprocess.run(["tar", "-x", "-C", folder], input=archive.stdout, check=True)
        turns = [
            {name: {part: measure_apart(part, source) for part in PARTS} for name, source in versions.items()}
            for versions in [{"before": Path(folder), "now": REPOSITORY}] * TURNS
        ]
    found = {}
    for part in PARTS:
        for routing in turns[0]["now"][part]["seconds"]:
            before, now = (
                statistics.median(turn[name][part]["seconds"][routing] for turn in turns) for name in ("before", "now")
            )
            found[f"{part}, {routing}"] = {"before_s": before, "now_s": now, "ratio": before / now}
            print(f"{part}, {routing}: before {before:.3f} s, now {now:.3f} s: {before / now:.1f} times as fast")
    return found


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
    """The same day in SimPy (`simpy_fleet`)."""
    if importlib.util.find_spec("simpy") is None:
        reason = "SimPy is not installed (pip install simpy)"
        print(f"SimPy comparison skipped: {reason}")
        return {"skipped": reason}
    import simpy_fleet

    traffic = day()
    model = ScalingModel(
        routing="LEAST_OUTSTANDING_REQUESTS", provision_cached_spread=0.0, uncached_share=0.0, stream_limit_s=1e9
    )
    ours = cpu_seconds(lambda: simulate(traffic, PLAN, Conditions(capacity=KNEE, model=model)))
    hours = merits_of(simulate(traffic, PLAN, Conditions(capacity=KNEE, model=model))).instance_hours
    start = time.process_time()
    theirs_hours = simpy_fleet.instance_hours(traffic, PLAN, model)
    theirs = time.process_time() - start
    print(f"SimPy: {theirs:.2f} s, here {ours:.3f} s, ratio {theirs / ours:.1f}")
    print(f"  instance-hours: SimPy {theirs_hours:.0f}, here {hours:.0f}")
    return {
        "simpy_seconds": theirs,
        "seconds": ours,
        "ratio": theirs / ours,
        "instance_hours": {"simpy": theirs_hours, "here": hours},
    }


def kept(result: dict) -> dict[str, bool]:
    """Which promises hold."""
    measured = {
        "day_s": max(result["one_day"]["seconds"].values()),
        "sweep_s": result["sweep"]["wall_seconds"],
        "month_s": max(result["month"]["seconds"].values()),
        "month_mb": result["month"]["most_mb"],
        "exponent": max(one["exponent"] for one in result["growth"].values()),
    }
    holds = {name: measured[name] <= most for name, most in MOST.items()}
    return holds | {"times_simpy": result["simpy"].get("ratio", math.inf) >= LEAST_TIMES_SIMPY}


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--plans", type=int, default=500, help="policies of the sweep (default 500)")
    parser.add_argument("--before", metavar="COMMIT", help="compare with the planner of that commit")
    parser.add_argument("--part", choices=PARTS, help="print this one as JSON, and nothing else")
    parser.add_argument("--json", type=Path, help="file for the numbers")
    options = parser.parse_args()
    if options.part:
        print(json.dumps({"one_day": one_day, "month": month}[options.part]()))
        return
    result = parts() | {"growth": growth(), "sweep": policies(options.plans), "simpy": against_simpy()}
    result["kept"] = kept(result)
    print(f"kept: {result['kept']}")
    if options.before:
        result["before"] = against_commit(options.before)
    if options.json:
        options.json.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(result))


if __name__ == "__main__":
    main()
