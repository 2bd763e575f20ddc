"""Recorded traffic: a series of concurrency, as CloudWatch keeps it, as sessions to simulate.

A series says how many streams there were, not how long each lasted; sessions are made so that their concurrency
equals the series at every point, with an exponential duration as far as the series lets them live.
"""

import heapq
import math
import random
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from dgsm_helpers.errors import InvalidInput
from dgsm_helpers.simulate.traffic import DATED_FROM_S, Traffic, refuse_mean, refuse_size


@dataclass(frozen=True, kw_only=True)
class Series:
    """Concurrency over the whole variant, one value a period; ``start_s`` in Unix seconds (or from 0)."""

    name: str
    start_s: float
    period_s: float
    values: tuple[float, ...]

    @property
    def horizon_s(self) -> float:
        return self.period_s * len(self.values)


def series_of(times_s: Sequence[float], values: Sequence[float], *, name: str = "series") -> Series:
    """A series from points, such as GetMetricData's; refuses gaps rather than fill them.

    Ask CloudWatch for the ``Sum`` of ConcurrentRequestsPerModel at its ten seconds: one sample an instance, so that the
    sum is the concurrency of the whole variant.

    Raises:
        InvalidInput: fewer than two points, unordered times, a gap, a negative value.
    """
    if len(times_s) != len(values) or len(times_s) < 2:
        raise InvalidInput(f"Series {name!r} needs at least two points, each with a time and a value.")
    spacing = np.diff(np.asarray(times_s, float))
    if (spacing <= 0).any():
        index = int(np.argmax(spacing <= 0)) + 1
        raise InvalidInput(
            f"Point {index + 1} of series {name!r} is not later than the one before.", hint="Sort by time."
        )
    period_s = float(spacing.min())
    wide = spacing > period_s * 1.001
    if wide.any():
        index = int(np.argmax(wide))
        raise InvalidInput(
            f"Series {name!r} has a gap of {spacing[index]:g} s after point {index + 1}; its period is {period_s:g} s.",
            hint="Fill the gap or cut the series there.",
        )
    if (low := min(values)) < 0 or not all(map(math.isfinite, values)):
        raise InvalidInput(f"Series {name!r} holds a value that is negative or no number (lowest: {low:g}).")
    return Series(name=name, start_s=float(times_s[0]), period_s=period_s, values=tuple(map(float, values)))


def replay(series: Series, *, mean_s: float, seed: int = 0) -> Traffic:
    """Sessions whose concurrency at each point of the series is its value, rounded.

    Args:
        series: concurrency over the whole variant.
        mean_s: mean duration of a session, which the series cannot tell: it decides how long streams stay where they
            are.
        seed: of the durations.
    """
    refuse_mean(mean_s)
    rng = random.Random(seed)
    starts: list[float] = []
    ends: list[float] = []
    live: list[tuple[float, int]] = []
    for index, value in enumerate(series.values):
        now_s = index * series.period_s
        while live and live[0][0] <= now_s:
            ends[live[0][1]] = live[0][0]
            heapq.heappop(live)
        aim = round(value)
        refuse_size(series.name, horizon_s=series.horizon_s, sessions=len(starts) + max(0, aim - len(live)))
        while len(live) > aim:
            ends[heapq.heappop(live)[1]] = now_s
        while len(live) < aim:
            starts.append(now_s)
            ends.append(0.0)
            # A session cut short by a falling series must have lived at least a moment.
            heapq.heappush(live, (now_s + series.period_s * 0.5 + rng.expovariate(1 / mean_s), len(starts) - 1))
    for end_s, index in live:
        ends[index] = max(end_s, series.horizon_s)
    begins = np.array(starts)
    return Traffic(
        name=series.name,
        starts_s=begins,
        durations_s=np.array(ends) - begins,
        horizon_s=series.horizon_s,
        begin_s=series.start_s if series.start_s >= DATED_FROM_S else None,
        in_progress=int(np.count_nonzero(begins == 0)),
    )
