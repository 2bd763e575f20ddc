"""Each weighted form on a live mixed fleet of the embedded AWS, on a moved clock: what it keeps, and what it does not.

Streams are re-dealt every minute, as short sessions would be. The band: streams over capacity not above the target,
and not so far below it that an instance of the average size could go.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path

import pytest
from kit.scaling_bench import REGION, Bench

from dgsm_helpers.aws.scaling.weighted_policy import WeightedPolicy

PREFERRED, FALLBACK = "ml.g6.2xlarge", "ml.g5.2xlarge"
CAPACITY = {PREFERRED: 20.0, FALLBACK: 8.0}
TARGET = 0.7
CASES = {"balanced": (2, 2), "preferred only": (3, 0), "fallback only": (0, 4), "4:1": (4, 1)}


@dataclass(frozen=True)
class Outcome:
    """Where half an hour of steady load ended: instances of each type, share of the fleet's capacity in use."""

    preferred: int
    fallback: int
    streams: int
    hottest: float

    @property
    def used(self) -> float:
        return self.streams / (CAPACITY[PREFERRED] * self.preferred + CAPACITY[FALLBACK] * self.fallback)

    @property
    def verdict(self) -> str:
        if self.used > TARGET + 1e-9:
            return "too small"
        count = self.preferred + self.fallback
        return "in the band" if math.ceil(count * self.used / TARGET) == count else "too large"


def fleet_of(preferred: int, fallback: int) -> Bench:
    """A fleet of that composition: the preferred type runs short once its share is there; a crash takes the last."""
    bench = Bench(PREFERRED, FALLBACK)
    bench.register(max(preferred, 1), max(preferred, 1))
    bench.run(600)
    if fallback:
        bench.faults.short.add(PREFERRED)
    if not preferred:
        crashes = iter([True])
        bench.faults.take = lambda kind, _endpoint: kind == "crash" and next(crashes, False)
        bench.run(900)
    bench.register(preferred + fallback, preferred + fallback)
    bench.run(1200)
    assert pools(bench) == (preferred, fallback)
    return bench


def pools(bench: Bench) -> tuple[int, int]:
    counts = bench.fleet.view(REGION, "e").variant("AllTraffic").pools
    return counts[PREFERRED], counts[FALLBACK]


def hold(bench: Bench, streams: int, minutes: int) -> None:
    for _ in range(minutes):
        bench.load(streams)
        bench.run(60)


def run(form: str, case: str, share: float) -> Outcome:
    """Track with the form, from a fleet of the case's composition under a load of ``share`` of its capacity."""
    preferred, fallback = CASES[case]
    bench = fleet_of(preferred, fallback)
    streams = round(share * (CAPACITY[PREFERRED] * preferred + CAPACITY[FALLBACK] * fallback))
    hold(bench, streams, 20)
    weights = (0.5, 0.5) if form == "weighted-streams" else ()
    policy = WeightedPolicy(
        form=form,
        endpoint_name="e",
        variant_name="AllTraffic",
        capacities=tuple(CAPACITY.items()),
        weights=weights,
        target_value=TARGET * 14 if weights else TARGET,
    )
    bench.register(1, 20)
    bench.track(policy.target_value, **policy.metric())
    hold(bench, streams, 90)
    with bench.fleet.lock:
        serving = bench.fleet.endpoints()[0].variants["AllTraffic"].serving
        hottest = max(i.outstanding / CAPACITY[i.instance_type] for i in serving)
    return Outcome(*pools(bench), streams, hottest)


@pytest.mark.parametrize("share", [0.95, 0.3])
@pytest.mark.parametrize("case", CASES)
def test_mixed_fleet_under_sum_over_sum_stays_in_the_band(case, share):
    outcome = run("sum-over-sum", case, share)
    assert outcome.verdict == "in the band", outcome


@pytest.mark.parametrize("case", CASES)
def test_mixed_fleet_under_max_of_ratios_never_overloads_a_type(case):
    outcome = run("max-of-ratios", case, 0.95)
    assert outcome.verdict != "too small"
    assert outcome.hottest <= 0.8, outcome  # one stream more than 0.7 of the weakest type


@pytest.mark.parametrize("form", ["mean-of-ratios", "weighted-streams"])
def test_mixed_fleet_without_fallback_instances_is_too_small_under_both_published_forms(form):
    outcome = run(form, "preferred only", 0.95)
    assert (outcome.preferred, outcome.verdict) == (3, "too small")
    assert outcome.used > 0.9


IN, SMALL, LARGE = "in the band", "too small", "too large"
VERDICTS = {
    "weighted-streams": {
        "balanced": (SMALL, SMALL),
        "preferred only": (SMALL, SMALL),
        "fallback only": (SMALL, SMALL),
        "4:1": (IN, IN),
    },
    "mean-of-ratios": {
        "balanced": (IN, SMALL),
        "preferred only": (SMALL, SMALL),
        "fallback only": (SMALL, SMALL),
        "4:1": (LARGE, SMALL),
    },
    "max-of-ratios": {
        "balanced": (LARGE, LARGE),
        "preferred only": (IN, IN),
        "fallback only": (IN, IN),
        "4:1": (LARGE, LARGE),
    },
    "guarded-mean": {
        "balanced": (IN, IN),
        "preferred only": (IN, IN),
        "fallback only": (IN, IN),
        "4:1": (LARGE, IN),
    },
    "sum-over-sum": dict.fromkeys(CASES, (IN, IN)),
}
"""By form and case, under a load of 95 % of the fleet's capacity and of 30 %."""


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("form", VERDICTS)
def test_mixed_fleet_verdicts_are_those_that_are_stated(form, case):
    assert tuple(run(form, case, share).verdict for share in (0.95, 0.3)) == VERDICTS[form][case]


def test_mixed_fleet_verdicts_stand_in_the_notebook():
    notebook = json.loads((Path(__file__).parents[3] / "notebooks" / "06_mixed_fleet.ipynb").read_text())
    lines = [line.strip() for cell in notebook["cells"] for line in "".join(cell["source"]).splitlines()]
    rows = {cells[0].strip("`"): cells[1:] for line in lines if len(cells := _cells(line)) == 5}
    for form, verdicts in VERDICTS.items():
        assert rows[form] == [" / ".join(dict.fromkeys(verdicts[case])) for case in CASES], form
    assert rows["form"] == list(CASES)


def _cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip("|").split("|")] if line.startswith("|") else []
