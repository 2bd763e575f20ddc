"""The scaling decision: Application Auto Scaling's rules one by one, recorded runs, and properties."""

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dgsm_helpers.errors import InvalidInput
from dgsm_helpers.rules.alarms import AlarmSpec
from dgsm_helpers.rules.decision import AlarmReading, Change, PolicySignals, State, observe_endpoint, pull_into_bounds
from dgsm_helpers.rules.model import GRADES, ScalingModel
from dgsm_helpers.rules.policies import Bounds, ScheduledChange, StepAdjustment, StepScaling, TargetTracking
from dgsm_helpers.rules.target_tracking import decide, next_due_s

MODEL = ScalingModel(reaction_overhead_s=0.0)
GUIDE = TargetTracking(name="streams", target_value=5.0, scale_out_cooldown_s=60, scale_in_cooldown_s=300)
BOUNDS = Bounds(min_capacity=1, max_capacity=10)


def high(metric, *, state="ALARM", since_s=0.0, name="high"):
    return AlarmReading(name=name, state=state, since_s=since_s, datapoints=(metric,) * 3)


def low(metric, *, state="ALARM", since_s=0.0, name="low"):
    return AlarmReading(name=name, state=state, since_s=since_s, datapoints=(metric,) * 90)


def out(metric, **kwargs):
    return PolicySignals(high=high(metric, **kwargs), low=low(metric, state="OK"))


def idle(metric, **kwargs):
    return PolicySignals(high=high(metric, state="OK"), low=low(metric, **kwargs))


def tracked(state, signals, *, policy=GUIDE, bounds=BOUNDS, now_s=0.0, model=MODEL):
    return decide(state, {policy.name: signals}, [policy], bounds, model, now_s=now_s)


def at(count, **kwargs):
    return State(running=count, desired=count, **kwargs)


def test_scale_out_is_proportional_and_rounds_up():
    decision = tracked(at(2), out(7.6))
    assert (decision.kind, decision.capacity) == ("out", 4)  # 2 * 7.6 / 5 = 3.04
    assert (decision.policy, decision.alarm) == ("streams", "high")
    assert decision.state.desired == 4
    assert decision.state.busy


def test_how_capacity_is_rounded_can_be_swapped():
    """Two instances at 6 for a target of 5 need 2.4: AWS's conservative rounding says 3, one emulator's says 2."""
    nearest = dataclasses.replace(MODEL, capacity_rounding="nearest")
    assert tracked(at(2), out(6.0)).capacity == 3
    assert tracked(at(2), out(6.0), model=nearest).code == "AlreadyAtDesiredCapacity"
    assert tracked(at(2), out(6.5), model=nearest).capacity == 3


def test_where_a_cooldown_is_anchored_can_be_swapped():
    """Asked for at 0, there at 250 s, cooldown 300 s: over at 550 s after completion, at 300 s after the start."""
    before = Change(before=3, after=2, started_s=0.0, cooldown_s=300.0, completed_s=250.0)
    state, started = at(2, last_in=before), dataclasses.replace(MODEL, cooldown_anchor="start")
    assert tracked(state, idle(0.0), now_s=400.0).note == "cooldown"
    assert tracked(state, idle(0.0), now_s=550.0).kind == "in"
    assert tracked(state, idle(0.0), now_s=290.0, model=started).note == "cooldown"
    assert tracked(state, idle(0.0), now_s=400.0, model=started).kind == "in"


def test_a_whole_quotient_is_not_rounded_up_by_floating_point():
    policy = TargetTracking(name="p", target_value=0.7)
    assert tracked(at(3), out(2.1), policy=policy).capacity == 9


def test_r2_load_40_on_one_instance_with_target_37_5():
    """R2: aws-samples/sample-kokoro-tts-for-ai-agents, validate artifact 2026-08: desired 1 to 2 at 61 s (+-10)."""
    policy, model = TargetTracking(name="p", target_value=37.5), ScalingModel()
    alarm_s = model.high_periods * model.high_resolution_period_s
    signals = {"p": out(40.0, since_s=float(alarm_s))}
    due_s = next_due_s(at(1), signals, model)
    assert due_s == pytest.approx(61, abs=10)
    assert decide(at(1), signals, [policy], BOUNDS, model, now_s=due_s - 10).kind == "none"
    assert decide(at(1), signals, [policy], BOUNDS, model, now_s=due_s).capacity == 2


