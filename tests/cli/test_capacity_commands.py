"""``dgsm tune`` as it is typed, on the embedded AWS."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from kit import endpoints
from kit.audio_formats import LOSSY
from kit.machine import require_measured

from dgsm_helpers.aws.account import deletion
from dgsm_helpers.aws.endpoint import endpoint_state
from dgsm_helpers.aws.scaling import registration, scalable_target
from dgsm_helpers.aws.scaling.policy import ScalingPolicy
from dgsm_helpers.cli.options import FAILED, NEEDS_CONFIRMATION, NO, YES
from dgsm_helpers.session import open_workbook

PROMISED = {
    "feasible_max",
    "infeasible_min",
    "binding_constraint",
    "confidence",
    "target_value",
    "instance_minutes",
    "evidence",
}


A_RUNG = re.compile(r"^ *\d+ s  +\d+ streams")
"""In the line that is printed of a rung."""


def start(env, *words):
    """The command in a session of its own, as a terminal runs it."""
    command = [sys.executable, "-m", "dgsm_helpers.cli.main", *words]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen(command, env=env, start_new_session=True, **pipes)


@pytest.fixture
def place(embedded):
    """A workbook on an endpoint that does not exist; what the command leaves is deleted afterwards."""
    wb = open_workbook("local", home=embedded.home, endpoint_name="cli-tune")
    yield wb
    deletion.delete(wb)


@pytest.fixture(scope="module")
def scaled(embedded):
    """An endpoint, registered 1 to 4 with the guide's policy; every test leaves it like that."""
    with endpoints.scaled_endpoint(embedded.home, "cli-tune-scaled") as wb:
        yield wb


@pytest.mark.timeout(1800)
def test_endpoint_is_deployed_measured_and_its_policy_set(embedded, place):
    run = start(embedded.env, "tune", place.endpoint_name, "--max-streams", "4", "--json", "--apply")
    out, err = run.communicate(timeout=840)
    measured_or_busy(run.returncode, err)
    answer = json.loads(out)
    assert answer.keys() >= PROMISED
    assert (answer["feasible_max"], answer["infeasible_min"]) == (4, None)
    assert run.returncode == NO, "an interval without an upper end is no answer"
    assert answer["target_value"] == 3.2
    assert answer["applied"]
    evidence = json.loads(Path(answer["evidence"]).read_text())
    assert [rung["n"] for rung in evidence["rungs"]] == [4]
    assert evidence["fingerprint"]["model_package_arn"] == place.model_package_arn
    assert f"There is no endpoint {place.endpoint_name}: deploying one." in err
    assert "4 streams" in err
    assert "instance-minutes of ml.g6.2xlarge at $" in err
    assert registration.verify(place, ScalingPolicy(target_value=3.2), min_capacity=1, max_capacity=4).ok


@pytest.mark.timeout(1800)
def test_interrupt_in_mid_rung_puts_scaling_back_and_keeps_the_evidence(embedded, scaled):
    run = start(embedded.env, "tune", scaled.endpoint_name, "--json")
    for line in run.stderr:
        if A_RUNG.search(line):
            break
    assert scalable_target.target(scaled).suspension.scale_out
    os.killpg(run.pid, signal.SIGINT)
    out, err = run.communicate(timeout=240)
    assert (run.returncode, out) == (FAILED, "")
    assert "interrupted" in err
    assert "Scaling is as it was." in err
    assert registration.verify(scaled, min_capacity=1, max_capacity=4).ok
    [kept] = (embedded.home / "capacity" / scaled.endpoint_name).glob("*.json")
    evidence = json.loads(kept.read_text())
    assert evidence["problem"] == "interrupted"
    assert evidence["rungs"], "what was measured before"


def test_deployment_needs_confirmed_spending(billing, run, place):
    answer = run("tune", place.endpoint_name)
    assert (answer.exit_code, "costs $2.80 per hour" in answer.stderr) == (NEEDS_CONFIRMATION, True)
    assert endpoint_state.find(place) is None


def test_measuring_needs_confirmed_spending_and_states_the_price(billing, run, scaled):
    answer = run("tune", scaled.endpoint_name)
    assert answer.exit_code == NEEDS_CONFIRMATION
    assert "Measuring endpoint/cli-tune-scaled/variant/AllTraffic on one instance (of ml.g6.2xlarge) costs $1.22" in (
        answer.stderr
    )
    assert "Forecast on one instance" in answer.stderr
    assert not scalable_target.target(scaled).suspension.scale_out


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (("--headroom", "2"), "headroom"),
        (("--max-streams", "0"), "max_streams=0"),
        (("--instances", "0"), "instances=0"),
        (("--audio", "no-such-folder/*.wav"), "no audio file"),
        (("--query", "encoding=opus"), "sets encoding"),
        (("--query", "model=flux-general-en"), "v1/listen does not serve the model 'flux-general-en'"),
        (("--query", "model=aura-2-thalia-en"), "'aura-2-thalia-en'"),
        (("--think-s", "5"), "Nova-3 listens, so texts and think times measure nothing"),
        (("--think-s", "-1"), "outside 0-600"),
        (("--texts", "no-such-file.txt"), "no-such-file.txt"),
        (("--criteria", "fast"), "Give one of strict, deepgram"),
        (("--variant", "Other"), "no variant 'Other'"),
    ],
)
def test_impossible_values_are_refused_and_leave_scaling_on(run, scaled, words, text):
    answer = run("tune", scaled.endpoint_name, *words)
    assert (answer.exit_code, text in answer.stderr) == (FAILED, True)
    assert registration.verify(scaled).ok


