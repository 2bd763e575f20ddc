"""Deepgram's own SageMaker transport and SDK, with the smallest override of its hard-coded host."""

import asyncio

import pytest
from deepgram import AsyncDeepgramClient
from deepgram.core.events import EventType
from deepgram.transport import restore_transport
from deepgram_sagemaker import SageMakerConfig, SageMakerTransportFactory, transport
from kit.runtime_sdk import WAIT_S

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
