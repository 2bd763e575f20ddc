"""One ramp finds the neighbourhood of the knee in seconds: streams are added until the oldest ones fall behind.

An instance that takes N streams where it sustains K falls behind by N/K - 1 seconds a second. So the K whose backlog
fits the lag that was seen is an estimate, from a few seconds beyond the knee. It proves nothing: a hiccup may end a
ramp early, and what is no queue shows a knee of another kind. The holds of the search decide.

Pure: the same for real streams and for those in virtual time.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import isfinite
from statistics import median
from typing import Any

import numpy as np

START = 2
"""Streams that open first and show the lag without load."""
LEAD_S = 4.0
"""For which they are alone."""
GROWTH = 0.25
"""More streams a second, as a share of those that are open; at least one."""
WATCHED = 8
"""The oldest streams, whose lags are looked at: what only begins has a lag of its own."""
LOOK_S = 0.1
SENDS_AFTER_S = 0.3
"""From a stream's opening to its first audio at the model: the handshake's allowance (`share.OPEN_ALLOWANCE_S`) and a
chunk. Left out, a knee of 10 was taken for 12."""
RISE = 0.4
"""Of the lag's bound, by which the median has to have risen."""
LASTS_S = 1.0
"""How long it has to have risen: a hiccup drains away."""
GUESSES = 240


@dataclass(frozen=True)
class Ramp:
    """What a ramp showed, every `LOOK_S` seconds: how many ``streams`` were open, and the median lag of the oldest.

    NaN where no lag was known. ``wall_s`` seconds the instance was in use for it. ``refused``: the container took no
    more than the last of ``streams``.
    """

    streams: tuple[int, ...]
    lags_s: tuple[float, ...]
    wall_s: float
    refused: bool = False

    @property
    def knee(self) -> float:
        """About how many streams the instance sustains; as many as were open where nothing rose, 0 where none was."""
        top = self.streams[-1] if self.streams else 0
        if not top:
            return 0.0
        if self.refused:
            return float(top)
        lags_s = np.array(self.lags_s)
        looks = np.flatnonzero(np.isfinite(lags_s))
        without = _without_load(self.lags_s)
        guesses = np.linspace(max(top / 2, 1.0), top, GUESSES)
        late = round(SENDS_AFTER_S / LOOK_S)
        levels = np.zeros((len(self.streams), GUESSES))
        for look, streams in enumerate(self.streams[: len(self.streams) - late], start=late):
            levels[look] = np.maximum(levels[look - 1] + (streams / guesses - 1) * LOOK_S, 0.0)
        # What is seen now tells of the queue as it was when that audio came to it.
        came = np.maximum(looks - np.ceil(lags_s[looks] / LOOK_S).astype(int), 0)
        # Least absolute differences: hiccups are outliers.
        misses = np.abs(levels[came] - (lags_s[looks] - without)[:, np.newaxis]).sum(axis=0)
        return float(guesses[np.argmin(misses)])

    def to_dict(self) -> dict[str, Any]:
        """For the evidence, a look each second."""
        looks = range(0, len(self.streams), round(1 / LOOK_S))
        lags_ms = [round(self.lags_s[look] * 1000, 1) if isfinite(self.lags_s[look]) else None for look in looks]
        return {
            "knee": round(self.knee, 2),
            "refused": self.refused,
            "wall_s": round(self.wall_s, 3),
            "streams": [self.streams[look] for look in looks],
            "lag_ms": lags_ms,
        }


def openings_s(most: int) -> list[float]:
    """When each of ``most`` streams opens, in seconds from the beginning."""
    opens = [k / START for k in range(min(START, most))]
    at_s = LEAD_S
    while len(opens) < most:
        opens.append(at_s)
        at_s += 1 / max(1.0, GROWTH * len(opens))
    return opens


def risen(lags_s: Sequence[float], limit_s: float) -> bool:
    """Whether the lag has risen for as long and as far as ends a ramp; ``limit_s`` is the bound of the lag."""
    looks = round(LASTS_S / LOOK_S)
    if len(lags_s) * LOOK_S < LEAD_S + LASTS_S:
        return False
    return bool(np.min(lags_s[-looks:]) > _without_load(lags_s) + RISE * limit_s)


def _without_load(lags_s: Sequence[float]) -> float:
    """The lag of the first streams, as long as they were alone; the first second is that of their opening."""
    lead = [lag_s for lag_s in lags_s[round(1 / LOOK_S) : round(LEAD_S / LOOK_S)] if isfinite(lag_s)]
    return median(lead) if lead else 0.0
