"""The compiled loop and sparse looks at the rules change nothing about a run."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from kit.laid_out import begins_and_ends
from kit.random_plans import fingerprint, random_case
from numba.core.dispatcher import Dispatcher

from dgsm_helpers.rules.fleet import LEAST_OUTSTANDING_REQUESTS, choose_instance
from dgsm_helpers.rules.model import ScalingModel
from dgsm_helpers.simulate import beat_loop, end_order, virtual_fleet
from dgsm_helpers.simulate.conditions import Capacity, Conditions
from dgsm_helpers.simulate.engine import simulate
from dgsm_helpers.simulate.events import lay_out
from dgsm_helpers.simulate.player import Player
from dgsm_helpers.simulate.traffic import Traffic
from dgsm_helpers.simulate.virtual_fleet import VirtualFleet

RECORDED = [
    json.loads(line)
    for line in (Path(__file__).parent / "recorded_runs.jsonl").read_text(encoding="utf-8").splitlines()
]
"""What a player in plain Python, with a look at the rules at every beat, made of the cases of `kit.random_plans`."""


@pytest.mark.parametrize("first", range(0, len(RECORDED), 50))
def test_runs_are_to_the_last_bit_what_a_look_at_every_beat_gave(first):
    for recorded in RECORDED[first : first + 50]:
        run = simulate(*random_case(recorded["number"]))
        assert {
            "number": recorded["number"],
            "beats": len(run.times_s),
            "changes": sum(event.kind in ("out", "in") for event in run.events),
            "cut": run.tally.cut,
            "fingerprint": fingerprint(run),
        } == recorded


@settings(max_examples=30, deadline=None)
@given(st.integers(10_000, 10**9))
def test_a_look_at_every_beat_gives_the_same_run(number):
    case = random_case(number)
    sparse = simulate(*case)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Player, "_next_look", lambda _self, tick: tick)
        assert fingerprint(simulate(*case)) == fingerprint(sparse)


@pytest.mark.parametrize("number", range(0, 60, 3))
def test_a_fleet_that_outgrows_its_slots_gives_the_same_run(number, monkeypatch):
    traffic, plan, conditions = random_case(number)
    for hand_over in (False, True):
        conditions = replace(conditions, hand_over=hand_over)
        at_once = simulate(traffic, plan, conditions)
        with monkeypatch.context() as patch:
            patch.setattr(virtual_fleet, "_MOST_AT_FIRST", 1)
            assert fingerprint(simulate(traffic, plan, conditions)) == fingerprint(at_once)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.floats(0, 900), st.floats(1, 400)), min_size=1, max_size=60).map(sorted),
    st.integers(2, 12),
    st.lists(st.integers(0, 11), max_size=3, unique=True),
)
def test_new_streams_go_where_the_rules_send_them(pairs, instances, leaving):
    starts, durations = np.array(pairs).T
    traffic = Traffic(name="any", starts_s=starts, durations_s=durations, horizon_s=1000.0)
    model = ScalingModel(routing=LEAST_OUTSTANDING_REQUESTS)
    events = lay_out(traffic, Conditions(capacity=Capacity(knee=3), model=model))
    in_order = begins_and_ends(events)
    fleet = VirtualFleet(events, model, {"type": 3}, most=8)
    for _ in range(instances):
        fleet.add("type", 0.0)
    held: dict[int, list[int]] = {slot: [] for slot in range(instances)}
    serving = list(range(instances))
    for tick in range(events.ticks):
        if tick == 50:  # some leave, their streams go on
            for slot in [slot for slot in leaving if slot < instances - 1]:
                fleet.withdraw(slot)
                serving.remove(slot)
        for at_s, begins, stream in in_order:
            if not 10.0 * tick <= at_s < 10.0 * (tick + 1):
                continue
            if begins:
                held[serving[choose_instance([len(held[s]) for s in serving], model.routing, 0.0)]].append(stream)
            else:
                next(streams for streams in held.values() if stream in streams).remove(stream)
        fleet.play_beat(tick)
        assert [fleet.outstanding(slot) for slot in range(instances)] == [len(streams) for streams in held.values()]
        assert fleet.streams == sum(map(len, held.values()))


KEPT = [
    entry
    for module in (beat_loop, end_order)
    for name, entry in vars(module).items()
    if isinstance(entry, Dispatcher) and not name.startswith("_")
]


def test_machine_code_is_kept_for_the_next_process():
    for number in range(8):
        traffic, plan, conditions = random_case(number)
        fixed_s = traffic.starts_s.copy()
        fixed_s.flags.writeable = False  # as pandas hands columns over
        simulate(traffic, plan, conditions)
        simulate(replace(traffic, starts_s=fixed_s), plan, conditions)
        simulate(traffic, plan, replace(conditions, hand_over=True))
    assert len(KEPT) == 6
    for entry in KEPT:
        assert entry.stats.cache_path
        assert len(entry.signatures) == 1, "each form of arguments costs seconds to compile"


def test_what_is_kept_names_no_class_of_ours():
    """An earlier release's, which numba reads before it sees that it is out of date, might be gone."""
    simulate(*random_case(1))
    for entry in KEPT:
        module = entry.py_func.__module__.rpartition(".")[2]
        kept = [*Path(entry.stats.cache_path).glob(f"{module}.{entry.__name__}-*.nbi")]
        assert kept
        for index in kept:
            assert b"dgsm_helpers" not in index.read_bytes()
        assert not [signature for signature in entry.signatures if "Arrays" in str(signature)]


def test_numba_and_scipy_are_imported_only_when_something_is_simulated():
    script = (
        "import sys, dgsm_helpers.plan, dgsm_helpers.mixed, dgsm_helpers.simulate.sweep\n"
        "assert not {'numba', 'scipy'} & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True)
