"""What tuning costs in instance-minutes: a ramp and holds, against the climb that it replaced.

    python benchmarks/search_cost.py [--efforts quick standard thorough] [--json FILE]

Both run on the same simulated endpoints in virtual time. Before: probes at 4, 8, 16, ... streams, then halves, and a
rung passes when enough streams have been counted. Now: one ramp finds about where the knee lies, and a rung passes by
how far its streams stay from the bounds. Prints both per effort and knee; the last line is JSON. The claims: `standard`
at most 4 instance-minutes at each knee, `quick` 1.5, `thorough` 9 at a knee of 10.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from unittest.mock import patch

from dgsm_helpers.load.ladder import verdict
from dgsm_helpers.load.ladder.criteria import STRICT
from dgsm_helpers.load.ladder.rung import EFFORTS, Effort
from dgsm_helpers.load.ladder.search import Search

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

from kit.virtual_endpoint import VirtualEndpoint  # noqa: E402

KNEES = (4, 10, 20, 40, 60)
SEEDS = (1, 2, 3, 4, 5)
REPLICATES_BEFORE = {"quick": 3, "standard": 2, "thorough": 3}


@dataclass(frozen=True)
class Cost:
    """Instance-minutes that one way of finding the knee took, and whether its answer is right."""

    minutes: float
    right: bool


def simulated(knee: int, seed: int, effort: Effort) -> VirtualEndpoint:
    """An endpoint with that knee; the same for both ways."""
    return VirtualEndpoint(knee + 0.5, STRICT, settle_s=effort.settle_s, seed=seed)


def cost_now(knee: int, seed: int, effort: Effort) -> Cost:
    """Ramp, then confirm."""
    endpoint = simulated(knee, seed, effort)
    around = endpoint.ramp(1000).knee
    found = Search(endpoint, criteria=STRICT, effort=effort, max_streams=1000, around=around).run()
    return Cost(endpoint.now_s / 60, found.feasible <= knee < (found.infeasible or 0))


def cost_before(knee: int, seed: int, effort: Effort) -> Cost:
    """Double, bisect, count."""
    endpoint = simulated(knee, seed, effort)
    effort = replace(effort, replicates=REPLICATES_BEFORE[effort.name])
    with (
        patch.object(verdict, "far_from", lambda *_, **__: False),
        patch.object(Effort, "passing_confidence", lambda self, _: self.confidence),
    ):
        found = Search(endpoint, criteria=STRICT, effort=effort, max_streams=1000).run()
    return Cost(endpoint.now_s / 60, found.feasible <= knee < (found.infeasible or 0))


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--efforts", nargs="+", default=list(EFFORTS), choices=list(EFFORTS))
    parser.add_argument("--json", type=Path, help="write the result here too")
    asked = parser.parse_args()
    rows = []
    for name in asked.efforts:
        effort = EFFORTS[name]
        print(f"\n{name}: {effort.pass_share:.0%} of streams at {effort.confidence:.0%} confidence, instance-minutes")
        print(f"{'knee':>6} {'before':>8} {'now':>8} {'ratio':>7}  right (before, now)")
        for knee in KNEES:
            before = [cost_before(knee, seed, effort) for seed in SEEDS]
            now = [cost_now(knee, seed, effort) for seed in SEEDS]
            minutes = statistics.mean(c.minutes for c in before), statistics.mean(c.minutes for c in now)
            row = {
                "effort": name,
                "knee": knee,
                "before_minutes": round(minutes[0], 2),
                "minutes": round(minutes[1], 2),
                "ratio": round(minutes[1] / minutes[0], 3),
                "before_right": sum(c.right for c in before),
                "right": sum(c.right for c in now),
                "runs": len(SEEDS),
            }
            rows.append(row)
            print(
                f"{knee:>6} {minutes[0]:>8.1f} {minutes[1]:>8.1f} {row['ratio']:>7.2f}  "
                f"{row['before_right']}/{row['runs']}, {row['right']}/{row['runs']}",
                flush=True,
            )
    result = {"claim": "standard <= 4, quick <= 1.5, thorough <= 9 at a knee of 10", "rows": rows}
    print(json.dumps(result))
    if asked.json:
        asked.json.write_text(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