def test_r3_surge_of_94_on_two_instances_with_target_37_5():
    """R3: the same artifact: 94 in flight on 2 gave desired 3."""
    assert tracked(at(2), out(94 / 2), policy=TargetTracking(name="p", target_value=37.5)).capacity == 3


@pytest.mark.parametrize(("running", "sessions", "target", "expected"), [(1, 6, 3.0, 2), (1, 11, 3.0, 4)])
def test_recorded_capacity_of_sample_voice_agent(running, sessions, target, expected):
    """sample-voice-agent f84147a9: 6 sessions at target 3 gave 2 tasks, 11 gave ceil(11/3) = 4."""
    policy = TargetTracking(name="p", target_value=target)
    assert tracked(at(running), out(sessions / running), policy=policy).capacity == expected


def test_the_reaction_comes_after_the_overhead_and_repeats_every_minute():
    model = ScalingModel(reaction_overhead_s=30.0)
    bounds = Bounds(min_capacity=1, max_capacity=1)
    state, seen = at(1), []
    for now_s in range(100, 300, 10):
        decision = tracked(state, out(8.0, since_s=100.0), bounds=bounds, now_s=float(now_s), model=model)
        state = decision.state
        if decision.kind == "not_scaled":
            seen.append(now_s)
            assert decision.code == "AlreadyAtMaxCapacity"
    assert seen == [130, 190, 250]


def test_an_alarm_that_comes_back_triggers_anew():
    first = tracked(at(1), out(8.0, since_s=0.0), now_s=0.0, bounds=Bounds(min_capacity=1, max_capacity=1))
    again = tracked(first.state, out(8.0, since_s=20.0), now_s=20.0, bounds=Bounds(min_capacity=1, max_capacity=1))
    assert again.kind == "not_scaled"


@pytest.mark.parametrize(("metric", "capacity"), [(5.0, 10), (2.0**360, 10), (0.0, 1), (-(2.0**360), 1)])
def test_a_target_next_to_zero_asks_for_as_much_as_the_bounds_allow(metric, capacity):
    least = dataclasses.replace(GUIDE, target_value=1e-310)
    decision = tracked(at(3), out(metric) if metric > 0 else idle(metric), policy=least)
    assert decision.capacity == capacity


@pytest.mark.parametrize("state", ["OK", "INSUFFICIENT_DATA"])
def test_nothing_scales_on_missing_data_or_in_peace(state):
    signals = PolicySignals(high=high(8.0, state=state), low=low(1.0, state=state))
    assert tracked(at(3), signals).kind == "none"


def test_an_alarm_set_by_hand_without_data_scales_nothing():
    empty = AlarmReading(name="high", state="ALARM", since_s=0.0)
    assert tracked(at(2), PolicySignals(high=empty)).kind == "none"
    assert tracked(at(2), PolicySignals(high=high(1.0, state="OK"), low=empty)).kind == "none"
    assert decide(at(2), {"step-in": PolicySignals(high=empty)}, [STEP_IN], BOUNDS, MODEL, now_s=0.0).kind == "none"


def test_scale_in_needs_the_rest_to_stay_at_or_under_the_target():
    assert tracked(at(3), idle(10 / 3)).capacity == 2
    refused = tracked(at(3), idle(3.4))
    assert (refused.kind, refused.code) == ("not_scaled", "AutoScalingAnticipatedFlapping")
    model = dataclasses.replace(MODEL, dead_band_code="AlreadyAtDesiredCapacity")
    assert tracked(at(3), idle(3.4), model=model).code == "AlreadyAtDesiredCapacity"


def test_the_rules_that_aws_does_not_publish_can_be_swapped():
    rising = AlarmReading(name="high", state="ALARM", since_s=0.0, datapoints=(6.0, 7.0, 11.0))
    signals = PolicySignals(high=rising, low=low(1.0, state="OK"))
    assert tracked(at(1), signals).capacity == 2  # mean 8
    assert tracked(at(1), signals, model=dataclasses.replace(MODEL, capacity_metric="latest")).capacity == 3
    gradual = dataclasses.replace(MODEL, scale_in_rule="one-at-a-time")
    assert (tracked(at(6), idle(0.5)).capacity, tracked(at(6), idle(0.5), model=gradual).capacity) == (1, 5)
    assert tracked(at(3), idle(3.4), model=gradual).kind == "not_scaled"


def test_scale_in_stops_at_the_minimum():
    assert tracked(at(4), idle(0.0), bounds=Bounds(min_capacity=2, max_capacity=9)).capacity == 2
    assert tracked(at(1), idle(0.0)).code == "AlreadyAtMinCapacity"


