"""Sessions cut into streams, their begins and ends in order of time, once for all runs over the same traffic."""

from typing import NamedTuple

import numpy as np

from dgsm_helpers.simulate.conditions import Conditions
from dgsm_helpers.simulate.traffic import STEP_S, Traffic, generator


class Events(NamedTuple):
    """Begins and ends of streams.

    ``starts_s`` and ``ends_s`` are of each stream, in order of the begins; ``ending`` are the streams that end within
    the horizon, in order of the ends. ``bounds[k]`` is how many of both come before tick k; ticks are ``tick_s`` apart.
    ``draws`` is one uniform random number a stream, for routing: the same stream draws the same number whatever the
    policy.
    """

    tick_s: float
    ticks: int
    longest_s: float
    starts_s: np.ndarray
    ends_s: np.ndarray
    ending: np.ndarray
    bounds: np.ndarray
    draws: np.ndarray


def lay_out(traffic: Traffic, conditions: Conditions) -> Events:
    """The traffic's events for `simulate`, to be made once for many runs with the same stream limit and seed.

    A session longer than the limit opens the next stream as one ends.
    """
    from dgsm_helpers.simulate.end_order import ending_before  # numba, which only those wait for who simulate

    starts, ends = _streams(traffic, conditions.model.stream_limit_s)
    ending, in_order_s = ending_before(traffic.horizon_s, ends)
    ticks = int(np.ceil(traffic.horizon_s / STEP_S - 1e-9))
    at_s = np.arange(ticks + 1) * STEP_S
    return Events(
        tick_s=STEP_S,
        ticks=ticks,
        longest_s=float((ends - starts).max(initial=0.0)),
        starts_s=starts,
        ends_s=ends,
        ending=ending,
        bounds=np.stack((np.searchsorted(starts, at_s), np.searchsorted(in_order_s, at_s)), axis=1),
        draws=generator(conditions.seed, 2).random(starts.size),
    )


def _streams(traffic: Traffic, limit_s: float) -> tuple[np.ndarray, np.ndarray]:
    """Begin and end of every stream that begins within the horizon, in order of the begins."""
    # The compiled loop is compiled for arrays like those that numpy makes, not for every way to hand one over.
    begins = np.require(traffic.starts_s, requirements=["C", "A", "W"])
    # What lies beyond the horizon is never played; a call "without end" must not become a million streams.
    durations = np.minimum(traffic.durations_s, traffic.horizon_s - begins + 1.0)
    pieces = durations / limit_s - 1e-9
    long = np.flatnonzero(pieces > 1)
    # Every session's first stream: in order as they are, and none begins beyond the horizon.
    starts, ends = begins, begins + np.minimum(durations, limit_s)
    if not long.size:
        return starts, ends
    more = np.ceil(pieces[long]).astype(int) - 1
    number = np.arange(more.sum()) - np.repeat(np.cumsum(more) - more, more) + 1
    later_starts = np.repeat(begins[long], more) + number * limit_s
    later_ends = np.minimum(later_starts + limit_s, np.repeat(begins[long] + durations[long], more))
    order = np.argsort(later_starts, kind="stable")
    order = order[later_starts[order] < traffic.horizon_s]
    # Before what begins at the same moment, as the session did.
    places = np.searchsorted(starts, later_starts[order], "left")
    return np.insert(starts, places, later_starts[order]), np.insert(ends, places, later_ends[order])
