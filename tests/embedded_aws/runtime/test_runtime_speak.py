"""``v1/speak`` and ``v2/speak`` through AWS's own clients: what a speaking container says, and what it refuses."""

import asyncio
import io
import json
import re
import ssl

import boto3
import numpy as np
import pytest
import soundfile
from aws_sdk_sagemaker_runtime_http2.models import ModelStreamError
from botocore.config import Config
from botocore.exceptions import ClientError
from hypothesis import given
from hypothesis import strategies as st
from kit.raw_http2 import RawHttp2
from kit.runtime_sdk import AUDIO, WAIT_S, connect
from kit.sdk_messages import check
from kit.virtual_time import MovedClock
from kit.waiting import until, until_async

from dgsm_helpers.families import AURA, FLUX_TTS
from dgsm_helpers.wire.eventstream import payload_part
from embedded_aws.engines.lanes import MeteredSettings
from embedded_aws.engines.metered import MeteredEngine
from embedded_aws.engines.metered_voice import spoken_s
from embedded_aws.runtime import speak_stream
from embedded_aws.runtime.gate import Limits
from embedded_aws.runtime.speak_stream import SpokenTurn

AURA_QUERY = "model=aura-2-thalia-en&encoding=linear16&sample_rate=24000"
FLUX_QUERY = "model=flux-alexis-en&encoding=linear16&sample_rate=24000"
TEXT = "Your order has been shipped."
SLOW = MeteredSettings(lanes=1, service_ms=60)


@pytest.fixture
def aura(serve):
    return serve(listing="metered-aura")


@pytest.fixture
def flux_tts(serve):
    return serve(listing="metered-flux-tts")


def run(coroutine):
    return asyncio.run(coroutine)


async def opened(running, query=None):
    path = running.placement.host.listing.protocol.path
    return await connect(running.url, path=path, query=query or (AURA_QUERY if path == "v1/speak" else FLUX_QUERY))


async def talk(running, *messages, query=None):
    """Send messages as (type, fields), then Close."""
    stream = await opened(running, query)
    for kind, fields in messages:
        await stream.control(kind, **fields)
    await stream.control("Close")
    await stream.end()
    return stream


def speak(text=TEXT):
    return ("Speak", {"text": text})


FLUSH = ("Flush", {})


def of(stream, *kinds):
    return [m for m in stream.messages if m["type"] in kinds]


def kinds(stream):
    """The types of messages in order, audio once however many pieces."""
    order = [m["type"] for m in stream.messages]
    return [kind for n, kind in enumerate(order) if n == 0 or kind != order[n - 1] or kind != AUDIO]


def checked(running, stream):
    check(running.placement.host.listing.protocol.path, [m for m in stream.messages if m["type"] != AUDIO])


# Aura-2


def test_aura_greets_speaks_and_says_when_all_has_been_sent(aura):
    stream = run(talk(aura, speak(), FLUSH, speak("And again."), FLUSH))
    checked(aura, stream)
    assert kinds(stream) == ["Metadata", AUDIO, "Flushed", AUDIO, "Flushed"]
    assert [m["sequence_id"] for m in of(stream, "Flushed")] == [0, 1]
    assert of(stream, "Metadata")[0]["model_name"] == "aura-2-thalia-en"
    assert aura.lease.errors == [] and len(aura.lease.first_chunks) == 1


@pytest.mark.parametrize(
    ("encoding", "rate", "width"),
    [("linear16", 8000, 2), ("linear16", 48000, 2), ("mulaw", 8000, 1), ("alaw", 16000, 1)],
)
@pytest.mark.parametrize("listing", ["metered-aura", "metered-flux-tts"])
def test_audio_is_as_many_bytes_as_its_length_rate_and_encoding_say(serve, listing, encoding, rate, width):
    running = serve(listing=listing)
    model = running.placement.host.listing.models[0]
    stream = run(talk(running, speak(), FLUSH, query=f"model={model}&encoding={encoding}&sample_rate={rate}"))
    assert len(stream.audio) == round(spoken_s(TEXT) * rate) * width


