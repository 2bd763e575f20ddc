from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dgsm_helpers.families import AURA, FLUX, FLUX_TTS
from dgsm_helpers.load.ladder.criteria import DEEPGRAM, STRICT, Alone, presets
from dgsm_helpers.load.ladder.lag_histograms import encode_lags, merge_lags
from dgsm_helpers.load.ladder.rung import QUICK, Hold, rung_of
from dgsm_helpers.load.ladder.trend import BINS, Trend
from dgsm_helpers.load.ladder.verdict import (
    CLIFF,
    StreamOutcome,
    Verdict,
    certain_failure,
    judge,
    share_bounds,
    streams_needed,
)

FLAT = Trend(0.0, -0.0005, 0.0005)
GOOD = StreamOutcome("s", 0.05, 0.1, 0.15, 0.06, 0.2, 0.1, (0.05,) * BINS, 10.0, 10.0)
RISE = np.linspace(0, 1, BINS)


def verdict(passed, total, *, trend=FLAT, pass_share=0.95, confidence=0.95, throughput=1.0, criteria=STRICT):
    broken = [None] * passed + ["p95 lag"] * (total - passed)
    return judge(broken, trend, criteria, pass_share=pass_share, confidence=confidence, throughput=throughput).verdict


@pytest.mark.parametrize(
    ("pass_share", "confidence", "none", "one"),
    [(0.90, 0.95, 29, 46), (0.90, 0.99, 44, 64), (0.95, 0.95, 59, 93), (0.95, 0.99, 90, 130), (0.99, 0.95, 299, 473)],
)
def test_streams_needed_for_a_verdict_are_those_of_the_binomial_table(pass_share, confidence, none, one):
    assert streams_needed(pass_share, confidence) == none
    assert streams_needed(pass_share, confidence, failed=1) == one
    assert verdict(none, none, pass_share=pass_share, confidence=confidence) is Verdict.PASS
    assert verdict(none - 1, none - 1, pass_share=pass_share, confidence=confidence) is Verdict.INCONCLUSIVE


def test_a_straddling_share_is_inconclusive_and_a_low_one_fails():
    assert verdict(18, 20) is Verdict.INCONCLUSIVE
    assert verdict(10, 20) is Verdict.FAIL


@given(total=st.integers(1, 300), data=st.data())
def test_bounds_enclose_the_share_and_narrow_with_the_streams(total, data):
    passed = data.draw(st.integers(0, total))
    low, high = share_bounds(passed, total, 0.95)
    assert 0 <= low <= passed / total <= high <= 1
    wider = share_bounds(passed * 2, total * 2, 0.95)
    assert wider[1] - wider[0] <= high - low + 1e-12


def test_growth_that_all_streams_share_fails_a_rung_whose_lags_are_still_low():
    growing = Trend(0.012, 0.010, 0.014)
    assert verdict(100, 100, trend=growing) is Verdict.FAIL
    assert verdict(100, 100, trend=Trend(0.001, -0.001, 0.003)) is Verdict.INCONCLUSIVE
    assert verdict(100, 100, trend=growing, criteria=DEEPGRAM) is Verdict.PASS


def test_growth_too_small_to_matter_within_the_time_held_proves_nothing():
    def rung(gained_s):
        streams = [replace(GOOD, bins=tuple(0.05 + gained_s * RISE)) for _ in range(10)]
        return rung_of(10, [hold(*streams)] * 2, STRICT, QUICK).verdict

    assert rung(0.04) is Verdict.INCONCLUSIVE  # a twelfth of the bound in ten seconds
    assert rung(0.08) is Verdict.FAIL


def test_an_endpoint_that_keeps_up_with_70_percent_fails_without_a_single_error():
    assert verdict(100, 100, trend=Trend(0.3, 0.2, 0.4), throughput=0.70, criteria=DEEPGRAM) is Verdict.FAIL


