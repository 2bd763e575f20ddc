"""The speech engine: real recognition in worker processes that never outlive their use."""

import asyncio
import os
import signal
import subprocess
import sys
from itertools import pairwise

import psutil
import pytest
from kit.waiting import until, until_async

from dgsm_helpers.rules.sample import bundled_sample
from embedded_aws.engines import speech
from embedded_aws.engines.base import StreamOptions
from embedded_aws.engines.metered import MeteredEngine
from embedded_aws.engines.speech import SpeechEngine
from embedded_aws.engines.speech_process import MODEL, words_of
from embedded_aws.engines.worker_process import SeatedEngine

pytest.importorskip("moonshine_voice")

SAMPLE = bundled_sample()
CHUNK = 3200


class Heard:
    def __init__(self):
        self.results, self.ended, self.failed = [], asyncio.Event(), None

    def on_result(self, result):
        self.results.append(result)

    def on_end(self):
        self.ended.set()

    def on_failure(self, message):
        self.failed = message
        self.ended.set()


def pids_of(engine):
    return tuple(worker.pid for worker in engine.workers if worker.pid)


def with_engine(scene, **settings):
    async def run():
        engine = SpeechEngine(**settings)
        try:
            return await asyncio.wait_for(scene(engine), 240)
        finally:
            pids = pids_of(engine)
            engine.close()
            await until_async(lambda: all(map(gone, pids)), "the workers have ended")

    return asyncio.run(run())


async def say(instance, pcm, *, interim=True, finalize_after=None):
    heard = Heard()
    stream = instance.open_stream(StreamOptions(interim_results=interim), heard)
    for at in range(0, len(pcm), CHUNK):
        stream.audio(pcm[at : at + CHUNK])
        if finalize_after is not None and at // CHUNK == finalize_after:
            stream.finalize()
    stream.finish()
    await heard.ended.wait()
    assert heard.failed is None
    return heard.results


def words(results):
    return [w.word for r in results if r.is_final for w in r.words]


def errors_against_sample(heard):
    """Word error rate by edit distance."""
    truth = [w.word for w in SAMPLE.words]
    row = list(range(len(heard) + 1))
    for i, t in enumerate(truth, 1):
        previous, row[0] = row[0], i
        for j, h in enumerate(heard, 1):
            previous, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, previous + (t != h))
    return row[-1] / len(truth)


def gone(pid):
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def test_the_sample_is_recognised_with_at_most_ten_percent_errors():
    async def scene(engine):
        return await say(engine.new_instance("i-1"), SAMPLE.pcm)

    results = with_engine(scene)
    assert errors_against_sample(words(results)) <= 0.10
    assert {r.model for r in results} == {MODEL}
    finals = [r for r in results if r.is_final]
    assert finals[0].start_s == 0 and finals[-1].start_s + finals[-1].duration_s == pytest.approx(11.0, abs=0.05)
    for one, two in pairwise(finals):
        assert one.start_s + one.duration_s == pytest.approx(two.start_s)
    interim = [r for r in results if not r.is_final]
    # One for every half second of audio, each ending at the audio that caused it.
    assert [round(r.start_s + r.duration_s, 1) for r in interim] == [0.5 * n for n in range(1, 23)]
    for result in results:
        assert all(a.end_s <= b.start_s + 1e-9 for a, b in pairwise(result.words))


def test_no_interim_results_unless_asked_for():
    async def scene(engine):
        return await say(engine.new_instance("i-1"), SAMPLE.pcm[: 3 * 32000], interim=False)

    results = with_engine(scene)
    assert results and all(r.is_final for r in results)


def test_finalize_gives_what_was_said_so_far_and_goes_on():
    async def scene(engine):
        return await say(engine.new_instance("i-1"), SAMPLE.pcm, finalize_after=12)

    results = with_engine(scene)
    finalized = [r for r in results if r.from_finalize]
    assert finalized and all(r.is_final for r in finalized)
    assert words(finalized)[:3] == ["and", "so", "my"]
    assert errors_against_sample(words(results)) <= 0.25
    assert all(r.start_s >= 1.29 for r in results[results.index(finalized[-1]) + 1 :])


def test_a_whole_file_is_recognised_with_the_same_words_each_time():
    async def scene(engine):
        instance = engine.new_instance("i-1")
        first = await instance.transcribe(SAMPLE.pcm, 16000)
        return first, await instance.transcribe(SAMPLE.pcm, 16000)

    first, second = with_engine(scene)
    # The library's voice detection starts a stream one 32 ms hop earlier or later.
    assert [w.word for w in first.words] == [w.word for w in second.words]
    assert all(abs(a.end_s - b.end_s) < 0.1 for a, b in zip(first.words, second.words, strict=True))
    assert first.duration_s == second.duration_s == 11.0
    assert errors_against_sample([w.word for w in first.words]) <= 0.10


def test_streams_go_on_while_a_long_file_is_heard():
    async def scene(engine):
        instance = engine.new_instance("i-1")
        await say(instance, SAMPLE.pcm[:CHUNK])
        file = asyncio.create_task(instance.transcribe(SAMPLE.pcm * 6, 16000))
        await until_async(lambda: sum(w.load for w in engine.workers) == 1, "the file is being heard")
        await say(instance, SAMPLE.pcm[:16000])
        still_busy = not file.done()
        result = await file
        assert sum(w.load for w in engine.workers) == 0
        return still_busy, result

    still_busy, result = with_engine(scene, workers=1)
    assert still_busy and result.duration_s == 66.0
    assert 6 * 20 <= len(result.words) <= 6 * 24


