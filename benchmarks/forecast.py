"""What forecast minimums bring over the guide's policy alone, and what a wrong forecast costs.

    python benchmarks/forecast.py [--seeds 1] [--peak 100] [--json FILE]

Three weeks of calls are made for each trace; the third is played with the guide's policy at the measured target (80 %
of the knee of 10 streams), alone and with minimums forecast every hour from the two weeks before. Prints, for each
trace and seed, overload (stream-seconds over capacity), instance-hours and calls cut of both. The last traces are weeks
of which the forecast is wrong.

Claims: overload -80 % at no more than +10 % instance-hours on each of the first five; on the wrong ones no more
overload than without, at no more than +10 %.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from dgsm_helpers.planning.forecast_back_test import ForecastTest, back_test_forecast, history_of
from dgsm_helpers.planning.forecasting import Levels
from dgsm_helpers.rules.model import ScalingModel
from dgsm_helpers.simulate.conditions import Capacity, Conditions
from dgsm_helpers.simulate.scaling_plan import guide
from dgsm_helpers.simulate.weekly_traffic import TRACES, WRONG, weeks

KNEE = 10
TARGET = 8.0


def tested(name: str, *, peak: float, seed: int) -> ForecastTest:
    """One trace, forecast and played."""
    model = ScalingModel(routing="LEAST_OUTSTANDING_REQUESTS")
    plan = guide(target_value=TARGET, max_capacity=round(3 * peak / TARGET))
    conditions = Conditions(capacity=Capacity(knee=KNEE), model=model, seed=seed)
    calls = weeks(name, peak=peak, seed=seed)
    return back_test_forecast(Levels(history_of(calls)), calls, plan, conditions)


def row(name: str, seed: int, test: ForecastTest) -> dict:
    """The numbers of one test."""
    before, after = test.reactive, test.forecast
    return {
        "trace": name,
        "seed": seed,
        "overload_stream_s": [before.over_capacity_stream_s, after.over_capacity_stream_s],
        "overload_change": test.overload_change,
        "instance_hours": [before.instance_hours, after.instance_hours],
        "cost_change": test.cost_change,
        "calls_cut": [before.streams_cut, after.streams_cut],
        "lowered_share": test.lowered_share,
    }


def main() -> None:
    """Play, print, write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=1, help="how many seeds of each trace")
    parser.add_argument("--peak", type=float, default=100.0, help="streams at the height of the traces")
    parser.add_argument("--json", type=Path, help="file for the numbers")
    options = parser.parse_args()
    rows = []
    print(
        f"{'trace':<22} {'seed':>4} {'overload':>17} {'':>7} {'instance-hours':>15} {'':>7} {'calls cut':>11} lowered"
    )
    for name in (*TRACES, *WRONG):
        for seed in range(options.seeds):
            one = row(name, seed, tested(name, peak=options.peak, seed=seed))
            rows.append(one)
            (over, over_after), (hours, hours_after) = one["overload_stream_s"], one["instance_hours"]
            cut, cut_after = one["calls_cut"]
            lowered = f"{one['lowered_share']:>7.0%}"
            print(
                f"{name:<22} {seed:>4} {over:>8.0f} {over_after:>8.0f} {one['overload_change']:>+7.1%} {hours:>7.1f} "
                f"{hours_after:>7.1f} {one['cost_change']:>+7.1%} {cut:>5} {cut_after:>5} {lowered}",
                flush=True,
            )
    foreseen = [r for r in rows if r["trace"] in TRACES]
    wrong = [r for r in rows if r["trace"] in WRONG]
    print(
        f"foreseen: overload {max(r['overload_change'] for r in foreseen):+.1%} at worst, cost "
        f"{max(r['cost_change'] for r in foreseen):+.1%} at most; wrong forecasts: overload "
        f"{max(r['overload_change'] for r in wrong):+.1%} at worst, cost {max(r['cost_change'] for r in wrong):+.1%}"
    )
    if options.json:
        options.json.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
