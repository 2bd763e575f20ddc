"""Flux's turns over several sessions: none lost, none twice, counted through."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dgsm_helpers.load.transport.turn_stitching import TurnTranscript

TURN_S, TALK_S, STEP_S = 4.0, 2.5, 0.25
"""Every four seconds somebody talks for two and a half; a message comes every quarter."""


def turn_infos(offset_s: float, until_s: float):
    """What a session says that hears the conversation from ``offset_s`` to ``until_s``, in its own times and counts."""
    yield {"type": "Connected", "request_id": "r", "sequence_id": 0}
    index, begin_s, sequence, open_turn = 0, 0.0, 1, False
    steps = int((until_s - offset_s) / STEP_S + 1e-9)
    for step in range(1, steps + 1):
        own_s = step * STEP_S
        call_s = offset_s + own_s
        number, within_s = int((call_s - 1e-9) // TURN_S), (call_s - 1e-9) % TURN_S
        talking = 0 < within_s <= TALK_S
        event = "Update"
        if talking and not open_turn:
            event, open_turn = "StartOfTurn", True
        elif not talking and open_turn:
            event, open_turn = "EndOfTurn", False
        text = f"turn {number}" if talking or event == "EndOfTurn" else ""
        yield {
            "type": "TurnInfo",
            "event": event,
            "turn_index": index,
            "sequence_id": sequence,
            "audio_window_start": begin_s,
            "audio_window_end": own_s,
            "transcript": text,
            "words": [{"word": word, "confidence": 1.0} for word in text.split()],
        }
        sequence += 1
        if event == "EndOfTurn":
            index, begin_s = index + 1, own_s


def joined(cuts_s, call_s=40.0):
    """The call's messages when a session ends at each of the moments, and the next begins where it has to."""
    transcript, told = TurnTranscript(), []
    for until_s in [*sorted(cuts_s), call_s]:
        joint = transcript.joint(transcript.replay_from_s)
        told += [message for m in turn_infos(joint.offset_s, until_s) if (message := joint.hand_on(m))]
    return told


@given(st.lists(st.integers(1, 159).map(lambda step: step * STEP_S), max_size=6))
def test_turns_are_those_of_an_unbroken_session_wherever_sessions_end(cuts_s):
    told = joined(cuts_s)
    ends = [m for m in told if m.get("event") == "EndOfTurn"]
    unbroken = [m for m in joined([]) if m.get("event") == "EndOfTurn"]
    assert [(m["turn_index"], m["transcript"]) for m in ends] == [(m["turn_index"], m["transcript"]) for m in unbroken]
    assert [m["audio_window_end"] for m in ends] == [m["audio_window_end"] for m in unbroken]
    starts = [m["turn_index"] for m in told if m.get("event") == "StartOfTurn"]
    assert starts == sorted(set(starts)) == list(range(10))


@given(st.lists(st.integers(1, 159).map(lambda step: step * STEP_S), max_size=6))
def test_time_and_count_never_go_back_and_the_greeting_comes_once(cuts_s):
    told = joined(cuts_s)
    assert [m["sequence_id"] for m in told] == list(range(len(told)))
    assert [m["type"] for m in told].count("Connected") == 1
    windows = [m["audio_window_end"] for m in told if m["type"] == "TurnInfo"]
    assert windows == sorted(windows)


def joined_ahead(changes, call_s=40.0):
    """The call's messages when the next session is opened ahead, hears the last words again a little before it has to,
    and takes over later; ``changes`` are pairs of when it is opened and for how long the one before it goes on."""
    transcript, told, begin_s = TurnTranscript(), [], 0.0
    for open_s, beside_s, sooner_s in [*changes, (call_s, 0.0, 0.0)]:
        joint, next_s = transcript.joint(begin_s), None
        for message in turn_infos(joint.offset_s, min(open_s + beside_s, call_s)):
            if next_s is None and message.get("audio_window_end", 0.0) + joint.offset_s >= open_s:
                next_s = transcript.replay_from_s - sooner_s
            told += [m for m in (joint.hand_on(message),) if m]
        begin_s = max(transcript.replay_from_s if next_s is None else next_s, 0.0)
    return told


@given(
    st.lists(
        st.tuples(st.floats(1.0, 38.0), st.floats(0.0, 9.0), st.floats(0.0, 0.2)), max_size=5, unique_by=lambda c: c[0]
    ).map(sorted)
)
def test_turns_that_two_sessions_heard_at_once_are_told_once(changes):
    told = [m for m in joined_ahead(changes) if m["type"] == "TurnInfo"]
    ends = [m for m in told if m["event"] == "EndOfTurn"]
    assert [(m["turn_index"], m["transcript"]) for m in ends] == [(number, f"turn {number}") for number in range(10)]
    assert [m["turn_index"] for m in told if m["event"] == "StartOfTurn"] == list(range(10))
    assert [m["turn_index"] for m in told] == sorted(m["turn_index"] for m in told)
    cursor_s = 0.0
    for message in ends:
        assert message["audio_window_start"] == cursor_s
        cursor_s = message["audio_window_end"]


