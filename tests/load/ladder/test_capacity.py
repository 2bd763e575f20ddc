"""The experiment on the embedded AWS, end to end: client processes, real streams, evidence."""

from __future__ import annotations

import json
import random
from dataclasses import replace

import pytest
from kit.machine import measured
from kit.scripted_clients import ScriptedClients

from dgsm_helpers import local, state
from dgsm_helpers.aws.endpoint import deployment, deployment_plan
from dgsm_helpers.errors import InvalidInput, MeasurementInvalid
from dgsm_helpers.load.ladder.capacity import find_capacity
from dgsm_helpers.load.ladder.crew import Crew
from dgsm_helpers.load.ladder.criteria import DEEPGRAM, STRICT, Criteria
from dgsm_helpers.load.ladder.rung import QUICK
from dgsm_helpers.load.ladder.share import LoadSpec
from dgsm_helpers.load.ladder.verdict import Verdict
from dgsm_helpers.load.transport.paced_audio import PacedAudio
from dgsm_helpers.load.transport.query import Query
from dgsm_helpers.load.transport.recordings import Recording
from dgsm_helpers.session import open_workbook

TYPE = "ml.g6.2xlarge"
BRIEF = replace(QUICK, settle_s=0.5, probe_s=2.0, hold_s=2.5, pass_share=0.5, confidence=0.6)


@pytest.fixture
def crew():
    """Client processes that report what an endpoint with a knee of 1000 would show."""
    with ScriptedClients() as clients:
        yield Crew(clients, size=1)


@pytest.fixture(scope="module")
def real_crew():
    with Crew(size=1) as running:
        yield running


def test_a_ladder_that_ends_too_soon_claims_nothing_beyond_and_keeps_its_evidence(endpoint, crew):
    lenient = replace(STRICT, slope=None)
    told = []
    result = find_capacity(
        endpoint, instance_type=TYPE, effort=BRIEF, criteria=lenient, max_streams=4, crew=crew, on_rung=told.append
    )
    assert (result.feasible_max, result.infeasible_min, result.tight) == (4, None, False)
    assert next(r.n for r in told) == 4
    kept = state.read(result.evidence)
    assert (kept["feasible_max"], kept["infeasible_min"]) == (4, None)
    assert kept["fingerprint"]["model_package_arn"] == endpoint.model_package_arn
    assert kept["fingerprint"]["instance_type"] == TYPE
    assert kept["rungs"][0]["lag_ms"]["p95"] > 0
    assert result.instance_minutes > 0
    assert state.newest(endpoint)["evidence"] == str(result.evidence)


def test_the_same_measurement_is_judged_again_under_other_criteria(endpoint, crew):
    result = find_capacity(
        endpoint, instance_type=TYPE, effort=replace(BRIEF, name="quick"), criteria=DEEPGRAM, max_streams=4, crew=crew
    )
    assert result.feasible_max == 4
    impossible = result.judged_by(Criteria(name="impossible", lag_s=0.0001))
    assert (impossible.feasible_max, impossible.infeasible_min) == (0, 4)
    assert impossible.binding_constraint == "p95 lag"
    assert all(r.verdict is Verdict.FAIL for r in impossible.rungs)


def test_own_recordings_and_features_are_streamed_and_named_in_the_evidence(endpoint, crew):
    spoken = [Recording(noise(seed), 8000, source=f"call-{seed}.wav") for seed in (1, 2)]
    asked = Query.parse("model=nova-3&diarize=true")
    spec = LoadSpec(workload=PacedAudio(tuple(spoken)), query=asked)
    result = find_capacity(
        endpoint, instance_type=TYPE, effort=BRIEF, criteria=DEEPGRAM, spec=spec, max_streams=4, crew=crew
    )
    assert result.feasible_max == 4
    assert [a["source"] for a in result.fingerprint["workload"]["audio"]] == ["call-1.wav", "call-2.wav"]
    assert "sample_rate=8000" in result.fingerprint["query"] and "diarize=true" in result.fingerprint["query"]
    with pytest.raises(InvalidInput, match="rates differ"):
        PacedAudio((spoken[0], Recording(noise(3), 16000)))


