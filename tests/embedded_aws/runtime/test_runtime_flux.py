"""``v2/listen`` through AWS's own client: what a Flux container says, and what it refuses."""

import asyncio
from itertools import pairwise

import jiwer
import pytest
from kit.runtime_sdk import connect
from kit.sdk_messages import check

from dgsm_helpers.families import FLUX
from dgsm_helpers.rules.sample import bundled_sample, sample_wav
from embedded_aws.engines.speech import SpeechEngine

PCM = bundled_sample().pcm
QUERY = "model=flux-general-en&encoding=linear16&sample_rate=16000"


@pytest.fixture
def flux(serve):
    return serve(listing="metered-flux")


def run(coroutine):
    return asyncio.run(coroutine)


async def opened(running, more="", query=QUERY):
    return await connect(running.url, path="v2/listen", query=query + more)


async def say(running, pcm=PCM, *, chunk_bytes=2560, more="", query=QUERY, end="CloseStream"):
    stream = await opened(running, more, query)
    for at in range(0, len(pcm), chunk_bytes):
        await stream.send(pcm[at : at + chunk_bytes])
    await stream.control(end)
    await stream.end()
    return stream.messages


def turns(messages, event="EndOfTurn"):
    return [m for m in messages if m["type"] == "TurnInfo" and m["event"] == event]


def transcript(messages):
    return " ".join(m["transcript"] for m in turns(messages))


def test_the_sample_is_told_in_turns(flux):
    messages = run(say(flux))
    assert messages[0]["type"] == "Connected" and [m["sequence_id"] for m in messages] == list(range(len(messages)))
    assert transcript(messages) == bundled_sample().transcript
    ends = turns(messages)
    assert [m["turn_index"] for m in ends] == list(range(len(ends))) and len(ends) == 4
    assert ends[0]["audio_window_start"] == 0 and 10.5 < ends[-1]["audio_window_end"] <= 11.0
    assert all(one["audio_window_end"] == two["audio_window_start"] for one, two in pairwise(ends))
    assert {m["trigger"] for m in ends} == {"model"}
    assert {m["end_of_turn_confidence"] >= 0.7 for m in ends[:-1]} == {True}
    assert {m["type"] for m in messages} == {"Connected", "TurnInfo"}
    check("v2/listen", messages)
    assert flux.lease.errors == [] and len(flux.lease.first_chunks) == 1


@pytest.mark.parametrize("chunk_bytes", [320, 6400, 64_002])
def test_turns_do_not_depend_on_how_audio_is_cut(flux, chunk_bytes):
    heard = [(m["event"], m["transcript"], m["audio_window_end"]) for m in run(say(flux))[1:]]
    cut = run(say(flux, chunk_bytes=chunk_bytes))[1:]
    assert [(m["event"], m["transcript"], m["audio_window_end"]) for m in cut] == heard


def test_audio_may_say_itself_what_it_is(flux):
    messages = run(say(flux, sample_wav(), query="model=flux-general-en"))
    assert transcript(messages) == bundled_sample().transcript


def test_eager_ends_are_told_where_they_are_asked_for(flux):
    messages = run(say(flux, more="&eager_eot_threshold=0.4&eot_threshold=0.9"))
    eager = turns(messages, "EagerEndOfTurn")
    assert eager and turns(messages, "TurnResumed")
    assert {m["transcript"] for m in turns(messages)[:-1]} <= {m["transcript"] for m in eager}
    check("v2/listen", messages)


def test_silence_ends_a_turn_at_the_latest(flux):
    messages = run(say(flux, more="&eot_threshold=0.9&eot_timeout_ms=500"))
    assert "timeout" in {m["trigger"] for m in turns(messages)}


def test_a_turn_can_be_ended_by_force_and_nothing_is_said_twice(flux):
    async def scene():
        stream = await opened(flux)
        await stream.control("ForceEndTurn")
        await stream.send(PCM[: 32000 * 2])
        await stream.until(lambda messages: messages and "And so, my fellow" in messages[-1].get("transcript", ""))
        await stream.control("ForceEndTurn")
        await stream.until(turns)
        await stream.send(PCM[32000 * 2 :])
        await stream.control("CloseStream")
        await stream.end()
        return stream.messages

    messages = run(scene())
    assert messages[1]["type"] == "Warning" and messages[1]["code"] == "FORCE_END_TURN_NO_ACTIVE_TURN"
    assert turns(messages)[0]["trigger"] == "manual"
    assert transcript(messages) == bundled_sample().transcript
    check("v2/listen", messages)


def test_thresholds_and_keyterms_can_be_changed_or_refused_under_way(flux):
    async def scene():
        stream = await opened(flux)
        await stream.control("Configure", thresholds={"eot_threshold": 0.8}, keyterms=["country"])
        await stream.control("Configure", thresholds={"eager_eot_threshold": 0.85})
        await stream.control("Configure", thresholds={"eager_eot_threshold": 0.5})
        await stream.control("Configure", language_hints=["es"])
        await stream.control("CloseStream")
        await stream.end()
        return stream.messages

    messages = run(scene())
    check("v2/listen", messages)
    _, first, refused, second, hints = messages
    assert first["thresholds"] == {"eot_threshold": 0.8, "eot_timeout_ms": 5000} and first["keyterms"] == ["country"]
    assert refused["type"] == "ConfigureFailure" and refused["code"] == "INVALID_THRESHOLD"
    assert second["thresholds"] == {"eot_threshold": 0.8, "eager_eot_threshold": 0.5, "eot_timeout_ms": 5000}
    assert second["keyterms"] == ["country"]
    assert hints["type"] == "ConfigureFailure"


