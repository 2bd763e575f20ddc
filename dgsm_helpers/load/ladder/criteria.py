"""What a stream or call has to keep to."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from dgsm_helpers.families import NOVA, Family


@dataclass(frozen=True)
class Alone:
    """What a single stream showed by itself, which others are compared with; None where there is nothing to compare.

    ``ending_s`` is the p95 of its ends, ``turns_per_s`` how many turns ended in a second, ``characters_per_s`` how many
    characters a second of its audio speaks.
    """

    ending_s: float
    turns_per_s: float | None = None
    characters_per_s: float | None = None


@dataclass(frozen=True)
class Criteria:
    """What a stream has to keep to.

    ``lag_s`` bounds the ``statistic`` of its lag (p95 or mean); ``ending_s`` how long an end takes: the last final
    result after the audio's end, the end of a turn after the last word, the first audio after a text; ``slope`` the
    growth of lag in seconds per second. None leaves a bound out. ``lag_word`` and ``ending_word`` say what lag and end
    are called.

    ``beyond_alone_s``: an end may take so much longer than a single stream's, whatever ``ending_s`` says. ``alone`` is
    that single stream, where there was one.
    """

    name: str
    lag_s: float
    statistic: Literal["p95", "mean"] = "p95"
    ending_s: float | None = None
    slope: float | None = None
    lag_word: str = "lag"
    ending_word: str = "finalisation"
    beyond_alone_s: float | None = None
    alone: Alone | None = None

    def beside(self, alone: Alone) -> Criteria:
        """The same for streams that are compared with a single one."""
        ending_s = self.ending_s
        if ending_s is not None and self.beyond_alone_s is not None and alone.ending_s < float("inf"):
            ending_s = max(ending_s, alone.ending_s + self.beyond_alone_s)
        return replace(self, ending_s=ending_s, alone=alone)


def presets(family: Family) -> dict[str, Criteria]:
    """What is asked of a family's streams or calls, by name."""
    lag_word, ending_word = family.measures
    return {
        name: Criteria(
            name=name,
            lag_s=bounds.lag_s,
            statistic=bounds.statistic,
            ending_s=bounds.ending_s,
            slope=bounds.slope,
            lag_word=lag_word,
            ending_word=ending_word,
            beyond_alone_s=bounds.beyond_alone_s,
        )
        for name, bounds in family.presets.items()
    }


STRICT = presets(NOVA)["strict"]
"""The default: p95 lag within 500 ms (Deepgram expects 200-500 ms in all), final within 1 s, no growth (1 ms/s)."""

DEEPGRAM = presets(NOVA)["deepgram"]
"""Deepgram's guide: average latency under 400 ms. Looser: a mean hides starved streams, and growth in a short hold."""
