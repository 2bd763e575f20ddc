"""What the messages of every family come to: heard audio, turns, endings."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dgsm_helpers.families import AURA, FAMILIES, FLUX, FLUX_TTS, NOVA
from dgsm_helpers.load.ladder.stream_outcomes import ended_turns, first_audio_latencies_s
from dgsm_helpers.load.transport.message_readers import AudioPart, read_aura, read_flux_tts
from dgsm_helpers.load.transport.recorder import TraceRecorder
from dgsm_helpers.load.transport.trace import Ending, lag_samples

SPEAKING = pytest.mark.parametrize("family", [AURA, FLUX_TTS], ids=lambda f: f.name)
SECOND = bytes(48_000)
"""Of the audio that calls ask for: 24 kHz, 16 bit."""


class Told:
    """A recorder on a clock of the test's own."""

    def __init__(self, family):
        self.now_s, self.family = 0.0, family
        self.recorder = TraceRecorder(label="t", transport="none", family=family, clock=lambda: self.now_s)
        self.recorder.opened()

    def at(self, now_s, *messages):
        self.now_s = now_s
        for message in messages:
            self.recorder.message(message if isinstance(message, bytes) else json.dumps(message).encode())
        return self

    def greeted(self):
        greeting = self.family.protocol.greeting
        return self.at(self.now_s, {"type": greeting, "request_id": "r", "model_name": "m"}) if greeting else self

    def ended(self):
        self.recorder.close_sent()
        if last := self.family.protocol.last_message:
            self.at(self.now_s, {"type": last})
        self.recorder.ended()
        return self.recorder.trace()


def turn_info(event, start_s, end_s, transcript=""):
    window = {"audio_window_start": start_s, "audio_window_end": end_s}
    return {"type": "TurnInfo", "event": event, "turn_index": 0, "transcript": transcript, "words": [], **window}


def turn_done(family):
    return {"type": "Flushed" if family is AURA else "SpeechMetadata"}


@pytest.mark.parametrize("family", FAMILIES.values(), ids=FAMILIES)
def test_a_stream_ends_cleanly_by_its_familys_own_rule(family):
    assert Told(family).greeted().ended().ending is Ending.CLEAN


@pytest.mark.parametrize("family", FAMILIES.values(), ids=FAMILIES)
def test_a_stream_whose_end_was_not_asked_for_was_dropped(family):
    told = Told(family).greeted()
    told.recorder.ended()
    trace = told.recorder.trace()
    assert trace.ending is Ending.DROPPED and f"{family.protocol.end_message} was sent" in trace.error.message


@pytest.mark.parametrize("family", [FLUX, AURA], ids=lambda f: f.name)
def test_a_stream_that_never_greeted_was_dropped(family):
    assert Told(family).ended().ending is Ending.DROPPED


@pytest.mark.parametrize("family", [NOVA, FLUX_TTS], ids=lambda f: f.name)
def test_a_stream_without_its_last_message_was_dropped(family):
    told = Told(family).greeted()
    told.recorder.close_sent()
    told.recorder.ended()
    error = told.recorder.trace().error
    assert f"{family.protocol.last_message} came" in error.message


@pytest.mark.parametrize("family", FAMILIES.values(), ids=FAMILIES)
@pytest.mark.parametrize("names", [("code", "description"), ("err_code", "err_msg")])
def test_an_error_of_any_bundle_is_kept_in_its_words(family, names):
    told = Told(family).greeted().at(1.0, {"type": "Error", names[0]: "NET-0001", names[1]: "too quiet"})
    trace = told.ended()
    assert (trace.ok, trace.error.code, trace.error.message) == (False, "NET-0001", "too quiet")


def test_flux_counts_every_turn_info_as_heard_an_end_of_turn_in_its_updates_place():
    told = Told(FLUX).greeted()
    for number in range(40):
        told.recorder.chunk(due_s=0.1 * number, cursor_s=0.1 * (number + 1))
    events = ["Update", "StartOfTurn", "Update", "EagerEndOfTurn", "EndOfTurn", *["Update"] * 11]
    for number, event in enumerate(events, 1):
        told.at(0.25 * number + 0.05, turn_info(event, 0.0, 0.25 * number, "Hello." if event == "EndOfTurn" else ""))
    told.now_s = 5.0
    trace = told.ended()
    samples = lag_samples(trace)
    assert len(samples.lag_s) == 16 and np.isfinite(samples.lag_s).all()
    # Audio up to a quarter of a second is complete with the chunk that holds it, due up to a chunk sooner.
    assert samples.lag_s.min() >= 0.05 and samples.lag_s.max() <= 0.05 + 0.1 + 1e-9
    assert trace.transcript == "Hello."
    assert ended_turns(trace, from_s=0, to_s=5) == 1