@pytest.mark.parametrize("listing", ["metered-aura", "metered-flux-tts"])
def test_audio_is_told_from_messages_by_the_label_of_its_part(serve, listing):
    labels = run(talk(serve(listing=listing), speak(), FLUSH)).data_types
    assert {label for kind, label in labels if kind == AUDIO} == {"BINARY"}
    assert {label for kind, label in labels if kind != AUDIO} == {"UTF8"}


def test_g711_is_the_sound_that_linear16_is(aura):
    plain = run(talk(aura, speak(), FLUSH, query="model=aura-2-thalia-en&sample_rate=8000")).audio
    coded = run(talk(aura, speak(), FLUSH, query="model=aura-2-thalia-en&sample_rate=8000&encoding=mulaw")).audio
    decoded, _ = soundfile.read(
        io.BytesIO(coded), samplerate=8000, channels=1, format="RAW", subtype="ULAW", dtype="int16"
    )
    assert np.abs(decoded.astype(int) - np.frombuffer(plain, "<i2")).max() < 300


def test_speed_shortens_what_is_said(aura):
    fast = run(talk(aura, speak(), FLUSH, query=AURA_QUERY + "&speed=1.5")).audio
    assert len(fast) == round(spoken_s(TEXT, 1.5) * 24000) * 2


def test_whole_sentences_are_spoken_before_the_flush_and_the_rest_by_close(aura):
    async def scene():
        stream = await opened(aura)
        await stream.control("Speak", text="One sentence. And half of")
        await stream.until(lambda _: len(stream.audio) == round(spoken_s("One sentence.") * 24000) * 2)
        await stream.control("Speak", text=" another.")
        await stream.control("Close")
        await stream.end()
        return stream

    stream = run(scene())
    halves = ["One sentence.", " And half of another."]
    assert len(stream.audio) == sum(round(spoken_s(text) * 24000) * 2 for text in halves)
    assert kinds(stream) == ["Metadata", AUDIO, "Flushed"]


@given(st.lists(st.text("a.?! \n", max_size=6), max_size=12), st.sets(st.integers(0, 11)))
def test_sentences_are_spoken_when_they_are_whole_however_a_text_is_cut(texts, asked):
    turn, waiting, taken = SpokenTurn(1.0), "", []
    for number, text in enumerate(texts):
        turn.add(text)
        waiting += text
        whole = re.match(r".*[.!?](?=\s)", waiting, re.DOTALL)
        if number in asked:
            taken.append(turn.take())
            assert taken[-1] == (whole[0] if whole else "")
            waiting = waiting[len(taken[-1]) :]
    turn.closed = True
    assert turn.take() == waiting and turn.take() == ""
    assert turn.text == "".join(texts) and turn.newest == turn.text[-200:]
    assert turn.can_be_spoken == ("a" in turn.text)


@pytest.mark.parametrize("text", ["word " * 40, "." * 200, " " * 200, "a." * 100, "Whole. " * 28 + "half"])
@pytest.mark.parametrize("listing", ["metered-aura", "metered-flux-tts"])
def test_no_text_is_looked_through_twice_however_long_its_turn_is(serve, monkeypatch, listing, text):
    looked = []

    class Counted:
        def match(self, text):
            looked.append(len(text))
            return sentences.match(text)

    sentences = speak_stream._SENTENCES
    monkeypatch.setattr(speak_stream, "_SENTENCES", Counted())
    running = serve(MeteredEngine(MeteredSettings(lanes=1, service_ms=60_000)), listing=listing)

    async def scene():
        stream = await opened(running)
        for _ in range(50):
            await stream.control("Speak", text=text)
        await until_async(lambda: len(looked) == 50, "all have come")
        await stream.close()

    run(scene())
    assert sum(looked) <= 50 * (len(text) + 1)


def raw_speaker(running):
    raw = RawHttp2(running)
    path = running.placement.host.listing.protocol.path
    stream, signer = raw.open(query=AURA_QUERY if path == "v1/speak" else FLUX_QUERY, container_path=path)
    raw.until(lambda: stream in raw.headers)

    def say(kind, **fields):
        raw.send(stream, signer.sign(payload_part(json.dumps({"type": kind, **fields}).encode())))

    return raw, say