def test_disabled_scale_in_never_removes():
    policy = dataclasses.replace(GUIDE, disable_scale_in=True)
    assert tracked(at(4), idle(0.0), policy=policy).kind == "none"


def test_one_update_in_flight():
    asked = tracked(at(1), out(8.0))
    more = tracked(asked.state, out(20.0), now_s=60.0)
    assert (more.kind, more.code) == ("not_scaled", "TargetServicePutResourceAsUnscalable")
    same = tracked(asked.state, out(8.0), now_s=60.0)
    assert (same.kind, same.code) == ("not_scaled", "AlreadyAtDesiredCapacity")


def test_cooldown_starts_at_completion_and_credits_what_was_added():
    asked = tracked(at(1), out(9.0))
    state = observe_endpoint(asked.state, running=2, desired=2, busy=False, now_s=260.0)
    assert state.last_out.completed_s == 260.0
    held = tracked(state, out(7.0, since_s=300.0), now_s=300.0)  # ceil(14/5) = 3, less the one just added
    assert (held.kind, held.note) == ("none", "cooldown")
    larger = tracked(state, out(9.0, since_s=300.0), now_s=300.0)  # ceil(18/5) = 4: a larger scale-out is not blocked
    assert (larger.kind, larger.capacity) == ("out", 3)
    later = tracked(state, out(7.0, since_s=320.0), now_s=320.0)
    assert (later.kind, later.capacity) == ("out", 3)


def test_scale_in_cooldown_blocks_scale_in_until_it_ends():
    asked = tracked(at(4), idle(1.0))
    state = observe_endpoint(asked.state, running=asked.capacity, desired=asked.capacity, busy=False, now_s=100.0)
    state = state._replace(running=3, desired=3)
    assert tracked(state, idle(1.0, since_s=200.0), now_s=200.0).note == "cooldown"
    assert tracked(state, idle(1.0, since_s=400.0), now_s=400.0).kind == "in"


def test_a_scale_out_interrupts_the_scale_in_cooldown_for_good():
    cooling = Change(before=4, after=3, started_s=0.0, cooldown_s=300.0, completed_s=10.0)
    grown = tracked(at(3, last_in=cooling), out(6.0, since_s=20.0), now_s=20.0)
    assert grown.kind == "out"
    state = observe_endpoint(grown.state, running=4, desired=4, busy=False, now_s=30.0)
    assert tracked(state, idle(1.0, since_s=40.0), now_s=40.0).kind == "in"


def test_a_failed_change_leaves_no_cooldown():
    asked = tracked(at(1), out(9.0))
    state = observe_endpoint(asked.state, running=1, desired=1, busy=False, now_s=900.0)
    assert (state.change, state.last_out, state.desired) == (None, None, 1)
    assert tracked(state, out(9.0, since_s=0.0), now_s=910.0).kind == "out"


def test_someone_elses_update_blocks_scaling():
    state = observe_endpoint(at(2), running=2, desired=2, busy=True, now_s=0.0)
    assert tracked(state, out(9.0)).code == "TargetServicePutResourceAsUnscalable"
    assert observe_endpoint(state, running=2, desired=2, busy=False, now_s=9.0).last_out is None


OTHER = TargetTracking(name="other", target_value=0.7, metric="metric-math")


def both(first, second, state=None, policies=(GUIDE, OTHER)):
    signals = {p.name: s for p, s in zip(policies, (first, second), strict=True)}
    return decide(state or at(4), signals, policies, BOUNDS, MODEL, now_s=0.0)


def test_with_several_policies_any_scales_out_and_the_largest_wins():
    assert both(out(6.0), idle(0.1, name="low2")).capacity == 5
    decision = both(out(6.0), PolicySignals(high=high(1.4, name="high2"), low=low(1.4, state="OK", name="low2")))
    assert (decision.capacity, decision.policy, decision.alarm) == (8, "other", "high2")


def test_with_several_policies_scale_in_needs_all_that_may():
    quiet = PolicySignals(high=high(0.6, state="OK", name="high2"), low=low(0.6, state="OK", name="low2"))
    refused = both(idle(1.0), quiet)
    assert (refused.kind, refused.note) == ("none", "disagreement")
    agreed = both(idle(1.0), idle(0.5, name="low2"))
    assert (agreed.kind, agreed.capacity, agreed.policy) == ("in", 3, "other")
    never = dataclasses.replace(OTHER, disable_scale_in=True)
    assert both(idle(1.0), quiet, policies=(GUIDE, never)).capacity == 1


