"""The planner and the embedded AWS's autoscaler do the same on the same traffic: they share the decision, and here each
runs it with its own fleet, metrics and alarms around it."""

from __future__ import annotations

import numpy as np
import pytest
from kit.machine import in_real_time
from kit.scaling_bench import START_S, Bench
from kit.waiting import AT_MOST_S

from dgsm_helpers import local
from dgsm_helpers.aws.endpoint import deployment, deployment_plan
from dgsm_helpers.aws.scaling import registration
from dgsm_helpers.aws.watch import observe
from dgsm_helpers.load.transport.background_load import Load
from dgsm_helpers.rules.model import ScalingModel
from dgsm_helpers.rules.policies import Bounds, TargetTracking
from dgsm_helpers.session import open_workbook
from dgsm_helpers.simulate.conditions import Capacity, Conditions
from dgsm_helpers.simulate.engine import simulate
from dgsm_helpers.simulate.scaling_plan import ScalingPlan
from dgsm_helpers.simulate.traffic import Traffic, bursty, diurnal, ramp, step

PERIOD_S = 10.0
TYPES = ("ml.g6.2xlarge",)
EXACT = ScalingModel(
    provision_cached_s=START_S,
    provision_cached_spread=0.0,
    uncached_share=0.0,
    routing="LEAST_OUTSTANDING_REQUESTS",
    reopen_cut_streams=False,
    stream_limit_s=1e9,
)
"""The scaling model without chance: every instance starts in the same time, streams go to the emptiest instance and are
never cut into pieces of 30 minutes, which the bench does not do."""


def plan() -> ScalingPlan:
    policy = TargetTracking(name="streams", target_value=5.0, scale_out_cooldown_s=60, scale_in_cooldown_s=300)
    bounds = Bounds(min_capacity=1, max_capacity=4)
    return ScalingPlan(name="guide", policies=(policy,), bounds=bounds, instance_types=TYPES, initial_count=1)


def play(bench: Bench, traffic: Traffic) -> list[tuple[str, int, float]]:
    """The traffic on the embedded AWS's own fleet: (out or in, count, seconds into the traffic) of each activity."""
    bench.register()
    bench.track()
    begin = bench.clock.s
    ends = traffic.starts_s + traffic.durations_s
    events = [(at, 1, i) for i, at in enumerate(traffic.starts_s)] + [(at, 0, i) for i, at in enumerate(ends)]
    events.sort(reverse=True)
    held: dict[int, object] = {}
    for beat in np.arange(PERIOD_S, traffic.horizon_s + PERIOD_S, PERIOD_S):
        while events and events[-1][0] < beat:
            _, begins, session = events.pop()
            if begins:
                held[session] = bench.fleet.acquire("us-east-1", "e")
            else:
                held.pop(session).release()
        bench.run(PERIOD_S)
    rows = [a for a in bench.api.state.activities if not a.text.not_scaled_reasons]
    counts = [(int(a.text.description.rstrip(".").split()[-1]), a.start_s - begin) for a in rows]
    return directions(counts)


def directions(counts: list[tuple[int, float]]) -> list[tuple[str, int, float]]:
    """Adds to each count whether it is more or less than the one before."""
    before = [1, *(count for count, _ in counts)]
    return [("out" if n > b else "in", n, at) for (n, at), b in zip(counts, before, strict=False)]


def simulated(traffic: Traffic) -> list[tuple[str, int, float]]:
    run = simulate(traffic, plan(), Conditions(capacity=Capacity(knee=10), model=EXACT))
    return [(e.kind, e.after, e.at_s) for e in run.events if e.kind in ("out", "in")]


TRAFFIC = {
    "step": step(before=2, after=14, at_s=600, horizon_s=5400, mean_s=200, seed=1),
    "ramp": ramp(before=1, after=18, start_s=600, end_s=3000, horizon_s=7200, mean_s=200, seed=2),
    "bursts": bursty(base=2, burst=16, every_s=3600, burst_s=900, horizon_s=10_800, mean_s=120, seed=3),
    "a day": diurnal(low=1, high=16, mean_s=300, seed=4),
}


@pytest.mark.parametrize("name", TRAFFIC)
def test_same_activities_in_the_same_order_within_one_period(name):
    live, planned = play(Bench(*TYPES), TRAFFIC[name]), simulated(TRAFFIC[name])
    assert [a[:2] for a in live] == [a[:2] for a in planned]
    assert len(live) >= 1
    assert max(abs(a[2] - b[2]) for a, b in zip(live, planned, strict=True)) <= PERIOD_S


@pytest.fixture
def unhurried(tmp_path):
    """A workbook on an embedded AWS of its own at 30x: opening 13 streams then takes seconds of local time, not
    minutes."""
    local.up(tmp_path, speed=30)
    yield open_workbook("local", home=tmp_path)
    local.down(tmp_path)


@pytest.mark.live
@pytest.mark.slow
def test_the_running_embedded_aws_scales_as_planned_under_real_streams(unhurried):
    wb = unhurried
    deployment.deploy(wb, deployment_plan.plan(wb, list(TYPES), single_type_reason="one type, as in the plan"))
    registration.register(wb, min_capacity=1, max_capacity=4)
    registration.apply(wb)
    wb.sleep(120)
    with Load(wb, session_s=1700) as load:
        load.set(13)
        load.wait_open(timeout_s=AT_MOST_S)
        began = wb.now()
        wb.sleep(1500)
        load.set(0)
        ended = (wb.now() - began).total_seconds()
        wb.sleep(1300)
    rows = observe.activities(wb)
    rows = rows[rows["status"] == "Successful"]
    live = directions([(int(r.desired_instances), (r.started - began).total_seconds()) for r in rows.itertuples()])
    traffic = Traffic(name="13 streams", starts_s=np.zeros(13), durations_s=np.full(13, ended), horizon_s=ended + 1300)
    planned = simulated(traffic)
    assert [a[:2] for a in live] == [a[:2] for a in planned]
    # A period on each side, and a wall second in which the streams are opened.
    jitter_s = 30.0
    in_real_time(abs(live[0][2] - planned[0][2]) <= 2 * PERIOD_S + jitter_s, f"{live} against {planned}")