def configured(flux, *asked):
    """What each Configure is answered with."""

    async def scene():
        stream = await opened(flux)
        for fields in asked:
            await stream.control("Configure", **fields)
        await stream.control("CloseStream")
        await stream.end()
        return stream.messages

    _, *answers = run(scene())
    check("v2/listen", answers)
    return answers


def test_numerals_are_switched_under_way_and_what_is_null_stays(flux):
    nothing = {"thresholds": None, "keyterms": None, "language_hints": None, "numerals": None}
    kept = {"thresholds": {"eot_threshold": 0.8, "eager_eot_threshold": None}, "keyterms": ["crew"]}
    on, first, again, wrong = configured(flux, {"numerals": True}, kept, nothing, {"numerals": "yes"})
    assert on["numerals"] is True and "numerals" not in first
    assert again["thresholds"] == first["thresholds"] == {"eot_threshold": 0.8, "eot_timeout_ms": 5000}
    assert again["keyterms"] == first["keyterms"] == ["crew"]
    assert (wrong["type"], wrong["code"]) == ("ConfigureFailure", "INVALID_NUMERALS")


def test_a_control_message_may_come_as_binary(flux):
    async def scene():
        stream = await opened(flux)
        for at in range(0, len(PCM), 2560):
            await stream.send(PCM[at : at + 2560])
        await stream.send(b'{"type": "Configure", "thresholds": {"eot_threshold": 0.6}}')
        await stream.send(b'{"type":"CloseStream"}')
        await stream.end()
        return stream.messages

    messages = run(scene())
    assert [m["type"] for m in messages if m["type"] != "TurnInfo"] == ["Connected", "ConfigureSuccess"]
    assert transcript(messages) == bundled_sample().transcript


@pytest.mark.parametrize("kind", ["KeepAlive", "Finalize", "Speak"])
def test_what_is_no_message_of_flux_ends_the_stream(flux, kind):
    messages = run(say(flux, PCM[:6400], end=kind))
    assert messages[-1]["type"] == "Error" and messages[-1]["code"] == "UNPARSABLE_CLIENT_MESSAGE"
    assert f"`{kind}`" in messages[-1]["description"]
    check("v2/listen", messages)


@pytest.mark.parametrize(
    ("query", "reason"),
    [
        (QUERY + "&language=en", "Unsupported query parameter: 'language'"),
        (QUERY + "&interim_results=true", "interim_results"),
        (QUERY + "&punctuate=true", "punctuate"),
        (QUERY + "&language_hint=es", "language_hint"),
        (QUERY + "&redact=pci", "redact"),
        (QUERY + "&numerals=perhaps", "numerals"),
        (QUERY + "&eot_threshold=1.0", "eot_threshold"),
        (QUERY + "&eot_timeout_ms=20000", "eot_timeout_ms"),
        (QUERY + "&eager_eot_threshold=0.8", "above"),
        ("encoding=linear16&sample_rate=16000", "No such model"),
        (QUERY.replace("flux-general-en", "nova-3"), "No such model: 'nova-3'"),
        (QUERY.replace("flux-general-en", "flux-general-multi"), "flux-general-multi"),
        ("model=flux-general-en&encoding=linear16", "sample_rate"),
    ],
)
def test_what_flux_does_not_know_is_refused_at_the_handshake(flux, query, reason):
    with pytest.raises(Exception, match="Failed to establish WebSocket connection"):
        run(opened(flux, query=query))
    assert reason in flux.lease.log_lines[-1] and flux.lease.errors == ["4xx", "model"]


@pytest.mark.parametrize(
    ("listing", "path"), [("metered-flux", "v1/listen"), ("metered", "v2/listen"), ("metered", "v1/speak")]
)
def test_a_path_that_the_listing_does_not_serve_is_not_found(serve, listing, path):
    running = serve(listing=listing)
    with pytest.raises(Exception, match="Failed to establish WebSocket connection"):
        run(connect(running.url, path=path, query=""))
    assert "No such path" in running.lease.log_lines[-1] and "404" in running.lease.log_lines[-1]


def test_real_speech_is_told_in_turns(serve):
    pytest.importorskip("moonshine_voice")
    messages = run(say(serve(SpeechEngine(workers=1), listing="speech-flux")))
    check("v2/listen", messages)
    ends = turns(messages)
    assert [m["turn_index"] for m in ends] == list(range(len(ends))) and 3 <= len(ends) <= 5
    assert all(one["audio_window_end"] == two["audio_window_start"] for one, two in pairwise(ends))
    heard = "".join(c for c in transcript(messages).lower() if c.isalpha() or c == " ").split()
    assert jiwer.wer([" ".join(w.word for w in bundled_sample().words)], [" ".join(heard)]) <= 0.1
    assert turns(messages, "StartOfTurn")


def test_what_a_measurement_asks_for_is_answered(flux):
    asked = {**FLUX.defaults, **FLUX.fixed, "sample_rate": "16000"}
    assert transcript(run(say(flux, query="&".join(f"{n}={v}" for n, v in asked.items()))))
