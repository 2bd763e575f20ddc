"""The metered engine: capacity in closed form, and what it says."""

import asyncio
import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kit.virtual_time import run_in_virtual_time

from dgsm_helpers.errors import InvalidInput
from dgsm_helpers.rules.sample import bundled_sample
from embedded_aws.engines.base import StreamOptions
from embedded_aws.engines.known_words import LOCATED, UNLOCATED, KnownWords
from embedded_aws.engines.metered import Lanes, MeteredEngine, MeteredSettings, ReleaseQueue

SAMPLE = bundled_sample()
CHUNK = 3200


def now_s():
    return asyncio.get_running_loop().time()


def metered(**settings):
    """An engine in virtual time: results come at the very moments at which they are due."""
    return MeteredEngine(MeteredSettings(**settings), clock=asyncio.get_running_loop().time)


class Heard:
    def __init__(self):
        self.results, self.times, self.ended, self.failed = [], [], asyncio.Event(), None

    def on_result(self, result):
        self.results.append(result)
        self.times.append(now_s())

    def on_end(self):
        self.ended.set()

    def on_failure(self, message):
        self.failed = message


# Capacity


@pytest.mark.parametrize(
    ("lanes", "service_ms", "knee"), [(4, 38, 10), (4, 45, 8), (1, 100, 1), (3, 100, 3), (1, 101, 0), (7, 0.7, 1000)]
)
def test_the_knee_is_known_in_closed_form(lanes, service_ms, knee):
    assert MeteredSettings(lanes=lanes, service_ms=service_ms).knee == knee


def test_defaults_give_the_guides_ten_streams():
    assert MeteredSettings() == MeteredSettings(lanes=4, service_ms=38.0) and MeteredSettings().knee == 10


@pytest.mark.parametrize("bad", [{"lanes": 0}, {"lanes": 1.5}, {"service_ms": 0}, {"service_ms": -1}, {"lanes": 10**9}])
def test_impossible_settings_are_refused_by_name(bad):
    with pytest.raises(InvalidInput, match=next(iter(bad))):
        MeteredSettings(**bad)


def lags(settings, streams, seconds=20.0):
    """(time in, lag) of every 100 ms chunk of evenly spread real-time streams, on a clock of its own."""
    lanes = Lanes(settings)
    arrivals = sorted((n * 0.1 + s * 0.1 / streams) for n in range(int(seconds * 10)) for s in range(streams))
    return [(at, lanes.take(at, 0.1) - at) for at in arrivals]


@given(st.integers(1, 12), st.integers(1, 60), st.floats(0.05, 0.95))
def test_streams_up_to_the_knee_keep_up_and_one_more_does_not(lanes, whole, fraction):
    settings = MeteredSettings(lanes=lanes, service_ms=lanes * 100 / (whole + fraction))
    assert settings.knee == whole
    assert max(lag for _, lag in lags(settings, whole, 5)) == pytest.approx(settings.service_ms / 1000)
    over = lags(settings, whole + 1, 30)
    growth = (whole + 1) / (whole + fraction) - 1
    expected = settings.service_ms / 1000 + 30 * growth
    assert over[-1][1] == pytest.approx(expected, rel=0.15, abs=0.1)


def test_busy_share_is_the_offered_load_and_never_above_one():
    settings = MeteredSettings(lanes=4, service_ms=40)
    for streams, share in ((5, 0.5), (10, 1.0), (20, 1.0)):
        lanes = Lanes(settings)
        for n in range(100):
            for s in range(streams):
                lanes.take(n * 0.1 + s * 0.1 / streams, 0.1)
        assert lanes.worked_s(10.0) / (4 * 10.0) == pytest.approx(share, abs=0.02)


def test_a_real_stream_is_answered_at_the_service_time():
    async def scene():
        instance = metered(lanes=1, service_ms=60).new_instance("i-1")
        heard = Heard()
        stream = instance.open_stream(StreamOptions(interim_results=True), heard)
        stream.audio(SAMPLE.pcm[:CHUNK])
        stream.audio(SAMPLE.pcm[CHUNK : 2 * CHUNK])
        await asyncio.sleep(0.3)
        busy = instance.busy_share()
        await asyncio.sleep(0.3)
        return heard.times, busy, instance.busy_share()

    times, busy, idle = run_in_virtual_time(scene())
    assert times == pytest.approx([0.06, 0.12])
    assert (busy, idle) == pytest.approx((0.4, 0.0))


def test_instances_do_not_share_capacity():
    async def scene():
        engine = metered(lanes=1, service_ms=100)
        heard = [Heard(), Heard()]
        for listener, name in zip(heard, ("i-1", "i-2"), strict=True):
            stream = engine.new_instance(name).open_stream(StreamOptions(interim_results=True), listener)
            stream.audio(SAMPLE.pcm[:CHUNK])
        await asyncio.sleep(0.2)
        return [listener.times[0] for listener in heard]

    assert run_in_virtual_time(scene()) == pytest.approx([0.1, 0.1])