STEP_IN = StepScaling(
    name="step-in",
    alarm=AlarmSpec(threshold=0.5, comparison="<", period_s=60, evaluation_periods=5, datapoints_to_alarm=5),
    steps=(StepAdjustment(adjustment=-1, upper=0.0),),
    cooldown_s=600,
)


def test_step_in_removes_while_target_tracking_may_only_add():
    policy = dataclasses.replace(GUIDE, disable_scale_in=True)
    signals = {"streams": idle(0.0), "step-in": PolicySignals(high=low(0.0, name="step"))}
    decision = decide(at(3), signals, [policy, STEP_IN], BOUNDS, MODEL, now_s=0.0)
    assert (decision.kind, decision.capacity, decision.policy) == ("in", 2, "step-in")
    grows = decide(at(3), {**signals, "streams": out(9.0)}, [policy, STEP_IN], BOUNDS, MODEL, now_s=0.0)
    assert grows.kind == "out"


@pytest.mark.parametrize(
    ("kind", "adjustment", "magnitude", "running", "expected"),
    [
        ("ChangeInCapacity", 3, 1, 2, 5),
        ("ExactCapacity", 5, 1, 2, 5),
        ("PercentChangeInCapacity", 50, 1, 3, 4),  # 1.5 rounds down
        ("PercentChangeInCapacity", 10, 1, 3, 4),  # 0.3 rounds up to 1
        ("PercentChangeInCapacity", 10, 2, 3, 5),
    ],
)
def test_step_adjustments_round_as_aws_does(kind, adjustment, magnitude, running, expected):
    alarm = AlarmSpec(threshold=5, comparison=">", period_s=60, evaluation_periods=1, datapoints_to_alarm=1)
    policy = StepScaling(
        name="step",
        alarm=alarm,
        steps=(StepAdjustment(adjustment=1, lower=0, upper=2), StepAdjustment(adjustment=adjustment, lower=2)),
        adjustment_type=kind,
        min_adjustment_magnitude=magnitude,
    )
    decision = decide(at(running), {"step": PolicySignals(high=high(7.0))}, [policy], BOUNDS, MODEL, now_s=0.0)
    assert decision.capacity == expected


def test_suspended_directions_do_nothing():
    stopped = Bounds(min_capacity=1, max_capacity=9, scaling_in_suspended=True, scaling_out_suspended=True)
    assert tracked(at(3), out(9.0), bounds=stopped).note == "suspended"
    assert tracked(at(3), idle(0.0), bounds=stopped).note == "suspended"


def test_bounds_pull_capacity_at_once_and_wait_for_an_update():
    raised = BOUNDS.after(ScheduledChange(at_s=0, min_capacity=4))
    decision = pull_into_bounds(at(2), raised, 0.0)
    assert (decision.kind, decision.capacity, decision.cause) == ("out", 4, "minimum capacity was set to 4")
    lowered = Bounds(min_capacity=1, max_capacity=3)
    assert pull_into_bounds(at(5), lowered, 0.0).cause == "maximum capacity was set to 3"
    assert pull_into_bounds(at(5, busy=True), lowered, 0.0).note == "updating"
    assert pull_into_bounds(at(2), lowered, 0.0).kind == "none"
    done = observe_endpoint(decision.state, running=4, desired=4, busy=False, now_s=50.0)
    assert not done.last_out.cooling(50.0, "completion")


def test_a_suspended_schedule_changes_nothing_and_a_wrong_one_is_refused():
    change = ScheduledChange(at_s=0, min_capacity=20)
    stopped = dataclasses.replace(BOUNDS, scheduled_suspended=True)
    assert stopped.after(change) == stopped
    with pytest.raises(InvalidInput, match="above MaxCapacity"):
        BOUNDS.after(change)


