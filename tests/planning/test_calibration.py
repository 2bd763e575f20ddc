"""What a real endpoint shows becomes the model; what it does not show stays an assumption."""

from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pytest

from dgsm_helpers.aws.watch.observe import ScalingActivity
from dgsm_helpers.planning.back_testing import compared
from dgsm_helpers.planning.calibrating import calibrate, reaction_values
from dgsm_helpers.rules.alarms import AlarmSpec
from dgsm_helpers.rules.model import ScalingModel
from dgsm_helpers.simulate.conditions import Capacity, Conditions
from dgsm_helpers.simulate.engine import simulate
from dgsm_helpers.simulate.scaling_plan import guide
from dgsm_helpers.simulate.traffic import Traffic

HIGH = "TargetTracking-endpoint/demo/variant/AllTraffic-AlarmHigh-1"
LOW = "TargetTracking-endpoint/demo/variant/AllTraffic-AlarmLow-2"


def alarm(comparison, threshold, periods):
    return AlarmSpec(
        threshold=threshold,
        comparison=comparison,
        period_s=10,
        evaluation_periods=periods,
        datapoints_to_alarm=periods,
        statistic="Maximum",
    )


def activity(start_s, end_s, capacity, *, status="Successful", name=HIGH, reasons=()):
    cause = f"monitor alarm {name} in state ALARM triggered policy p"
    return ScalingActivity(
        started=datetime.fromtimestamp(start_s, UTC),
        ended=None if end_s is None else datetime.fromtimestamp(end_s, UTC),
        duration_s=None if end_s is None else float(end_s - start_s),
        status=status,
        desired_instances=capacity,
        trigger="alarm",
        alarm_side="high" if name == HIGH else "low",
        policy="p",
        not_scaled_reasons=reasons,
        description="" if capacity is None else f"Setting desired instance count to {capacity}.",
        cause=cause,
        message="",
    )


ALARMS = [alarm(">", 5.0, 4), alarm("<", 4.25, 60)]


def test_alarms_settle_statistic_periods_and_factor():
    result = calibrate(ScalingModel(), source="demo", alarms=ALARMS)
    model = result.model
    assert (model.statistic, model.high_periods, model.low_periods, model.low_factor) == ("Maximum", 4, 60, 0.85)
    assert {"statistic", "high_periods", "low_periods", "low_factor"} <= {row.name for row in result.read}
    assert all(row.source == "demo" for row in result.read)
    assert "reaction_overhead_s" in {row.name for row in result.assumed}
    assert len(result.read) + len(result.assumed) == len(ScalingModel().assumptions())


def test_completed_scale_outs_give_the_start_up_time():
    activities = [
        activity(0, 200, 2),
        activity(1000, 1240, 3),
        activity(2000, 2060, 1, name=LOW),
        activity(3000, 3400, 2),
        activity(4000, None, 4, status="InProgress"),
        activity(5000, 5010, 5, status="Failed"),
    ]
    model = calibrate(ScalingModel(), source="demo", activities=activities).model
    assert model.provision_cached_s == 240
    assert model.provision_cached_spread == pytest.approx(0.35, abs=0.02)
    assert model.uncached_share == 0
    one = calibrate(ScalingModel(), source="demo", activities=activities[:1]).model
    assert (one.provision_cached_s, one.uncached_share) == (200, ScalingModel().uncached_share)


def test_completed_scale_ins_give_the_time_of_a_removal():
    activities = [
        activity(0, 200, 3),
        activity(1000, 1030, 2, name=LOW),
        activity(2000, 2050, 1, name=LOW),
        activity(3000, 3999, 1, status="Failed", name=LOW),
    ]
    result = calibrate(ScalingModel(), source="demo", activities=activities)
    assert result.model.scale_in_s == 40
    assert "scale_in_s" in {row.name for row in result.read}
    assert "scale_in_s" in {row.name for row in calibrate(ScalingModel(), source="demo", alarms=ALARMS).assumed}


def test_activities_that_took_no_time_say_nothing_of_starts():
    assert calibrate(ScalingModel(), source="demo", activities=[activity(5, 5, 2)]).read == ()


