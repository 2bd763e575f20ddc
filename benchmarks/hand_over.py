"""Calls cut and instance-hours with hand-over, beside plain target tracking: ten simulated days, twenty seeds.

    python benchmarks/hand_over.py [--days 10] [--seeds 20] [--peak 60] [--knee 10] [--json FILE]

The guide's policy at the measured target on a day's wave of five-minute calls, whose height changes from day to day.
Every seed is played twice, with the same calls and the same start-up times. Fails when a call is cut with hand-over, or
when hand-over takes more than 5 % more instance-hours.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from dgsm_helpers.load.ladder.target_value import derive_target
from dgsm_helpers.rules.fleet import LEAST_OUTSTANDING_REQUESTS, RANDOM
from dgsm_helpers.rules.model import ScalingModel
from dgsm_helpers.simulate.conditions import Capacity, Conditions
from dgsm_helpers.simulate.engine import simulate
from dgsm_helpers.simulate.events import lay_out
from dgsm_helpers.simulate.merits import Merits, merits_of
from dgsm_helpers.simulate.scaling_plan import guide
from dgsm_helpers.simulate.traffic import DAY_S, Traffic, from_level, generator

MOST_MORE = 0.05


def days_of(days: int, peak: float, seed: int) -> Traffic:
    """A wave a day, from a tenth of its height, which is between 60 and 100 % of ``peak``."""
    heights = peak * generator(seed, 7).uniform(0.6, 1.0, days)

    def level(t: np.ndarray) -> np.ndarray:
        wave = (1 + np.cos(2 * np.pi * (t / DAY_S - 14 / 24))) / 2
        return heights[(t // DAY_S).astype(int)] * (0.1 + 0.9 * wave)

    return from_level(f"{days} days", level, horizon_s=days * DAY_S, seed=seed)


def played(traffic: Traffic, conditions: Conditions, peak: float, knee: int) -> tuple[Merits, Merits]:
    """Without hand-over and with it."""
    target = derive_target(knee).value
    plan = guide(target_value=target, max_capacity=int(peak / target) + 3)
    events = lay_out(traffic, conditions)
    without, with_it = (
        merits_of(simulate(traffic, plan, replace(conditions, hand_over=hand_over), events=events))
        for hand_over in (False, True)
    )
    return without, with_it


def main(arguments: Sequence[str] | None = None) -> int:
    """Run it; 1 when a call is cut with hand-over, or it costs too much."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--days", type=int, default=10)
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--peak", type=float, default=60.0)
    parser.add_argument("--knee", type=int, default=10)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args(arguments)
    document, good = {}, True
    for routing in (LEAST_OUTSTANDING_REQUESTS, RANDOM):
        pairs = [
            played(
                days_of(options.days, options.peak, seed),
                Conditions(capacity=Capacity(knee=options.knee), model=ScalingModel(routing=routing), seed=seed),
                options.peak,
                options.knee,
            )
            for seed in range(options.seeds)
        ]
        sums = [
            {
                "calls_cut": sum(merits.streams_cut for merits in side),
                "hand_overs": sum(merits.hand_overs for merits in side),
                "instance_hours": sum(merits.instance_hours for merits in side),
                "over_capacity_stream_s": sum(merits.over_capacity_stream_s for merits in side),
                "relief_s_median": float(np.median([merits.relief_s for merits in side])),
            }
            for side in zip(*pairs, strict=True)
        ]
        more = sums[1]["instance_hours"] / sums[0]["instance_hours"] - 1
        document[routing] = {"plain": sums[0], "hand_over": sums[1], "more_instance_hours": more}
        good = good and not sums[1]["calls_cut"] and more <= MOST_MORE
        for name, side in zip(("plain", "hand-over"), sums, strict=True):
            print(
                f"{routing} {name:>9}: {side['calls_cut']} calls cut, {side['hand_overs']} handed over, "
                f"{side['instance_hours']:.0f} instance-hours, {side['over_capacity_stream_s']:.0f} stream-seconds "
                f"beyond the knee, longest overload {side['relief_s_median']:.0f} s (median of the seeds)"
            )
        print(f"{routing}: {more:+.2%} instance-hours with hand-over")
    print(json.dumps(document))
    if options.json:
        options.json.write_text(json.dumps(document, indent=1), encoding="utf-8")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
