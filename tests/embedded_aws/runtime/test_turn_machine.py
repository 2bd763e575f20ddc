"""Flux's turns: what Deepgram's state machine promises holds for whatever a recogniser hears."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from embedded_aws.engines.base import Recognised, SpokenWord
from embedded_aws.runtime.flux_query import TurnThresholds
from embedded_aws.runtime.turn_machine import TurnMachine

STEP_S = 0.08


@st.composite
def heard(draw):
    """What a recogniser says of a stream: words of segments that grow, are revised, end, and pause.

    Also what no good recogniser says: words taken back, and pauses that come and go.
    """
    results, said, start_s, at_s = [], (), 0.0, 0.0
    for _ in range(draw(st.integers(1, 60))):
        at_s += STEP_S * draw(st.integers(1, 4))
        match draw(st.sampled_from(["word", "word", "quiet", "quiet", "quiet", "revise", "retract"])):
            case "word":
                said, quiet_s = (*said, word(draw, at_s)), 0.0
            case "revise" if said:
                said, quiet_s = (*said[:-1], word(draw, at_s)), 0.0
            case "retract":
                said, quiet_s = said[:-1], 0.0
            case _:
                quiet_s = at_s - (said[-1].end_s if said else 0.0)
        final = draw(st.booleans()) and draw(st.booleans())
        results.append(Recognised(start_s, at_s - start_s, said, is_final=final, model="m", quiet_s=quiet_s))
        if final:
            start_s, said = at_s, ()
    return results


def word(draw, end_s):
    text = draw(st.sampled_from(["ask", "not", "what", "your", "country"]))
    return SpokenWord(text, text, max(0.0, end_s - draw(st.floats(0.05, 0.6))), end_s)


thresholds = st.builds(
    lambda final, eager, ms: TurnThresholds(final, None if eager is None else min(eager, final), ms),
    st.sampled_from([0.5, 0.7, 0.9]),
    st.sampled_from([None, 0.3, 0.5, 0.9]),
    st.sampled_from([500, 1000, 10_000]),
)


def told(results, asked, forced=()):
    machine, events = TurnMachine(asked), []
    for number, result in enumerate(results):
        events += machine.hear(result)
        if number in forced and (ended := machine.force_end()):
            events.append(ended)
    if last := machine.finish():
        events.append(last)
    return events


@given(heard(), thresholds, st.sets(st.integers(0, 40)))
def test_the_rules_of_turns_hold_whatever_is_heard(results, asked, forced):
    index, window_end, started, eager, cursor = 0, 0.0, False, None, 0.0
    for event in told(results, asked, forced):
        assert event.turn_index == index
        assert event.start_s == window_end
        assert event.end_s >= max(cursor, event.start_s)
        assert all(event.start_s <= w.start_s <= w.end_s <= event.end_s for w in event.words)
        assert 0.0 <= event.confidence <= 1.0
        assert (event.trigger is not None) == (event.event == "EndOfTurn")
        cursor = event.end_s
        if event.event == "Update":
            assert started or event.transcript == ""
        else:
            assert event.transcript
            assert started == (event.event != "StartOfTurn")
        match event.event:
            case "StartOfTurn":
                started = True
            case "EagerEndOfTurn":
                assert asked.eager_eot_threshold is not None and eager is None
                eager = event.transcript
            case "TurnResumed":
                assert eager is not None
                eager = None
            case "EndOfTurn":
                assert eager in (None, event.transcript)
                if asked.eager_eot_threshold is not None and event.trigger == "timeout":
                    assert eager is not None
                index, window_end, started, eager = index + 1, event.end_s, False, None
            case _:
                assert eager in (None, event.transcript)
    assert not started, "what was said is in an ended turn"


@given(heard(), thresholds)
def test_an_update_comes_every_quarter_of_a_second_while_nothing_else_does(results, asked):
    events = told(results, asked)
    ends = [0.0, *(e.end_s for e in events)]
    longest = max(
        (
            r.start_s + r.duration_s - p
            for r, p in zip(results, [0.0, *(r.start_s + r.duration_s for r in results)], strict=False)
        ),
        default=0.0,
    )
    assert all(b - a <= 0.25 + longest + 1e-6 for a, b in pairwise(ends))


def said(*words, to_s, quiet_s, final=False, start_s=0.0):
    spoken = tuple(SpokenWord(w, w, 0.1 * n, 0.1 * n + 0.1) for n, w in enumerate(words))
    return Recognised(start_s, to_s - start_s, spoken, is_final=final, model="m", quiet_s=quiet_s)


def names(events):
    return [e.event for e in events]


def test_an_eager_end_comes_before_the_end_and_speech_takes_it_back():
    machine = TurnMachine(TurnThresholds(0.7, 0.4))
    heard = [
        said("ask", to_s=0.2, quiet_s=0.0),
        said("ask", to_s=0.4, quiet_s=0.2),
        said("ask", "not", to_s=0.5, quiet_s=0.0),
        said("ask", "not", to_s=0.9, quiet_s=0.4),
    ]
    assert [names(machine.hear(r)) for r in heard] == [
        ["StartOfTurn"],
        ["EagerEndOfTurn"],
        ["TurnResumed"],
        ["EagerEndOfTurn", "EndOfTurn"],
    ]


def test_silence_ends_a_turn_of_which_the_model_is_not_sure():
    machine = TurnMachine(TurnThresholds(eot_threshold=0.9, eot_timeout_ms=500))
    machine.hear(said("ask", to_s=0.2, quiet_s=0.0))
    (end,) = machine.hear(said("ask", to_s=0.7, quiet_s=0.5))
    assert (end.event, end.trigger) == ("EndOfTurn", "timeout") and end.confidence < 0.9


def test_a_forced_end_keeps_what_was_said_and_the_next_turn_has_only_the_rest():
    machine = TurnMachine(TurnThresholds())
    machine.hear(said("ask", "not", to_s=0.3, quiet_s=0.0))
    assert machine.force_end().transcript == "ask not"
    assert machine.force_end() is None
    machine.hear(said("ask", "not", "what", to_s=0.4, quiet_s=0.0, final=True))
    assert machine.finish().transcript == "what"


def test_other_thresholds_count_from_the_audio_they_came_after():
    machine = TurnMachine(TurnThresholds())
    machine.hear(said("ask", to_s=0.2, quiet_s=0.0))
    machine.configure(TurnThresholds(eot_threshold=0.9), from_s=1.0)
    assert names(machine.hear(said("ask", to_s=0.6, quiet_s=0.4))) == ["EndOfTurn"]
    machine.hear(said("ask", "not", to_s=1.1, quiet_s=0.0))
    assert names(machine.hear(said("ask", "not", to_s=1.5, quiet_s=0.4))) == ["Update"]


@pytest.mark.parametrize(
    ("given", "part"),
    [
        ({"eot_threshold": 0.4}, "eot_threshold"),
        ({"eot_threshold": 1.0}, "eot_threshold"),
        ({"eot_threshold": True}, "eot_threshold"),
        ({"eager_eot_threshold": 0.2}, "eager_eot_threshold"),
        ({"eager_eot_threshold": 0.8}, "above"),
        ({"eot_timeout_ms": 60_000}, "eot_timeout_ms"),
        ({"eot_timeout_ms": "5000"}, "eot_timeout_ms"),
        ({"endpointing": 10}, "endpointing"),
    ],
)
def test_impossible_thresholds_are_refused_by_name(given, part):
    with pytest.raises(ValueError, match=part):
        TurnThresholds().changed(given)
