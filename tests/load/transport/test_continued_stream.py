"""A call that outlives its sessions: on scripted ones, and on the embedded AWS."""

from __future__ import annotations

import asyncio
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from kit.scripted_sessions import FINAL_FRAMES, FRAME_BYTES, RATE, Script, ScriptedEndpoint, busy, speech, words_of
from kit.waiting import until_async

from dgsm_helpers.errors import InvalidInput, StreamFailed
from dgsm_helpers.load.transport.continued_stream import ContinuedStream
from dgsm_helpers.load.transport.overload_watch import Leaving

CALL_FRAMES = 1500
ENDS_AFTER_A_FINAL = 350
"""A tenth of a second after the second final result, with a word that ends then."""


def call_on(endpoint, **given):
    given = {"replay_speed": float("inf"), **given}  # these tests speak faster than anybody
    return ContinuedStream(endpoint, sample_rate=RATE, frame_bytes=FRAME_BYTES, seed=1, **given)


async def spoken(endpoint, *, frames=CALL_FRAMES, piece=20, **given):
    """A whole call, as fast as it goes: its messages and hand-overs."""
    audio, messages = speech(frames), []
    async with call_on(endpoint, **given) as call:

        async def listen():
            messages.extend([message async for message in call])

        listening = asyncio.create_task(listen())
        for at in range(0, len(audio), piece):
            await call.send(audio[at : at + piece])
        await call.finish()
        await asyncio.wait_for(listening, 60)
        return messages, call.hand_overs


def finals(messages):
    return [m for m in messages if m["type"] == "Results" and m["is_final"]]


def words(messages):
    return [word for m in finals(messages) for word in m["channel"]["alternatives"][0]["words"]]


def check(messages, frames=CALL_FRAMES, *, told_last=True):
    """What holds of every call, whatever became of its sessions; ``told_last``: the last one told what comes last."""
    assert [word["word"] for word in words(messages)] == words_of(frames)
    starts = [word["start"] for word in words(messages)]
    assert starts == pytest.approx([0.3 * number for number in range(len(starts))], abs=1e-3)
    if told_last:
        assert messages[-1]["type"] == "Metadata" and messages[-1]["duration"] == pytest.approx(frames / RATE)
    cursor_s = 0.0
    for message in finals(messages):
        assert message["start"] == pytest.approx(cursor_s, abs=1e-3), "finals follow each other without gap or overlap"
        cursor_s = message["start"] + message["duration"]
    assert cursor_s == pytest.approx(frames / RATE)


def test_an_unbroken_call_is_handed_on_as_it_comes():
    endpoint = ScriptedEndpoint()
    messages, hand_overs = asyncio.run(spoken(endpoint))
    check(messages)
    assert (hand_overs, len(endpoint.opened)) == ((), 1)


@pytest.mark.parametrize("way", ["exception", "reset", "clean-end"])
@pytest.mark.parametrize("after", [1, 2, 40, 60])
def test_a_session_that_is_cut_is_continued_in_the_next(way, after):
    endpoint = ScriptedEndpoint([Script(cut_after=after, way=way)])
    messages, hand_overs = asyncio.run(spoken(endpoint))
    check(messages)
    assert [change.cause for change in hand_overs] == ["cut"]
    assert ("ended without Metadata" if way == "clean-end" else way) in hand_overs[0].reason
    assert hand_overs[0].gap_ms > 0 and hand_overs[0].audio_lost_s == 0
    assert all(session.left for session in endpoint.opened)


