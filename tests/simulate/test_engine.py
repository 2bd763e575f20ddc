"""Runs in virtual time: recorded AWS runs, rules end to end, and properties."""

import dataclasses
import math

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dgsm_helpers.errors import InvalidInput, NotReady, UnsupportedFeature
from dgsm_helpers.rules.decision import AlarmReading, PolicySignals, State
from dgsm_helpers.rules.fleet import LEAST_OUTSTANDING_REQUESTS, Shortage
from dgsm_helpers.rules.model import ScalingModel
from dgsm_helpers.rules.policies import Bounds, ScheduledChange, TargetTracking
from dgsm_helpers.rules.target_tracking import decide, next_due_s
from dgsm_helpers.simulate.conditions import Capacity, Conditions
from dgsm_helpers.simulate.engine import simulate
from dgsm_helpers.simulate.events import lay_out
from dgsm_helpers.simulate.scaling_plan import ScalingPlan
from dgsm_helpers.simulate.traffic import Traffic, bursty, diurnal, step


def moves(run):
    return [(e.kind, e.before, e.after) for e in run.events if e.kind in ("out", "in")]


# Recorded runs (reference section 3.1)


def test_r2_kokoro_scales_out_61_s_after_load(plan_of, held, exact):
    """R2: sample-kokoro-tts-for-ai-agents, validate artifact: load 40 on 1, target 37.5: desired 2 at 61 s (+-10)."""
    run = simulate(held(40), plan_of(37.5, initial_count=1), Conditions(capacity=Capacity(knee=50), model=exact))
    assert (run.events[0].before, run.events[0].after) == (1, 2)
    assert run.events[0].at_s == pytest.approx(61, abs=10)


def test_r3_kokoro_surge_of_94_on_two_instances(plan_of, held, exact):
    """R3: the same: 94 in flight on 2 instances, target 37.5, gave desired 3."""
    model = dataclasses.replace(exact, routing=LEAST_OUTSTANDING_REQUESTS)
    run = simulate(held(94), plan_of(37.5, initial_count=2), Conditions(capacity=Capacity(knee=50), model=model))
    assert moves(run)[0] == ("out", 2, 3)


def test_r4_kokoro_time_to_recovered_traffic():
    """R4: T_total 260.2 s in six segments; the model's start is the five before traffic has recovered."""
    logging_s, container_s, weights_s, warm_up_s, in_service_s, recovered_s = 180.8, 3.7, 6.5, 1.0, 20.7, 47.4
    start_s = logging_s + container_s + weights_s + warm_up_s + in_service_s
    assert start_s + recovered_s == pytest.approx(260.2, abs=0.2)
    assert ScalingModel().provision_cached_s == pytest.approx(start_s, abs=1)


def test_r6_maximum_with_sticky_streams_overshoots_and_average_does_not(plan_of, exact):
    """R6: sample-voice-agent f84147a9: tracking the maximum gave 7 tasks for 5 sessions, without recovery."""
    calls = Traffic(name="calls", starts_s=np.zeros(5), durations_s=np.full(5, 1700.0), horizon_s=1700.0)
    counts = {}
    for statistic in ("Maximum", "Average"):
        model = dataclasses.replace(exact, statistic=statistic)
        run = simulate(
            calls, plan_of(3.0, largest=7, initial_count=1), Conditions(capacity=Capacity(knee=6), model=model)
        )
        counts[statistic] = (moves(run)[-1][2], int(run.serving[-1]))
        assert all(kind == "out" for kind, _, _ in moves(run))
    assert counts == {"Maximum": (7, 7), "Average": (2, 2)}


# Rules, end to end


def test_scale_in_comes_after_15_minutes_of_low_load(plan_of, held, exact):
    traffic = held(14, until_s=1000.0, horizon_s=4000.0)
    run = simulate(traffic, plan_of(5.0, initial_count=3), Conditions(capacity=Capacity(knee=10), model=exact))
    first = next(e for e in run.events if e.kind == "in")
    assert first.at_s == pytest.approx(1000 + 900 + 30, abs=20)
    assert (first.before, first.after, run.serving[-1]) == (3, 1, 1)


