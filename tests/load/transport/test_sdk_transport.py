"""One session over AWS's own client against a peer that behaves and misbehaves."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import numpy as np
import pytest

from dgsm_helpers.errors import CredentialsProblem, InvalidInput, StreamFailed
from dgsm_helpers.load.transport.data_path import check_reachable
from dgsm_helpers.load.transport.paced_audio import AudioSender
from dgsm_helpers.load.transport.recordings import bundled_recording, chunks
from dgsm_helpers.load.transport.sdk_transport import SdkTransport
from dgsm_helpers.load.transport.stream_loops import run_blocking
from dgsm_helpers.load.transport.trace import Ending, lag_samples, send_slip_s
from dgsm_helpers.wire.sigv4 import Credentials


def session(peer, name="good", *, duration_s=1.0):
    audio = chunks(bundled_recording(), duration_s=duration_s)
    return run_blocking(SdkTransport(peer.target(name)).run(AudioSender(audio, sample_rate=16000)))


def test_a_session_sends_the_audio_in_real_time_and_reads_to_the_end(peer):
    trace = session(peer)
    frames = peer.streams[-1]["frames"]
    assert trace.ending is Ending.CLEAN and trace.error is None
    assert trace.audio_s == pytest.approx(1.0)
    assert np.diff(trace.scheduled_s) == pytest.approx(0.1)
    assert send_slip_s(trace).min() >= 0, "nothing is sent before its time"
    assert trace.sent_s[-1] - trace.sent_s[0] > 0.9 - 0.1
    assert b"".join(frames[:-1]) == bundled_recording().pcm[:32000]
    assert frames[-1] == b'{"type":"CloseStream"}'
    assert trace.results[-1].is_final and trace.metadata["request_id"] == "r"
    assert np.isfinite(lag_samples(trace).lag_s).all()


def test_the_endpoints_variant_and_the_models_query_reach_the_server(peer):
    session(peer, duration_s=0.2)
    headers = peer.requests[-1]
    assert headers["x-amzn-sagemaker-target-variant"] == "AllTraffic"
    assert headers["x-amzn-sagemaker-model-invocation-path"] == "v1/listen"
    assert "interim_results=true" in headers["x-amzn-sagemaker-model-query-string"]


@pytest.mark.parametrize("name", ["drop", "early"])
def test_a_stream_that_breaks_off_is_not_a_clean_end(peer, name):
    trace = session(peer, name, duration_s=60)
    assert trace.ending is Ending.DROPPED
    assert not trace.ok
    assert 5 <= len(trace.scheduled_s) < 600


def test_an_error_in_the_stream_is_recorded_with_its_name(peer):
    trace = session(peer, "instream")
    assert trace.ending is Ending.ERROR
    assert (trace.error.code, trace.error.message) == ("ModelStreamError", "container is gone")


def test_a_refusal_is_recorded_with_the_models_message(peer):
    trace = session(peer, "refuse")
    assert trace.ending is Ending.REFUSED and trace.opened_s is None
    assert (trace.error.code, trace.error.message) == ("ModelError", "Failed to establish WebSocket connection")


def test_a_stopped_session_closes_cleanly(peer):
    async def run():
        stop = asyncio.Event()

        def endless():
            for number, chunk in enumerate(chunks(bundled_recording())):
                if number == 3:
                    stop.set()
                yield chunk

        return await SdkTransport(peer.target()).run(AudioSender(endless(), sample_rate=16000), stop=stop)

    trace = run_blocking(run())
    assert trace.ending is Ending.CLEAN
    assert trace.audio_s == pytest.approx(0.3)


def test_a_session_runs_inside_a_running_event_loop(peer):
    async def notebook_cell():
        return session(peer, duration_s=0.3)

    assert asyncio.run(notebook_cell()).ok


def test_an_untrusted_authority_is_named_at_once(peer):
    with pytest.raises(StreamFailed, match="not trusted"):
        check_reachable(replace(peer.target(), ca_bundle=None))


def test_missing_credentials_are_named_at_once(peer):
    with pytest.raises(CredentialsProblem):
        check_reachable(replace(peer.target(), credentials=Credentials("AKIDPEER", "")))


def test_nothing_listening_is_named_at_once(peer):
    with pytest.raises(StreamFailed, match=r"127\.0\.0\.1:1 "):
        check_reachable(replace(peer.target(), url="https://127.0.0.1:1"))


def test_plain_http_is_refused(peer):
    with pytest.raises(InvalidInput, match="https"):
        check_reachable(replace(peer.target(), url="http://127.0.0.1:1"))


def test_secrets_are_not_printed(peer):
    assert peer.target().credentials.secret_access_key not in repr(peer.target())
