"""A recording goes round at its end, from wherever and for however long."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from dgsm_helpers.rules.sample import Recording


@given(pcm=st.binary(min_size=2, max_size=40), position=st.integers(0, 39), size=st.integers(0, 300))
def test_a_part_is_what_is_said_from_there_on_again_and_again(pcm, position, size):
    pcm = pcm[: len(pcm) // 2 * 2]
    position %= len(pcm)
    expected = bytes(pcm[(position + index) % len(pcm)] for index in range(size))
    assert Recording(pcm=pcm, sample_rate=16_000).part(position, size) == expected