def test_one_update_in_flight_delays_what_comes_meanwhile(plan_of, exact):
    """Reference 1.6: demand just after an update started waits for what is left of it and for a second start."""
    starts = np.concatenate((np.zeros(8), np.full(22, 70.0)))
    traffic = Traffic(name="two waves", starts_s=starts, durations_s=np.full(30, 9999.0), horizon_s=1500.0)
    model = dataclasses.replace(exact, routing=LEAST_OUTSTANDING_REQUESTS)
    run = simulate(traffic, plan_of(5.0, initial_count=1), Conditions(capacity=Capacity(knee=10), model=model))
    assert moves(run) == [("out", 1, 2), ("out", 2, 5), ("out", 5, 6)]
    assert "TargetServicePutResourceAsUnscalable" in [e.code for e in run.events]
    reached = run.times_s[np.argmax(run.serving == 5)]
    assert 2 * 213 <= reached - 70 <= 2 * 213 + 60 + 10


def test_the_maximum_is_a_ceiling_that_is_reported(plan_of, held, exact):
    run = simulate(
        held(60), plan_of(5.0, largest=3, initial_count=3), Conditions(capacity=Capacity(knee=10), model=exact)
    )
    assert [e.code for e in run.events] == ["AlreadyAtMaxCapacity"]
    assert run.events[0].repeats > 50


def test_a_scheduled_minimum_is_there_before_the_load(plan_of, held, exact):
    schedule = (ScheduledChange(at_s=600, min_capacity=4, name="morning"), ScheduledChange(at_s=2400, min_capacity=1))
    run = simulate(
        held(0, horizon_s=7200.0), plan_of(schedule=schedule), Conditions(capacity=Capacity(knee=10), model=exact)
    )
    assert moves(run)[0] == ("out", 1, 4)
    assert run.events[0].cause == "scheduled action name morning was triggered"
    assert run.events[0].completed_s == pytest.approx(600 + 213, abs=10)
    assert run.serving[int(2300 / 10)] == 4
    assert run.serving[-1] == 1


def test_missing_data_scales_nothing(plan_of, held, exact):
    model = dataclasses.replace(exact, idle_instance_emits_zero=False)
    run = simulate(held(0), plan_of(initial_count=5), Conditions(capacity=Capacity(knee=10), model=model))
    assert run.events == ()
    assert np.isnan(run.average).all()
    scaled = simulate(held(0), plan_of(initial_count=5), Conditions(capacity=Capacity(knee=10), model=exact))
    assert moves(scaled) == [("in", 5, 1)]


def test_a_removed_instance_cuts_the_streams_that_outlast_its_sigkill(plan_of, exact):
    durations = np.where(np.arange(36) < 30, 600.0, 3500.0)
    traffic = Traffic(name="thinning", starts_s=np.zeros(36), durations_s=durations, horizon_s=3600.0)
    model = dataclasses.replace(exact, stream_limit_s=9999.0)
    plan = plan_of(8.0, smallest=2, initial_count=6)
    killed = simulate(traffic, plan, Conditions(capacity=Capacity(knee=10), model=model))
    assert killed.serving[-1] == 2
    assert killed.tally.cut > 0
    assert killed.streams[-60] == 6  # callers have opened their streams again
    leaving = dataclasses.replace(model, reopen_cut_streams=False)
    gone = simulate(traffic, plan, Conditions(capacity=Capacity(knee=10), model=leaving))
    assert gone.streams[-60] == 6 - gone.tally.cut
    patient = dataclasses.replace(model, sigkill_after_s=5000.0)
    what_if = simulate(traffic, plan, Conditions(capacity=Capacity(knee=10), model=patient))
    assert what_if.tally.cut == 0
    assert what_if.streams[-60] == 6


@pytest.mark.parametrize(("ends_s", "cut"), [(20.0, 0), (40.0, 1)])
def test_a_stream_that_ends_within_thirty_seconds_of_the_sigterm_is_not_cut(plan_of, exact, ends_s, cut):
    at_s = 900.0  # a scheduled maximum takes one of two instances away, whatever is on it
    starts, durations = np.zeros(2), np.full(2, at_s + ends_s)
    traffic = Traffic(name="two", starts_s=starts, durations_s=durations, horizon_s=1800.0)
    shrink = ScheduledChange(name="evening", at_s=at_s, min_capacity=1, max_capacity=1)
    model = dataclasses.replace(exact, routing=LEAST_OUTSTANDING_REQUESTS, reopen_cut_streams=False)
    plan = plan_of(8.0, smallest=2, initial_count=2, schedule=(shrink,))
    run = simulate(traffic, plan, Conditions(capacity=Capacity(knee=10), model=model))
    assert run.serving[-1] == 1
    assert run.tally.cut == cut


