"""What a stream or call has to keep to."""

from dataclasses import dataclass, replace
from typing import Self

from dgsm_helpers.families import NOVA, Family, ServiceLevel


@dataclass(frozen=True)
class Alone:
    """What a single stream showed by itself, which others are compared with; None where there is nothing to compare.

    ``ending_s`` is the p95 of its ends, ``turns_per_s`` how many turns ended in a second, ``characters_per_s`` how many
    characters a second of its audio speaks.
    """

    ending_s: float
    turns_per_s: float | None = None
    characters_per_s: float | None = None


@dataclass(frozen=True, kw_only=True)
class Criteria(ServiceLevel):
    """A service level by name, with what lag and end are called in it.

    ``alone`` is the single stream that others are compared with, where there was one.
    """

    name: str
    lag_word: str = "lag"
    ending_word: str = "finalisation"
    alone: Alone | None = None

    def beside(self, alone: Alone) -> Self:
        """The same for streams that are compared with a single one."""
        ending_s = self.ending_s
        if ending_s is not None and self.beyond_alone_s is not None and alone.ending_s < float("inf"):
            ending_s = max(ending_s, alone.ending_s + self.beyond_alone_s)
        return replace(self, ending_s=ending_s, alone=alone)


def presets(family: Family) -> dict[str, Criteria]:
    """What is asked of a family's streams or calls, by name."""
    lag_word, ending_word = family.measures
    return {
        name: Criteria(name=name, lag_word=lag_word, ending_word=ending_word, **vars(bounds))
        for name, bounds in family.presets.items()
    }


STRICT = presets(NOVA)["strict"]
"""The default: p95 lag within 500 ms (Deepgram expects 200-500 ms in all), final within 1 s, no growth (1 ms/s)."""

DEEPGRAM = presets(NOVA)["deepgram"]
"""Deepgram's guide: average latency under 400 ms. Looser: a mean hides starved streams, and growth in a short hold."""
