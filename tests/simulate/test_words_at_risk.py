"""What cut calls cost in words."""

from __future__ import annotations

import json
from importlib.resources import files

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dgsm_helpers.rules.model import ScalingModel
from dgsm_helpers.simulate.words_at_risk import SPEECH_AT_RISK_S, WORDS_PER_SECOND, said_of, words_at_risk


@given(st.integers(0, 10_000))
def test_every_cut_call_has_the_words_of_its_last_seconds_at_risk_and_none_with_hand_over(cut):
    assert words_at_risk(cut) == pytest.approx(cut * WORDS_PER_SECOND * SPEECH_AT_RISK_S, abs=0.5)
    assert words_at_risk(cut, handed_over=True) == 0


def test_the_rate_of_speech_is_the_bundled_recordings():
    spoken = json.loads((files("dgsm_helpers") / "data" / "jfk.json").read_text(encoding="utf-8"))["words"]
    assert len(spoken) / 11.0 == pytest.approx(WORDS_PER_SECOND, rel=0.01)


def test_what_is_assumed_stands_among_the_models_assumptions():
    rows = {row.name: row for row in ScalingModel().assumptions()}
    assert rows["words_per_second"].value == WORDS_PER_SECOND
    assert rows["speech_at_risk_s"].value == SPEECH_AT_RISK_S
    assert rows["hand_over"].value == "no word lost"


def test_no_cut_call_is_nothing_to_say():
    assert said_of(0) == ""
    assert said_of(1).startswith("It cuts 1 call by")
