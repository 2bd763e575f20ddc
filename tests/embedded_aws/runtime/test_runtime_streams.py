"""Streams through AWS's own bidirectional client."""

import asyncio
import io
import json
import wave
from itertools import pairwise

import numpy as np
import pytest
from aws_sdk_sagemaker_runtime_http2 import models
from deepgram.listen.v1.types import (
    ListenV1Error,
    ListenV1Metadata,
    ListenV1Results,
    ListenV1SpeechStarted,
    ListenV1UtteranceEnd,
)
from kit.runtime_sdk import QUERY, WAIT_S, connect, say, transcript
from kit.waiting import until, until_async
from smithy_core.exceptions import CallError

from dgsm_helpers.rules.sample import bundled_sample, sample_wav
from embedded_aws.engines.metered import MeteredEngine, MeteredSettings
from embedded_aws.listings import LISTINGS, SECRET_ACCESS_KEY
from embedded_aws.runtime.gate import Limits
from embedded_aws.runtime.listen import parse_listen
from embedded_aws.runtime.query_string import ContainerRefused

PCM = bundled_sample().pcm
TYPES = {
    "Results": ListenV1Results,
    "Metadata": ListenV1Metadata,
    "SpeechStarted": ListenV1SpeechStarted,
    "UtteranceEnd": ListenV1UtteranceEnd,
    "Error": ListenV1Error,
}


def run(coroutine):
    return asyncio.run(asyncio.wait_for(coroutine, 2 * WAIT_S))


def results(messages, *, final=None):
    return [m for m in messages if m["type"] == "Results" and final in (None, m["is_final"])]


def refused(url, **asked):
    async def attempt():
        await connect(url, **asked)

    with pytest.raises(Exception) as caught:
        run(attempt())
    return caught.value


def failed(url, *, sending=(PCM[:3200],), then_wait=True):
    """What a stream that breaks raises on the reading side."""

    async def attempt():
        stream = await connect(url)
        for piece in sending:
            await stream.send(piece)
        if then_wait:
            await stream.end()

    with pytest.raises(Exception) as caught:
        run(attempt())
    return caught.value


# What is said


def test_the_sample_comes_back_word_for_word(running):
    messages = run(say(running.url, PCM))
    assert transcript(messages) == bundled_sample().transcript
    assert messages[-1]["type"] == "Metadata" and messages[-1]["duration"] == 11.0
    assert running.lease.released == 1 and running.lease.errors == [] and len(running.lease.first_chunks) == 1
    until(lambda: running.server.open_streams == 0, "no stream is open")


def test_every_message_validates_against_the_deepgram_sdks_types(running):
    query = QUERY + "&vad_events=true&utterance_end_ms=1000"

    async def talk():
        stream = await connect(running.url, query=query)
        for at in range(0, len(PCM), 3200):
            await stream.send(PCM[at : at + 3200])
        await stream.send(bytes(3 * 32000))
        await stream.send(b'{"type":"Nonsense"}', "UTF8")
        await stream.control("CloseStream")
        await stream.end()
        return stream.messages

    messages = run(talk())
    assert {m["type"] for m in messages} == set(TYPES)
    for message in messages:
        # model_validate is strict about what is missing; the SDK itself reads leniently.
        parsed = TYPES[message["type"]].model_validate(message)
        assert parsed.type == message["type"]
    word = ListenV1Results.model_validate(results(messages, final=True)[0]).channel.alternatives[0].words[0]
    assert (word.word, word.punctuated_word, word.start) == ("and", "And", 0.31)


def test_each_chunk_is_answered_by_an_interim_result_that_ends_where_the_chunk_does(running):
    interim = results(run(say(running.url, PCM)), final=False)
    assert [round(m["start"] + m["duration"], 3) for m in interim] == [round(0.1 * n, 3) for n in range(1, 111)]


def test_finals_cover_the_audio_without_gap_or_overlap(running):
    finals = results(run(say(running.url, PCM)), final=True)
    edges = [(m["start"], m["start"] + m["duration"]) for m in finals]
    assert edges[0][0] == 0 and edges[-1][1] == pytest.approx(11.0)
    assert all(a[1] == pytest.approx(b[0], abs=0.001) for a, b in pairwise(edges))


