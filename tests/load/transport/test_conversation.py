"""Calls as they are held: closed loop, the pauses, the limits, the end."""

from __future__ import annotations

import json
import random
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dgsm_helpers.errors import InvalidInput
from dgsm_helpers.families import AURA, FLUX, FLUX_TTS, NOVA
from dgsm_helpers.load.transport.conversation import TEXTS, Conversation, TurnSender, read_texts
from dgsm_helpers.load.transport.paced_audio import PacedAudio
from dgsm_helpers.load.transport.recorder import TraceRecorder
from dgsm_helpers.load.transport.recordings import bundled_recording
from dgsm_helpers.load.transport.workloads import without_pauses, workload_of


class Call:
    """A call with a model that answers after ``takes_s``, all at once, in virtual time."""

    def __init__(self, *, think_s=4.0, takes_s=0.2, texts=("x" * 30,), duration_s=None, seed=1, family=AURA):
        self.now_s, self.takes_s, self.family = 0.0, takes_s, family
        self.recorder = TraceRecorder(label="c", transport="none", family=family, clock=lambda: self.now_s)
        self.recorder.opened()
        chance = random.Random(seed)
        self.sender = TurnSender(
            texts, think_s=think_s, chance=chance, sample_rate=24_000, family=family, duration_s=duration_s
        )
        self.sent: list[tuple[float, dict]] = []

    def run(self, until_s, *, stop_s=float("inf")):
        answer_s = None
        while self.now_s < until_s and not self.sender.over:
            self.now_s = min(self.sender.due_s, answer_s or self.sender.due_s)
            if answer_s is not None and self.now_s >= answer_s:
                self.recorder.message(bytes(2 * 24_000 * 2))
                self.recorder.message(b'{"type": "Flushed"}')
                answer_s = None
                continue
            for data, kind in self.sender.take(self.recorder, self.now_s >= stop_s):
                assert kind == "UTF8"
                self.sent.append((self.now_s, json.loads(data)))
                if self.sent[-1][1]["type"] == "Flush":
                    answer_s = self.now_s + self.takes_s
        return self

    def begun(self):
        return [at for at, message in self.sent if message["type"] == "Speak"]


def test_a_turn_is_a_text_and_a_flush_and_the_end_is_the_familys():
    call = Call(duration_s=20.0).run(60.0)
    kinds = [message["type"] for _, message in call.sent]
    assert kinds[:2] == ["Speak", "Flush"] and kinds[-1] == "Close"
    assert kinds[:-1] == ["Speak", "Flush"] * (len(kinds) // 2)


@given(think_s=st.floats(0.0, 20.0), takes_s=st.floats(0.01, 3.0), seed=st.integers(0, 99))
def test_the_next_turn_begins_a_pause_after_the_last_was_played_out(think_s, takes_s, seed):
    call = Call(think_s=think_s, takes_s=takes_s, seed=seed).run(200.0)
    turns = call.recorder.trace().turns
    for last, following in pairwise(turns):
        # The whole two seconds come at once, so playing ends two seconds after they came.
        played_out_s = last.asked_s + takes_s + 2.0
        pause_s = following.asked_s - played_out_s
        assert 0.5 * think_s - 1e-6 <= pause_s <= 1.5 * think_s + 0.03 or following.asked_s - turns[0].asked_s > 55.0
    assert all(sent - turn.asked_s <= 1e-6 for sent, turn in zip(call.begun(), turns, strict=True)), "sent on time"


def test_no_call_asks_for_more_turns_in_a_minute_than_aura_takes():
    begun = Call(think_s=0.0, takes_s=0.01).run(300.0).begun()
    assert max(sum(at <= other < at + 60.0 for other in begun) for at in begun) <= 20


@pytest.mark.parametrize("stop_s", [0.05, 1.0, 3.3])
def test_a_call_ends_soon_after_it_is_stopped_whether_it_speaks_or_listens(stop_s):
    call = Call(think_s=60.0).run(100.0, stop_s=stop_s)
    at, message = call.sent[-1]
    assert message == {"type": "Close"} and at <= stop_s + 0.5


def test_the_same_seed_says_the_same_at_the_same_times():
    def held(seed):
        workload = Conversation(texts=TEXTS)
        sender = workload.sender(3, seed=seed, family=FLUX_TTS)
        call = Call(family=FLUX_TTS)
        call.sender = sender
        return [(at, message.get("text")) for at, message in call.run(3.0).sent]

    assert held(1) == held(1)
    assert {str(held(seed)) for seed in range(5)} != {str(held(1))}


def test_texts_are_of_three_lengths_and_a_call_speaks_a_third_of_its_time_unless_told_otherwise():
    assert [round(len(text), -1) for text in TEXTS] == [30, 90, 250]
    usual = Conversation()
    assert usual.duty == pytest.approx(1 / 3) and usual.unit == "calls"
    assert Conversation(think_s=usual.turn_s).duty == pytest.approx(1 / 2)
    turns = without_pauses(usual)
    assert (turns.duty, turns.unit, turns.texts) == (1.0, "turns", usual.texts)
    assert without_pauses(turns) is None and without_pauses(PacedAudio()) is None


def test_every_family_gets_the_workload_that_measures_it_and_refuses_the_other():
    assert isinstance(workload_of(AURA), Conversation) and workload_of(FLUX).chunk_ms == 80
    assert workload_of(NOVA) == PacedAudio(chunk_ms=100)
    with pytest.raises(InvalidInput, match="Aura-2 speaks"):
        workload_of(AURA, recordings=[bundled_recording()])
    for wrong in ({"texts": ["Hello."]}, {"think_s": 3.0}):
        with pytest.raises(InvalidInput, match="Flux listens"):
            workload_of(FLUX, **wrong)


def test_texts_come_from_a_file_a_turn_a_line(tmp_path):
    file = tmp_path / "turns.txt"
    file.write_text("\ufeffGrüß Gott.\n\n  Your order left.  \r\n", encoding="utf-8")
    assert read_texts(file) == ("Grüß Gott.", "Your order left.")


@pytest.mark.parametrize(
    ("content", "reason"),
    [(b"", "no text"), (b"\n \n", "no text"), (b"\xff\xfe\x00", "cannot be read"), (b"x" * 2001, "2001 characters")],
)
def test_texts_that_no_model_can_speak_are_refused_with_their_place(tmp_path, content, reason):
    file = tmp_path / "turns.txt"
    file.write_bytes(content)
    with pytest.raises(InvalidInput, match=reason) as refused:
        read_texts(file)
    assert str(file) in str(refused.value)


def test_a_file_of_texts_that_is_not_there_is_named(tmp_path):
    with pytest.raises(InvalidInput, match="no-such"):
        read_texts(tmp_path / "no-such.txt")


@pytest.mark.parametrize("think_s", [-1.0, 601.0, float("nan")])
def test_an_impossible_pause_is_refused(think_s):
    with pytest.raises(InvalidInput):
        Conversation(think_s=think_s)
