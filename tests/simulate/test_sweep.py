"""Sweeps, the Pareto front, the recommendation, and the presets."""

import dataclasses
import os
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dgsm_helpers.errors import DgsmError, InvalidInput, NotReady
from dgsm_helpers.rules.model import ScalingModel
from dgsm_helpers.rules.step_in import STEP_IN
from dgsm_helpers.simulate.conditions import Capacity, Conditions
from dgsm_helpers.simulate.engine import simulate
from dgsm_helpers.simulate.merits import Elasticity, Merits, merits_of
from dgsm_helpers.simulate.scaling_plan import grid, guide, scheduled_minimum, sparing
from dgsm_helpers.simulate.sweep import Outcome, front_of, processes, recommend, sweep
from dgsm_helpers.simulate.traffic import PRESETS, preset

KNEE = Capacity(knee=10)
PRICE = {"ml.g5.2xlarge": 1.515}
IDEAL = Elasticity(under_accuracy=0, over_accuracy=0, under_share=0, over_share=0)


@pytest.fixture(scope="module")
def traffic():
    return preset("diurnal", peak=40, horizon_s=6 * 3600.0, seed=3)


def outcome(cost, over, *, stream_s=100_000.0):
    merits = Merits(
        instance_hours=cost,
        peak_instances=1,
        cost_usd=None,
        usd_per_stream_hour=None,
        over_capacity_stream_s=over,
        over_capacity_share=over / stream_s,
        affected_share=0,
        new_above_knee_share=0,
        streams_cut=0,
        hand_overs=0,
        relief_s=0.0,
        elasticity=IDEAL,
        elastic_speedup=1.0,
    )
    return Outcome(plan=guide(), merits=merits)


def test_a_sweep_gives_each_plan_what_a_single_run_gives(traffic):
    plans = grid(targets=(5.0, 7.0, 9.0), scale_out_cooldowns_s=(60.0, 300.0), maximums=(4, 8))
    seen = []
    with ThreadPoolExecutor(2) as pool:
        outcomes = sweep(
            traffic,
            plans,
            Conditions(capacity=KNEE, usd_per_hour=PRICE),
            executor=pool,
            progress=lambda done, of: seen.append((done, of)),
        )
        assert pool.submit(int).result() == 0  # an executor that was given is not shut down
    assert [o.plan for o in outcomes] == list(plans)
    assert seen[-1] == (12, 12)
    alone = merits_of(simulate(traffic, plans[5], Conditions(capacity=KNEE)), usd_per_hour=PRICE)
    assert outcomes[5].merits == alone


def test_processes_are_the_default_and_give_the_same(traffic):
    plans = grid(targets=(5.0, 8.0))
    with ThreadPoolExecutor(1) as pool:
        expected = sweep(traffic, plans, Conditions(capacity=KNEE), executor=pool)
    assert sweep(traffic, plans, Conditions(capacity=KNEE)) == expected


class Dying(ThreadPoolExecutor):
    """An executor whose workers are lost."""

    def submit(self, fn, /, *args, **kwargs):
        return super().submit(os.getpgid, -1)


@pytest.mark.skipif(os.name != "posix", reason="nothing is forked there")
def test_a_process_begins_with_the_machine_code_loaded():
    with processes(1) as pool:
        loaded = "__import__('sys').modules['dgsm_helpers.simulate.beat_loop'].run.signatures"
        assert len(pool.submit(eval, loaded).result()) == 1


def test_a_lost_worker_is_said_and_no_plan_is_made_up(traffic):
    with Dying(1) as pool, pytest.raises(DgsmError, match="process of the sweep was lost"):
        sweep(traffic, grid(targets=(5.0,)), Conditions(capacity=KNEE), executor=pool)


def test_a_sweep_refuses_before_it_starts(traffic):
    with pytest.raises(InvalidInput, match="at least one plan"):
        sweep(traffic, (), Conditions(capacity=KNEE))
    with pytest.raises(NotReady):
        sweep(traffic, (guide(),), Conditions(capacity={}))
    with pytest.raises(InvalidInput, match="cooldown"):
        sweep(traffic, grid(targets=(5.0,), scale_in_cooldowns_s=(9e9,)), Conditions(capacity=KNEE))