@pytest.mark.parametrize(
    "words",
    [
        ("--headroom", "2"),
        ("--growth-per-min", "-1"),
        ("--instances", "0"),
        ("--max-streams", "0"),
        ("--criteria", "fast"),
    ],
    ids=" ".join,
)
def test_what_no_measurement_can_use_deploys_nothing(run, place, words):
    answer = run("tune", place.endpoint_name, *words)
    assert answer.exit_code == FAILED and "deploying" not in answer.stderr, answer.stderr
    assert endpoint_state.find(place) is None


@pytest.mark.parametrize("query", ["language=es", "model=nova-99"])
def test_a_query_that_the_container_refuses_is_said_to_be_refused(run, scaled, query):
    answer = run("tune", scaled.endpoint_name, "--max-streams", "2", "--query", query)
    assert answer.exit_code == FAILED and "refused every stream" in answer.stderr, answer.stderr
    assert registration.verify(scaled).ok


@pytest.fixture
def telephone(embedded):
    """An endpoint of its own: what was measured on it is nobody else's evidence."""
    with endpoints.scaled_endpoint(embedded.home, "cli-tune-telephone") as wb:
        yield wb


@pytest.fixture
def written(tmp_path, request):
    """A file of a name and a content."""
    name, content = request.param
    (tmp_path / name).write_bytes(content)
    return tmp_path / name


@pytest.mark.live
@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_foreign_recordings_of_a_telephone_system_are_measured_at_their_own_rate(embedded, telephone, tmp_path):
    for kind in ("mu-law at 8 kHz", "A-law at 8 kHz", "GSM in WAV", "AU of mu-law"):
        suffix = "au" if "AU" in kind else "wav"
        (tmp_path / f"call[{kind}].{suffix}").write_bytes(LOSSY[kind]())
    words = ("tune", telephone.endpoint_name, "--audio", str(tmp_path), "--max-streams", "4", "--json")
    measured = start(embedded.env, *words)
    out, err = measured.communicate(timeout=840)
    measured_or_busy(measured.returncode, err)
    answer = json.loads(out)
    assert answer["feasible_max"] == 4
    fingerprint = json.loads(Path(answer["evidence"]).read_text())["fingerprint"]
    assert "sample_rate=8000" in fingerprint["query"]
    assert [heard["duration_s"] for heard in fingerprint["workload"]["audio"]] == pytest.approx([11.0] * 4, abs=0.1)


@pytest.mark.parametrize(
    ("written", "says"),
    [
        (("call.m4a", b"\0\0\0\x20ftypM4A "), "an MPEG-4 file (M4A, MP4, 3GP). Convert it: ffmpeg -i "),
        (("call.ulaw", b"\xff\x7f" * 9000), "say what it holds: ffmpeg -f mulaw -ar 8000"),
        (("call.wav", b"RIFF"), "ends in its header"),
    ],
    indirect=["written"],
)
def test_a_foreign_recording_that_cannot_be_streamed_is_refused_in_one_line(run, scaled, written, says):
    answer = run("tune", scaled.endpoint_name, "--audio", str(written))
    assert (answer.exit_code, says in answer.stderr) == (FAILED, True)
    assert len(answer.stderr.strip().splitlines()) == 1
    assert registration.verify(scaled).ok


def test_help_names_what_can_be_chosen(run):
    shown = run("tune", "--help").stdout
    for option in ("--effort", "--criteria", "--apply", "--listing", "--confirm-spend", "--cluster", "--json"):
        assert option in shown


def measured_or_busy(returncode, err):
    """A client that could not keep up says nothing of the endpoint (exit 2); only a busy machine excuses it."""
    if returncode == FAILED:
        require_measured(err)


@pytest.mark.live
@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_the_line_as_documented_finds_the_knee_in_closed_form(embedded, tmp_path):
    env = {**{k: v for k, v in embedded.env.items() if not k.startswith("AWS_")}, "DGSM_HOME": str(tmp_path)}
    dgsm = f"{sys.executable} -m dgsm_helpers.cli.main"
    line = f"{dgsm} local up --metered lanes=4,service_ms=45 >&2 && {dgsm} tune deepgram-demo --json"
    try:
        run = subprocess.run(line, shell=True, env=env, capture_output=True, text=True, check=False, timeout=800)
        if "the client sent late" in run.stderr:
            # A busy machine voids the run, and the command says so (exit 2); it says nothing of the knee.
            run = subprocess.run(line, shell=True, env=env, capture_output=True, text=True, check=False, timeout=800)
        measured_or_busy(run.returncode, run.stderr)
        assert run.returncode == YES, run.stderr
        answer = json.loads(run.stdout)
        assert (answer["feasible_max"], answer["infeasible_min"]) == (4 * 100 // 45, 9)
        assert answer["target_value"] == 6.4
        assert "45 ms per 100 ms of audio: 8 streams per instance" in run.stderr
    finally:
        subprocess.run(f"{dgsm} local down", shell=True, env=env, capture_output=True, check=False, timeout=240)