# What it says


def say(pcm, *, sizes=(CHUNK,), options=None):
    async def scene():
        instance = metered(lanes=1000, service_ms=0.01).new_instance("i-1")
        heard = Heard()
        stream = instance.open_stream(options or StreamOptions(interim_results=True), heard)
        at, turn = 0, 0
        while at < len(pcm):
            stream.audio(pcm[at : at + sizes[turn % len(sizes)]])
            at += sizes[turn % len(sizes)]
            turn += 1
        stream.finish()
        await heard.ended.wait()
        return heard.results

    return run_in_virtual_time(scene())


def text(results):
    return " ".join(w.punctuated_word for r in results if r.is_final for w in r.words)


@pytest.mark.parametrize("sizes", [(640,), (3200,), (8192,), (320, 6400, 1600), (352_000,)])
def test_the_words_do_not_depend_on_how_the_audio_is_cut(sizes):
    assert text(say(SAMPLE.pcm, sizes=sizes)) == SAMPLE.transcript


@given(st.integers(0, 10_900), st.integers(1_000, 30_000), st.sampled_from([640, 1600, 3200, 6400]))
def test_any_stretch_of_any_number_of_loops_is_recognised_with_its_times(start_ms, length_ms, chunk):
    start, length = start_ms * 32, length_ms * 32
    audio = (SAMPLE.pcm * 5)[start : start + length]
    known = KnownWords(16000)
    words = []
    for at in range(0, len(audio), chunk):
        before = known.cursor_s
        known.advance(audio[at : at + chunk])
        words += known.words(before, known.cursor_s)
    assert known.model == LOCATED
    expected = [
        (w.punctuated_word, round(w.end + turn * SAMPLE.duration_s - start_ms / 1000, 3))
        for turn in range(5)
        for w in SAMPLE.words
        if 0 < round(w.end + turn * SAMPLE.duration_s - start_ms / 1000, 6) <= length_ms / 1000
    ]
    got = [(w.punctuated_word, round(w.end_s, 3)) for w in words]
    assert got == expected, "what ends with the first sample or the last is on the side where it belongs"
    every = [(w.start + base, w.end + base) for base in _turns(start_ms / 1000) for w in SAMPLE.words]
    following = [start for start, end in every if end > 1e-3][sum(w.end_s > 1e-3 for w in words)]
    assert known.next_start_s == pytest.approx(following, abs=1e-3)


@given(st.sampled_from(SAMPLE.words), st.integers(2, 6), st.integers(20, 20_000))
def test_a_word_that_ends_with_the_last_sample_has_ended_wherever_the_stream_began(word, turns, length_ms):
    end = turns * len(SAMPLE.pcm) + round(word.end * 16000) * 2
    audio = (SAMPLE.pcm * 8)[end - length_ms * 32 : end]
    known = KnownWords(16000)
    known.advance(audio)
    *_, last = known.words(0.0, known.cursor_s)
    assert (last.word, last.end_s) == (word.word, pytest.approx(length_ms / 1000))


def _turns(offset_s):
    return [turn * SAMPLE.duration_s - offset_s for turn in range(6)]


def test_the_sample_is_found_again_after_other_audio():
    noise = random.Random(1).randbytes(16_000)
    known = KnownWords(16000)
    for piece in (noise, SAMPLE.pcm[: 2 * 32000]):
        before = known.cursor_s
        known.advance(piece)
    assert known.model == LOCATED
    assert [(w.word, round(w.start_s, 2)) for w in known.words(before, known.cursor_s)][:1] == [("and", 0.81)]


@pytest.mark.parametrize("pcm", [bytes(32_000), random.Random(2).randbytes(32_000)])
def test_other_audio_is_answered_from_the_samples_start_and_says_so(pcm):
    results = say(pcm)
    assert {r.model for r in results} == {UNLOCATED}
    assert text(results) == "And so, my"


def test_a_segment_without_a_pause_ends_after_five_seconds():
    finals = [r for r in say(SAMPLE.pcm, options=StreamOptions(endpointing_s=None)) if r.is_final]
    assert [round(r.start_s + r.duration_s, 1) for r in finals] == [5.0, 10.0, 11.0]
    assert [r.speech_final for r in finals] == [False, False, True]


def test_answers_keep_their_order_when_a_short_piece_follows_a_long_one():
    results = say(SAMPLE.pcm, sizes=(64_000, 640))
    ends = [r.start_s + r.duration_s for r in results if not r.is_final]
    assert ends == sorted(ends)


def test_nothing_is_heard_after_abort():
    async def scene():
        instance = metered(lanes=1, service_ms=10).new_instance("i-1")
        heard = Heard()
        stream = instance.open_stream(StreamOptions(interim_results=True), heard)
        stream.audio(SAMPLE.pcm[:CHUNK])
        stream.finish()
        stream.abort()
        await asyncio.sleep(0.1)
        return heard

    heard = run_in_virtual_time(scene())
    assert heard.results == [] and not heard.ended.is_set()