@pytest.mark.parametrize("times", [True, False])
def test_a_turn_that_the_next_session_does_not_end_where_the_one_before_did_goes_on_as_another(times):
    def words(*given):
        return [{"word": word, **({"start": end_s - 0.2, "end": end_s} if times else {})} for word, end_s in given]

    transcript = TurnTranscript()
    first = transcript.joint(0.0)
    for message in (
        turn_info("StartOfTurn", 1.0, "a") | {"words": words(("a", 0.9))},
        turn_info("EndOfTurn", 1.5, "a") | {"words": words(("a", 0.9))},
    ):
        first.hand_on(message)
    second = transcript.joint(0.0)
    told = [
        second.hand_on(message)
        for message in (
            turn_info("StartOfTurn", 1.0, "a") | {"words": words(("a", 0.95))},
            turn_info("Update", 1.6, "a") | {"words": words(("a", 0.95))},
            turn_info("Update", 2.0, "a b") | {"words": words(("a", 0.95), ("b", 1.9))},
            turn_info("EndOfTurn", 2.5, "a b") | {"words": words(("a", 0.95), ("b", 1.9))},
        )
    ]
    assert told[:2] == [None, None]
    assert [(m["event"], m["turn_index"], m["transcript"], m["audio_window_start"]) for m in told[2:]] == [
        ("StartOfTurn", 1, "b", 1.5),
        ("EndOfTurn", 1, "b", 1.5),
    ]


def test_word_times_go_on_where_the_model_gives_them():
    transcript = TurnTranscript()
    transcript.next_turn, transcript.shown_s = 3, 12.0
    joint = transcript.joint(12.0)
    words = [{"word": "yes", "start": 0.5, "end": 0.75}, {"word": "no"}]
    message = joint.hand_on(
        {
            "type": "TurnInfo",
            "event": "Update",
            "turn_index": 0,
            "sequence_id": 1,
            "audio_window_start": 0.0,
            "audio_window_end": 1.0,
            "transcript": "yes no",
            "words": words,
        }
    )
    assert message["words"] == [{"word": "yes", "start": 12.5, "end": 12.75}, {"word": "no"}]
    assert (message["turn_index"], message["audio_window_end"]) == (3, 13.0)


def turn_info(event, end_s, text=""):
    return {
        "type": "TurnInfo",
        "event": event,
        "turn_index": 0,
        "sequence_id": 1,
        "audio_window_start": 0.0,
        "audio_window_end": end_s,
        "transcript": text,
        "words": [],
    }


def told_of(first, second):
    """Events and windows' ends when a session that says ``first`` is followed by one that says ``second``."""
    transcript, told = TurnTranscript(), []
    for said in (first, second):
        joint = transcript.joint(0.0)
        told += [m for message in said if (m := joint.hand_on(message))]
    return [(m["event"], m["audio_window_end"]) for m in told]


def test_a_pause_that_the_next_session_notices_a_little_sooner_or_later_is_told_once():
    begin = [turn_info("StartOfTurn", 1.0, "a"), turn_info("Update", 1.24, "a b")]
    eager, end = turn_info("EagerEndOfTurn", 1.48, "a b"), turn_info("EndOfTurn", 1.8, "a b")
    told = [("StartOfTurn", 1.0), ("Update", 1.24), ("EagerEndOfTurn", 1.48), ("Update", 1.52), ("EndOfTurn", 1.8)]
    later = turn_info("EagerEndOfTurn", 1.52, "a b")
    assert told_of([*begin, eager], [*begin, later, end]) == told
    # The first had not noticed it when it was cut, and the next did so before that moment.
    resumed = turn_info("TurnResumed", 1.6, "a b c")
    sooner = turn_info("EagerEndOfTurn", 1.2, "a b")
    assert told_of(begin, [begin[0], sooner, resumed, end]) == [*told[:2], ("Update", 1.6), told[-1]]


def test_a_turn_whose_beginning_only_the_next_session_noticed_begins_all_the_same():
    quiet, sooner = turn_info("Update", 1.0), turn_info("StartOfTurn", 0.96, "a")
    told = told_of([quiet], [sooner, turn_info("Update", 1.21, "a b")])
    assert told == [("Update", 1.0), ("StartOfTurn", 1.0), ("Update", 1.21)]


def test_what_a_turn_said_is_kept_when_the_next_session_hears_nothing_of_it_yet():
    transcript = TurnTranscript()
    transcript.joint(0.0).hand_on(turn_info("StartOfTurn", 1.0, "a"))
    transcript.joint(0.0).hand_on(turn_info("Update", 9.0))
    assert (transcript.replay_from_s, transcript.answered_s) == (0.0, 0.0)


def test_an_end_without_a_last_word_is_believed_when_all_was_told_or_again_and_again_nothing_new():
    transcript = TurnTranscript()
    transcript.joint(0.0).hand_on(turn_info("Update", 4.0))
    assert transcript.ended_in_order(4.05, told_last=False)
    assert [transcript.ended_in_order(9.0, told_last=False) for _ in range(3)] == [False, True, True]
    transcript.joint(0.0).hand_on(turn_info("Update", 5.0))
    assert [transcript.ended_in_order(9.0, told_last=False) for _ in range(3)] == [False, False, True]
