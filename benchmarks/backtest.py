"""How well the simulator knows AWS: instance counts of recorded runs, played again.

    python benchmarks/backtest.py [--json FILE] [--page]

Every observation in `tests/recorded/` that tells how many instances a policy asked for over time (its member `run`) is
simulated with the scaling model as it is, with nothing fitted. Prints, for each, in how many of the minutes that the
record tells the count is the same, and by how much the first change comes earlier or later. ``--page`` writes
docs/guides/accuracy.md.

Claims: on the runs that set no value of the model, the same count in at least 95 % of the minutes, and the change
within 20 s where the record tells its time that exactly. Exits with 1 where a judged run does not keep them.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from dgsm_helpers.rules.model import ScalingModel
from dgsm_helpers.rules.policies import Bounds, TargetTracking
from dgsm_helpers.simulate.conditions import Capacity, Conditions
from dgsm_helpers.simulate.engine import simulate
from dgsm_helpers.simulate.runs import Run
from dgsm_helpers.simulate.scaling_plan import ScalingPlan
from dgsm_helpers.simulate.traffic import Traffic

ROOT = Path(__file__).resolve().parents[1]
RECORDED = ROOT / "tests" / "recorded"
PAGE = ROOT / "docs" / "guides" / "accuracy.md"
QUIET_S = 1200.0
"""Before the load, so that alarms have their datapoints; two instances are then held by a minimum."""
EQUAL_SHARE, WITHIN_S = 0.95, 20.0


@dataclass(frozen=True, kw_only=True)
class BackTest:
    """One recorded run beside the simulated one. ``off_s`` is None where the record tells no time."""

    id: str
    about: str
    source: str
    minutes: int
    equal: int
    recorded_s: float | None
    off_s: float | None
    exact_to_s: float
    sets: tuple[str, ...]

    @property
    def judged(self) -> bool:
        """Whether nothing was set by it."""
        return not self.sets

    @property
    def timed(self) -> bool:
        """Whether the record tells its time exactly enough to judge one."""
        return self.off_s is not None and self.exact_to_s <= WITHIN_S

    @property
    def holds(self) -> bool:
        """Whether both claims are kept."""
        in_time = not self.timed or (self.off_s is not None and abs(self.off_s) <= WITHIN_S)
        return self.equal >= EQUAL_SHARE * self.minutes and in_time

    @property
    def verdict(self) -> str:
        """In words."""
        if not self.judged:
            return f"not judged: it set {', '.join(self.sets)}"
        return "holds" if self.holds else "does not hold"


def recorded_runs() -> Iterator[Mapping[str, Any]]:
    """The observations that tell a run."""
    for path in sorted(RECORDED.rglob("*.json")):
        content = json.loads(path.read_text(encoding="utf-8"))
        if "run" in content:
            yield content


def played(run: Mapping[str, Any]) -> Run:
    """The recorded load under the recorded policy; its begin is `QUIET_S` after the simulation's."""
    horizon_s = QUIET_S + run["judged_s"][1] + 120
    count = run["streams"][0][1] if run["streams"] else 0
    # Of two instances that idle the record begins with the last request: they are held busy until then.
    starts_s, ends_s = (QUIET_S, horizon_s) if count else (0.0, QUIET_S)
    number = count or round(run["instances"] * run["target"] * 0.95)
    traffic = Traffic(
        name=run["id"],
        starts_s=np.full(number, starts_s),
        durations_s=np.full(number, ends_s - starts_s),
        horizon_s=horizon_s,
    )
    model = dataclasses.replace(
        ScalingModel(routing="LEAST_OUTSTANDING_REQUESTS", stream_limit_s=2 * horizon_s),
        provision_cached_spread=0.0,
        uncached_share=0.0,
        **run.get("model", {}),
    )
    low = run["instances"] if count else 1
    plan = ScalingPlan(
        name=run["id"],
        policies=(TargetTracking(name="p", target_value=run["target"], metric=run["metric"]),),
        bounds=Bounds(min_capacity=low, max_capacity=run["most"]),
        initial_count=run["instances"],
    )
    return simulate(traffic, plan, Conditions(capacity=Capacity(knee=1000), model=model))