@pytest.mark.parametrize(
    ("listing", "messages"),
    [
        ("metered-flux-tts", [("Speak", {"text": "a" * 100_000})]),
        ("metered-flux-tts", [("Speak", {"text": "a. " * 33_000}), ("Flush", {})]),
        ("metered-aura", [("Speak", {"text": "word " * 400})] * 50),
        ("metered-aura", [("Speak", {"text": "a"}), *([("Flush", {})] * 100)]),
    ],
)
def test_what_is_to_be_spoken_counts_as_held(serve, listing, messages):
    engine = MeteredEngine(MeteredSettings(lanes=1, service_ms=60_000))
    running = serve(engine, listing=listing, limits=Limits(held_each_bytes=1 << 20))
    raw, say = raw_speaker(running)
    with pytest.raises((OSError, ssl.SSLError)):
        for _ in range(30):
            for kind, fields in messages:
                say(kind, **fields)
            raw.roundtrip()
    until(lambda: running.server.held.total == 0 and running.lease.released == 1, "it is let go")


@pytest.mark.parametrize("listing", ["metered-aura", "metered-flux-tts"])
def test_what_has_been_spoken_is_held_no_longer(serve, listing):
    running = serve(listing=listing)
    raw, say = raw_speaker(running)
    say("Speak", text="a word")
    raw.roundtrip()
    assert running.server.held.total > 0
    say("Flush")
    until(lambda: running.server.held.total == 0, "it has been spoken")
    assert not running.lease.released
    raw.socket.close()


def test_every_flush_is_answered_also_one_with_nothing_to_say(aura):
    stream = run(talk(aura, FLUSH, speak(), FLUSH, FLUSH, speak("  "), FLUSH))
    assert kinds(stream) == ["Metadata", "Flushed", AUDIO, "Flushed", "Flushed", "Flushed"]


def test_nothing_is_heard_of_what_was_cleared(serve):
    running = serve(MeteredEngine(SLOW), listing="metered-aura")

    async def scene():
        stream = await opened(running)
        await stream.control("Speak", text="A long text that nobody wants to hear to its end. " * 8)
        await stream.control("Flush")
        await stream.until(lambda _: len(stream.audio) > 0)
        await stream.control("Speak", text="Nor this.")
        await stream.control("Clear")
        await stream.until(lambda messages: messages[-1]["type"] == "Cleared")
        before = len(stream.audio)
        await stream.control("Speak", text="But this.")
        await stream.control("Flush")
        await stream.control("Close")
        await stream.end()
        return stream, before

    stream, before = run(scene())
    assert len(stream.audio) - before == round(spoken_s("But this.") * 24000) * 2
    assert kinds(stream) == ["Metadata", AUDIO, "Cleared", AUDIO, "Flushed"]
    checked(running, stream)


def test_a_voice_that_is_not_there_says_nothing(aura):
    stream = run(talk(aura, speak(), FLUSH, query="model=aura-2-celeste-es"))
    assert kinds(stream) == ["Metadata"]


@pytest.mark.parametrize(
    ("message", "code"),
    [
        (("Speak", {"text": "a" * 2001}), "1009.*BIG-0001"),
        (("Speak", {}), "1008.*DATA-0000"),
        (("Interrupt", {}), "1008.*DATA-0000"),
        (("KeepAlive", {}), "1008.*DATA-0000"),
    ],
)
def test_what_aura_cannot_do_ends_the_stream_with_its_code(aura, message, code):
    with pytest.raises(Exception, match=code):
        run(talk(aura, message))


# Flux TTS


def test_flux_tts_tells_each_turn_from_its_start_to_its_end(flux_tts):
    stream = run(talk(flux_tts, speak(), FLUSH, speak("And again"), speak(", once more."), FLUSH))
    checked(flux_tts, stream)
    turn = ["SpeechStarted", "Flushed", AUDIO, "SpeechMetadata"]
    assert kinds(stream) == ["Connected", *turn, *turn, "SessionMetadata"]
    ids = [m["speech_id"] for m in of(stream, "SpeechStarted", "Flushed", "SpeechMetadata")]
    assert len(set(ids)) == 2 and ids[:3] == ids[:1] * 3
    first, second = of(stream, "SpeechMetadata")
    assert first["input_character_count"] == len(TEXT) and second["input_character_count"] == len(
        "And again, once more."
    )
    total = of(stream, "SessionMetadata")[0]
    assert total["total_input_character_count"] == first["input_character_count"] + second["input_character_count"]
    assert total["total_audio_duration_ms"] == pytest.approx(len(stream.audio) / 48, abs=2)


