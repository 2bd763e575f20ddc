"""The search on the metered listings of every family, live, against their closed forms."""

from __future__ import annotations

import pytest
from kit.machine import measured

from dgsm_helpers import local, state
from dgsm_helpers.aws.endpoint import deployment, deployment_plan
from dgsm_helpers.load.ladder.capacity import find_capacity
from dgsm_helpers.load.ladder.share import LoadSpec
from dgsm_helpers.load.transport.conversation import Conversation
from dgsm_helpers.load.transport.query import Query
from dgsm_helpers.load.transport.workloads import without_pauses, workload_of
from dgsm_helpers.session import open_workbook

SETTINGS = pytest.mark.parametrize(("lanes", "service_ms", "knee"), [(2, 44.0, 4), (4, 38.0, 10), (3, 42.0, 7)])


def knee_of(wb, workload, **given):
    spec = LoadSpec(workload=workload, query=Query(wb.family))
    return measured(lambda: find_capacity(wb, instance_type=None, spec=spec, **given))


def on_metered(folder, listing, lanes, service_ms):
    local.up(folder, speed=120, metered={"lanes": lanes, "service_ms": service_ms})
    wb = open_workbook("local", home=folder, listing=listing)
    deployment.deploy(wb, deployment_plan.plan(wb))
    return wb


@pytest.mark.live
@pytest.mark.slow
@pytest.mark.timeout(3600)
@SETTINGS
@pytest.mark.parametrize("listing", ["metered-flux", "metered-aura", "metered-flux-tts"])
def test_flux_aura_and_speak_live_knees_are_those_of_the_closed_form(tmp_path, listing, lanes, service_ms, knee):
    assert int(lanes * 100 / service_ms) == knee
    try:
        wb = on_metered(tmp_path, listing, lanes, service_ms)
        usual = workload_of(wb.family)
        result = knee_of(wb, without_pauses(usual) or usual)
        kept = state.read(result.evidence)
    finally:
        local.down(tmp_path)
    assert result.feasible_max <= knee < result.infeasible_min
    assert result.infeasible_min - result.feasible_max == 1
    assert kept["fingerprint"]["family"] == wb.family.name and kept["unit"] == result.unit


@pytest.mark.live
@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_live_calls_of_aura_are_more_than_turns_and_fewer_than_turns_divided_by_their_duty(tmp_path):
    calls = Conversation(texts=("Yes, I can.", "Your order left on Tuesday.", "Please tell me your date of birth."))
    try:
        wb = on_metered(tmp_path, "metered-aura", 4, 38.0)
        result = knee_of(wb, calls, begin_at=24)  # a long simulation says that so many are sustained
        newest = state.newest(wb)
    finally:
        local.down(tmp_path)
    at_knee = next(rung for rung in result.rungs if rung.n == result.feasible_max)
    assert 10 < result.feasible_max < 10.53 / at_knee.duty
    assert at_knee.duty == pytest.approx(1 / 3, abs=0.08)
    assert (newest["feasible_max"], newest["unit"]) == (result.feasible_max, "calls")
