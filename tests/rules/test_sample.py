"""A recording goes round at its end, from wherever and for however long."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dgsm_helpers.errors import InvalidInput
from dgsm_helpers.load.transport.recordings import chunks
from dgsm_helpers.rules.sample import Recording


@given(pcm=st.binary(min_size=2, max_size=40), position=st.integers(0, 100), size=st.integers(0, 300))
def test_a_part_is_what_is_said_from_there_on_again_and_again(pcm, position, size):
    pcm = pcm[: len(pcm) // 2 * 2]
    expected = bytes(pcm[(position + index) % len(pcm)] for index in range(size))
    assert Recording(pcm=pcm, sample_rate=16_000).part(position, size) == expected


@pytest.mark.parametrize("pcm", [b"", b"\1"])
def test_of_a_recording_of_nothing_there_is_no_part(pcm):
    nothing = Recording(pcm, 16_000)
    assert nothing.part(0, 0) == b"" and nothing.duration_s == 0
    for ask in (lambda: nothing.part(0, 2), lambda: nothing.to_wav(1.0), lambda: next(chunks(nothing))):
        with pytest.raises(InvalidInput, match="no sample"):
            ask()