@pytest.mark.parametrize(("routed_until", "cut"), [("SIGTERM", 0), ("SIGKILL", 1)])
def test_whether_new_streams_reach_an_instance_after_its_sigterm_is_an_assumption(plan_of, exact, routed_until, cut):
    at_s = 900.0
    # One stream stays on the older instance, so that the newer is removed, and is the emptier when the second comes.
    traffic = Traffic(name="two", starts_s=np.array([0.0, at_s + 15]), durations_s=np.full(2, 1700.0), horizon_s=1800.0)
    shrink = ScheduledChange(name="evening", at_s=at_s, min_capacity=1, max_capacity=1)
    model = dataclasses.replace(
        exact, routing=LEAST_OUTSTANDING_REQUESTS, reopen_cut_streams=False, routed_until=routed_until
    )
    plan = plan_of(8.0, smallest=2, initial_count=2, schedule=(shrink,))
    run = simulate(traffic, plan, Conditions(capacity=Capacity(knee=10), model=model))
    assert run.tally.cut == cut


@pytest.mark.parametrize("sigkill_after_s", [0.0, 10.0])
@pytest.mark.parametrize("reopen", [True, False])
def test_streams_that_end_as_their_instance_is_removed_just_end(plan_of, exact, sigkill_after_s, reopen):
    """Recorded traffic falls at whole beats, and instances are removed at whole beats, too."""
    for end_s in (920.0, 930.0, 940.0):
        traffic = Traffic(name="calls", starts_s=np.zeros(4), durations_s=np.full(4, end_s), horizon_s=3600.0)
        model = dataclasses.replace(
            exact, routing=LEAST_OUTSTANDING_REQUESTS, sigkill_after_s=sigkill_after_s, reopen_cut_streams=reopen
        )
        run = simulate(traffic, plan_of(5.0, initial_count=4), Conditions(capacity=Capacity(knee=10), model=model))
        assert moves(run) == [("in", 4, 1)]
        assert (run.maximum.max(), run.serving.max(), run.streams[-1]) == (4 if run.tally.cut and reopen else 1, 4, 0)
        assert run.tally.cut == (3 if end_s == 940 and not sigkill_after_s else 0)
        assert run.instance_s["ml.g5.2xlarge"] == 3600 + 3 * (930 if not sigkill_after_s else 940)


def test_overload_is_counted_in_stream_seconds(plan_of, held, exact):
    run = simulate(held(12), plan_of(20.0, initial_count=1), Conditions(capacity=Capacity(knee=10), model=exact))
    # 30-minute limit: all twelve reopen once, so two more openings go beyond the knee.
    assert run.tally.over_capacity_s == pytest.approx(2 * 3600)
    assert run.tally.affected_s == pytest.approx(12 * 3600)
    assert (run.tally.opened, run.tally.opened_above_knee) == (24, 4)


def test_a_shortage_falls_back_to_the_next_type(plan_of, held, exact):
    types = ("ml.g6.2xlarge", "ml.g5.2xlarge")
    short = Shortage(instance_type=types[0], start_s=0, end_s=3000)
    plan = plan_of(5.0, initial_count=1, instance_types=types, shortages=(short,))
    run = simulate(held(8), plan, Conditions(capacity=dict.fromkeys(types, Capacity(knee=10)), model=exact))
    assert run.events[0].completed_s == pytest.approx(60 + 300 + 213, abs=10)
    assert run.instance_s["ml.g5.2xlarge"] == pytest.approx(3600 - 580, abs=20)


def test_without_any_capacity_the_change_fails_and_is_tried_again(plan_of, held, exact):
    short = Shortage(instance_type="ml.g5.2xlarge", start_s=0, end_s=1000)
    run = simulate(
        held(8), plan_of(5.0, initial_count=1, shortages=(short,)), Conditions(capacity=Capacity(knee=10), model=exact)
    )
    outs = [e for e in run.events if e.kind == "out"]
    assert [e.at_s for e in outs] == [60.0, 360.0, 660.0, 960.0]
    assert [e.completed_s for e in outs] == [None, None, None, 1220.0]