@given(
    st.integers(1, 6),
    st.lists(st.tuples(st.booleans(), st.floats(0.01, 3.0)), max_size=40),
    st.floats(0.0, 5.0),
)
def test_what_is_given_back_is_all_that_lanes_lose_and_none_works_in_the_past(count, pieces, now):
    lanes = Lanes(MeteredSettings(lanes=count, service_ms=100))
    taken = [(left, audio_s, lanes.take(0.0, audio_s)) for left, audio_s in pieces]
    given = sum(audio_s for left, audio_s, done_s in taken if left and done_s - audio_s >= now)
    before = lanes.worked_s(now), lanes.worked_s(1e6)
    lanes.give_back(now, [(audio_s, done_s) for left, audio_s, done_s in taken if left])
    assert lanes.worked_s(now) == pytest.approx(before[0]), "what was worked stays worked"
    assert lanes.worked_s(1e6) == pytest.approx(before[1] - given)
    assert lanes.take(now, 0.1) >= now + 0.1 - 1e-9


def test_an_instance_does_not_work_for_streams_that_are_gone():
    async def scene():
        instance = metered(lanes=2, service_ms=100).new_instance("i-1")
        reached_s = []
        for _ in range(6):  # callers who come back again and again, with more than there is time for
            heard = [Heard(), Heard(), Heard()]
            streams = [instance.open_stream(StreamOptions(interim_results=True), one) for one in heard]
            for _ in range(80):
                for stream in streams:
                    stream.audio(SAMPLE.pcm[:CHUNK])
            await asyncio.sleep(3)
            for stream in streams:
                stream.abort()
            reached_s.append(min(one.results[-1].start_s + one.results[-1].duration_s for one in heard))
        return reached_s

    # Two lanes, three seconds, three streams: two seconds of each, but for what was begun when the last ones left.
    assert run_in_virtual_time(scene()) == pytest.approx([2.0] * 6, abs=0.15)


def test_a_file_takes_its_share_of_a_lane():
    async def scene():
        instance = metered(lanes=1, service_ms=20).new_instance("i-1")
        return await instance.transcribe(SAMPLE.pcm, 16000), now_s()

    result, took = run_in_virtual_time(scene())
    assert " ".join(w.punctuated_word for w in result.words) == SAMPLE.transcript and result.duration_s == 11.0
    assert took == pytest.approx(11.0 * 0.2 * 0.1)


@pytest.mark.parametrize("begun", [True, False])
def test_a_file_that_nobody_waits_for_any_more_gives_its_lane_back(begun):
    async def scene():
        instance = metered(lanes=1, service_ms=100).new_instance("i-1")
        if not begun:
            instance.open_stream(StreamOptions(), Heard()).audio(SAMPLE.pcm[:32_000])
        long = asyncio.create_task(instance.transcribe(SAMPLE.pcm * 100, 16000))
        await asyncio.sleep(0.5)
        long.cancel()
        await asyncio.gather(long, return_exceptions=True)
        await instance.transcribe(SAMPLE.pcm, 16000)
        return now_s(), instance.busy_share()

    took, busy = run_in_virtual_time(scene())
    assert took == pytest.approx((0.5 if begun else 1.0) + 11.0 * 0.1)
    assert busy == pytest.approx(1.0)


# The queue


def test_calls_are_released_in_order_of_their_moments_and_equal_ones_in_the_order_given():
    async def scene():
        queue, called = ReleaseQueue(), []
        for number, due_s in enumerate((0.03, 0.01, 0.02, 0.01)):
            queue.at(due_s, lambda n=number: called.append((n, queue.now_s())))
        await asyncio.sleep(0.1)
        return called

    assert run_in_virtual_time(scene()) == [(1, 0.01), (3, 0.01), (2, 0.02), (0, 0.03)]


def test_a_call_that_fails_does_not_hold_up_the_others():
    async def scene():
        queue, called = ReleaseQueue(), []
        asyncio.get_running_loop().set_exception_handler(lambda *_: called.append("failed"))
        queue.at(queue.now_s() + 0.01, lambda: 1 / 0)
        queue.at(queue.now_s() + 0.01, lambda: called.append("ok"))
        await asyncio.sleep(0.1)
        return called

    assert run_in_virtual_time(scene()) == ["failed", "ok"]


def test_lanes_hold_no_more_than_their_number():
    lanes = Lanes(MeteredSettings(lanes=2, service_ms=100))
    done = [lanes.take(0.0, 0.1) for _ in range(6)]
    assert done == pytest.approx([0.1, 0.1, 0.2, 0.2, 0.3, 0.3]) and math.isclose(lanes.worked_s(0.3), 0.6)