def noise(seed):
    return random.Random(seed).randbytes(2 * 8000 * 2)


def test_criteria_that_one_stream_breaks_are_said_to_be_so(endpoint, crew):
    impossible = Criteria(name="impossible", lag_s=0.0001)
    with pytest.raises(MeasurementInvalid, match="1 stream already breaks 'impossible' by p95 lag"):
        find_capacity(endpoint, instance_type=TYPE, effort=BRIEF, criteria=impossible, crew=crew)


def test_an_interrupt_leaves_the_evidence_of_what_was_measured(endpoint, crew):
    def interrupt(rung):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        find_capacity(endpoint, instance_type=TYPE, effort=BRIEF, crew=crew, on_rung=interrupt)
    (path,) = endpoint.state_path(f"capacity/{endpoint.endpoint_name}/x").parent.glob("*.json")
    kept = json.loads(path.read_text())
    assert kept["problem"] == "interrupted"
    assert [r["n"] for r in kept["rungs"]] == [4]
    assert state.newest(endpoint) is None


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"effort": "hasty"}, "effort is 'hasty'"),
        ({"criteria": "nice"}, "criteria is 'nice'"),
        ({"spec": LoadSpec(transport="pigeon")}, "transport is 'pigeon'"),
    ],
)
def test_unknown_choices_are_refused_before_anything_is_held(workbook, wrong, message):
    with pytest.raises(InvalidInput, match=message):
        find_capacity(workbook(), instance_type=None, **wrong)


def holds_of(wb):
    """Every hold in the evidence, and the problem that ended the search."""
    (path,) = wb.state_path(f"capacity/{wb.endpoint_name}/x").parent.glob("*.json")
    kept = json.loads(path.read_text())
    return [hold for rung in kept["rungs"] for hold in rung["holds"]], kept["problem"]


def test_real_client_processes_hold_real_streams_of_own_recordings(endpoint, real_crew):
    lenient = Criteria(name="lenient", lag_s=60.0)
    spoken = [Recording(noise(seed), 8000, source=f"call-{seed}.wav") for seed in (1, 2)]
    asked = Query.parse("model=nova-3&diarize=true")
    spec = LoadSpec(workload=PacedAudio(tuple(spoken)), query=asked)
    given = {"effort": BRIEF, "criteria": lenient, "max_streams": 4, "spec": spec}
    try:
        result = find_capacity(endpoint, instance_type=TYPE, crew=real_crew, **given)
    except MeasurementInvalid as error:
        # A busy machine makes the client late, which voids a hold; its streams have to be there all the same.
        holds, problem = holds_of(endpoint)
        assert problem == str(error) and all(hold["void"] for hold in holds)
    else:
        holds, _ = holds_of(endpoint)
        assert (result.feasible_max, result.infeasible_min) == (4, None)
    assert holds and all((hold["streams"], hold["errors"]) == (4, {}) for hold in holds)


@pytest.mark.live
@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize(("lanes", "service_ms", "knee"), [(2, 45.0, 4), (4, 32.0, 12), (4, 9.9, 40)])
def test_the_live_search_brackets_a_knee_known_in_closed_form(tmp_path, lanes, service_ms, knee):
    assert int(lanes * 100 / service_ms) == knee
    local.up(tmp_path, speed=120, metered={"lanes": lanes, "service_ms": service_ms})
    try:
        wb = open_workbook("local", home=tmp_path)
        deployment.deploy(wb, deployment_plan.plan(wb))
        result = measured(lambda: find_capacity(wb, instance_type=None))
    finally:
        local.down(tmp_path)
    assert result.feasible_max <= knee < result.infeasible_min
    assert result.infeasible_min - result.feasible_max <= max(1, 0.05 * result.feasible_max)
