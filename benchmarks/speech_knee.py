"""This machine's real knee on the `speech` listing, measured twice.

    python benchmarks/speech_knee.py [--criteria strict] [--effort quick] [--runs 2] [--json FILE]

One instance computes on one of this machine's processors; the embedded AWS and the client need another: keep the
machine quiet. Each run is a search of its own, with other places in the audio. Prints every run's interval and how far
the runs' answers lie apart in rungs (streams); the last line is JSON. The claim: within one rung.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from pathlib import Path

from dgsm_helpers import local
from dgsm_helpers.aws.endpoint import deployment, deployment_plan
from dgsm_helpers.families import NOVA
from dgsm_helpers.load.ladder.capacity import CapacityResult, find_capacity
from dgsm_helpers.load.ladder.rung import EFFORTS, Rung
from dgsm_helpers.load.ladder.share import LoadSpec
from dgsm_helpers.session import open_workbook


def show(rung: Rung) -> None:
    """One line per visit."""
    growth = f"{rung.trend.slope * 1000:+.1f} ms/s [{rung.trend.low * 1000:+.1f}, {rung.trend.high * 1000:+.1f}]"
    print(
        f"  {rung.n:>4} streams, {rung.holds[-1].hold_s:>4.0f} s: {rung.verdict.value:<13} "
        f"{rung.passed:>3} of {rung.total:<3} p95 lag {rung.lag_p95_s * 1000:>5.0f} ms, growth {growth} "
        f"{rung.holds[-1].void or rung.constraint or ''}",
        flush=True,
    )


def main() -> None:
    """Measure and compare."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--criteria", default="strict", choices=list(NOVA.presets))
    parser.add_argument("--effort", default="quick", choices=list(EFFORTS))
    parser.add_argument("--runs", type=int, default=2)
    parser.add_argument("--json", type=Path, help="write the result here too")
    asked = parser.parse_args()
    found: list[tuple[CapacityResult, float]] = []
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        local.up(home, speed=30)
        try:
            wb = open_workbook("local", home=home, listing="speech")
            deployment.deploy(wb, deployment_plan.plan(wb))
            for run in range(asked.runs):
                began = time.monotonic()
                result = find_capacity(
                    wb,
                    instance_type=None,
                    effort=asked.effort,
                    criteria=asked.criteria,
                    spec=LoadSpec(seed=1000 * run),
                    max_streams=200,
                    on_rung=show,
                )
                found.append((result, time.monotonic() - began))
                print(f"run {run + 1}: {result}, {found[-1][1]:.0f} s of wall time", flush=True)
        finally:
            local.down(home)
    answers = [r.feasible_max for r, _ in found]
    outcome = {
        "claim": "within one rung",
        "apart": max(answers) - min(answers),
        "runs": [
            {
                "feasible_max": r.feasible_max,
                "infeasible_min": r.infeasible_min,
                "by": r.binding_constraint,
                "wall_s": s,
            }
            for r, s in found
        ],
    }
    print(json.dumps(outcome))
    if asked.json:
        asked.json.write_text(json.dumps(outcome, indent=1))


if __name__ == "__main__":
    main()
