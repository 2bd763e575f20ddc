"""aws-sdk-sagemaker-runtime-http2 as users have it: three releases, each with its own names and defaults."""

from __future__ import annotations

import pytest
from deepgram.listen.v1.types.listen_v1metadata import ListenV1Metadata
from deepgram.listen.v1.types.listen_v1results import ListenV1Results
from kit.client_setup import SAMPLE_WAV

from dgsm_helpers.load.transport.sdk_transport import stream_recording
from dgsm_helpers.load.transport.trace import Ending
from dgsm_helpers.rules.sample import bundled_sample

SECONDS = 4.0
RELEASES = {
    "0.6": "stream_0_6.py",
    "0.11": "stream_0_11.py",
    "newest": "stream_0_11.py",
}
every_release = pytest.mark.parametrize(
    "release", RELEASES, ids=[f"aws-sdk-sagemaker-runtime-http2-{release}" for release in RELEASES]
)


@pytest.fixture
def stream(http2_python, run_script, endpoint):
    def run(release: str, *arguments: str, name: str = endpoint, env: dict[str, str] | None = None) -> dict:
        given = ("--endpoint", name, "--wav", str(SAMPLE_WAV), *arguments)
        return run_script(http2_python(release), RELEASES[release], *given, env=env)

    return run


@every_release
def test_a_stream_in_real_time_ends_cleanly_after_close_stream(stream, release):
    got = stream(release, "--seconds", str(SECONDS))
    assert got["error"] is None and got["ended"]
    assert got["variant"] == "AllTraffic"
    results, metadata = got["messages"][:-1], got["messages"][-1]
    assert any(not r["is_final"] for r in results) and results[-1]["is_final"]
    heard = " ".join(r["channel"]["alternatives"][0]["transcript"] for r in results if r["is_final"])
    said = [w.word for w in bundled_sample().words if w.end <= SECONDS - 0.3]
    assert [_plain(word) for word in heard.split()][: len(said)] == said
    assert metadata["type"] == "Metadata"
    assert metadata["duration"] == pytest.approx(SECONDS, abs=0.11)
    if release == "newest":
        assert tuple(map(int, got["client"].split(".")[:2])) >= (0, 12)
    else:
        assert got["client"].startswith(release)


def test_its_messages_satisfy_deepgram_sdks_types(stream):
    messages = stream("0.11", "--seconds", "2.5")["messages"]
    for message in messages:
        expected = {"Results": ListenV1Results, "Metadata": ListenV1Metadata}[message["type"]]
        # model_validate insists on every required field; the SDK's own parsing is more forgiving.
        expected.model_validate(message)
    assert messages[-1]["type"] == "Metadata"


@every_release
def test_an_unsupported_parameter_is_a_model_error_before_any_audio(stream, release):
    got = stream(release, "--query", "model=nova-3&no_such_parameter=1&encoding=linear16&sample_rate=16000")
    assert got["error"]["type"] == "ModelError"
    assert "Failed to establish WebSocket connection" in got["error"]["text"]
    assert got["error"]["original_status_code"] == 400
    assert got["messages"] == []


@every_release
def test_an_unknown_endpoint_is_refused_at_once(stream, release):
    got = stream(release, name="no-such-endpoint")
    assert got["error"]["type"] != "TimeoutError" and not got["messages"]
    assert "400" in got["error"]["text"] and "ValidationError" in got["error"]["text"]


@every_release
def test_a_bad_signature_is_refused_at_once(stream, release):
    got = stream(release, env={"AWS_SECRET_ACCESS_KEY": "not-the-secret"})
    assert got["error"]["type"] != "TimeoutError" and not got["messages"]
    assert "403" in got["error"]["text"]


def test_the_workbooks_own_client_knows_the_refusals_name(workbook):
    trace = stream_recording(workbook(endpoint_name="no-such-endpoint"))
    assert (trace.ending, trace.error.code) == (Ending.REFUSED, "ValidationError")


def test_a_stream_without_a_path_is_the_containers_404(stream):
    got = stream("0.11", "--path", "/")
    assert got["error"]["type"] == "ModelError"
    assert got["error"]["original_status_code"] == 404


def _plain(word: str) -> str:
    return "".join(c for c in word.lower() if c.isalnum() or c == "'")
