"""The search against simulated endpoints in virtual time: the code that runs live, hundreds of times."""

from __future__ import annotations

import random
from dataclasses import replace
from statistics import mean

import pytest
from kit.virtual_endpoint import VirtualEndpoint

from dgsm_helpers.errors import MeasurementInvalid
from dgsm_helpers.load.ladder.criteria import STRICT
from dgsm_helpers.load.ladder.rung import EFFORTS, QUICK, STANDARD, THOROUGH, Hold
from dgsm_helpers.load.ladder.search import Search, hold_alone
from dgsm_helpers.load.ladder.trend import BINS
from dgsm_helpers.load.ladder.verdict import CLIFF, StreamOutcome, Verdict


def endpoint(seed: int, *, effort=QUICK) -> VirtualEndpoint:
    """An endpoint with noise and drift whose knee is somewhere from 2 to 400, small ones as likely as large ones."""
    chance = random.Random(seed)
    knee = round(2 * 200 ** chance.random())
    return VirtualEndpoint(knee + chance.uniform(0.15, 0.85), STRICT, settle_s=effort.settle_s, seed=seed)


def search(measure, *, effort=QUICK, max_streams=1000, **kwargs):
    return Search(measure, criteria=STRICT, effort=effort, max_streams=max_streams, **kwargs)


@pytest.mark.parametrize("tens", range(4))
def test_simulated_endpoints_are_bracketed_where_nothing_is_known(tens):
    for seed in range(tens * 10, tens * 10 + 10):
        simulated = endpoint(seed)
        found = search(simulated).run()
        assert found.feasible <= simulated.knee < found.infeasible, seed
        assert found.infeasible - found.feasible <= max(1, 0.05 * found.feasible), seed
        assert found.tight


def test_standard_needs_four_minutes_from_4_to_60_streams_quick_one_and_a_half_and_thorough_nine_at_ten():
    for effort, knee, most in [
        *((STANDARD, knee, 4.0) for knee in (4, 10, 20, 40, 60)),
        *((QUICK, knee, 1.5) for knee in (4, 10, 20, 40, 60)),
        (THOROUGH, 10, 9.0),
    ]:
        minutes = []
        for seed in (1, 2, 3):
            simulated = VirtualEndpoint(knee + 0.5, STRICT, settle_s=effort.settle_s, seed=seed)
            found = search(simulated, effort=effort, around=simulated.ramp(1000).knee).run()
            assert found.feasible <= knee < found.infeasible and found.tight
            minutes.append(simulated.now_s / 60)
        assert mean(minutes) <= most, (effort.name, knee, minutes)


@pytest.mark.parametrize("around", [0.0, 3.2, 9.6, 14.0, 40.0, 300.0])
def test_a_ramp_that_was_wrong_costs_time_but_not_the_answer(around):
    found = search(Scripted(sharp(12)), around=around).run()
    assert (found.feasible, found.infeasible, found.tight) == (12, 13, True)


def test_a_rung_at_the_most_streams_that_cannot_be_decided_leaves_those_below_it():
    def answer(n, visit):
        return outcome() if n < 40 else outcome(growth=0.004)

    scripted = Scripted(answer)
    found = search(scripted, max_streams=40, around=45.0).run()
    assert 30 <= found.feasible < 40 and (found.infeasible, found.tight) == (None, False)
    assert len(scripted.visits) < 40


@pytest.mark.parametrize("knee", [3, 6, 10, 15])
def test_lag_that_follows_what_is_said_does_not_pass_for_overload(knee):
    for seed in (0, 5):
        simulated = VirtualEndpoint(
            knee + 0.5, STRICT, base_lag_s=0.06, speech_lag_s=0.3, hiccup_s=0.1, hiccup_every_s=8, seed=seed
        )
        found = search(simulated, around=simulated.ramp(1000).knee).run()
        assert found.feasible <= knee < found.infeasible <= found.feasible + 2, seed


@pytest.mark.parametrize("seed", [1, 7, 23])
def test_more_effort_finds_the_same_knee_at_more_confidence(seed):
    simulated = endpoint(seed, effort=STANDARD)
    found = search(simulated, effort=STANDARD).run()
    assert found.feasible <= simulated.knee < found.infeasible


def test_quick_needs_less_than_four_minutes_up_to_60_streams():
    for knee in (2, 4, 10, 23, 41, 60):
        simulated = VirtualEndpoint(knee + 0.5, STRICT, seed=knee)
        found = search(simulated).run()
        assert found.feasible <= knee < found.infeasible
        assert simulated.now_s < 200


def outcome(*, lag_s=0.05, growth=0.0, error=None) -> StreamOutcome:
    bins = tuple(lag_s + growth * i / BINS * 10 for i in range(BINS))
    return StreamOutcome("s", lag_s, lag_s, lag_s, lag_s, lag_s, lag_s, bins, 10.0, 10.0 - growth * 10, error)