@pytest.mark.parametrize(
    ("stream", "constraint"),
    [
        (GOOD, None),
        (replace(GOOD, error="ModelStreamError"), "errors"),
        (replace(GOOD, lag_p95_s=0.6), "p95 lag"),
        (replace(GOOD, lag_p95_s=math.inf), "p95 lag"),
        (replace(GOOD, bins=tuple(0.05 + 0.1 * RISE)), None),
        (replace(GOOD, ending_s=1.5), "finalisation"),
        (replace(GOOD, ending_s=math.inf), "finalisation"),
        (replace(GOOD, bins=tuple(0.05 + 0.3 * RISE)), "lag growth"),
    ],
)
def test_a_stream_breaks_the_first_constraint_that_it_breaks(stream, constraint):
    others = [GOOD] * 4
    assert hold(*others, stream).broken(STRICT) == [None] * 4 + [constraint]


def test_the_guides_preset_looks_at_the_mean_only():
    assert hold(replace(GOOD, lag_p95_s=5.0, ending_s=9.0)).broken(DEEPGRAM) == [None]
    assert hold(replace(GOOD, lag_mean_s=0.41)).broken(DEEPGRAM) == ["mean lag"]


def hold(*streams, n=10, void=None):
    return Hold(n=n, hold_s=10.0, wall_s=12.0, streams=streams, void=void)


def test_a_void_hold_proves_nothing_but_is_kept():
    rung = rung_of(10, [hold(*[GOOD] * 10, void="the client sent late.")], STRICT, QUICK)
    assert rung.verdict is Verdict.VOID and rung.void == "the client sent late."
    rung = rung_of(10, [hold(void="lost"), hold(*[GOOD] * 10)], STRICT, QUICK)
    assert (rung.verdict, rung.total, len(rung.holds)) == (Verdict.PASS, 10, 2)
    assert rung.instance_s == 24.0


def test_one_bad_hold_of_two_does_not_fail_a_rung():
    late = replace(GOOD, lag_p95_s=2.0)
    assert rung_of(10, [hold(*[late] * 10)], STRICT, QUICK).verdict is Verdict.FAIL
    assert rung_of(10, [hold(*[late] * 10), hold(*[GOOD] * 10)], STRICT, QUICK).verdict is Verdict.INCONCLUSIVE
    assert rung_of(10, [hold(*[late] * 10)] * 2, STRICT, QUICK).verdict is Verdict.FAIL


def test_lag_that_rises_and_falls_with_what_is_said_passes_after_the_longest_hold_only():
    random = np.random.default_rng(3)
    swaying = [replace(GOOD, bins=tuple(0.2 + random.normal(0, 0.15, BINS))) for _ in range(20)]
    short, long = (replace(hold(*swaying, n=20), hold_s=s) for s in (QUICK.hold_s, QUICK.max_hold_s))
    assert short.trend.high > STRICT.slope and long.trend.high > STRICT.slope
    assert rung_of(20, [short], STRICT, QUICK).verdict is Verdict.INCONCLUSIVE
    assert rung_of(20, [short, long], STRICT, QUICK).verdict is Verdict.PASS


def test_histograms_merge_across_processes_and_count_missing_results_as_infinite():
    first, second = encode_lags(np.full(98, 0.040)), encode_lags(np.array([0.5, np.inf]))
    merged = merge_lags([first, second])
    assert merged.get_total_count() == 100
    assert merged.get_value_at_percentile(50) == pytest.approx(40_000, rel=0.01)
    rung = rung_of(1, [replace(hold(GOOD), histogram=encode_lags(np.full(10, np.inf)))], STRICT, QUICK)
    assert rung.lag_p95_s == math.inf
    assert rung.to_dict()["lag_ms"]["p95"] is None


def test_a_hold_stops_early_only_when_its_failure_is_certain():
    flat = np.full((10, BINS), 0.05)
    assert not certain_failure(flat, STRICT, elapsed_s=4)
    assert certain_failure(flat + 0.6 * RISE, STRICT, elapsed_s=4)
    assert not certain_failure(flat + 0.3 * RISE, STRICT, elapsed_s=4)
    assert certain_failure(flat + 2.0, STRICT, elapsed_s=4)
    assert certain_failure(np.full((10, BINS), np.nan), STRICT, elapsed_s=4)
    assert not certain_failure(flat + 2.0, STRICT, elapsed_s=1)
    assert not certain_failure(flat + 0.002 * RISE * 4, STRICT, elapsed_s=4)