def test_an_interrupt_ends_the_turn_and_those_behind_it(serve):
    running = serve(MeteredEngine(SLOW), listing="metered-flux-tts")
    text = "A long text that nobody wants to hear to its end. " * 8

    async def scene():
        stream = await opened(running)
        for _ in range(2):
            await stream.control("Speak", text=text)
            await stream.control("Flush")
        await stream.until(lambda _: len(stream.audio) >= 24_000)
        offset = {"type": "time_ms", "value": 400}
        await stream.control("Interrupt", playback_offset=offset)
        await stream.until(lambda messages: messages[-1]["type"] == "SpeechInterrupted")
        before = len(stream.audio)
        await stream.control("Interrupt")
        await stream.control("Speak", text="But this.")
        await stream.control("Interrupt", playback_offset=offset)
        await stream.control("Flush")
        await stream.control("Close")
        await stream.end()
        return stream, before

    stream, before = run(scene())
    checked(running, stream)
    (interrupted,) = of(stream, "SpeechInterrupted")
    assert interrupted["audio_played_ms"] == 400
    assert interrupted["text_spoken"] + interrupted["text_remaining"] == text
    assert 0 < len(interrupted["text_spoken"]) < len(interrupted["text_remaining"])
    assert interrupted["metadata"]["speech_id"] == of(stream, "SpeechStarted")[0]["speech_id"]
    assert len(of(stream, "SpeechStarted")) == 2 and len(of(stream, "SpeechMetadata")) == 1
    assert len(stream.audio) - before == round(spoken_s("But this.") * 24000) * 2
    assert [m["code"] for m in of(stream, "Warning")] == ["NO_ACTIVE_SPEECH", "INVALID_INTERRUPT_OFFSET"]


def test_speed_is_configured_for_the_turns_that_follow(flux_tts):
    asked = [("Configure", {"speed": s}) for s in (1.1, 0.5, 1.01, "fast")]
    stream = run(talk(flux_tts, *asked, speak(), FLUSH))
    checked(flux_tts, stream)
    told = of(stream, "ConfigureSuccess", "ConfigureFailure")
    assert told[0]["applied"] == {"speed": 1.1}
    assert [m["code"] for m in told[1:]] == ["SPEED_OUT_OF_RANGE", "SPEED_INCREMENT_INVALID", "SPEED_OUT_OF_RANGE"]
    assert len(stream.audio) == round(spoken_s(TEXT, 1.1) * 24000) * 2


@pytest.mark.parametrize("speed", [float("nan"), float("inf"), 10**400, True, [1.0]])
def test_a_speed_that_is_no_number_is_refused_in_words_that_can_be_read(flux_tts, speed):
    stream = run(talk(flux_tts, ("Configure", {"speed": speed}), speak(), FLUSH))
    checked(flux_tts, stream)
    (refused,) = of(stream, "ConfigureFailure")
    assert refused["code"] == "SPEED_OUT_OF_RANGE" and stream.audio


def test_what_cannot_be_spoken_is_warned_of(flux_tts):
    stream = run(talk(flux_tts, FLUSH, speak(" "), FLUSH, ("Interrupt", {})))
    checked(flux_tts, stream)
    assert [m["code"] for m in of(stream, "Warning")] == [
        "NO_ACTIVE_SPEECH",
        "NO_SYNTHESIZABLE_TEXT",
        "NO_ACTIVE_SPEECH",
    ]


@pytest.mark.parametrize("text", [" ", "... !", "\n\t-"])
def test_a_turn_without_a_word_ends_in_its_order_without_audio(flux_tts, text):
    stream = run(talk(flux_tts, speak(), FLUSH, speak(text), FLUSH, speak("And on."), FLUSH))
    checked(flux_tts, stream)
    turn = ["SpeechStarted", "Flushed", AUDIO, "SpeechMetadata"]
    assert kinds(stream) == ["Connected", *turn, "Warning", "Flushed", "SpeechMetadata", *turn, "SessionMetadata"]
    _, empty, _ = of(stream, "SpeechMetadata")
    assert (empty["audio_duration_ms"], empty["input_character_count"]) == (0, len(text))