def test_a_one_minute_metric_is_later(plan_of, held, exact):
    fast = simulate(held(8), plan_of(initial_count=1), Conditions(capacity=Capacity(knee=10), model=exact))
    slow = simulate(
        held(8), plan_of(initial_count=1, metric="one-minute"), Conditions(capacity=Capacity(knee=10), model=exact)
    )
    assert (fast.events[0].alarm_s, slow.events[0].alarm_s) == (30.0, 180.0)
    assert slow.events[0].at_s - fast.events[0].at_s == 150.0 + exact.minute_lag_s


def test_what_cannot_be_simulated_is_refused(plan_of, held):
    with pytest.raises(InvalidInput, match="no longer than the cooldown"):
        simulate(held(5, horizon_s=300.0), plan_of(), Conditions(capacity=Capacity(knee=10)))
    with pytest.raises(NotReady, match="2xlarge has not been measured"):
        simulate(held(5), plan_of(), Conditions(capacity={}))
    with pytest.raises(NotReady, match="has not been measured"):
        simulate(held(5), plan_of(), Conditions(capacity=None))
    with pytest.raises(UnsupportedFeature, match="metric-math"):
        simulate(held(5), plan_of(0.7, metric="metric-math"), Conditions(capacity=Capacity(knee=10)))
    with pytest.raises(InvalidInput, match="name of its own"):
        plan_of(policies=())
    with pytest.raises(InvalidInput, match="outside its bounds"):
        plan_of(initial_count=99)


# Properties

SESSIONS = st.lists(st.tuples(st.floats(0, 3599), st.floats(1, 4000)), min_size=1, max_size=120).map(sorted)
QUICK = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def traffic_of(pairs):
    starts, durations = np.array(pairs).T
    return Traffic(name="drawn", starts_s=starts, durations_s=durations, horizon_s=3600.0)


MODELS = st.builds(
    ScalingModel,
    statistic=st.sampled_from(["Average", "Maximum"]),
    routing=st.sampled_from(["RANDOM", LEAST_OUTSTANDING_REQUESTS]),
    routed_until=st.sampled_from(["SIGTERM", "SIGKILL"]),
    reaction_overhead_s=st.sampled_from([0.0, 30.0, 120.0]),
    shortage_share=st.sampled_from([0.0, 0.3]),
    sigkill_after_s=st.sampled_from([0.0, 30.0, 1800.0]),
)


@QUICK
@given(SESSIONS, MODELS, st.integers(0, 5))
def test_streams_are_conserved_and_capacity_stays_in_bounds(plan_of, pairs, model, seed):
    traffic = traffic_of(pairs)
    plan = plan_of(3.0, smallest=1, largest=6)
    run = simulate(traffic, plan, Conditions(capacity=Capacity(knee=4), model=model, seed=seed))
    assert np.array_equal(run.streams, traffic.concurrency())
    assert run.serving.min() >= 1
    assert run.serving.max() <= 6
    assert run.desired.min() >= 1
    assert run.desired.max() <= 6
    assert run.tally.affected_s <= traffic.stream_seconds() + 1e-6
    assert run.tally.over_capacity_s <= run.tally.affected_s + 1e-6
    table = run.peaks
    assert np.array_equal((table >= 0).sum(axis=1), run.serving)


@QUICK
@given(SESSIONS, MODELS, st.integers(0, 5))
def test_the_same_seed_gives_the_same_run(plan_of, pairs, model, seed):
    traffic, plan = traffic_of(pairs), plan_of(3.0, largest=6)
    conditions = Conditions(capacity=Capacity(knee=4), model=model, seed=seed)
    first = simulate(traffic, plan, conditions, events=lay_out(traffic, conditions))
    second = simulate(traffic, plan, conditions)
    assert first.events == second.events
    assert first.tally == second.tally
    assert np.array_equal(first.peaks, second.peaks)


@QUICK
@given(st.tuples(st.integers(0, 60), st.integers(0, 40)), st.integers(1, 5), st.floats(1, 20))
def test_more_traffic_never_gives_a_smaller_peak_under_average(held, plan_of, counts, initial, target):
    """Of sessions that come at one moment. The two tests below say why not of any sessions, and what holds of those."""
    fewer, extra = counts
    plan = plan_of(target, largest=40, initial_count=initial)
    model = ScalingModel(statistic="Average")
    small, large = (
        simulate(held(n, at_s=100.0), plan, Conditions(capacity=Capacity(knee=10), model=model))
        for n in (fewer, fewer + extra)
    )
    assert small.desired.max() <= large.desired.max()