@given(st.lists(st.tuples(st.integers(1, 20), st.integers(0, 20)), min_size=1, max_size=20))
def test_nothing_beats_a_plan_on_the_front(points):
    outcomes = [outcome(cost, over) for cost, over in points]
    front = front_of(outcomes)
    for kept in front:
        assert not any(
            o.cost <= kept.cost
            and o.merits.over_capacity_stream_s <= kept.merits.over_capacity_stream_s
            and (o.cost, o.merits.over_capacity_stream_s) != (kept.cost, kept.merits.over_capacity_stream_s)
            for o in outcomes
        )
    assert [o.cost for o in front] == sorted({o.cost for o in front})


def test_the_cheapest_tolerable_plan_is_recommended_with_its_runner_up():
    cheap, good, dear, silly = outcome(1, 5000), outcome(2, 90), outcome(4, 0), outcome(5, 3000)
    advice = recommend([dear, silly, cheap, good])
    assert (advice.best, advice.runner_up) == (good, dear)
    assert advice.front == (cheap, good, dear)
    assert "cheapest" in advice.reason
    assert advice.runner_up_reason == "100.0% more cost for 90 fewer stream-seconds over capacity."


def changed(outcome, name, **merits):
    """An outcome under another name and with other figures."""
    plan = dataclasses.replace(outcome.plan, name=name)
    return dataclasses.replace(outcome, plan=plan, merits=dataclasses.replace(outcome.merits, **merits))


def test_the_reason_warns_of_a_maximum_that_was_reached():
    free = outcome(1, 0)
    assert "reaches its maximum of 4" in recommend([changed(free, "tight", peak_instances=4)]).reason
    assert recommend([free]).reason.endswith("(0.000%).")


@pytest.mark.parametrize("cut", [1, 7, 400])
def test_a_plan_that_cuts_calls_is_never_recommended_without_saying_so_first(cut):
    advice = recommend([changed(outcome(1, 0), "cheap", streams_cut=cut), changed(outcome(9, 0), "d", streams_cut=cut)])
    assert advice.reason.startswith(
        f"It cuts {cut} call{'s' * (cut > 1)} by its scale-ins: about {10 * cut} words lost"
    )
    assert advice.sparing is None


def test_a_runner_up_that_cuts_calls_says_so_first_too():
    best, other = outcome(1, 50), changed(outcome(2, 0), "dear", streams_cut=3)
    advice = recommend([best, other])
    assert advice.reason.startswith("The cheapest")
    assert advice.runner_up_reason.startswith("It cuts 3 calls")


def test_what_it_costs_to_cut_fewer_calls_is_said_with_the_plan_that_does():
    best = changed(outcome(10, 0), "best", streams_cut=100)
    few, fewer = changed(outcome(12, 0), "few", streams_cut=20), changed(outcome(30, 0), "none", streams_cut=0)
    hardly, overloaded = (
        changed(outcome(11, 0), "hardly", streams_cut=90),
        changed(outcome(9, 9000), "o", streams_cut=0),
    )
    advice = recommend([best, few, fewer, hardly, overloaded])
    assert (advice.best, advice.sparing) == (best, few)
    assert "To cut 20 costs 20% more: few." in advice.reason
    assert "To cut none costs 200% more: none." in recommend([best, fewer, hardly, overloaded]).reason
    assert recommend([best, hardly, overloaded]).sparing is None


def test_no_more_calls_are_cut_than_was_said_to_be_tolerable():
    many, few, none = (changed(outcome(cost, 0), str(cut), streams_cut=cut) for cost, cut in ((1, 100), (2, 9), (3, 0)))
    overloaded = changed(outcome(0.5, 9000), "overloaded", streams_cut=0)
    plans = [many, few, none, overloaded]
    assert recommend(plans).best == many
    assert [recommend(plans, tolerated_cuts=most).best for most in (0, 8, 9, 50, 100)] == [none, none, few, few, many]
    assert "No plan of tolerable overload" not in recommend(plans, tolerated_cuts=9).reason


def test_where_no_plan_cuts_so_few_the_fewest_count_and_that_is_said():
    many, few = (changed(outcome(cost, 0), str(cut), streams_cut=cut) for cost, cut in ((1, 100), (2, 9)))
    overloaded = changed(outcome(0.5, 9000), "overloaded", streams_cut=0)
    advice = recommend([many, few, overloaded], tolerated_cuts=3)
    assert advice.best == few
    assert "No plan of tolerable overload cuts 3 calls; 9 are the fewest." in advice.reason
    assert recommend([overloaded], tolerated_cuts=0).best == overloaded
    with pytest.raises(InvalidInput, match="tolerated_cuts is -1"):
        recommend([many], tolerated_cuts=-1)