def test_interim_results_and_punctuation_only_when_asked_for(running):
    messages = run(say(running.url, PCM, query="encoding=linear16&sample_rate=16000"))
    assert results(messages, final=False) == []
    assert transcript(messages) == " ".join(w.word for w in bundled_sample().words)
    assert "punctuated_word" not in results(messages)[0]["channel"]["alternatives"][0]["words"][0]


@pytest.mark.parametrize("query", ["smart_format=true", "punctuate=true"])
def test_smart_format_punctuates_as_punctuate_does(running, query):
    messages = run(say(running.url, PCM[: 3 * 32000], query=f"encoding=linear16&sample_rate=16000&{query}"))
    assert transcript(messages) == "And so, my fellow Americans:"


def test_endpointing_decides_how_long_a_pause_ends_an_utterance(running):
    def finals(value):
        query = f"encoding=linear16&sample_rate=16000&endpointing={value}"
        return len([m for m in results(run(say(running.url, PCM, query=query)), final=True) if m["speech_final"]])

    # The sample pauses for 1.10, 0.16, 0.95 and 0.44 s.
    assert finals(10) == 5 and finals(300) == 4 and finals(600) == 3


def test_a_stream_may_start_anywhere_and_loop(running):
    start = int(8.2 * 16000) * 2
    words = transcript(run(say(running.url, PCM[start:] + PCM + PCM))).split()
    turn = bundled_sample().transcript.split()
    assert words == turn[turn.index("you,") + 1 :] + turn + turn


def test_unknown_audio_is_answered_with_the_samples_words_and_says_so(running):
    noise = np.random.default_rng(1).integers(-9999, 9999, 16000 * 3, dtype=np.int16).tobytes()
    messages = run(say(running.url, noise))
    assert transcript(messages).startswith("And so, my fellow Americans")
    assert "unknown audio" in results(messages)[0]["metadata"]["model_info"]["name"]


# How it may be sent


def test_a_wav_header_is_tolerated_with_an_encoding_and_read_without_one(running):
    for query in (QUERY, QUERY.replace("&encoding=linear16&sample_rate=16000", "")):
        messages = run(say(running.url, sample_wav(), query=query))
        assert transcript(messages) == bundled_sample().transcript
        assert messages[-1]["duration"] == 11.0


def test_chunks_need_not_hold_whole_samples(running):
    messages = run(say(running.url, PCM[: 3 * 32000], chunk_bytes=1601))
    assert transcript(messages) == "And so, my fellow Americans:" and messages[-1]["duration"] == 3.0


def test_channels_are_heard_apart_when_multichannel(running):
    stereo = np.repeat(np.frombuffer(PCM, "<i2")[:48000], 2).tobytes()
    query = QUERY + "&channels=2&multichannel=true"
    finals = results(run(say(running.url, stereo, query=query, chunk_bytes=6400)), final=True)
    for channel in (0, 1):
        own = [m for m in finals if m["channel_index"] == [channel, 2]]
        assert transcript(own) == "And so, my fellow Americans:"


def test_mixed_channels_are_heard_as_one(running):
    stereo = np.repeat(np.frombuffer(PCM, "<i2")[:48000], 2).tobytes()
    messages = run(say(running.url, stereo, query=QUERY + "&channels=2", chunk_bytes=6400))
    assert transcript(messages) == "And so, my fellow Americans:"


@pytest.mark.parametrize("encoding", ["mulaw", "alaw"])
def test_telephone_encodings_are_accepted(running, encoding):
    messages = run(say(running.url, bytes(8000 * 2), query=f"encoding={encoding}&sample_rate=8000", chunk_bytes=800))
    assert messages[-1]["duration"] == 2.0


def test_finalize_answers_now_and_the_stream_goes_on(running):
    async def talk():
        stream = await connect(running.url, query=QUERY + "&endpointing=false")
        await stream.send(PCM[:32000])
        await stream.control("Finalize")
        await stream.until(lambda got: any(m.get("from_finalize") for m in got))
        await stream.send(PCM[32000:96000])
        await stream.control("CloseStream")
        await stream.end()
        return stream.messages

    messages = run(talk())
    first, *_ = [m for m in messages if m.get("from_finalize")]
    assert first["is_final"] and first["channel"]["alternatives"][0]["transcript"] == "And so, my"
    assert transcript(messages) == "And so, my fellow Americans:"