def test_before_any_audio_there_is_nothing_to_interrupt(serve):
    running = serve(MeteredEngine(MeteredSettings(lanes=1, service_ms=5000)), listing="metered-flux-tts")
    stream = run(talk(running, ("Speak", {"text": "Hi"}), FLUSH, ("Interrupt", {})))
    checked(running, stream)
    assert [m["code"] for m in of(stream, "Warning")] == ["NO_AUDIO_GENERATED"]
    assert len(of(stream, "SpeechMetadata")) == 1


def test_an_interrupt_counts_what_was_played_and_the_next_must_lie_behind_it(serve):
    running = serve(MeteredEngine(SLOW), listing="metered-flux-tts")
    text = "A long text that nobody wants to hear to its end. " * 8

    async def interrupted(stream, spoken, **fields):
        before = len(stream.audio)
        await stream.control("Speak", text=text)
        await stream.control("Flush")
        await stream.until(lambda _: len(stream.audio) - before >= 24_000)
        await stream.control("Interrupt", **fields)
        await stream.until(lambda messages: len(of(stream, "SpeechInterrupted")) == spoken)

    async def scene():
        stream = await opened(running)
        await interrupted(stream, 1, playback_offset={"type": "time_ms", "value": 300})
        await interrupted(stream, 2)
        played_ms = of(stream, "SpeechInterrupted")[1]["audio_played_ms"]
        await stream.control("Speak", text=text)
        await stream.control("Flush")
        heard = len(stream.audio)
        await stream.until(lambda _: len(stream.audio) - heard >= 24_000)
        for value in (played_ms, played_ms + 200):
            await stream.control("Interrupt", playback_offset={"type": "time_ms", "value": value})
        await stream.until(lambda messages: len(of(stream, "SpeechInterrupted")) == 3)
        await stream.control("Close")
        await stream.end()
        return stream

    stream = run(scene())
    checked(running, stream)
    first, second, third = of(stream, "SpeechInterrupted")
    assert first["audio_played_ms"] == 300
    # A turn that is interrupted without an offset counts with all that was made of it.
    assert second["audio_played_ms"] == 300 + second["metadata"]["audio_duration_ms"] and "text_spoken" not in second
    assert [m["code"] for m in of(stream, "Warning")] == ["INVALID_INTERRUPT_OFFSET"]
    assert third["audio_played_ms"] == second["audio_played_ms"] + 200 and third["text_spoken"] == text[:3]
    assert of(stream, "SessionMetadata")[0]["total_audio_duration_ms"] == third["audio_played_ms"]


def test_a_word_is_spoken_instead_of_its_pronunciation(flux_tts):
    control = r'\{"word": "Nuance", "pronounce": "njuːɑːns"\}'
    stream = run(talk(flux_tts, speak("Of "), speak(control), speak("."), FLUSH))
    checked(flux_tts, stream)
    (told,) = of(stream, "SpeechMetadata")
    assert told["controls_applied"]["pronunciations_applied"] == 1
    assert told["input_character_count"] == len(f"Of {control}.") and told["billable_character_count"] == 10
    assert len(stream.audio) == round(spoken_s("Of Nuance.") * 24000) * 2


@pytest.mark.parametrize(
    ("messages", "query"),
    [
        ([speak(r"Wait \{pause:500ms\} here.")], FLUX_QUERY),
        ([speak(r"Wait \{pau"), speak(r"se:500ms\} here.")], FLUX_QUERY),
        ([speak(r'\{"word":"a","pronounce":"b"\}')], FLUX_QUERY + "&speed=1.1"),
        ([("Configure", {"speed": 0.9}), speak(r'\{"word":"a","pronounce":"b"\}')], FLUX_QUERY),
    ],
)
def test_a_control_that_a_stream_cannot_have_ends_it(flux_tts, messages, query):
    stream = run(talk(flux_tts, *messages, query=query))
    checked(flux_tts, stream)
    assert stream.messages[-1]["type"] == "Error" and stream.messages[-1]["code"] == "DATA-0002"


def test_a_configure_that_says_nothing_changes_nothing(flux_tts):
    stream = run(talk(flux_tts, ("Configure", {"speed": 1.1}), ("Configure", {}), ("Configure", {"speed": None})))
    checked(flux_tts, stream)
    assert [m["applied"] for m in of(stream, "ConfigureSuccess")] == [{"speed": 1.1}] * 3


