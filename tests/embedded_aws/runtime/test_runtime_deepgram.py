"""Deepgram's own SageMaker transport and SDK, with the smallest override of its hard-coded host."""

import asyncio

import pytest
from deepgram import AsyncDeepgramClient
from deepgram.core.events import EventType
from deepgram.listen.v2.types import ListenV2Configure, ListenV2ConfigureThresholds
from deepgram.speak.v1.types import SpeakV1Text
from deepgram.speak.v2.types import SpeakV2Configure, SpeakV2Speak
from deepgram.transport import restore_transport
from deepgram_sagemaker import SageMakerConfig, SageMakerTransportFactory, transport
from kit.runtime_sdk import WAIT_S
from kit.waiting import until_async

from dgsm_helpers.rules.sample import bundled_sample
from embedded_aws.engines.speech import SpeechEngine

PCM = bundled_sample().pcm


@pytest.fixture
def pointed(monkeypatch):
    """Point the transport at a URL; it takes none itself."""

    def point(url):
        original = transport.AsyncSageMakerRuntimeHTTP2Config
        resolve = original.resolve.__func__

        class Redirected(original):
            @classmethod
            async def resolve(cls, **settings):
                return await resolve(original, **{**settings, "endpoint_uri": url})

        monkeypatch.setattr(transport, "AsyncSageMakerRuntimeHTTP2Config", Redirected)

    yield point
    # The SDK patches itself for the whole process.
    restore_transport()


async def talk(pcm, *, pace_s=0.0, **asked):
    factory = SageMakerTransportFactory(config=SageMakerConfig(endpoint_name="demo", region="us-east-1", max_retries=0))
    client = AsyncDeepgramClient(api_key="unused", transport_factory=factory)
    messages, errors = [], []
    settings = {"model": "nova-3", "encoding": "linear16", "sample_rate": "16000", "interim_results": "true", **asked}
    async with client.listen.v1.connect(**settings) as connection:
        connection.on(EventType.MESSAGE, messages.append)
        connection.on(EventType.ERROR, errors.append)
        listening = asyncio.create_task(connection.start_listening())
        for at in range(0, len(pcm), 3200):
            await connection.send_media(pcm[at : at + 3200])
            await asyncio.sleep(pace_s)
        await connection.send_keep_alive()
        await connection.send_close_stream()
        await asyncio.wait({listening}, timeout=WAIT_S)
        listening.cancel()
    return messages, errors


def final_words(messages):
    finals = [m for m in messages if m.type == "Results" and m.is_final]
    return " ".join(t for m in finals if (t := m.channel.alternatives[0].transcript))


def test_deepgrams_sdk_transcribes_the_sample(running, pointed):
    pointed(running.url)
    messages, errors = asyncio.run(talk(PCM, punctuate="true"))
    assert errors == []
    assert final_words(messages) == bundled_sample().transcript
    assert type(messages[0]).__name__ == "ListenV1Results"
    assert type(messages[-1]).__name__ == "ListenV1Metadata" and messages[-1].duration == 11.0


def test_real_speech_recognition_reaches_deepgrams_sdk(serve, pointed):
    pytest.importorskip("moonshine_voice")
    running = serve(SpeechEngine(workers=1))
    pointed(running.url)
    messages, errors = asyncio.run(talk(PCM, pace_s=0.005))
    assert errors == []
    heard, truth = final_words(messages).split(), [w.word for w in bundled_sample().words]
    assert len(heard) == len(truth)
    assert sum(a != b for a, b in zip(heard, truth, strict=True)) <= 2
    assert messages[-1].type == "Metadata"


async def heard(connection, sending):
    """What comes of a connection in which ``sending`` is sent."""
    messages, errors = [], []
    connection.on(EventType.MESSAGE, messages.append)
    connection.on(EventType.ERROR, errors.append)
    listening = asyncio.create_task(connection.start_listening())
    await sending(connection, messages)
    await asyncio.wait({listening}, timeout=WAIT_S)
    assert errors == [] and listening.done()
    return messages


def sdk_client():
    factory = SageMakerTransportFactory(config=SageMakerConfig(endpoint_name="demo", region="us-east-1", max_retries=0))
    return AsyncDeepgramClient(api_key="unused", transport_factory=factory)


def kinds_of(messages):
    """The types of messages in order; audio once however many pieces."""
    order = ["audio" if isinstance(m, bytes) else m.type for m in messages]
    return [kind for n, kind in enumerate(order) if n == 0 or kind != order[n - 1]]


def test_deepgrams_sdk_listens_to_turns_and_configures_them(serve, pointed):
    pointed(serve(listing="metered-flux").url)

    async def sending(connection, messages):
        for at in range(0, len(PCM), 2560):
            await connection.send_media(PCM[at : at + 2560])
        await connection.send_configure(ListenV2Configure(thresholds=ListenV2ConfigureThresholds(eot_threshold=0.8)))
        await connection.send_configure({"type": "Configure", "numerals": True})
        await connection.send_force_end_turn()
        await connection.send_close_stream()

    async def scene():
        asked = {"model": "flux-general-en", "encoding": "linear16", "sample_rate": 16000}
        async with sdk_client().listen.v2.connect(**asked) as connection:
            return await heard(connection, sending)

    messages = asyncio.run(scene())
    told = [m for m in messages if m.type == "ConfigureSuccess"]
    assert told[0].thresholds.eot_threshold == 0.8 and told[0].numerals is None and told[1].numerals is True
    ends = [m for m in messages if m.type == "TurnInfo" and m.event == "EndOfTurn"]
    assert " ".join(m.transcript for m in ends) == bundled_sample().transcript
    assert all(not m.model_extra for m in messages)


def test_deepgrams_sdk_has_aura_speak_and_be_silent(serve, pointed):
    pointed(serve(listing="metered-aura").url)

    async def sending(connection, messages):
        await connection.send_text(SpeakV1Text(text="Your order has been shipped."))
        await connection.send_flush()
        await until_async(lambda: kinds_of(messages)[-1:] == ["Flushed"], "all audio")
        await connection.send_clear()
        await connection.send_close()

    async def scene():
        async with sdk_client().speak.v1.connect(model="aura-2-thalia-en", encoding="linear16") as connection:
            return await heard(connection, sending)

    assert kinds_of(asyncio.run(scene())) == ["Metadata", "audio", "Flushed", "Cleared"]


def test_deepgrams_sdk_speaks_in_turns(serve, pointed):
    pointed(serve(listing="metered-flux-tts").url)

    async def sending(connection, messages):
        await connection.send_configure(SpeakV2Configure(speed=1.1))
        await connection.send_speak(SpeakV2Speak(text="Your order has been shipped."))
        await connection.send_flush()
        await until_async(lambda: kinds_of(messages)[-1:] == ["SpeechMetadata"], "all audio")
        await connection.send_interrupt()
        await connection.send_close()

    async def scene():
        async with sdk_client().speak.v2.connect(model="flux-alexis-en", encoding="linear16") as connection:
            return await heard(connection, sending)

    messages = asyncio.run(scene())
    assert kinds_of(messages) == [
        "Connected",
        "ConfigureSuccess",
        "SpeechStarted",
        "Flushed",
        "audio",
        "SpeechMetadata",
        "Warning",
        "SessionMetadata",
    ]
