"""What streams prove by how far they stay from a bound."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from dgsm_helpers.load.ladder.criteria import STRICT
from dgsm_helpers.load.ladder.distance import far_from, looks_normal, tolerance_factor
from dgsm_helpers.load.ladder.rung import STANDARD, Hold, rung_of
from dgsm_helpers.load.ladder.trend import BINS
from dgsm_helpers.load.ladder.verdict import StreamOutcome, Verdict


@pytest.mark.parametrize(
    ("count", "share", "confidence", "factor"),
    [(8, 0.95, 0.95, 3.187), (10, 0.90, 0.95, 2.355), (10, 0.95, 0.95, 2.911), (20, 0.95, 0.95, 2.396)],
)
def test_factors_are_those_of_the_published_table(count, share, confidence, factor):
    assert tolerance_factor(count, share, confidence) == pytest.approx(factor, abs=0.001)


def drawn(middle_s, spread, holds=2, each=10, seed=0):
    random = np.random.default_rng(seed)
    return [(middle_s * np.exp(spread * random.standard_normal(each))).tolist() for _ in range(holds)]


def far(holds):
    return far_from(0.5, holds, share=0.95, confidence=0.95)


def test_streams_far_from_the_bound_are_few_enough_and_streams_near_it_are_not():
    assert far(drawn(0.08, 0.1, each=4))
    assert not far(drawn(0.4, 0.1))
    assert not far(drawn(0.08, 0.6))


def test_another_hold_may_be_worse_by_as_much_as_they_differ():
    quiet, late = drawn(0.05, 0.05, holds=1), drawn(0.3, 0.05, holds=1)
    assert far(late * 2) and not far(quiet + late)


@pytest.mark.parametrize(
    "holds",
    [
        [[0.05, 0.06, 0.05, math.inf], [0.05, 0.06, 0.05, 0.04]],
        [[0.05, 0.06, 0.0, 0.04], [0.05, 0.06, 0.05, 0.04]],
        [[math.nan, 0.06, 0.05, 0.04], [0.05, 0.06, 0.05, 0.04]],
        [[0.05] * 10, [0.05] * 10],
        [[0.05, 0.06], [0.04, 0.05]],
        [[0.05], [0.06], [0.055], [0.052], [0.049], [0.051]],
        [],
    ],
    ids=["never came", "nothing late", "unknown", "all equal", "too few", "one each", "none"],
)
def test_where_there_is_no_distribution_nothing_is_said(holds):
    assert not far(holds)


def test_lags_of_two_kinds_are_not_taken_for_one():
    two = np.log([0.05, 0.051, 0.052, 0.049, 0.05, 0.048, 0.051, 0.3, 0.05, 0.052])
    assert not looks_normal(two)
    assert not far([np.exp(two).tolist()] * 2)


def rung(*, each=4, error=None, turn=0.1):
    def stream(lag_s):
        return StreamOutcome("s", lag_s, lag_s, lag_s, lag_s, lag_s, lag_s, (0.05,) * BINS, 60.0, 60.0)

    holds = [[stream(lag_s) for lag_s in lags] for lags in drawn(0.08, turn, each=each)]
    holds[0][0] = replace(holds[0][0], error=error)
    return rung_of(each, [Hold(each, 60.0, 76.0, tuple(streams)) for streams in holds], STRICT, STANDARD)


def test_eight_streams_pass_by_their_distance_and_the_evidence_says_so():
    judged = rung()
    assert (judged.verdict, judged.total, judged.shown) == (Verdict.PASS, 8, "distance")
    kept = judged.to_dict()
    assert kept["shown_by"] == "distance"
    assert kept["pass_share"][0] < STANDARD.pass_share, "of streams that break, eight say as little as before"


def test_an_error_has_no_distance_so_streams_are_counted():
    judged = rung(error="ModelStreamError")
    assert (judged.verdict, judged.shown) == (Verdict.INCONCLUSIVE, "")


def test_where_there_are_enough_streams_they_are_counted():
    assert rung(each=40).shown == "counting"