def test_control_messages_may_come_as_binary(running):
    async def talk():
        stream = await connect(running.url)
        await stream.send(PCM[:3200])
        await stream.send(b'{"type":"KeepAlive"}')
        await stream.send(b'{"type":"CloseStream"}')
        await stream.end()
        return stream.messages

    messages = run(talk())
    assert messages[-1]["type"] == "Metadata" and messages[-1]["duration"] == 0.1


def test_closing_before_any_audio_still_gives_metadata(running):
    messages = run(say(running.url, b""))
    assert [m["type"] for m in messages] == ["Metadata"] and messages[0]["duration"] == 0


def test_ending_the_input_without_closestream_cuts_the_tail(serve):
    running = serve(MeteredEngine(MeteredSettings(lanes=1, service_ms=5000)))  # 20 chunks take 100 s

    async def talk():
        stream = await connect(running.url)
        for at in range(0, 64000, 3200):
            await stream.send(PCM[at : at + 3200])
        await stream.close()
        await stream.end()
        return stream.messages

    messages = run(talk())
    assert "Metadata" not in {m["type"] for m in messages} and len(messages) < 20
    until(lambda: running.lease.released == 1, "the instance is released")


def test_answers_come_while_audio_is_still_being_sent(running):
    async def talk():
        stream = await connect(running.url)
        for number in range(3):
            await stream.send(PCM[number * 3200 : (number + 1) * 3200])
            await stream.until(lambda got, n=number: len(results(got, final=False)) == n + 1)
        await stream.control("CloseStream")
        await stream.end()

    run(talk())


# Who may, and where


def test_the_region_and_the_variant_reach_the_placement(running):
    run(say(running.url, b"", region="eu-central-1", variant="AllTraffic"))
    assert running.lease.region == "eu-central-1"
    assert refused(running.url, variant="Other").args[0].count("ValidationError") == 1


@pytest.mark.parametrize(
    ("asked", "name"),
    [({"endpoint": "nowhere"}, "ValidationError"), ({"endpoint": "creating"}, "ValidationError")],
)
def test_endpoints_that_take_nothing_refuse(running, asked, name):
    error = refused(running.url, **asked)
    assert isinstance(error, CallError) and name in str(error) and "400" in str(error)


def test_a_wrong_secret_or_an_unknown_key_is_refused(running, monkeypatch):
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET_ACCESS_KEY + "x")
    assert "InvalidSignatureException" in str(refused(running.url))
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAOTHER")
    assert "UnrecognizedClientException" in str(refused(running.url))
    assert running.placement.leases == []


def test_session_tokens_are_tolerated(running, monkeypatch):
    monkeypatch.setenv("AWS_SESSION_TOKEN", "whatever")
    assert run(say(running.url, b""))[-1]["type"] == "Metadata"


@pytest.mark.parametrize(
    ("fault", "name"),
    [
        ("throttling", "ThrottlingException"),
        ("denied", "AccessDeniedException"),
        ("expired-credentials", "ExpiredTokenException"),
    ],
)
def test_faults_refuse_the_call(running, fault, name):
    running.faults.calls = fault
    assert name in str(refused(running.url))
    assert running.faults.asked == [("sagemaker-runtime", "InvokeEndpointWithBidirectionalStream")]


