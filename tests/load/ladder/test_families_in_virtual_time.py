"""The search on models of every family, with the real senders, readers and measures, in virtual time."""

from __future__ import annotations

from math import floor

import pytest
from kit.virtual_model import VirtualModel, settings

from dgsm_helpers.families import AURA, FLUX, FLUX_TTS
from dgsm_helpers.load.ladder.capacity import lasting
from dgsm_helpers.load.ladder.criteria import presets
from dgsm_helpers.load.ladder.rung import QUICK
from dgsm_helpers.load.ladder.search import Search, alone_of, hold_alone
from dgsm_helpers.load.ladder.verdict import CLIFF
from dgsm_helpers.load.transport.conversation import Conversation
from dgsm_helpers.load.transport.workloads import without_pauses, workload_of

SHORT = ("Yes, I can.", "Your order left on Tuesday.", "Please tell me your name and date of birth.")
BY_NAME = pytest.mark.parametrize("family", [FLUX, AURA, FLUX_TTS], ids=lambda f: f.name)


def found(family, workload, *, begin_at=4, **model):
    """What the search makes of a virtual instance."""
    effort = lasting(QUICK, workload)
    endpoint = VirtualModel(family, workload, settle_s=effort.settle_s, **model)
    criteria = presets(family)["strict"]
    if (alone := alone_of(hold_alone(endpoint, effort.hold_s)[-1], workload)) is not None:
        criteria = criteria.beside(alone)
    search = Search(endpoint, criteria=criteria, effort=effort, max_streams=200, begin_at=begin_at)
    return search.run()


def without_a_break(family):
    usual = workload_of(family)
    return without_pauses(usual) or usual


def knee(model):
    return floor(model["lanes"] * 0.1 / model["service_s"])


@BY_NAME
@pytest.mark.parametrize("seed", range(3))
def test_flux_aura_and_speak_turns_have_the_knee_of_the_closed_form(family, seed):
    model = settings(seed)
    bracket = found(family, without_a_break(family), seed=seed, **model)
    assert (bracket.feasible, bracket.tight) == (knee(model), True), bracket


@pytest.mark.slow
@BY_NAME
def test_flux_aura_and_speak_turns_have_the_knee_of_the_closed_form_in_every_run(family):
    wrong = {}
    for seed in range(200):
        model = settings(1000 + seed)
        bracket = found(family, without_a_break(family), seed=seed, **model)
        if bracket.feasible != knee(model):
            wrong[seed] = (knee(model), bracket)
    assert not wrong


@pytest.mark.parametrize("seed", range(2))
def test_calls_at_a_duty_of_a_third_are_fewer_than_turns_divided_by_it(seed):
    """The mean law says 31 calls at 10.5 turns; with 24 calls one turn in a hundred stops, in a long simulation."""
    calls = Conversation(texts=SHORT)
    assert calls.duty == pytest.approx(1 / 3)
    bracket = found(AURA, calls, begin_at=10, seed=seed)
    assert 20 <= bracket.feasible < 31 and bracket.constraint == "p95 underrun"


def test_a_configured_maximum_of_streams_is_named_however_few_it_refuses():
    bracket = found(FLUX, workload_of(FLUX), max_streams=9, service_s=0.01)
    assert (bracket.feasible, bracket.infeasible, bracket.constraint) == (9, 10, CLIFF)


def test_an_instance_that_drops_the_end_of_its_turns_fails_by_turns_though_nothing_is_late():
    bracket = found(AURA, Conversation(texts=SHORT, think_s=0.0), service_s=0.001, cut=0.4, cut_above=6)
    assert (bracket.feasible, bracket.infeasible, bracket.constraint) == (6, 7, "turns")