@pytest.mark.parametrize(
    "message",
    [
        ("Interrupt", {"speech_id": "dg_sp_0"}),
        ("Interrupt", {"playback_offset": {"type": "time_ms", "value": "soon"}}),
        ("Speak", {"text": 1}),
        ("Configure", {"speed": 1.0, "voice": "x"}),
        ("Clear", {}),
        ("KeepAlive", {}),
    ],
)
def test_what_is_no_message_of_flux_tts_ends_the_stream(flux_tts, message):
    stream = run(talk(flux_tts, message))
    checked(flux_tts, stream)
    assert kinds(stream) == ["Connected", "Error"] and stream.messages[-1]["code"] == "MESSAGE-0000"


def test_only_silence_of_both_sides_runs_into_the_idle_limit(serve):
    clock = MovedClock()
    running = serve(MeteredEngine(MeteredSettings(lanes=1, service_ms=60)), listing="metered-flux-tts", clock=clock)

    async def scene():
        stream = await opened(running)
        await stream.control("Speak", text=TEXT * 4)
        await stream.control("Flush")
        await stream.until(lambda _: len(stream.audio) > 0)
        for _ in range(4):
            clock.now_s += 50
            await asyncio.to_thread(running.loop.call_soon_threadsafe, running.server._sweep)
        await stream.until(lambda messages: messages[-1]["type"] == "SpeechMetadata")
        clock.now_s += 61
        with pytest.raises(ModelStreamError, match="NET-0004"):
            await stream.end()
        return stream

    stream = run(scene())
    assert stream.messages[-1]["code"] == "NET-0004"
    checked(running, stream)


# What is refused at the handshake


@pytest.mark.parametrize(
    ("listing", "query", "reason"),
    [
        ("metered-aura", "model=nova-3", "No such model: 'nova-3'"),
        ("metered-aura", "model=flux-alexis-en", "No such model"),
        ("metered-aura", AURA_QUERY + "&container=wav", "Unsupported query parameter: 'container'"),
        ("metered-aura", AURA_QUERY + "&speed=2", "'speed' must be between 0.7 and 1.5"),
        ("metered-aura", "model=aura-2-thalia-en&sample_rate=44100", "sample_rate"),
        ("metered-aura", "model=aura-2-thalia-en&encoding=mp3", "mp3"),
        ("metered-flux-tts", "encoding=linear16", "No such model"),
        ("metered-flux-tts", "model=aura-2-thalia-en", "No such model: 'aura-2-thalia-en'"),
        ("metered-flux-tts", FLUX_QUERY + "&speed=1.5", "'speed' must be between 0.85 and 1.15"),
        ("metered-flux-tts", FLUX_QUERY + "&speed=1.07", "'speed' changes in steps of 0.05"),
        ("metered-flux-tts", FLUX_QUERY + "&expressivity=3", "expressivity"),
        ("metered-flux-tts", FLUX_QUERY + "&priority=low", "priority"),
        ("metered-flux-tts", "model=flux-alexis-en&encoding=mulaw&sample_rate=24000", "sample_rate"),
    ],
)
def test_what_a_voice_does_not_know_is_refused(serve, listing, query, reason):
    running = serve(listing=listing)
    with pytest.raises(Exception, match="Failed to establish WebSocket connection"):
        run(opened(running, query))
    assert reason in running.lease.log_lines[-1]


@pytest.mark.parametrize(("listing", "family"), [("metered-aura", AURA), ("metered-flux-tts", FLUX_TTS)])
def test_what_a_measurement_asks_for_is_answered(serve, listing, family):
    query = "&".join(f"{n}={v}" for n, v in {**family.defaults, **family.fixed}.items())
    assert run(talk(serve(listing=listing), speak(), FLUSH, query=query)).audio


# Whole answers


def whole(running, query, body=None, **more):
    settings = Config(retries={"total_max_attempts": 1}, read_timeout=WAIT_S)
    client = boto3.Session().client(
        "sagemaker-runtime", region_name="us-east-1", endpoint_url=running.url, config=settings
    )
    path = running.placement.host.listing.protocol.path
    body = json.dumps({"text": TEXT}).encode() if body is None else body
    return client.invoke_endpoint(
        EndpointName="demo", Body=body, ContentType="application/json", CustomAttributes=f"{path}?{query}", **more
    )