@pytest.mark.parametrize(
    ("asked", "status", "reason"),
    [
        ({"path": None}, 404, "No such path"),
        ({"path": "v2/listen"}, 404, "No such path"),
        ({"query": QUERY + "&bogus=1"}, 400, "unsupported_parameter"),
        ({"query": "encoding=opus&sample_rate=48000"}, 400, "Unsupported encoding"),
        ({"query": "encoding=linear16"}, 400, "sample_rate"),
        ({"query": "encoding=linear16&sample_rate=7"}, 400, "sample_rate"),
        ({"query": QUERY + "&punctuate=perhaps"}, 400, "punctuate"),
        ({"query": QUERY + "&utterance_end_ms=10"}, 400, "utterance_end_ms"),
        ({"query": "utterance_end_ms=1000"}, 400, "interim_results"),
        ({"query": QUERY + "&endpointing=soon"}, 400, "endpointing"),
    ],
)
def test_what_the_container_refuses_is_a_model_error_before_the_stream_opens(running, asked, status, reason):
    error = refused(running.url, **asked)
    assert isinstance(error, models.ModelError)
    assert error.message == "Failed to establish WebSocket connection"
    assert error.original_status_code == status and reason in error.original_message
    assert set(json.loads(error.original_message)) == {"err_code", "err_msg", "request_id"}
    assert error.log_stream_arn == (
        "arn:aws:logs:us-east-1:123456789012:log-group:/aws/sagemaker/Endpoints/demo"
        ":log-stream:AllTraffic/i-0123456789abcdef0"
    )
    assert running.lease.errors == ["4xx", "model"] and running.lease.released == 1


# What breaks in its middle


def test_audio_that_is_none_ends_in_a_stream_error(running):
    async def attempt():
        stream = await connect(running.url, query="model=nova-3")
        await stream.send(b"this is no WAV file at all")
        await stream.end()

    with pytest.raises(models.ModelStreamError, match="DATA-0000"):
        run(attempt())
    assert running.lease.errors == ["midstream"] and running.lease.released == 1


def test_silence_on_the_line_ends_with_net_0001(serve):
    error = failed(serve(limits=Limits(idle_s=0.4)).url)
    assert isinstance(error, models.ModelStreamError) and "NET-0001" in error.message


def test_a_connection_ends_after_its_longest_time(serve):
    running = serve(limits=Limits(connection_s=0.4))

    async def attempt():
        stream = await connect(running.url)
        while not stream.ended:
            await stream.send(PCM[:3200])
            await asyncio.sleep(0.05)
        await stream.end()

    with pytest.raises(models.ModelStreamError, match="maximum duration"):
        run(attempt())
    until(lambda: running.server.open_streams == 0, "no stream is open")


def test_a_mid_stream_error_on_demand_reaches_the_client(running):
    running.faults.due["mid-stream-error"] = 1
    error = failed(running.url, sending=[PCM[:3200]] * 5)
    assert isinstance(error, models.ModelStreamError)
    assert running.lease.errors == ["midstream"]


def test_a_dropped_connection_on_demand_gives_no_metadata(running):
    running.faults.due["dropped-connection"] = 1

    async def attempt():
        stream = await connect(running.url)
        for _ in range(5):
            await stream.send(PCM[:3200])
        try:
            await stream.end()
        except Exception:
            # Some releases raise, some take it for a clean end.
            pass
        return stream.messages

    assert "Metadata" not in {m["type"] for m in run(attempt())}
    assert running.lease.errors == ["midstream"] and running.lease.released == 1


def test_losing_the_instance_is_told_in_stream(running):
    async def attempt():
        stream = await connect(running.url)
        await stream.send(PCM[:3200])
        await stream.until(lambda got: got)
        await asyncio.to_thread(running.lose_instance, "scale-in")
        await stream.end()

    with pytest.raises(models.InternalStreamFailure, match="scale-in"):
        run(attempt())
    assert running.lease.released == 1


@pytest.mark.parametrize("sees", ["reset", "clean-end"])
@pytest.mark.parametrize("chosen_by", ["the model", "a fault"])
def test_losing_the_instance_can_look_like_an_end_without_metadata(serve, sees, chosen_by):
    """AWS's client takes a reset for an end; what tells both from a clean close is that no Metadata came."""
    running = serve(cut_stream_sees=sees) if chosen_by == "the model" else serve()
    running.faults.sees = sees if chosen_by == "a fault" else None

    async def session():
        stream = await connect(running.url)
        await stream.send(PCM[:16000])
        await stream.until(lambda messages: messages)
        await asyncio.to_thread(running.lose_instance, "scale-in")
        await until_async(lambda: stream.ended, "the stream has ended")
        await stream.close()
        return stream.messages

    assert "Metadata" not in {m["type"] for m in run(session())}
    assert (running.lease.errors, running.lease.released) == (["midstream"], 1)


