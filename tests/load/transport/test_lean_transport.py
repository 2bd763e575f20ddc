"""The lean transport: the same bytes and the same traces as AWS's client, for many streams at once."""

from __future__ import annotations

import asyncio

import numpy as np
import pytest

from dgsm_helpers.families import NOVA
from dgsm_helpers.load.transport.lean_transport import LeanTransport
from dgsm_helpers.load.transport.paced_audio import AudioSender
from dgsm_helpers.load.transport.recordings import bundled_recording, chunks
from dgsm_helpers.load.transport.sdk_transport import Patience, SdkTransport
from dgsm_helpers.load.transport.stream_loops import run_blocking
from dgsm_helpers.load.transport.trace import Ending, lag_samples, send_slip_s
from dgsm_helpers.wire import eventstream, sigv4


def sessions(peer, name="good", *, count=1, duration_s=1.0, transport=LeanTransport, **given):
    async def run():
        carrier = transport(peer.target(name), **given)
        try:
            return await asyncio.gather(
                *(
                    carrier.run(AudioSender(chunks(bundled_recording(), duration_s=duration_s), sample_rate=16000))
                    for _ in range(count)
                )
            )
        finally:
            await carrier.close()

    return run_blocking(run())


def inner_frames(stream):
    decoder, verifier = eventstream.Decoder(), sigv4.FrameVerifier(stream["signed"])
    inner = [verifier.open(message) for message in decoder.feed(stream["raw"])]
    return [(i.head, i.payload) for i in inner if i is not None]


def test_its_messages_are_those_of_awss_client_byte_for_byte(peer):
    peer.streams.clear()
    sessions(peer, transport=SdkTransport)
    sessions(peer)
    official, ours = peer.streams
    assert inner_frames(ours) == inner_frames(official)
    assert len(inner_frames(ours)) == 11


def test_its_signer_makes_the_very_frames_of_awss_client(peer):
    peer.streams.clear()
    sessions(peer, transport=SdkTransport)
    official = peer.streams[-1]
    signer = sigv4.FrameSigner(official["signed"])
    frames = eventstream.Decoder().feed(official["raw"])
    made = [signer.sign(m.payload, now_s=(m.headers[":date"] + 0.5) / 1000) for m in frames]
    assert b"".join(made) == official["raw"]


def test_its_request_carries_what_awss_client_sends(peer):
    peer.streams.clear()
    sessions(peer, transport=SdkTransport, duration_s=0.1)
    sessions(peer, duration_s=0.1)
    official, ours = (s["headers"] for s in peer.streams)
    its_own = {"authorization", "x-amz-date"}
    ours = {k: v for k, v in ours.items() if k not in its_own and not k.startswith(":")}
    assert ours == {k: official[k] for k in ours}
    assert "x-amzn-sagemaker-target-variant" in ours


def test_many_streams_share_connections_and_each_has_its_own_trace(peer):
    traces = sessions(peer, count=60, duration_s=1.0)
    assert [t.ending for t in traces] == [Ending.CLEAN] * 60
    assert all(len(t.results) == 11 and t.audio_s == pytest.approx(1.0) for t in traces)
    lags = np.concatenate([lag_samples(t).lag_s for t in traces])
    slips = np.concatenate([send_slip_s(t) for t in traces])
    assert np.isfinite(lags).all() and np.isfinite(slips).all()
    assert slips.min() >= 0, "nothing is sent before its time"


@pytest.mark.parametrize(
    ("name", "ending", "code"),
    [
        ("drop", Ending.DROPPED, "ConnectionDropped"),
        ("early", Ending.DROPPED, "ConnectionDropped"),
        ("instream", Ending.ERROR, "ModelStreamError"),
        ("refuse", Ending.REFUSED, "ModelError"),
    ],
)
def test_it_tells_endings_apart_as_awss_client_does(peer, name, ending, code):
    (ours,) = sessions(peer, name)
    (official,) = sessions(peer, name, transport=SdkTransport)
    for trace in (ours, official):
        assert (trace.ending, trace.error.code) == (ending, code)
    assert (ours.opened_s is None) == (official.opened_s is None)


def test_a_refusal_that_announces_its_length_is_read_and_leaves_the_connection_to_the_others(peer):
    peer.refusals["denied"] = (403, "AccessDeniedException", {"Message": "not authorized"})

    async def run():
        carrier = LeanTransport(peer.target())
        refused = LeanTransport(peer.target("denied"))
        refused._connections = carrier._connections
        try:
            long = asyncio.create_task(
                carrier.run(AudioSender(chunks(bundled_recording(), duration_s=1.0), sample_rate=16000))
            )
            trace = await refused.run(AudioSender(chunks(bundled_recording(), duration_s=0.2), sample_rate=16000))
            return trace, await long
        finally:
            await carrier.close()
            await refused.close()

    refused, long = run_blocking(run())
    assert (refused.ending, refused.error.code) == (Ending.REFUSED, "AccessDeniedException")
    assert refused.error.message == "not authorized" and long.ok


@pytest.mark.parametrize(
    ("name", "ending", "said"),
    [
        ("mute", Ending.REFUSED, "No answer to the request within 1 s."),
        ("silent", Ending.TIMEOUT, "No message for 0.9 s and no end."),
    ],
)
@pytest.mark.parametrize("transport", [LeanTransport, SdkTransport])
def test_a_server_that_says_nothing_is_given_up(peer, transport, name, ending, said):
    # What is to be given up is silent for ever; what is not has longer than a busy machine needs.
    patience = Patience(open_s=1.0 if name == "mute" else 60.0, silence_s=0.9)
    (trace,) = sessions(peer, name, transport=transport, patience=patience)
    assert (trace.ending, trace.error.message) == (ending, said)


def test_audio_waits_while_the_servers_window_is_shut(peer):
    # Faster than real time the peer's default window of 64 KB fills before it is opened again.
    async def run():
        carrier = LeanTransport(peer.target())
        try:
            audio = chunks(bundled_recording(), chunk_ms=100, duration_s=40)
            return await carrier.run(AudioSender(audio, sample_rate=16000, chunk_ms=1))
        finally:
            await carrier.close()

    trace = run_blocking(run())
    assert trace.ok
    assert sum(len(f) for f in peer.streams[-1]["frames"] if f != NOVA.end_message) == 40 * 32000


def test_audio_that_breaks_off_ends_its_own_stream_only(peer):
    def breaking():
        yield from chunks(bundled_recording(), duration_s=0.3)
        raise OSError("microphone gone")

    async def run():
        carrier = LeanTransport(peer.target())
        try:
            return await asyncio.gather(
                carrier.run(AudioSender(breaking(), sample_rate=16000)),
                carrier.run(AudioSender(chunks(bundled_recording(), duration_s=1.0), sample_rate=16000)),
            )
        finally:
            await carrier.close()

    broken, whole = run_blocking(run())
    assert (broken.ending, broken.error.message) == (Ending.DROPPED, "microphone gone")
    assert whole.ok