@pytest.mark.parametrize(
    "make",
    [
        lambda: TargetTracking(name="p", target_value=0.0),
        lambda: TargetTracking(name="p", target_value=float("nan")),
        lambda: TargetTracking(name="p", target_value=float("inf")),
        lambda: TargetTracking(name="p", target_value=5.0, scale_in_cooldown_s=-1),
        lambda: TargetTracking(name="p", target_value=5.0, scale_out_cooldown_s=float("nan")),
        lambda: TargetTracking(name="p", target_value=5.0, metric="weekly"),
        lambda: Bounds(min_capacity=0, max_capacity=2),
        lambda: Bounds(min_capacity=3, max_capacity=2),
        lambda: ScalingModel(statistic="Sum"),
        lambda: ScalingModel(capacity_metric="median"),
        lambda: ScalingModel(routing="STICKY"),
        lambda: ScalingModel(uncached_share=1.5),
        lambda: ScalingModel(low_factor=0.0),
        lambda: ScalingModel(high_periods=0),
        lambda: ScalingModel(reaction_overhead_s=-1.0),
        lambda: ScalingModel(provision_cached_s=0.0),
        lambda: ScalingModel(provision_uncached_s=float("nan")),
        lambda: ScalingModel(scale_in_s=float("inf")),
        lambda: ScalingModel(shortage_s=(900.0, 60.0)),
        lambda: ScalingModel().with_evidence("describe-alarms", no_such_thing=1),
    ],
)
def test_bad_input_is_refused(make):
    with pytest.raises(InvalidInput):
        make()


STATES = st.builds(
    lambda running, desired, busy: State(running=running, desired=desired if busy else running, busy=busy),
    st.integers(2, 8),
    st.integers(2, 8),
    st.booleans(),
)
METRICS = st.floats(0, 200)
ALARM_STATES = st.sampled_from(["OK", "ALARM", "INSUFFICIENT_DATA"])


LIMITS = st.builds(lambda low, high: Bounds(min_capacity=low, max_capacity=high), st.integers(1, 3), st.integers(3, 9))


@given(STATES, METRICS, ALARM_STATES, ALARM_STATES, LIMITS)
def test_capacity_stays_within_bounds_and_moves_with_the_alarm(state, metric, above, below, bounds):
    signals = PolicySignals(high=high(metric, state=above), low=low(metric, state=below))
    decision = tracked(state, signals, bounds=bounds)
    if decision.kind in ("out", "in"):
        assert bounds.min_capacity <= decision.capacity <= bounds.max_capacity
        assert not state.busy
        assert (decision.capacity > state.desired) == (decision.kind == "out")
        assert (above if decision.kind == "out" else below) == "ALARM"
    if "ALARM" not in (above, below):
        assert decision.kind == "none"


@given(STATES, st.tuples(METRICS, METRICS).map(sorted), LIMITS)
def test_a_larger_metric_never_asks_for_less(state, metrics, bounds):
    """The decision itself is monotone in every state; what a run makes of many decisions need not be."""
    less, more = (tracked(state, PolicySignals(high=high(m, state="ALARM")), bounds=bounds) for m in metrics)
    assert less.capacity <= more.capacity


@given(st.integers(1, 9), METRICS)
def test_a_removal_never_takes_the_metric_above_the_target(running, metric):
    decision = tracked(at(running), idle(metric))
    if decision.kind == "in":
        assert metric * running / decision.capacity <= GUIDE.target_value * (1 + 1e-9)


def test_a_removal_looks_at_the_newest_datapoint_not_only_at_the_mean_over_a_larger_fleet():
    """Six streams, first on five instances and then on two: the mean of both would leave one instance with six."""
    reading = idle(1.0).low._replace(datapoints=(*[1.2] * 60, *[3.0] * 30))
    decision = tracked(at(2), idle(1.0)._replace(low=reading))
    assert (decision.kind, decision.code) == ("not_scaled", "AutoScalingAnticipatedFlapping")


def test_assumptions_show_value_source_and_grade():
    rows = {row.name: row for row in ScalingModel().assumptions()}
    periods = rows["high_periods"]
    assert (periods.value, periods.unit, periods.grade) == (3, "datapoints", "SAMPLE")
    assert rows["statistic"].grade == "CONFLICT"
    assert rows["updates_in_flight"].value == 1
    assert all(row.source and row.meaning and row.grade in GRADES for row in rows.values())
    read = ScalingModel().with_evidence("describe-alarms", statistic="Maximum")
    row = next(r for r in read.assumptions() if r.name == "statistic")
    assert (row.value, row.grade, row.source) == ("Maximum", "READ", "describe-alarms")
    chosen = {r.name: r for r in ScalingModel(reaction_overhead_s=120.0).assumptions()}
    assert chosen["reaction_overhead_s"].grade == "CHOSEN"


def test_every_value_of_the_model_is_an_assumption_with_a_row():
    values = [item.name for item in dataclasses.fields(ScalingModel) if item.name != "evidence"]
    assert [row.name for row in ScalingModel().assumptions()][: len(values)] == values
