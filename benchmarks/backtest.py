"""How well the simulator knows AWS: instance counts of recorded runs, played again.

    python benchmarks/backtest.py [--json FILE] [--page]

Every observation in `tests/recorded/` that tells how many instances a policy asked for over time (its member `run`) is
simulated with the scaling model as it is, with nothing fitted. Prints, for each, in how many of the minutes that the
record tells the count is the same, and by how much the first change comes earlier or later. ``--page`` writes
docs/guides/accuracy.md.

Claims: on the runs that set no value of the model, the same count in at least 95 % of the minutes, and each change no
more than 20 s from the span in which the record has it. Exits with 1 where a judged run does not keep them. A run whose
record leaves out what its time depends on is played at both ends of that, and not judged.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import math
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
    """One recorded run beside the simulated one.

    ``off_s`` is how much later the simulated change comes, None where the record tells no time or none comes;
    ``earliest_off_s`` the same with the least load that the record admits, where it does not tell it (``untold``).
    """

    id: str
    about: str
    source: str
    minutes: int
    equal: int
    recorded_s: float | None
    off_s: float | None
    exact_to_s: float
    sets: tuple[str, ...]
    untold: str
    earliest_off_s: float | None

    @property
    def judged(self) -> bool:
        """Whether nothing was set by it, and it tells what its time depends on."""
        return not self.sets and not self.untold

    @property
    def beyond_s(self) -> float | None:
        """How far the simulated change is from the span in which the record has it; None where it tells no time."""
        if self.recorded_s is None:
            return None
        return math.inf if self.off_s is None else max(0.0, abs(self.off_s) - self.exact_to_s)

    @property
    def holds(self) -> bool:
        """Whether both claims are kept."""
        return self.equal >= EQUAL_SHARE * self.minutes and (self.beyond_s or 0.0) <= WITHIN_S

    @property
    def verdict(self) -> str:
        """In words."""
        if self.sets:
            return f"not judged: it set {', '.join(self.sets)}"
        if self.untold:
            return f"not judged: the record does not tell {self.untold}"
        return "holds" if self.holds else "does not hold"


def recorded_runs() -> Iterator[Mapping[str, Any]]:
    """The observations that tell a run."""
    for path in sorted(RECORDED.rglob("*.json")):
        content = json.loads(path.read_text(encoding="utf-8"))
        if "run" in content:
            yield content


def played(run: Mapping[str, Any], *, idle_from_s: float = QUIET_S) -> Run:
    """The recorded load under the recorded policy; its begin is `QUIET_S` after the simulation's.

    ``idle_from_s``: of instances that idle, from when on there is no load that counts.
    """
    horizon_s = QUIET_S + run["judged_s"][1] + 120
    count = run["streams"][0][1] if run["streams"] else 0
    # Of two instances that idle the record begins with the last request: they are held busy until then.
    starts_s, ends_s = (QUIET_S, horizon_s) if count else (0.0, idle_from_s)
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
    off_s = _off_s(simulated, change_s)
    untold = run.get("untold", "")
    earliest_off_s = _off_s(played(run, idle_from_s=60.0), change_s) if untold else off_s
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
        untold=untold,
        earliest_off_s=earliest_off_s,
    )


def _off_s(simulated: Run, change_s: float | None) -> float | None:
    """How much later than recorded the first change comes; None where there is none of either."""
    changes = [e.at_s - QUIET_S for e in simulated.events if e.before != e.after]
    return None if change_s is None or not changes else changes[0] - change_s


def table(tests: list[BackTest]) -> str:
    """As Markdown."""
    head = (
        "| run | recorded | minutes equal | change recorded | simulated | beyond what is told | |",
        "|---|---|---:|---:|---:|---:|---|",
    )
    return "\n".join((*head, *map(_row, tests)))


def _row(test: BackTest) -> str:
    recorded, off, beyond = "not told", "", ""
    if test.recorded_s is not None:
        recorded = f"{test.recorded_s:g} ± {test.exact_to_s:g} s"
        off = "never" if test.off_s is None else f"{test.off_s:+.0f} s"
        beyond = f"{test.beyond_s:.0f} s"
        if test.untold and test.earliest_off_s is not None:
            off = f"{test.earliest_off_s:+.0f} to {off}"
    share = f"{test.equal} of {test.minutes}"
    return f"| {test.id} | {test.about} ({test.source}) | {share} | {recorded} | {off} | {beyond} | {test.verdict} |"


def summary(tests: list[BackTest]) -> str:
    """What the judged ones come to, in a sentence."""
    judged = [test for test in tests if test.judged]
    timed = [test.beyond_s for test in judged if test.beyond_s is not None]
    return (
        f"Of {len(judged)} runs that set no value of the model, and tell what their time depends on, "
        f"{sum(t.holds for t in judged)} hold; the same count in {_minutes(judged)}; of {len(timed)} changes whose "
        f"time is told {sum(beyond <= WITHIN_S for beyond in timed)} came within {WITHIN_S:g} s of the span that is "
        f"told. With what is untold taken against the model: the same count in "
        f"{_minutes([test for test in tests if not test.sets])}."
    )


def _minutes(tests: list[BackTest]) -> str:
    equal, minutes = sum(t.equal for t in tests), sum(t.minutes for t in tests)
    return f"{equal} of {minutes} minutes ({equal / minutes:.0%})"


def page(tests: list[BackTest]) -> str:
    """docs/guides/accuracy.md."""
    return f"""# How well the simulator knows AWS

Made by `benchmarks/backtest.py --page`: recorded runs on real AWS, played again with the scaling model as it is and
nothing fitted. Claimed is, for runs that set no value of the model, the same instance count in at least
{EQUAL_SHARE:.0%} of the minutes that the record tells, and each change no more than {WITHIN_S:g} s from the span in
which the record has it.

{table(tests)}

{summary(tests)}

Nothing published tells the time of a change to 20 s but R2, which set the reaction. W1 tells it to about a minute, so
that the claim is no more than that the simulated change lies in that span; the lag of metrics that AWS publishes by the
minute (`minute_lag_s`) comes from AWS's own test of ECS and from a question on re:Post, not from W1.

W2, as far as it could be read, tells how long after the last request a copy was removed, and nothing of the requests
before: AlarmLow counts 15
minutes from when the load fell below 0.9 times the target, which may have been long before the last of a few requests.
Minutes and `simulated` are of both ends: no load that counts at all, and instances busy until the last request. The
record lies between, so it neither bears out nor contradicts the alarm's 15 minutes, of which `AlarmLow 10 s x 90` is in
the same record. R5 and R6 are of ECS, whose target tracking is the same service's.

`dgsm record --where aws` settles what is assumed; `05_plan` plays your own endpoint's last hours again with
`back_test_minutes`.
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