def refused(count, of):
    gone = replace(GOOD, error="ModelError", refused=True)
    return hold(*[GOOD] * (of - count), *[gone] * count, n=of)


def test_an_instance_that_takes_no_more_fails_however_few_it_refuses_and_is_named():
    rung = rung_of(21, [refused(1, 21)], STRICT, QUICK)
    assert (rung.verdict, rung.passed, rung.constraint) == (Verdict.FAIL, 20, CLIFF)
    assert rung_of(21, [refused(1, 21), refused(0, 21)], STRICT, QUICK).verdict is not Verdict.FAIL, "it passed once"
    everywhere = rung_of(4, [refused(4, 4)], STRICT, QUICK)
    assert everywhere.constraint == "errors", "what refuses every stream has no maximum"


@pytest.mark.parametrize(
    ("criteria", "stream", "constraint"),
    [
        (presets(FLUX)["strict"], replace(GOOD, ending_s=1.2), "end of turn"),
        (presets(FLUX)["strict"], replace(GOOD, lag_p95_s=0.6), "p95 lag"),
        (presets(AURA)["strict"], replace(GOOD, lag_p95_s=0.3), "p95 underrun"),
        (presets(AURA)["strict"], replace(GOOD, ending_s=0.6), "time to first audio"),
        (presets(AURA)["strict"], replace(GOOD, ending_s=math.inf), "time to first audio"),
        (presets(AURA)["strict"], replace(GOOD, ending_s=math.nan), None),
        (presets(FLUX_TTS)["deepgram"], replace(GOOD, ending_s=0.6, ending_mean_s=0.3), None),
        (presets(FLUX_TTS)["deepgram"], replace(GOOD, ending_s=0.6, ending_mean_s=0.41), "time to first audio"),
        (presets(AURA)["fast"], replace(GOOD, ending_s=0.25), "time to first audio"),
    ],
)
def test_what_a_turn_or_a_call_breaks_has_its_familys_name(criteria, stream, constraint):
    assert hold(GOOD, stream).broken(criteria)[1] == constraint


def test_an_end_may_take_as_long_as_alone_and_a_little_more():
    strict = presets(FLUX)["strict"]
    assert strict.beside(Alone(ending_s=0.4)).ending_s == 1.0
    assert strict.beside(Alone(ending_s=1.1)).ending_s == pytest.approx(1.4)
    assert strict.beside(Alone(ending_s=math.inf)).ending_s == 1.0
    assert presets(AURA)["strict"].beside(Alone(ending_s=3.0)).ending_s == 0.5, "of calls nothing is forgiven"


@pytest.mark.parametrize(("turns", "constraint"), [(40, None), (44, None), (36, None), (35, "turns"), (45, "turns")])
def test_a_stream_has_the_turns_that_one_alone_has(turns, constraint):
    criteria = presets(FLUX)["strict"].beside(Alone(ending_s=0.4, turns_per_s=4.0))
    assert hold(replace(GOOD, turns=turns)).broken(criteria) == [constraint]


@pytest.mark.parametrize(
    ("characters", "spoken_s", "constraint"),
    [
        (150, 10.0, None),
        (150, 8.4, None),
        (150, 6.0, "turns"),
        (150, 13.0, "turns"),
        (150, 0.0, "turns"),
        (0, 0.0, None),
    ],
)
def test_audio_that_is_too_short_or_too_long_for_its_text_is_no_whole_turn(characters, spoken_s, constraint):
    criteria = presets(AURA)["strict"].beside(Alone(ending_s=0.1, characters_per_s=15.0))
    stream = replace(GOOD, characters=characters, spoken_s=spoken_s)
    assert hold(stream).broken(criteria) == [constraint]
