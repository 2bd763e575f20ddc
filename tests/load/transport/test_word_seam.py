"""Words at a seam: none lost, none twice, whatever is said and however the two hearings' times differ."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dgsm_helpers.load.transport.listen_stitching import SAME_TEXT_S, HeardWord, words_said_already

FEW_WORDS = st.sampled_from(["no", "yes", "no.", "a"])
"""So few that they repeat all the time."""


def speech(texts, lengths_s, pauses_s):
    words, at_s = [], 0.0
    for text, length_s, pause_s in zip(texts, lengths_s, pauses_s, strict=True):
        words.append(HeardWord(text, at_s, at_s + length_s))
        at_s += length_s + pause_s
    return words


@st.composite
def hearings(draw, *, shortest_s, jitter_s, misheard):
    """What was said before a seam, what is heard behind it, and how many words of that are old."""
    count = draw(st.integers(2, 12))
    lists = {
        "texts": draw(st.lists(FEW_WORDS, min_size=count, max_size=count)),
        "lengths_s": draw(st.lists(st.floats(shortest_s, 1.0), min_size=count, max_size=count)),
        "pauses_s": draw(st.lists(st.sampled_from([0.0, 0.05, 0.8]), min_size=count, max_size=count)),
    }
    words = speech(**lists)
    seam = draw(st.integers(1, count))
    overlap = draw(st.integers(1, seam))
    heard = []
    for word in words[seam - overlap :]:
        shift_s = draw(st.floats(-jitter_s, jitter_s))
        text = draw(st.sampled_from([word.word, "what"])) if misheard else word.word
        heard.append(HeardWord(text, word.start_s + shift_s, word.end_s + shift_s))
    return words[:seam], heard, overlap


@given(hearings(shortest_s=0.08, jitter_s=0.035, misheard=False))
def test_repeated_words_are_told_apart_by_their_times(drawn):
    said, heard, old = drawn
    assert words_said_already(said, heard) == old


@given(hearings(shortest_s=SAME_TEXT_S + 0.1, jitter_s=0.04, misheard=True))
def test_words_that_are_heard_otherwise_the_second_time_are_found_by_their_times(drawn):
    said, heard, old = drawn
    assert words_said_already(said, heard) == old


def test_a_short_word_whose_times_moved_by_more_than_half_of_it_is_found_by_its_text():
    said = [HeardWord("we", 0.0, 0.2), HeardWord("got", 0.2, 0.5), HeardWord("a", 0.5, 0.58)]
    heard = [HeardWord("got", 0.25, 0.56), HeardWord("a", 0.57, 0.65), HeardWord("dog", 0.66, 1.0)]
    assert words_said_already(said, heard) == 2


def test_nothing_was_said_before_the_first_word():
    heard = [HeardWord("ask", 0.0, 0.3)]
    assert words_said_already([], heard) == 0
    assert words_said_already(heard, []) == 0


@pytest.mark.parametrize("gap_s", [0.0, 5.0])
def test_new_words_alone_are_all_new_even_when_they_are_the_same(gap_s):
    said = [HeardWord("no", 0.0, 0.3)]
    heard = [replace(said[0], start_s=0.3 + gap_s, end_s=0.6 + gap_s)]
    assert words_said_already(said, heard) == 0