@settings(max_examples=40)
@given(
    st.lists(
        st.one_of(
            st.builds(Script, cut_after=st.integers(1, 60), way=st.sampled_from(["exception", "clean-end"])),
            st.builds(Script, cut_after=st.integers(1, 60), lag=st.integers(0, 8)),
            st.builds(Script, at_close=st.just(True), lag=st.integers(0, 2)),
        ),
        max_size=6,
    ),
    st.sampled_from([7, 20, 200]),
    st.sampled_from([CALL_FRAMES, ENDS_AFTER_A_FINAL]),
)
def test_no_word_is_lost_and_none_comes_twice_wherever_sessions_are_cut(scripts, piece, frames):
    endpoint = ScriptedEndpoint(list(scripts))
    messages, hand_overs = asyncio.run(spoken(endpoint, piece=piece, frames=frames))
    check(messages, frames, told_last=not endpoint.opened[-1].was_cut)
    assert len(hand_overs) == len(endpoint.opened) - 1, "every hand-over is accounted for"


def test_a_call_that_is_answered_whole_ends_although_its_session_is_cut_before_it_tells_the_last():
    frames = 2 * FINAL_FRAMES
    endpoint = ScriptedEndpoint([Script(at_close=True)])
    messages, hand_overs = asyncio.run(spoken(endpoint, frames=frames, piece=10))
    check(messages, frames, told_last=False)
    assert (messages[-1]["type"], hand_overs, len(endpoint.opened)) == ("Results", (), 1)


@pytest.mark.parametrize("way", ["exception", "clean-end"])
def test_the_last_word_is_heard_although_the_session_is_cut_as_the_call_ends(way):
    endpoint = ScriptedEndpoint([Script(at_close=True, way=way)])
    messages, hand_overs = asyncio.run(spoken(endpoint, frames=ENDS_AFTER_A_FINAL))
    check(messages, ENDS_AFTER_A_FINAL)
    assert [change.cause for change in hand_overs] == ["cut"]


def test_refusals_are_outlasted_and_nothing_is_lost_meanwhile():
    endpoint = ScriptedEndpoint([Script(cut_after=50), Script(refused=True), Script(refused=True)])
    messages, (change,) = asyncio.run(spoken(endpoint))
    check(messages)
    assert endpoint.refusals == 2 and change.gap_ms > 100


def test_words_that_were_told_before_and_heard_again_are_counted():
    endpoint = ScriptedEndpoint([Script(cut_after=40)])  # 400 frames heard, final up to 340: word 11 is the last in it
    messages, (change,) = asyncio.run(spoken(endpoint))
    told = [w for m in messages if m["type"] == "Results" for w in m["channel"]["alternatives"][0]["words"]]
    assert "garbled" not in {word["word"] for word in words(messages)}
    assert change.at_s == pytest.approx(3.9)
    assert change.words_replayed == 4, "two for the seam, two that only interim results had"
    assert len(told) > len(words(messages))


def test_the_next_session_is_opened_ahead_of_the_limit_and_takes_over_without_a_pause():
    endpoint = ScriptedEndpoint()

    async def run():
        audio, messages = speech(CALL_FRAMES), []
        async with call_on(endpoint, session_s=0.5) as call:

            async def listen():
                messages.extend([message async for message in call])

            listening = asyncio.create_task(listen())
            for at in range(0, len(audio), 20):
                await call.send(audio[at : at + 20])
                await asyncio.sleep(0.02)
            await call.finish()
            await asyncio.wait_for(listening, 60)
            return messages, call.hand_overs

    messages, hand_overs = asyncio.run(run())
    check(messages)
    assert {change.cause for change in hand_overs} == {"limit"}
    assert len(hand_overs) == len(endpoint.opened) - 1 >= 2


def test_a_first_session_that_is_refused_is_the_callers_to_hear():
    async def run():
        async with call_on(ScriptedEndpoint([Script(refused=True)])):
            pytest.fail("it is refused")

    with pytest.raises(StreamFailed, match="no instance serves"):
        asyncio.run(run())


