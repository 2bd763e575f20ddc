"""Sessions cut into streams and laid out as one sequence of events, once for all runs over the same traffic."""

from dataclasses import dataclass

import numpy as np

from dgsm_helpers.simulate.conditions import Conditions
from dgsm_helpers.simulate.traffic import STEP_S, Traffic, generator


@dataclass(frozen=True, kw_only=True, eq=False)
class Events:
    """Begins and ends of streams in order of time.

    ``codes`` holds the stream's index for a begin and its bitwise complement for an end; ends come first at the same
    moment. ``bounds[k]`` is the first event at or after tick k; ticks are ``tick_s`` apart. ``draws`` is one uniform
    random number a stream, for routing: the same stream draws the same number whatever the policy.
    """

    tick_s: float
    ticks: int
    starts_s: list[float]
    ends_s: list[float]
    longest_s: float
    times_s: list[float]
    codes: list[int]
    bounds: list[int]
    draws: list[float]


def lay_out(traffic: Traffic, conditions: Conditions) -> Events:
    """The traffic's events for `simulate`, to be made once for many runs with the same stream limit and seed.

    A session longer than the limit opens the next stream as one ends.
    """
    stream_limit_s = conditions.model.stream_limit_s
    # What lies beyond the horizon is never played; a call "without end" must not become a million streams.
    durations = np.minimum(traffic.durations_s, traffic.horizon_s - traffic.starts_s + 1.0)
    pieces = np.maximum(1, np.ceil(durations / stream_limit_s - 1e-9)).astype(int)
    number = np.arange(pieces.sum()) - np.repeat(np.cumsum(pieces) - pieces, pieces)
    starts = np.repeat(traffic.starts_s, pieces) + number * stream_limit_s
    ends = np.minimum(starts + stream_limit_s, np.repeat(traffic.starts_s + durations, pieces))
    order = np.argsort(starts, kind="stable")
    starts, ends = starts[order], ends[order]
    inside = starts < traffic.horizon_s
    starts, ends = starts[inside], ends[inside]
    index = np.arange(starts.size)
    ending = ends < traffic.horizon_s
    times = np.concatenate((ends[ending], starts))
    codes = np.concatenate((~index[ending], index))
    order = np.argsort(times, kind="stable")
    times = times[order]
    ticks = int(np.ceil(traffic.horizon_s / STEP_S - 1e-9))
    return Events(
        tick_s=STEP_S,
        ticks=ticks,
        starts_s=starts.tolist(),
        ends_s=ends.tolist(),
        longest_s=float((ends - starts).max(initial=0.0)),
        times_s=times.tolist(),
        codes=codes[order].tolist(),
        bounds=np.searchsorted(times, np.arange(ticks + 1) * STEP_S, "left").tolist(),
        draws=generator(conditions.seed, 2).random(starts.size).tolist(),
    )
