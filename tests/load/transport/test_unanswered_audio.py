"""The audio that a next session would hear again: what is kept, what is dropped, and where it is."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dgsm_helpers.load.transport.unanswered_audio import UnansweredAudio

FRAME = 4
RATE = 400
"""Bytes a second: a hundred frames."""

STEPS = st.lists(
    st.one_of(
        st.binary(min_size=0, max_size=90).map(lambda audio: ("append", audio)),
        st.floats(0, 20).map(lambda at_s: ("forget", at_s)),
    ),
    max_size=40,
)


def kept(most_s: float = 2.0) -> UnansweredAudio:
    return UnansweredAudio(bytes_per_s=RATE, frame_bytes=FRAME, most_s=most_s)


@given(STEPS)
def test_what_is_kept_is_the_end_of_the_call_in_whole_frames_and_never_more_than_the_bound(steps):
    audio, call, forgotten_s = kept(), b"", 0.0
    for kind, value in steps:
        if kind == "append":
            call += value
            audio.append(value)
        else:
            forgotten_s = max(forgotten_s, min(value, len(call) / RATE))
            audio.forget_before(value)
        assert audio.end == len(call)
        assert audio.begin % FRAME == 0 or audio.begin == audio.end
        assert audio.end - audio.begin <= 2.0 * RATE + FRAME
        assert audio.read(audio.begin, len(call)) == call[audio.begin :]
        oldest = max(forgotten_s * RATE, len(call) - 2.0 * RATE)
        assert audio.begin <= oldest + FRAME, "nothing is dropped that may still be asked for"


@given(STEPS, st.integers(1, 50))
def test_reading_in_pieces_gives_all_of_it_once(steps, most):
    audio = kept()
    for kind, value in steps:
        audio.append(value) if kind == "append" else audio.forget_before(value)
    position, pieces = audio.begin, []
    while piece := audio.read(position, most):
        pieces.append(piece)
        position += len(piece)
    assert b"".join(pieces) == audio.read(audio.begin, audio.end)
    assert position == audio.end


@pytest.mark.parametrize("frames", range(0, 200, 7))
def test_a_moment_of_the_call_and_its_position_are_the_same(frames):
    audio = kept()
    position = frames * FRAME
    assert audio.at(audio.seconds(position)) == position
    assert audio.at(round(audio.seconds(position), 4)) == position


def test_reading_from_before_what_is_kept_begins_with_the_oldest():
    audio = kept(most_s=0.5)
    audio.append(bytes(range(200)) + bytes(range(200)))
    assert audio.begin == 200
    assert audio.read(0, 3) == bytes([0, 1, 2])