def test_more_traffic_may_give_a_smaller_peak_when_its_extra_calls_come_first(plan_of, exact):
    """Why the general statement cannot hold: an endpoint takes one change at a time.

    24 calls of a minute ask for five instances at once. Five calls more, before them, ask for a second instance; until
    that serves nothing else can be asked for, and by then the 24 are over. AWS's rule of one update in flight makes
    it so, and with any start-up time there is such traffic.
    """
    burst = [(150.0, 60.0)] * 24
    peaks = []
    for early in (1, 6):
        starts, durations = np.array([(0.0, 9999.0)] * early + burst).T
        traffic = Traffic(name="burst", starts_s=starts, durations_s=durations, horizon_s=3600.0)
        run = simulate(traffic, plan_of(5.0, initial_count=1), Conditions(capacity=Capacity(knee=10), model=exact))
        peaks.append(int(run.desired.max()))
    assert peaks == [5, 2]


@QUICK
@given(st.lists(st.floats(0, 1500), min_size=1, max_size=80).map(sorted), st.integers(1, 5), st.floats(1, 20))
def test_traffic_that_stays_is_met_whenever_it_comes_so_more_of_it_never_gets_less_than_it_needs(
    plan_of, exact, starts, initial, target
):
    """What holds of any arrivals under Average: in the end at least ceil(streams / target), which grows with them."""
    traffic = Traffic(
        name="staying", starts_s=np.array(starts), durations_s=np.full(len(starts), 9999.0), horizon_s=5400.0
    )
    model = dataclasses.replace(exact, stream_limit_s=1e6)
    run = simulate(
        traffic, plan_of(target, largest=40, initial_count=initial), Conditions(capacity=Capacity(knee=10), model=model)
    )
    assert run.serving[-1] >= min(40, math.ceil(len(starts) / target - 1e-9))


READINGS = st.builds(
    AlarmReading,
    name=st.just("streams-AlarmHigh"),
    state=st.sampled_from(["ALARM", "ALARM", "OK"]),
    since_s=st.integers(0, 30).map(lambda n: n * 10.0),
    datapoints=st.just((8.0, 8.0, 8.0)),
    acts_in=st.just(("ALARM",)),
    late_s=st.just(0.0),
)


@given(READINGS, st.one_of(st.none(), st.integers(0, 30).map(lambda n: n * 10.0)), st.integers(0, 60))
def test_nothing_is_missed_by_asking_only_when_due(reading, invoked_s, beat):
    """The engine asks for a decision only when `next_due_s` says so: before that, asking changes nothing."""
    policy = TargetTracking(name="streams", target_value=5.0)
    model, bounds = ScalingModel(), Bounds(min_capacity=1, max_capacity=9)
    invoked = {} if invoked_s is None else {reading.name: invoked_s}
    state, signals = State(running=1, desired=1, invoked=invoked), {"streams": PolicySignals(high=reading)}
    due_s, now_s = next_due_s(state, signals, model), beat * 10.0
    decision = decide(state, signals, [policy], bounds, model, now_s=now_s)
    if due_s is None or now_s < due_s:
        assert decision.kind == "none"
        assert decision.state is state
    else:
        assert decision.kind == "out"


def test_a_day_has_all_its_parts():
    traffic = diurnal(low=4, high=60, seed=1)
    policy = TargetTracking(name="streams", target_value=7.0, scale_out_cooldown_s=60)
    plan = ScalingPlan(name="day", policies=(policy,), bounds=Bounds(min_capacity=1, max_capacity=12))
    run = simulate(traffic, plan, Conditions(capacity=Capacity(knee=10)))
    assert len(run.times_s) == 8640
    assert run.serving.max() >= 8
    assert run.serving[:60].max() <= 3
    assert {"out", "in"} <= {e.kind for e in run.events}


@pytest.mark.parametrize("make", [step, bursty])
def test_sudden_load_exceeds_the_knee_until_instances_serve(plan_of, make, exact):
    shape = {"before": 4, "after": 30, "at_s": 1000} if make is step else {"base": 4, "burst": 30, "every_s": 1500}
    more = {} if make is step else {"burst_s": 600}
    traffic = make(**shape, **more, horizon_s=6000, seed=2)
    run = simulate(traffic, plan_of(7.0), Conditions(capacity=Capacity(knee=10), model=exact))
    assert run.tally.over_capacity_s > 0
    assert run.tally.opened_above_knee > 0