def test_a_worker_starts_with_the_first_stream_and_ends_when_idle():
    async def scene(engine):
        instance = engine.new_instance("i-1")
        assert pids_of(engine) == ()
        last = instance.open_stream(StreamOptions(), Heard())
        await asyncio.gather(*(say(instance, SAMPLE.pcm[:64000]) for _ in range(4)))
        (pid,) = pids_of(engine)
        assert 0 < instance.busy_share() <= 1
        last.abort()
        await until_async(lambda: gone(pid), "the idle worker has ended")
        assert pids_of(engine) == ()
        return await say(instance, SAMPLE.pcm)

    assert errors_against_sample(words(with_engine(scene, workers=2, idle_s=0.2))) <= 0.10


def test_each_instance_has_a_worker_of_its_own_until_the_machine_has_no_more():
    async def heard_by(engine, instance):
        before = {w.pid: w.cpu_s for w in engine.workers}
        await say(instance, SAMPLE.pcm[:64000])
        return {w.pid for w in engine.workers if w.cpu_s > before.get(w.pid, 0)}

    async def scene(engine):
        first, second, third = (engine.new_instance(f"i-{k}") for k in range(3))
        one, two, three = [await heard_by(engine, i) for i in (first, second, third)]
        assert one != two and three == one and len(pids_of(engine)) == 2
        second.close()
        second.close()  # once is enough
        fourth, fifth = engine.new_instance("i-4"), engine.new_instance("i-5")
        return two, await heard_by(engine, fourth), await heard_by(engine, fifth)

    two, fourth, fifth = with_engine(scene, workers=2)
    assert fourth == two and fifth == two


def test_a_worker_that_dies_fails_its_streams_and_is_replaced():
    async def scene(engine):
        instance = engine.new_instance("i-1")
        heard = Heard()
        stream = instance.open_stream(StreamOptions(), heard)
        stream.audio(SAMPLE.pcm[:CHUNK])
        await until_async(lambda: pids_of(engine), "a worker has started")
        os.kill(pids_of(engine)[0], signal.SIGKILL)
        await heard.ended.wait()
        return heard.failed, await say(instance, SAMPLE.pcm)

    failed, results = with_engine(scene, workers=1)
    assert "ended" in failed and errors_against_sample(words(results)) <= 0.10


def test_an_aborted_stream_is_heard_no_more_and_frees_its_place():
    async def scene(engine):
        instance = engine.new_instance("i-1")
        heard = Heard()
        stream = instance.open_stream(StreamOptions(interim_results=True), heard)
        stream.audio(SAMPLE.pcm[:64000])
        stream.abort()
        await say(instance, SAMPLE.pcm[:32000])
        assert sum(w.load for w in engine.workers) == 0
        return heard.results

    assert with_engine(scene, workers=1) == []


def test_the_workers_end_with_the_event_loop_and_close_may_come_after_it():
    engine = None

    async def scene():
        nonlocal engine
        engine = SpeechEngine(workers=1)
        await say(engine.new_instance("i-1"), SAMPLE.pcm[:CHUNK])
        return pids_of(engine)[0]

    pid = asyncio.run(scene())
    until(lambda: gone(pid), "the worker has ended")
    engine.close()


PARENT = """
import asyncio
from embedded_aws.engines.base import StreamOptions
from embedded_aws.engines.metered import MeteredEngine
from embedded_aws.engines.speech import SpeechEngine
from dgsm_helpers.rules.sample import bundled_sample

class Quiet:
    def on_result(self, result): pass
    def on_end(self): pass
    def on_failure(self, message): pass

async def main():
    engine = SpeechEngine(workers=1)
    instance = engine.new_instance("i-1")
    stream = instance.open_stream(StreamOptions(), Quiet())
    while not engine.workers or engine.workers[0].pid is None:
        await asyncio.sleep(0.01)
    busy = asyncio.create_task(instance.transcribe(bundled_sample().pcm * 300, 16000))
    while engine.workers[0].cpu_s == 0:
        await asyncio.sleep(0.01)
    print(engine.workers[0].pid, flush=True)
    await busy

asyncio.run(main())
"""


def test_workers_die_with_their_parent_even_in_the_middle_of_work():
    parent = subprocess.Popen([sys.executable, "-c", PARENT], stdout=subprocess.PIPE)
    try:
        pid = int(parent.stdout.readline())
        assert psutil.pid_exists(pid)
    finally:
        parent.kill()
        parent.wait()
    until(lambda: gone(pid), "the worker has ended with its parent")


def test_where_the_recogniser_is_installed_it_is_the_engine_and_nothing_is_said():
    engine, note = speech.engine_for_speech(MeteredEngine())
    assert isinstance(engine, SeatedEngine) and note == ""


def test_word_times_share_a_line_by_letters():
    one, two = words_of("Hello, ab", 1.0, 2.6)
    assert (one.word, one.punctuated_word, one.start_s) == ("hello", "Hello,", 1.0)
    assert one.end_s == pytest.approx(2.2) and two.end_s == pytest.approx(2.6)
    assert words_of("...", 0, 1) == () and words_of("", 0, 1) == ()