def test_what_cannot_be_kept_is_counted_as_lost():
    endpoint = ScriptedEndpoint([Script(cut_after=50), *[Script(refused=True)] * 3])
    messages, (change,) = asyncio.run(spoken(endpoint, kept_s=2.0))
    assert change.audio_lost_s == pytest.approx(CALL_FRAMES / RATE - 2.0 - 3.4, abs=0.1)
    heard = [word["word"] for word in words(messages)]
    missing = [word for word in words_of(CALL_FRAMES) if word not in heard]
    assert len(missing) == pytest.approx(change.audio_lost_s / 0.3, abs=2)
    assert words(messages)[-1]["start"] == pytest.approx(0.3 * 49, abs=1e-3), "times stay those of the call"


def test_a_call_that_is_silent_takes_no_new_session_until_it_speaks_again(monkeypatch):
    monkeypatch.setattr("dgsm_helpers.load.transport.call_supervisor.IDLE_S", 0.05)
    endpoint = ScriptedEndpoint([Script(lag=10_000)])

    async def run():
        audio, messages = speech(CALL_FRAMES), []
        async with call_on(endpoint) as call:

            async def listen():
                messages.extend([message async for message in call])

            listening = asyncio.create_task(listen())
            await call.send(audio[:400])
            await asyncio.sleep(0.2)
            endpoint.opened[0]._cut()
            await asyncio.sleep(0.5)
            assert len(endpoint.opened) == 1
            await call.send(audio[400:])
            await call.finish()
            await asyncio.wait_for(listening, 60)
            return messages, call.hand_overs

    messages, (change,) = asyncio.run(run())
    check(messages)
    assert change.gap_ms < 450, "the silence is the caller's own"


def test_a_session_that_says_nothing_any_more_is_taken_for_lost(monkeypatch):
    monkeypatch.setattr("dgsm_helpers.load.transport.call_supervisor.SILENT_S", 0.2)
    endpoint = ScriptedEndpoint([Script(lag=10_000)])

    async def run():
        messages = []
        async with call_on(endpoint) as call:

            async def listen():
                messages.extend([message async for message in call])

            listening = asyncio.create_task(listen())
            await call.send(speech(CALL_FRAMES))
            await until_async(lambda: len(endpoint.opened) == 2, "the next session is open")
            await call.finish()
            await asyncio.wait_for(listening, 60)
            return messages, call.hand_overs

    messages, (change,) = asyncio.run(run())
    check(messages)
    assert "said nothing" in change.reason


def test_an_overloaded_session_is_left_for_a_better_one_and_only_for_a_better_one():
    slow, slower, fresh = Script(lag=40), Script(lag=80), Script()
    endpoint = ScriptedEndpoint([slow, slower, fresh])
    leaving = Leaving(lag_s=1.0, for_s=0.0, spread_s=0.0, stay_s=0.1, per_minute=100)

    async def run():
        audio, messages = speech(CALL_FRAMES), []
        async with call_on(endpoint, leaving=leaving) as call:

            async def listen():
                messages.extend([message async for message in call])

            listening = asyncio.create_task(listen())
            at = 0
            while not call.hand_overs and at < len(audio):
                await call.send(audio[at : at + 20])
                at += 20
                await asyncio.sleep(0.02)
            await call.send(audio[at:])
            await call.finish()
            await asyncio.wait_for(listening, 60)
            return messages, call.hand_overs

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("dgsm_helpers.load.transport.call_supervisor.CATCH_UP_S", 0.3)
        messages, (change,) = asyncio.run(run())
    check(messages)
    assert change.cause == "overload" and "behind" in change.reason
    assert [session.script for session in endpoint.opened] == [slow, slower, fresh]


def test_audio_is_sent_again_at_the_speed_that_is_asked_for():
    endpoint = ScriptedEndpoint([Script(cut_after=50)])
    messages, (paced,) = asyncio.run(spoken(endpoint, replay_speed=10.0))
    check(messages)
    assert paced.gap_ms >= 100, "1.5 s or so of audio at ten times the speed"