def test_flux_that_stops_telling_is_infinitely_late_but_not_in_the_last_moments_that_closing_cuts():
    def lags(heard_s):
        told = Told(FLUX).greeted()
        for number in range(100):
            told.recorder.chunk(due_s=0.1 * number, cursor_s=0.1 * (number + 1))
        for number in range(1, int(heard_s * 4) + 1):
            told.at(0.25 * number, turn_info("Update", 0.0, 0.25 * number))
        told.now_s = 11.0
        return lag_samples(told.ended()).lag_s

    assert np.isfinite(lags(9.5)).all()
    assert np.isinf(lags(5.0)).sum() == 20


@SPEAKING
def test_a_call_that_keeps_up_is_never_late_and_its_first_audio_is_timed_from_the_moment_it_was_due(family):
    told = Told(family).greeted()
    told.now_s = 2.0
    told.recorder.asked(due_s=1.9, characters=30)
    told.at(2.1, SECOND).at(2.9, SECOND, turn_done(family))
    trace = told.ended()
    (turn,) = trace.turns
    assert first_audio_latencies_s(trace, from_s=0, to_s=9) == pytest.approx([0.2])
    assert lag_samples(trace).lag_s == pytest.approx([0.0, 0.0])
    assert (turn.audio_s, turn.late_s, turn.done_s) == pytest.approx((2.0, 0.0, 2.9))
    assert turn.played_out_s == pytest.approx(4.1)


@SPEAKING
def test_audio_that_comes_after_its_moment_is_an_underrun_of_that_length(family):
    told = Told(family).greeted()
    told.recorder.asked(due_s=0.0, characters=30)
    told.at(0.5, SECOND).at(1.9, SECOND).at(2.4, SECOND, turn_done(family))
    trace = told.ended()
    assert lag_samples(trace).lag_s == pytest.approx([0.0, 0.4, 0.0])
    assert trace.turns[0].late_s == pytest.approx(0.4)
    assert trace.turns[0].played_out_s == pytest.approx(0.5 + 3.0 + 0.4)


@SPEAKING
@given(pieces=st.lists(st.integers(1, 9600), min_size=1, max_size=20), gap_s=st.floats(0.0, 0.3))
def test_seconds_of_audio_are_its_bytes_however_they_are_cut(family, pieces, gap_s):
    told = Told(family).greeted()
    told.recorder.asked(due_s=0.0, characters=30)
    for number, size in enumerate(pieces):
        told.at(number * gap_s, bytes(2 * size))
    told.at(told.now_s, turn_done(family))
    trace = told.ended()
    assert trace.turns[0].audio_s == pytest.approx(sum(pieces) / 24_000)
    assert len(trace.played_s) == len(pieces)
    assert (lag_samples(trace).lag_s >= 0).all()


@SPEAKING
def test_audio_outside_a_turn_belongs_to_none(family):
    told = Told(family).greeted().at(0.5, SECOND)
    told.recorder.asked(due_s=1.0, characters=3)
    told.at(2.0, SECOND, turn_done(family)).at(2.5, SECOND)
    assert [turn.audio_s for turn in told.ended().turns] == [1.0]


def test_flux_tts_takes_the_flushs_receipt_for_no_end_of_the_turn():
    told = Told(FLUX_TTS).greeted()
    told.recorder.asked(due_s=0.0, characters=3)
    told.at(0.1, {"type": "Flushed", "speech_id": "dg_sp_1"})
    assert told.recorder.open_turn is not None and told.recorder.awaits_answer


@pytest.mark.parametrize("read", [read_aura, read_flux_tts])
@pytest.mark.parametrize("raw", [b'{"' + bytes(100), b"{" * 50, b"\x00\x01", b'{"no": "message"}'])
def test_audio_that_begins_like_a_message_is_audio(read, raw):
    assert read(raw, 0.0) == AudioPart(raw)


def test_an_unreadable_message_breaks_a_stream_to_a_model_that_listens():
    trace = Told(FLUX).greeted().at(1.0, b"\xff\xfe").ended()
    assert (trace.ok, trace.error.code) == (False, "UnreadableMessage")


@SPEAKING
def test_the_server_owes_nothing_while_the_caller_speaks(family):
    told = Told(family).greeted()
    assert not told.recorder.awaits_answer
    told.recorder.asked(due_s=0.0, characters=3)
    assert told.recorder.awaits_answer
    told.at(1.0, SECOND, turn_done(family))
    assert not told.recorder.awaits_answer