class Scripted:
    """An endpoint by script: ``answer(n, visit)`` is each stream's outcome, or a reason to void the hold."""

    def __init__(self, answer) -> None:
        self.answer, self.visits = answer, []

    def __call__(self, n: int, hold_s: float) -> Hold:
        visit = self.visits.count(n)
        self.visits.append(n)
        given = self.answer(n, visit)
        if isinstance(given, str):
            return Hold(n, hold_s, hold_s, (), void=given)
        return Hold(n, hold_s, hold_s, (given,) * n)


def test_a_container_that_refuses_every_stream_is_said_to_after_one_hold():
    scripted = Scripted(lambda n, visit: replace(outcome(error="ModelError"), refused=True))
    with pytest.raises(MeasurementInvalid, match=r"refused every stream, from the first on \(ModelError\)") as refused:
        search(scripted).run()
    assert len(scripted.visits) == 1 and "--query" in refused.value.hint
    with pytest.raises(MeasurementInvalid, match="refused every stream"):
        hold_alone(scripted, 1.0)


def test_one_that_takes_no_more_streams_than_so_many_is_measured():
    def capped(n, visit):
        return Hold(n, 1.0, 1.0, tuple(outcome() if k < 6 else broken for k in range(n)))

    broken = replace(outcome(error="ModelError"), refused=True)
    found = search(lambda n, hold_s: replace(capped(n, 0), hold_s=hold_s)).run()
    assert (found.feasible, found.infeasible, found.constraint) == (6, 7, CLIFF)


def sharp(knee):
    return lambda n, visit: outcome() if n <= knee else outcome(lag_s=0.2, growth=0.1)


@pytest.mark.parametrize("knee", [1, 2, 3, 4, 5, 9, 16, 17, 63])
def test_a_sharp_knee_is_found_exactly_up_to_twenty_and_within_five_percent_above(knee):
    found = search(Scripted(sharp(knee))).run()
    assert found.feasible <= knee < found.infeasible
    assert found.infeasible - found.feasible <= max(1, int(0.05 * found.feasible))
    assert found.constraint == "lag growth"


def test_both_ends_of_the_answer_are_measured_again():
    def subtle(n, visit):
        return outcome() if n <= 9 else outcome(growth=0.01)

    scripted = Scripted(subtle)
    found = search(scripted).run()
    assert (found.feasible, found.infeasible) == (9, 10)
    assert scripted.visits.count(9) >= 2 and scripted.visits.count(10) >= 2


def test_one_bad_visit_does_not_become_an_end_of_the_answer():
    def hiccup(n, visit):
        return outcome(growth=0.02) if (n, visit) == (8, 0) else sharp(12)(n, visit)

    found = search(Scripted(hiccup)).run()
    assert found.feasible == 12


def test_an_undecidable_rung_is_never_an_end_of_the_answer():
    # 12 streams wobble: half of them are late in every visit, never clearly passing or failing.
    def answer(n, visit):
        if n != 12:
            return sharp(13)(n, visit)
        return outcome() if visit % 2 else outcome(growth=0.004)

    searching = search(Scripted(answer))
    found = searching.run()
    assert found.feasible <= 13 < found.infeasible
    undecided = [r.n for r in searching.rungs if r.verdict is Verdict.INCONCLUSIVE]
    assert found.feasible not in undecided and found.infeasible not in undecided


def test_nothing_is_claimed_beyond_the_last_rung():
    found = search(Scripted(sharp(100)), max_streams=40).run()
    assert (found.feasible, found.infeasible, found.tight) == (40, None, False)


def test_an_endpoint_that_one_stream_overloads_has_no_feasible_rung():
    found = search(Scripted(sharp(0))).run()
    assert (found.feasible, found.infeasible) == (0, 1)


def test_an_endpoint_where_every_stream_fails_is_an_error_not_a_capacity():
    with pytest.raises(MeasurementInvalid, match="ModelError"):
        search(Scripted(lambda n, visit: outcome(error="ModelError"))).run()


def test_a_client_that_cannot_keep_up_is_tried_again_and_then_named():
    once = Scripted(lambda n, visit: "the client sent late." if (n, visit) == (4, 0) else sharp(6)(n, visit))
    assert search(once).run().feasible == 6
    searching = search(Scripted(lambda n, visit: "the client sent late." if n > 10 else outcome()))
    with pytest.raises(MeasurementInvalid, match="16 streams could not be measured: the client sent late"):
        searching.run()
    assert [r.n for r in searching.rungs] == [4, 8, 16]


def test_rungs_are_told_as_they_are_measured():
    told = []
    search(Scripted(sharp(6)), on_rung=told.append).run()
    assert told[0].n == 4
    assert {r.n for r in told} >= {6, 7}


def test_effort_trades_confidence():
    assert [e.confidence for e in EFFORTS.values()] == sorted(e.confidence for e in EFFORTS.values())
