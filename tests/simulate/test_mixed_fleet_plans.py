"""Metric-math policies in the planner: an empty pool, unequal counts, one-minute reaction."""

from __future__ import annotations

import numpy as np
import pytest

from dgsm_helpers.errors import InvalidInput, UnsupportedFeature
from dgsm_helpers.rules.fleet import Shortage
from dgsm_helpers.rules.model import ScalingModel
from dgsm_helpers.rules.policies import Bounds, TargetTracking
from dgsm_helpers.rules.weighted_metrics import FORMS
from dgsm_helpers.simulate import beat_loop
from dgsm_helpers.simulate.conditions import Capacity, Conditions
from dgsm_helpers.simulate.engine import simulate
from dgsm_helpers.simulate.events import lay_out
from dgsm_helpers.simulate.plan_alarms import PlanAlarms
from dgsm_helpers.simulate.pool_forms import PREDEFINED, compare_forms, recommended
from dgsm_helpers.simulate.scaling_plan import ScalingPlan
from dgsm_helpers.simulate.traffic import Traffic, diurnal, step
from dgsm_helpers.simulate.virtual_fleet import VirtualFleet

STRONG, WEAK = "ml.g6.2xlarge", "ml.g5.2xlarge"
CAPACITY = {STRONG: Capacity(knee=20), WEAK: Capacity(knee=8)}
RISE = step(before=8, after=31, at_s=3600, horizon_s=3 * 3600, mean_s=60)


def plan_of(form: str, *, shortage: bool = False) -> ScalingPlan:
    weights = (0.5, 0.5) if form == "weighted-streams" else ()
    policy = TargetTracking(
        name="mixed",
        target_value=0.7 * 14 if weights else 0.7,
        metric="metric-math",
        form=form,
        weights=weights,
        scale_out_cooldown_s=60,
    )
    gone = (Shortage(instance_type=STRONG, start_s=1800, end_s=3 * 3600),) if shortage else ()
    return ScalingPlan(
        name=form,
        policies=(policy,),
        bounds=Bounds(min_capacity=1, max_capacity=10),
        instance_types=(STRONG, WEAK),
        shortages=gone,
        initial_count=1,
    )


def used_at_end(run) -> float:
    capacity = sum(CAPACITY[t].knee for t, peak in zip(types_of(run), run.peaks[-1], strict=True) if peak >= 0)
    return run.streams[-60:].mean() / capacity


def types_of(run):
    """Only the first slot is of the strong type where it runs short, all are where it does not."""
    short = bool(run.plan.shortages)
    return [WEAK if short and slot else STRONG for slot in range(len(run.peaks[-1]))]


@pytest.mark.parametrize("form", ["max-of-ratios", "guarded-mean", "sum-over-sum"])
def test_mixed_fleet_without_a_fallback_instance_is_scaled_by_the_guarded_forms(form):
    run = simulate(RISE, plan_of(form), Conditions(capacity=CAPACITY))
    assert run.serving[-1] >= 3
    assert used_at_end(run) <= 0.7


@pytest.mark.parametrize("form", ["mean-of-ratios", "weighted-streams"])
def test_mixed_fleet_without_a_fallback_instance_stays_too_small_under_the_published_forms(form):
    run = simulate(RISE, plan_of(form), Conditions(capacity=CAPACITY))
    assert used_at_end(run) > 0.75


def test_mixed_fleet_of_unequal_counts_is_kept_within_the_target_by_sums_alone():
    used = {
        form: used_at_end(simulate(RISE, plan_of(form, shortage=True), Conditions(capacity=CAPACITY))) for form in FORMS
    }
    assert 0.5 < used["sum-over-sum"] <= 0.7
    assert used["max-of-ratios"] < used["sum-over-sum"]


def test_mixed_fleet_reacts_by_the_minute():
    run = simulate(RISE, plan_of("sum-over-sum"), Conditions(capacity=CAPACITY))
    first = next(e for e in run.events if e.kind == "out" and e.at_s > 3600)
    assert first.alarm_s % 60 == 0
    assert first.at_s - 3600 >= 180


@pytest.mark.parametrize(("zeros", "used"), [(True, 10 / 28), (False, 10 / 20)])
def test_mixed_fleet_counts_only_instances_that_publish_when_idle_ones_do_not(zeros, used):
    traffic = Traffic(name="ten", starts_s=np.zeros(10), durations_s=np.full(10, 99.0), horizon_s=120.0)
    events = lay_out(traffic, Conditions(capacity=CAPACITY))._replace(draws=np.zeros(10))  # all on the first instance
    knees = {instance_type: capacity.knee for instance_type, capacity in CAPACITY.items()}
    model, plan = ScalingModel(idle_instance_emits_zero=zeros), plan_of("sum-over-sum")
    fleet = VirtualFleet(events, model, knees, most=2)
    fleet.add(STRONG, 0.0)
    fleet.add(WEAK, 0.0)
    alarms = PlanAlarms(plan, model, knees=knees, tick_s=10.0, ticks=12)
    assert beat_loop.run(0, 6, False, tuple(fleet.arrays), tuple(alarms.watch)) == (6, False)
    assert alarms.pool_due(6)
    alarms.push_pool(60.0)
    alarms.push_pool(120.0)  # nothing has been published since
    assert alarms.watch.points[0, :2] == pytest.approx([used, np.nan], nan_ok=True)


def test_mixed_plan_with_wrong_form_or_weights_is_refused():
    def policy(**given):
        return TargetTracking(name="p", target_value=0.7, metric="metric-math", **given)

    with pytest.raises(InvalidInput, match="no weighted form 'median'"):
        policy(form="median")
    with pytest.raises(InvalidInput, match="only metric='metric-math' follows"):
        TargetTracking(name="p", target_value=0.7, form="sum-over-sum")
    bounds = Bounds(min_capacity=1, max_capacity=2)
    unweighted = ScalingPlan(
        name="p",
        policies=(policy(form="weighted-streams", weights=(1.0,)),),
        bounds=bounds,
        instance_types=(STRONG, WEAK),
    )
    with pytest.raises(InvalidInput, match="1 weights, plan 'p' has 2 instance types"):
        simulate(RISE, unweighted, Conditions(capacity=CAPACITY))
    with pytest.raises(UnsupportedFeature, match="name its form"):
        simulate(
            RISE, ScalingPlan(name="p", policies=(policy(),), bounds=bounds), Conditions(capacity=Capacity(knee=10))
        )


def test_mixed_forms_are_compared_on_the_same_traffic_and_one_is_recommended():
    traffic = diurnal(low=6, high=80, peak_s=6 * 3600, horizon_s=12 * 3600, mean_s=180, seed=1)
    outcomes = compare_forms(traffic, {STRONG: 20, WEAK: 8}, max_capacity=20)
    by_form = {outcome.form: outcome for outcome in outcomes}
    assert list(by_form) == [*FORMS, PREDEFINED]
    assert by_form["mean-of-ratios"].whole.affected_share > 0.3
    assert by_form[PREDEFINED].reaction_s + 60 < by_form["sum-over-sum"].reaction_s
    best, why = recommended(outcomes)
    assert best.form == "max-of-ratios"
    assert "mean-of-ratios" in why
    assert by_form["max-of-ratios"].row()["published by"] == ""
    worst, why = recommended([by_form["mean-of-ratios"]])
    assert (worst.form, "every form overloads" in why) == ("mean-of-ratios", True)