def back_test(recording: Mapping[str, Any]) -> BackTest:
    """One observation, played and compared."""
    run = recording["run"]
    simulated, exact_s = played(run), float(run.get("exact_to_s", 0.0))
    change_s = run["desired"][-1][0]
    begin_s, end_s = run["judged_s"]
    minutes = [m for m in range(int(begin_s), int(end_s) + 1, 60) if change_s is None or abs(m - change_s) > exact_s]
    final = run["desired"][-1][1]
    wanted = [final if change_s is None or m >= change_s else run["desired"][0][1] for m in minutes]
    at = np.searchsorted(simulated.times_s, np.array(minutes) + QUIET_S, "right") - 1
    changes = [e.at_s - QUIET_S for e in simulated.events if e.before != e.after and e.at_s >= QUIET_S]
    off_s = None if change_s is None or not changes else changes[0] - change_s
    return BackTest(
        id=run["id"],
        about=recording["about"],
        source=f"{recording['source']}, {recording['date']}",
        minutes=len(minutes),
        equal=int((simulated.desired[at] == np.array(wanted)).sum()),
        recorded_s=change_s,
        off_s=off_s,
        exact_to_s=exact_s,
        sets=tuple(run["sets"]),
    )


def table(tests: list[BackTest]) -> str:
    """As Markdown."""
    head = (
        "| run | recorded | minutes equal | change recorded | simulated | |",
        "|---|---|---:|---:|---:|---|",
    )
    return "\n".join((*head, *map(_row, tests)))


def _row(test: BackTest) -> str:
    recorded, off = "not told", ""
    if test.recorded_s is not None:
        recorded = f"{test.recorded_s:g} ± {test.exact_to_s:g} s"
        off = "never" if test.off_s is None else f"{test.off_s:+.0f} s"
    share = f"{test.equal} of {test.minutes}"
    return f"| {test.id} | {test.about} ({test.source}) | {share} | {recorded} | {off} | {test.verdict} |"


def summary(tests: list[BackTest]) -> str:
    """What the judged ones come to, in a sentence."""
    judged = [test for test in tests if test.judged]
    equal, minutes = sum(t.equal for t in judged), sum(t.minutes for t in judged)
    timed = [test for test in judged if test.timed]
    in_time = sum(abs(t.off_s or 0.0) <= WITHIN_S for t in timed)
    return (
        f"Of {len(judged)} runs that set no value of the model {sum(t.holds for t in judged)} hold; the same count in "
        f"{equal} of {minutes} minutes ({equal / minutes:.0%}); of {len(timed)} changes told that exactly "
        f"{in_time} came within {WITHIN_S:g} s."
    )


def page(tests: list[BackTest]) -> str:
    """docs/guides/accuracy.md."""
    return f"""# How well the simulator knows AWS

Made by `benchmarks/backtest.py --page`: recorded runs on real AWS, played again with the scaling model as it is and
nothing fitted. Claimed is, for runs that set no value of the model, the same instance count in at least
{EQUAL_SHARE:.0%} of the minutes that the record tells, and the change within {WITHIN_S:g} s where the record tells its
time that exactly.

{table(tests)}

{summary(tests)}

W2 is of inference components, whose alarm is one of 15 minutes while they were gone after 11: nobody explains it. W1's
alarm took some two minutes longer than its three datapoints; the record tells it to about a minute. Published runs with
instance counts are few, and none is told to 20 s but the one that set the reaction. `dgsm record --where aws` settles
what is assumed; `05_plan` plays your own endpoint's last hours again with `back_test_minutes`.
"""


def main() -> int:
    """Play, print, write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", type=Path, help="file for the numbers")
    parser.add_argument("--page", action="store_true", help="write docs/guides/accuracy.md")
    given = parser.parse_args()
    tests = [back_test(recording) for recording in recorded_runs()]
    print(table(tests))
    print(f"\n{summary(tests)}")
    if given.json:
        given.json.write_text(json.dumps([dataclasses.asdict(test) for test in tests], indent=1), encoding="utf-8")
    if given.page:
        PAGE.write_text(page(tests), encoding="utf-8")
    return 0 if all(test.holds for test in tests if test.judged) else 1


if __name__ == "__main__":
    sys.exit(main())