def test_a_recommendation_says_the_plan_first():
    best = changed(outcome(10, 0), "best", streams_cut=100)
    told = str(recommend([best, changed(outcome(12, 0), "few", streams_cut=2)])).splitlines()
    assert told[0] == "Recommended: best"
    assert told[1].startswith("  It cuts 100 calls")
    assert told[-2] == "Sparing calls: few"


def test_without_a_tolerable_plan_the_least_overloaded_is_recommended_and_said_so():
    advice = recommend([outcome(1, 9000), outcome(2, 5000)])
    assert advice.best.cost == 2
    assert "No plan keeps" in advice.reason
    assert advice.runner_up.cost == 1
    alone = recommend([outcome(1, 0)])
    assert alone.runner_up is None
    with pytest.raises(InvalidInput, match="None of these plans"):
        recommend([])


def test_scale_ins_that_spare_calls_cut_fewer_streams_than_the_guide(traffic):
    plain = guide(target_value=7.0, max_capacity=8)
    tracked, spared = (simulate(traffic, plan, Conditions(capacity=KNEE)) for plan in (plain, sparing(plain, 1)))
    assert spared.tally.cut < tracked.tally.cut
    assert merits_of(spared).instance_hours > merits_of(tracked).instance_hours


def test_scale_ins_that_spare_calls_remove_one_at_a_time_once_there_are_few(held):
    plan = dataclasses.replace(sparing(guide(target_value=7.0), 1), initial_count=3)
    run = simulate(held(4, until_s=600.0, horizon_s=5000.0), plan, Conditions(capacity=KNEE))
    assert [(e.kind, e.before, e.after) for e in run.events[:2]] == [("in", 3, 2), ("in", 2, 1)]
    assert run.events[0].policy == STEP_IN
    assert plan.can_be_applied


def test_a_scheduled_minimum_spares_the_morning_its_overload():
    morning = preset("step", peak=40, horizon_s=3 * 3600.0, seed=1)
    plain = guide(target_value=7.0, max_capacity=8)
    early = scheduled_minimum(plain, minimum=6, from_s=2400, to_s=7200, horizon_s=morning.horizon_s)
    over = [
        merits_of(simulate(morning, plan, Conditions(capacity=KNEE))).over_capacity_stream_s for plan in (plain, early)
    ]
    assert over[1] < over[0] / 2


def test_the_guides_policy_is_the_guides():
    plan = guide()
    policy = plan.policies[0]
    assert (policy.target_value, policy.scale_in_cooldown_s, policy.scale_out_cooldown_s) == (5.0, 300, 60)
    assert (plan.bounds.min_capacity, plan.bounds.max_capacity) == (1, 4)
    assert policy.name == "deepgram-streaming-concurrency-policy"


def test_a_grid_leaves_out_what_cannot_be():
    assert len(grid(targets=(5.0, 6.0), minimums=(1, 4), maximums=(2, 8))) == 2 * 3


@pytest.mark.parametrize("name", PRESETS)
def test_every_traffic_preset_reaches_its_peak(name):
    levels = preset(name, peak=100, seed=1).concurrency()
    assert 85 <= levels.max() <= 150
    with pytest.raises(InvalidInput, match="no traffic shape"):
        preset("weekly", peak=1)


def test_the_maximum_statistic_costs_more_above_all_with_random_routing():
    """Reference 1.4: sticky streams and the maximum keep more instances; the planner shows both."""
    day, plan = preset("diurnal", peak=60, seed=1), guide(target_value=7.0, max_capacity=20)

    def hours(**choice):
        run = simulate(day, plan, Conditions(capacity=KNEE, model=ScalingModel(**choice)))
        return merits_of(run).instance_hours

    extra = {
        routing: hours(statistic="Maximum", routing=routing) / hours(statistic="Average", routing=routing)
        for routing in ("RANDOM", "LEAST_OUTSTANDING_REQUESTS")
    }
    assert extra["RANDOM"] > 1.3
    assert 1.0 < extra["LEAST_OUTSTANDING_REQUESTS"] < extra["RANDOM"]