@pytest.mark.parametrize("listing", ["metered-aura", "metered-flux-tts"])
@pytest.mark.parametrize(
    ("asked", "content_type", "rate"),
    [
        ("", "audio/mpeg", 22050),
        ("&encoding=mp3&bit_rate=32000", "audio/mpeg", 22050),
        ("&encoding=linear16", "audio/wav", 24000),
        ("&encoding=linear16&sample_rate=48000", "audio/wav", 48000),
        ("&encoding=mulaw", "audio/wav", 8000),
        ("&encoding=alaw&sample_rate=16000", "audio/wav", 16000),
        ("&encoding=flac&sample_rate=16000", "audio/flac", 16000),
        ("&encoding=opus", "audio/ogg", 48000),
    ],
)
def test_a_whole_text_comes_back_as_a_file_of_the_encoding_asked_for(serve, listing, asked, content_type, rate):
    running = serve(listing=listing)
    answer = whole(running, f"model={running.placement.host.listing.models[0]}{asked}")
    assert answer["ContentType"] == content_type
    samples, found = soundfile.read(io.BytesIO(answer["Body"].read()))
    assert found == rate and len(samples) / rate == pytest.approx(spoken_s(TEXT), abs=0.1)
    assert np.abs(samples).max() > 0.05
    assert running.lease.released == 1 and len(running.lease.model_latencies) == 1


def test_bit_rate_decides_how_large_an_mp3_is(aura):
    text = json.dumps({"text": TEXT * 20}).encode()
    sizes = [len(whole(aura, f"bit_rate={rate}", text)["Body"].read()) for rate in (32000, 48000)]
    assert sizes[0] / sizes[1] == pytest.approx(32 / 48, rel=0.05)


def test_raw_samples_come_without_a_header(aura):
    answer = whole(aura, "encoding=linear16&container=none")
    assert len(answer["Body"].read()) == round(spoken_s(TEXT) * 24000) * 2
    assert answer["ContentType"].startswith("audio/l16")


@pytest.mark.parametrize(
    ("listing", "query", "body", "refusal"),
    [
        ("metered-aura", "encoding=aac", None, (400, "aac")),
        ("metered-aura", "model=aura-2-celeste-es", None, (400, "No such model")),
        ("metered-aura", "encoding=flac&bit_rate=48000", None, (400, "bit_rate")),
        ("metered-aura", "encoding=mp3&sample_rate=44100", None, (400, "sample_rate")),
        ("metered-aura", "encoding=linear16&container=ogg", None, (400, "container")),
        ("metered-aura", "", b"{}", (400, "text")),
        ("metered-aura", "", b"Hello", (400, "JSON")),
        ("metered-aura", "", b"[" * 100_000, (400, "JSON")),
        ("metered-aura", "", b'{"text":' * 50_000, (400, "JSON")),
        ("metered-aura", "", b'{"text": " "}', (400, "text")),
        ("metered-aura", "", json.dumps({"text": "a" * 2001}).encode(), (413, "2000")),
        ("metered-flux-tts", "model=flux-alexis-en&speed=2", None, (400, "'speed' must be between 0.85 and 1.15.")),
        ("metered-flux-tts", "model=flux-alexis-en&speed=0.87", None, (400, "steps of 0.05")),
        ("metered-flux-tts", "model=aura-2-thalia-en", None, (400, "No such model")),
        ("metered-aura", "", json.dumps({"text": r"Wait \{pause:500ms\}."}).encode(), (400, "inline control")),
    ],
)
def test_what_cannot_be_spoken_whole_is_refused_with_its_reason(serve, listing, query, body, refusal):
    with pytest.raises(ClientError) as caught:
        whole(serve(listing=listing), query, body)
    answer = caught.value.response
    assert answer["Error"]["Code"] == "ModelError" and answer["OriginalStatusCode"] == refusal[0]
    assert refusal[1] in answer["OriginalMessage"]


def test_flux_listens_to_streams_only(serve):
    running = serve(listing="metered-flux")
    with pytest.raises(ClientError) as caught:
        whole(running, "model=flux-general-en")
    assert caught.value.response["OriginalStatusCode"] == 404
