"""Where two hearings of the same audio meet: which words of the second one the first one had said already.

A session that takes over hears the last words again, so that none is lost. Both hearings give each word a time, and the
times differ a little; the words themselves settle what the times leave open.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

SAME_TEXT_S = 0.12
"""Seconds of difference in time that equal words outweigh: about half a spoken word."""

_COMPARED = 3


@dataclass(frozen=True, slots=True)
class HeardWord:
    """A word without case and punctuation; times in seconds of the call."""

    word: str
    start_s: float
    end_s: float


def words_said_already(said: Sequence[HeardWord], heard: Sequence[HeardWord]) -> int:
    """How many words at the beginning of ``heard`` are among ``said``, which ends where the first hearing ended.

    Of all places to cut ``heard``, the one nearest to the end of ``said`` counts; a place before which the same words
    stand as at the end of ``said`` is taken for nearer by `SAME_TEXT_S`.
    """
    if not said:
        return 0
    until_s = said[-1].end_s
    # Only places about the end of what was said come into question; the rest is decided by time alone.
    return min(
        range(len(heard) + 1), key=lambda cut: (_distance_s(heard, cut, until_s) - _bonus_s(said, heard, cut), cut)
    )


def _distance_s(heard: Sequence[HeardWord], cut: int, until_s: float) -> float:
    """Seconds from ``until_s`` to the pause before the word ``cut``, 0 within it."""
    left_s = heard[cut - 1].end_s if cut else float("-inf")
    right_s = heard[cut].start_s if cut < len(heard) else float("inf")
    first_s, last_s = min(left_s, right_s), max(left_s, right_s)
    return max(first_s - until_s, until_s - last_s, 0.0)


def _bonus_s(said: Sequence[HeardWord], heard: Sequence[HeardWord], cut: int) -> float:
    compared = min(cut, len(said), _COMPARED)
    same = sum(said[-1 - back].word == heard[cut - 1 - back].word for back in range(compared))
    return SAME_TEXT_S * same / compared if compared else 0.0
