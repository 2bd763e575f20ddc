"""Words lost and words too many, against what was said."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dgsm_helpers.load.transport.call_record import WordCount, count_words, said_in_sample
from dgsm_helpers.load.transport.listen_stitching import HeardWord
from dgsm_helpers.load.transport.recordings import bundled_recording, chunks
from dgsm_helpers.rules.sample import bundled_sample
from embedded_aws.engines.known_words import KnownWords

PERIOD_S = bundled_sample().duration_s


def heard_in(audio):
    """How long the audio is, and the words that the container finds in it."""
    engine, heard = KnownWords(bundled_sample().sample_rate), []
    for chunk in audio:
        before_s = engine.cursor_s
        engine.advance(chunk)
        heard += [HeardWord(w.word, w.start_s, w.end_s) for w in engine.words(before_s, engine.cursor_s)]
    return engine.cursor_s, heard


@given(st.floats(0, 30), st.floats(1, 40), st.data())
def test_each_word_that_is_missing_or_twice_is_counted_once(offset_s, duration_s, data):
    said = list(said_in_sample(offset_s=offset_s, duration_s=duration_s))
    dropped = data.draw(st.sets(st.integers(0, max(len(said) - 1, 0)), max_size=len(said)))
    repeated = data.draw(st.lists(st.sampled_from(said), max_size=3)) if said else []
    kept = [word for number, word in enumerate(said) if number not in dropped]
    twice = [word for word in repeated if word in kept]
    count = count_words(said, [*kept, *twice])
    assert count == WordCount(said=len(said), lost=len(said) - len(kept), extra=len(twice))


def test_a_word_at_another_time_is_one_lost_and_one_too_many():
    said = said_in_sample(offset_s=0, duration_s=PERIOD_S)
    moved = replace(said[0], end_s=said[0].end_s + 1.0)
    assert count_words(said, [moved, *said[1:]]) == WordCount(said=len(said), lost=1, extra=1)


@pytest.mark.parametrize("offset_s", [0.0, 4.2, PERIOD_S + 4.2])
def test_the_sample_goes_round(offset_s):
    said = said_in_sample(offset_s=offset_s, duration_s=3 * PERIOD_S)
    assert len(said) == 3 * len(bundled_sample().words)
    assert [word.end_s for word in said] == sorted(word.end_s for word in said)


@given(st.floats(0, 30), st.integers(10, 400))
def test_said_is_what_the_audio_holds_wherever_it_begins(offset_s, tenths):
    """Also where a word ends with the call, or with its first moment, by less than a sample."""
    length_s, heard = heard_in(chunks(bundled_recording(), offset_s=offset_s, duration_s=tenths / 10))
    said = said_in_sample(offset_s=offset_s, duration_s=length_s)
    assert count_words(said, heard) == WordCount(said=len(said), lost=0, extra=0)


@pytest.mark.parametrize("word", bundled_sample().words[:5], ids=lambda word: word.word)
@pytest.mark.parametrize("off_s", [-3e-5, -1e-5, 0.0, 1e-5, 3e-5])
@pytest.mark.parametrize("side", ["begin", "end"])
def test_a_word_at_either_end_is_said_if_it_is_heard(word, off_s, side):
    offset_s = word.end - (1.0 if side == "end" else 0.0) + off_s + PERIOD_S
    length_s, heard = heard_in(chunks(bundled_recording(), offset_s=offset_s, duration_s=1.0))
    said = said_in_sample(offset_s=offset_s, duration_s=length_s)
    assert count_words(said, heard) == WordCount(said=len(said), lost=0, extra=0)
