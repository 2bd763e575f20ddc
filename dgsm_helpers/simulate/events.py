"""Sessions cut into streams and laid out as one sequence of events, once for all runs over the same traffic."""

from typing import NamedTuple

import numpy as np

from dgsm_helpers.simulate.conditions import Conditions
from dgsm_helpers.simulate.traffic import STEP_S, Traffic, generator


class Events(NamedTuple):
    """Begins and ends of streams in order of time.

    ``starts_s`` and ``ends_s`` are of each stream. ``codes`` holds the stream's index for a begin and its bitwise
    complement for an end, ``times_s`` when it is; ends come first at the same moment. ``bounds[k]`` is the first event
    at or after tick k; ticks are ``tick_s`` apart. ``draws`` is one uniform random number a stream, for routing: the
    same stream draws the same number whatever the policy.
    """

    tick_s: float
    ticks: int
    longest_s: float
    starts_s: np.ndarray
    ends_s: np.ndarray
    times_s: np.ndarray
    codes: np.ndarray
    bounds: np.ndarray
    draws: np.ndarray


def lay_out(traffic: Traffic, conditions: Conditions) -> Events:
    """The traffic's events for `simulate`, to be made once for many runs with the same stream limit and seed.

    A session longer than the limit opens the next stream as one ends.
    """
    starts, ends = _streams(traffic, conditions.model.stream_limit_s)
    ending = np.flatnonzero(ends < traffic.horizon_s).astype(np.int32)
    ending = ending[np.argsort(ends[ending], kind="stable")]
    # Two runs that are in order already: numpy's stable sort merges them, and leaves the ends first at the same moment.
    codes = np.concatenate((~ending, np.arange(starts.size, dtype=np.int32)))
    times = np.concatenate((ends[ending], starts))
    order = np.argsort(times, kind="stable")
    codes, times = codes[order], times[order]
    ticks = int(np.ceil(traffic.horizon_s / STEP_S - 1e-9))
    return Events(
        tick_s=STEP_S,
        ticks=ticks,
        longest_s=float((ends - starts).max(initial=0.0)),
        starts_s=starts,
        ends_s=ends,
        times_s=times,
        codes=codes,
        bounds=np.searchsorted(times, np.arange(ticks + 1) * STEP_S, "left"),
        draws=generator(conditions.seed, 2).random(starts.size),
    )


def _streams(traffic: Traffic, limit_s: float) -> tuple[np.ndarray, np.ndarray]:
    """Begin and end of every stream that begins within the horizon, in order of the begins."""
    # What lies beyond the horizon is never played; a call "without end" must not become a million streams.
    durations = np.minimum(traffic.durations_s, traffic.horizon_s - traffic.starts_s + 1.0)
    pieces = np.maximum(1, np.ceil(durations / limit_s - 1e-9)).astype(int)
    long = np.flatnonzero(pieces > 1)
    # Every session's first stream: in order as they are, and none begins beyond the horizon.
    starts, ends = traffic.starts_s, traffic.starts_s + np.minimum(durations, limit_s)
    more = pieces[long] - 1
    if not more.size:
        return starts, ends
    number = np.arange(more.sum()) - np.repeat(np.cumsum(more) - more, more) + 1
    later_starts = np.repeat(traffic.starts_s[long], more) + number * limit_s
    later_ends = np.minimum(later_starts + limit_s, np.repeat(traffic.starts_s[long] + durations[long], more))
    order = np.argsort(later_starts, kind="stable")
    order = order[later_starts[order] < traffic.horizon_s]
    # Before what begins at the same moment, as the session did.
    places = np.searchsorted(starts, later_starts[order], "left")
    return np.insert(starts, places, later_starts[order]), np.insert(ends, places, later_ends[order])
