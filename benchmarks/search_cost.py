"""What the search costs against a linear ladder from one stream, at equal confidence.

    python benchmarks/search_cost.py [--efforts quick standard thorough] [--json FILE]

Both run on the same simulated endpoints in virtual time, with the same verdicts, holds and replicates; the ladder goes
1, 2, 3, ... and has every rung decided until one fails. Prints instance-minutes of both per knee and their ratio; the
last line is JSON. The claim is a ratio of at most 1/3 in all.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
from dataclasses import dataclass
from pathlib import Path

from dgsm_helpers.load.ladder.criteria import STRICT
from dgsm_helpers.load.ladder.rung import EFFORTS, Effort, Hold, rung_of
from dgsm_helpers.load.ladder.search import Search
from dgsm_helpers.load.ladder.verdict import Verdict

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from kit.virtual_endpoint import VirtualEndpoint

KNEES = (4, 10, 12, 24, 40, 60)
SEEDS = (1, 2, 3)


@dataclass(frozen=True)
class Cost:
    """Instance-minutes that one way of finding the knee took, and whether its answer is right."""

    minutes: float
    right: bool


def simulated(knee: int, seed: int, effort: Effort) -> VirtualEndpoint:
    """An endpoint with that knee; the same for both ways."""
    return VirtualEndpoint(knee + 0.5, STRICT, settle_s=effort.settle_s, seed=seed)


def search_cost(knee: int, seed: int, effort: Effort) -> Cost:
    """Double, bisect, replicate."""
    endpoint = simulated(knee, seed, effort)
    found = Search(endpoint, criteria=STRICT, effort=effort, max_streams=1000).run()
    return Cost(endpoint.now_s / 60, found.feasible <= knee < (found.infeasible or 0))


def ladder_cost(knee: int, seed: int, effort: Effort) -> Cost:
    """One more stream at a time; every rung is held until its verdict is sure, and the last two replicated."""
    endpoint = simulated(knee, seed, effort)
    n = 0
    while True:
        n += 1
        holds: list[Hold] = []
        verdict = Verdict.INCONCLUSIVE
        while verdict is Verdict.INCONCLUSIVE or (verdict is Verdict.FAIL and len(holds) < effort.replicates):
            holds.append(endpoint(n, effort.hold_s))
            verdict = rung_of(n, holds, STRICT, effort).verdict
        if verdict is Verdict.FAIL:
            return Cost(endpoint.now_s / 60, n == knee + 1)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--efforts", nargs="+", default=["quick"], choices=list(EFFORTS))
    parser.add_argument("--json", type=Path, help="write the result here too")
    asked = parser.parse_args()
    rows = []
    for name in asked.efforts:
        effort = EFFORTS[name]
        print(f"\n{name}: {effort.pass_share:.0%} of streams at {effort.confidence:.0%} confidence, instance-minutes")
        print(f"{'knee':>6} {'search':>8} {'linear':>8} {'ratio':>7}  right (search, linear)")
        for knee in KNEES:
            ours = [search_cost(knee, seed, effort) for seed in SEEDS]
            linear = [ladder_cost(knee, seed, effort) for seed in SEEDS]
            minutes = statistics.mean(c.minutes for c in ours), statistics.mean(c.minutes for c in linear)
            row = {
                "effort": name,
                "knee": knee,
                "search_minutes": round(minutes[0], 2),
                "linear_minutes": round(minutes[1], 2),
                "ratio": round(minutes[0] / minutes[1], 3),
                "search_right": sum(c.right for c in ours),
                "linear_right": sum(c.right for c in linear),
                "runs": len(SEEDS),
            }
            rows.append(row)
            print(
                f"{knee:>6} {minutes[0]:>8.1f} {minutes[1]:>8.1f} {row['ratio']:>7.2f}  "
                f"{row['search_right']}/{row['runs']}, {row['linear_right']}/{row['runs']}"
            )
    total = sum(r["search_minutes"] for r in rows) / sum(r["linear_minutes"] for r in rows)
    result = {"claim": "at most 1/3", "ratio": round(total, 3), "rows": rows}
    print(f"\nin all: {total:.2f} of the linear ladder's instance-minutes (claim: at most 0.33)")
    print(json.dumps(result))
    if asked.json:
        asked.json.write_text(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