@pytest.mark.parametrize(
    ("least", "zeros"),
    [
        ([3.0, 2.0, 0.0, 0.0], True),
        ([3.0, None, None, 0.0], True),
        ([3.0, *[None] * 6, 2.0], False),
        ([3.0, None, None, 2.0], None),
        ([3.0, 4.0], None),
        ([], None),
    ],
    ids=["zeros", "zeros after late ones", "silence", "a late datapoint", "never idle", "no metric"],
)
def test_the_metric_shows_whether_idle_instances_publish_a_zero(least, zeros):
    result = calibrate(ScalingModel(), source="demo", least_streams=least)
    read = {row.name: row.value for row in result.read}
    assert read.get("idle_instance_emits_zero") is zeros


def test_the_first_activity_after_an_alarm_gives_the_reaction():
    activities = [activity(145, 300, 2), activity(400, 600, 3), activity(1060, 1200, 4)]
    result = calibrate(
        ScalingModel(), source="demo", activities=activities, into_alarm_s={HIGH: [100.0, 1005.0], LOW: [10.0]}
    )
    assert result.model.reaction_overhead_s == 50


def not_scaled(start_s, reason, name=LOW):
    return activity(start_s, None, None, status="Failed", name=name, reasons=(reason,))


@pytest.mark.parametrize("reason", ["AlreadyAtMinCapacity", "AutoScalingAnticipatedFlapping"])
def test_what_was_decided_against_is_the_first_answer_to_its_alarm(reason):
    """For two hours nothing can be removed; then fewer streams let the same alarm remove an instance."""
    refused = [not_scaled(130 + 60 * minute, reason) for minute in range(120)]
    newest_first = [activity(7330, 7400, 1, name=LOW), *reversed(refused)]
    assert reaction_values(newest_first, {LOW: [100.0]}) == {"reaction_overhead_s": 30}


def test_an_answer_hours_after_its_alarm_tells_when_a_cooldown_ended_and_no_reaction():
    late = activity(7720, 7800, 1, name=LOW)
    assert reaction_values([late], {LOW: [100.0]}) == {}
    assert "reaction_overhead_s" in {
        row.name
        for row in calibrate(ScalingModel(), source="demo", activities=[late], into_alarm_s={LOW: [100.0]}).assumed
    }
    prompt = activity(10_045, 10_200, 2)
    assert reaction_values([prompt, late], {HIGH: [10_000.0], LOW: [100.0]}) == {"reaction_overhead_s": 45}


def test_two_alarms_of_the_same_moment_are_answered_each():
    both = [activity(140, 200, 2), not_scaled(120, "AlreadyAtMinCapacity")]
    assert reaction_values(both, {HIGH: [100.0], LOW: [100.0]}) == {"reaction_overhead_s": 30}


def test_nothing_read_changes_nothing():
    result = calibrate(ScalingModel(), source="demo")
    assert result.model == ScalingModel()
    assert result.read == ()


def test_a_calibrated_model_reproduces_the_run_it_was_read_from():
    """The hidden endpoint reacts in 50 s and starts in 300 s; what its activities show is enough to find that."""
    streams, horizon_s = 8, 3600.0
    traffic = Traffic(
        name="held",
        starts_s=np.full(streams, 300.0),
        durations_s=np.full(streams, horizon_s),
        horizon_s=horizon_s,
    )
    plan = replace(guide(target_value=5.0, max_capacity=10), initial_count=1)
    exact = ScalingModel(provision_cached_spread=0.0, uncached_share=0.0)

    def played(model):
        return simulate(traffic, plan, Conditions(capacity=Capacity(knee=10), model=model))

    truth = played(exact.with_evidence("hidden", reaction_overhead_s=50.0, provision_cached_s=300.0))
    event = truth.events[0]
    seen = calibrate(
        exact,
        source="demo",
        activities=[activity(event.at_s, event.completed_s, event.after)],
        into_alarm_s={HIGH: [event.alarm_s]},
    )
    recorded = list(zip(truth.times_s - 10, truth.serving, strict=True))
    again, otherwise = (
        compared(played(m), recorded, seen, datetime.fromtimestamp(0, UTC)) for m in (seen.model, exact)
    )
    assert (again.equal_share, again.mean_error, again.bias) == (1.0, 0.0, 0.0)
    assert otherwise.equal_share < 1.0