def test_a_shorter_longest_time_can_be_asked_for_while_it_runs(serve):
    running = serve(limits=Limits(connection_s=30))
    running.faults.longest_s = 0.4
    assert "0.00666667 minutes" in str(failed(running.url))


def test_stopping_the_server_tells_open_streams(serve):
    running = serve()

    async def attempt():
        stream = await connect(running.url)
        await stream.send(PCM[:3200])
        await stream.until(lambda got: got)
        await asyncio.to_thread(running.run, running.server.stop())
        await stream.end()

    with pytest.raises(models.InternalStreamFailure, match="stops"):
        run(attempt())


def test_a_client_that_vanishes_releases_its_instance(running):
    async def leave():
        stream = await connect(running.url)
        await stream.send(PCM[:3200])
        await stream.until(lambda got: got)
        await stream.vanish()

    run(leave())
    until(lambda: running.lease.released == 1 and running.server.open_streams == 0, "the instance is released")


def test_many_streams_share_one_server(running):
    async def talk():
        return await asyncio.gather(*(say(running.url, PCM[:96000]) for _ in range(30)))

    for messages in run(talk()):
        assert transcript(messages) == "And so, my fellow Americans:"
    assert all(lease.released == 1 for lease in running.placement.leases)


def test_stereo_wav_on_a_stream_is_mixed(running):
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setparams((2, 2, 16000, 0, "NONE", ""))
        file.writeframes(np.repeat(np.frombuffer(PCM, "<i2")[:48000], 2).tobytes())
    messages = run(say(running.url, buffer.getvalue(), query="model=nova-3&punctuate=true"))
    assert transcript(messages) == "And so, my fellow Americans:"


# A stream counts as load until it ends, however that is


@pytest.mark.parametrize(
    ("kind", "name"),
    [("file", "sample_rate"), *(("stream", n) for n in ("sample_rate", "endpointing", "utterance_end_ms", "channels"))],
)
@pytest.mark.parametrize("digits", [21, 4_301, 6_000])
def test_a_number_of_thousands_of_digits_is_refused_as_any_other_wrong_one(name, digits, kind):
    text = f"encoding=linear16&sample_rate=16000&{name}={'1' * digits}"
    with pytest.raises(ContainerRefused, match=f"{name} must be a whole number") as refused:
        parse_listen(text, LISTINGS[0], whole=kind == "file")
    assert refused.value.status == 400 and len(refused.value.message) < 200


@pytest.mark.parametrize("error", [ValueError, MemoryError, RecursionError, OSError])
def test_a_stream_that_the_container_cannot_open_for_any_reason_stops_counting(running, monkeypatch, error):
    def broken(*_args, **_kwargs):
        raise error("broken")

    monkeypatch.setattr("embedded_aws.runtime.bidi.open_stream", broken)
    refused(running.url)
    assert running.lease.released == 1 and running.lease.on_kill is None


def test_a_stream_whose_container_cannot_be_ended_stops_counting_and_so_do_those_beside_it(running, monkeypatch):
    def broken(_self):
        raise RuntimeError("broken")

    monkeypatch.setattr("embedded_aws.runtime.container.ContainerStream.abort", broken)

    async def leave():
        first, second = await connect(running.url), await connect(running.url)
        await first.send(PCM[:3200])
        await second.send(PCM[:3200])

    run(leave())
    until(lambda: all(lease.released for lease in running.placement.leases), "no stream counts")


def test_parts_of_a_message_are_one_message(running):
    async def scene():
        stream = await connect(running.url, query=QUERY)
        for data, data_type in ((PCM[:64_000], "BINARY"), (b'{"type": "CloseStream"}', "UTF8")):
            size = len(data) // 5
            pieces = [data[at : at + size] for at in range(0, len(data), size)]
            for piece in pieces[:-1]:
                await stream.send(piece, data_type, "PARTIAL")
            await stream.send(pieces[-1], data_type, "COMPLETE")
        await stream.end()
        return stream.messages

    messages = run(scene())
    assert messages[-1]["type"] == "Metadata" and messages[-1]["duration"] == 2.0
    assert len(results(messages, final=False)) == 1, "audio in parts is one message, too"
