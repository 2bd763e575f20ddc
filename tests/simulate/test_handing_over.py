"""Callers who hand over in virtual time: none is cut, none is lost or doubled, and overload ends sooner."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from kit.random_plans import fingerprint, random_case

from dgsm_helpers.rules.fleet import LEAST_OUTSTANDING_REQUESTS, RANDOM
from dgsm_helpers.rules.model import ScalingModel
from dgsm_helpers.simulate.conditions import Capacity, Conditions
from dgsm_helpers.simulate.engine import simulate
from dgsm_helpers.simulate.events import lay_out
from dgsm_helpers.simulate.handing_over import AFTER_S, PER_MINUTE, HandingOver
from dgsm_helpers.simulate.merits import merits_of
from dgsm_helpers.simulate.player import Player
from dgsm_helpers.simulate.scaling_plan import guide
from dgsm_helpers.simulate.traffic import Traffic, preset, step
from dgsm_helpers.simulate.virtual_fleet import VirtualFleet

KNEE = Capacity(knee=10)
CASES = range(0, 120, 3)


def handing_over(number):
    traffic, plan, conditions = random_case(number)
    return traffic, plan, replace(conditions, hand_over=True)


@pytest.mark.parametrize("number", CASES)
def test_no_call_is_cut_lost_or_doubled_whatever_the_plan(number):
    traffic, plan, conditions = handing_over(number)
    run = simulate(traffic, plan, conditions)
    events = lay_out(traffic, conditions)
    at = (np.arange(events.ticks) + 1) * events.tick_s
    ended = np.searchsorted(np.sort(events.ends_s[events.ends_s < traffic.horizon_s]), at, "left")
    in_progress = np.searchsorted(events.starts_s, at, "left") - ended
    assert run.tally.cut == 0
    assert np.array_equal(run.streams, in_progress)
    assert run.tally.opened <= events.starts_s.size + run.tally.handed_over
    assert (run.over <= run.streams).all()


@pytest.mark.parametrize("number", CASES[::4])
def test_a_run_is_what_it_would_be_with_a_look_at_every_beat(number, monkeypatch):
    traffic, plan, conditions = handing_over(number)
    sparse = simulate(traffic, plan, conditions)
    monkeypatch.setattr(Player, "_next_look", lambda self, tick: tick)
    assert fingerprint(sparse) == fingerprint(simulate(traffic, plan, conditions))
    assert sparse.tally.handed_over == simulate(traffic, plan, conditions).tally.handed_over


@pytest.mark.parametrize("routing", [RANDOM, LEAST_OUTSTANDING_REQUESTS])
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_callers_feel_new_instances_sooner_when_they_hand_over(routing, seed):
    traffic = step(before=6, after=45, at_s=3600, horizon_s=3 * 3600, mean_s=900, seed=seed)
    conditions = Conditions(capacity=KNEE, model=ScalingModel(routing=routing), seed=seed)
    plan = guide(target_value=8, max_capacity=9)
    without, with_it = (
        merits_of(simulate(traffic, plan, replace(conditions, hand_over=hand_over))) for hand_over in (False, True)
    )
    assert with_it.relief_s < 0.7 * without.relief_s
    assert with_it.over_capacity_stream_s < 0.8 * without.over_capacity_stream_s
    assert with_it.hand_overs > 0 == without.hand_overs


def test_instances_start_at_the_same_moments_with_and_without_hand_over():
    traffic = step(before=6, after=30, at_s=3600, horizon_s=2 * 3600, mean_s=900)
    conditions = Conditions(capacity=KNEE)
    plan = guide(target_value=8, max_capacity=9)
    runs = [simulate(traffic, plan, replace(conditions, hand_over=hand_over)) for hand_over in (False, True)]
    assert np.array_equal(runs[0].serving[:720], runs[1].serving[:720])


def test_a_caller_who_moves_is_no_new_call_and_the_next_one_goes_where_there_are_fewest():
    traffic = Traffic(
        name="any", starts_s=np.r_[0:5, 11:13].astype(float), durations_s=np.full(7, 99.0), horizon_s=60.0
    )
    model = ScalingModel(routing=LEAST_OUTSTANDING_REQUESTS)
    fleet = VirtualFleet(lay_out(traffic, Conditions(capacity=KNEE)), model, {"type": 2}, most=2, hand_over=True)
    fleet.add("type", 0.0)
    fleet.play_beat(0)
    fleet.add("type", 10.0)
    for caller in fleet.callers_on(0, 10.0)[:3].tolist():
        fleet.move(caller, 1, 10.0)
    assert (fleet.outstanding(0), fleet.outstanding(1), fleet.streams) == (2, 3, 5)
    assert (fleet.room(0), fleet.room(1)) == (0, -1)
    fleet.play_beat(1)
    assert (fleet.outstanding(0), fleet.outstanding(1)) == (4, 3)
    tally = fleet.close(60.0)
    assert (tally.opened, tally.handed_over, tally.cut) == (7, 3, 0)


class TwoInstances:
    """A fleet of a full instance, 0, and another with ``free`` places."""

    def __init__(self, callers, *, knee=10, free=1000):
        self.on = {0: list(range(callers)), 1: []}
        self.knees = {0: knee, 1: free}
        self.serving, self.moved = [0, 1], []
        self.arrays = lay_out(preset("constant", peak=1, horizon_s=60.0), Conditions(capacity=KNEE))

    def room(self, slot):
        return self.knees[slot] - len(self.on[slot])

    def offered(self, rng):
        return 1

    def callers_on(self, slot, now_s):
        return np.array(self.on[slot])

    def move(self, caller, slot, now_s):
        self.on[0].remove(caller)
        self.on[slot].append(caller)
        self.moved.append(now_s)


def watched(fleet, seconds=600):
    callers = HandingOver(fleet, random.Random(1))
    for at_s in range(0, seconds, 10):
        callers.relieve(float(at_s))
    return fleet.moved


def test_callers_leave_after_a_while_one_after_the_other_and_only_as_many_as_are_too_many():
    moved = watched(TwoInstances(70))
    assert moved[0] == AFTER_S
    assert len(moved) == 60
    assert max(Counter(at_s // 60 for at_s in moved).values()) <= PER_MINUTE


def test_callers_stay_where_no_other_instance_has_room():
    assert len(watched(TwoInstances(70, free=3))) == 3


def test_overload_that_ends_in_between_is_not_added_up():
    fleet = TwoInstances(12)
    callers = HandingOver(fleet, random.Random(1))
    for at_s in (0.0, 10.0, 100.0, 110.0, 200.0):
        callers.relieve(at_s)
    assert fleet.moved == []


@pytest.mark.slow
def test_ten_days_of_twenty_seeds_cut_no_call_for_hardly_more_instance_hours(tmp_path):
    script, document = Path(__file__).resolve().parents[2] / "benchmarks" / "hand_over.py", tmp_path / "measured.json"
    done = subprocess.run(
        [sys.executable, str(script), "--json", str(document)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    for measured in json.loads(document.read_text(encoding="utf-8")).values():
        assert measured["hand_over"]["calls_cut"] == 0 < measured["plain"]["calls_cut"]
        assert measured["more_instance_hours"] <= 0.05