def test_replayed_audio_catches_up_on_a_machine_that_is_too_busy_to_keep_pauses():
    endpoint, passes = ScriptedEndpoint([Script(cut_after=50)]), []

    async def run():
        other = asyncio.create_task(busy(passes))
        outcome = await spoken(endpoint, piece=2 * CALL_FRAMES, replay_speed=10.0)
        other.cancel()
        return outcome

    messages, (change,) = asyncio.run(run())
    check(messages)
    assert change.cause == "cut"
    pieces = sum(len(session.frames) for session in endpoint.opened) / 10
    assert len(passes) < pieces / 2, "one piece in a pass of the event loop is slower than speech"


def test_a_session_that_says_nothing_is_given_twice_as_long_as_the_one_before_it(monkeypatch):
    monkeypatch.setattr("dgsm_helpers.load.transport.call_supervisor.SILENT_S", 0.1)
    silent = Script(lag=10_000)
    endpoint = ScriptedEndpoint([silent, silent, silent])

    async def run():
        async with call_on(endpoint) as call:
            await call.send(speech(CALL_FRAMES))
            await until_async(lambda: len(endpoint.opened) == 4, "the fourth session is open")
            await call.finish()
            return [message async for message in call], call.hand_overs

    messages, hand_overs = asyncio.run(run())
    check(messages)
    waited = [re.search(r"nothing for ([\d.]+) s", change.reason)[1] for change in hand_overs]
    assert waited[:3] == ["0.1", "0.2", "0.4"], "on a busy machine one that speaks may be late, too"


@pytest.mark.parametrize(
    "scripts",
    [
        [Script(cut_after=1, way="silence")],
        [Script(cut_after=1)] * 99,
        [Script(cut_after=1), *[Script(refused=True)] * 99],
    ],
)
def test_a_call_that_is_not_answered_after_its_end_fails_with_a_sentence(monkeypatch, scripts):
    monkeypatch.setattr("dgsm_helpers.load.transport.call_supervisor.GIVE_UP_S", 0.3)
    endpoint = ScriptedEndpoint([*scripts])

    async def run():
        async with call_on(endpoint) as call:
            await call.send(speech(CALL_FRAMES))
            await call.finish()
            async for _ in call:
                pass

    with pytest.raises(StreamFailed, match=r"s of the call were not answered within 0\.3 s of its end"):
        asyncio.run(asyncio.wait_for(run(), 60))
    assert all(session.left for session in endpoint.opened)


@pytest.mark.parametrize("passes", range(12))
def test_a_call_that_is_left_leaves_no_session_open_wherever_it_is_with_the_next(passes):
    endpoint = ScriptedEndpoint()

    async def run():
        async with call_on(endpoint) as call:
            await call.send(speech(100))
            endpoint.opened[0]._cut()
            for _ in range(passes):
                await asyncio.sleep(0)

    asyncio.run(asyncio.wait_for(run(), 60))
    assert all(session.left for session in endpoint.opened)


def test_whoever_asks_again_after_the_end_is_told_it_again():
    async def run():
        async with call_on(ScriptedEndpoint()) as call:
            await call.send(speech(100))
            await call.finish()
            first = [message async for message in call]
            return first, [message async for message in call]

    first, again = asyncio.run(asyncio.wait_for(run(), 60))
    assert first[-1]["type"] == "Metadata" and again == []


def test_audio_after_the_end_is_refused():
    async def run():
        async with call_on(ScriptedEndpoint()) as call:
            await call.finish()
            await call.send(speech(1))

    with pytest.raises(InvalidInput, match="after finish"):
        asyncio.run(asyncio.wait_for(run(), 60))


@pytest.mark.parametrize(
    "wrong", [{"path": "v1/speak"}, {"sample_rate": 0}, {"kept_s": 0}, {"session_s": -1}, {"replay_speed": 1}]
)
def test_what_cannot_be_continued_is_refused(wrong):
    with pytest.raises(InvalidInput):
        ContinuedStream(ScriptedEndpoint(), **wrong)
