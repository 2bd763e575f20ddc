"""A fleet of fixed size whose full instances refuse: how many calls get in, by Erlang's formulas and one by one.

A *place* is room for one stream. Calls begin independently of each other (Poisson); ``erlangs`` are calls begun in a
second times their mean length in seconds, which is how many would be in progress at once if there were room for all.

Source: A. K. Erlang (1917); V. B. Iversen, ITU Teletraffic Engineering Handbook.
"""

import math
from heapq import heappop, heappush

import numpy as np

from dgsm_helpers.errors import InvalidInput
from dgsm_helpers.rules.fleet import LEAST_OUTSTANDING_REQUESTS, choose_instance
from dgsm_helpers.simulate.traffic import LONGEST_S, Traffic, generator


def erlang_b(places: int, erlangs: float) -> float:
    """Share of calls that find all places taken, when such a call is refused and does not come back.

    It holds whatever the lengths of calls are distributed like.

    Raises:
        InvalidInput: places or erlangs are negative or no number.
    """
    _check(places, erlangs)
    if not erlangs:
        return 0.0 if places else 1.0
    inverse = 1.0
    for place in range(1, places + 1):
        inverse = 1.0 + inverse * place / erlangs
    return 1.0 / inverse


def erlang_c(places: int, erlangs: float) -> float:
    """Share of calls that have to wait, when a call waits until a place is free; 1 where the places never suffice.

    Lengths are taken to be exponential.

    Raises:
        InvalidInput: places or erlangs are negative or no number.
    """
    if not places or erlangs >= places:
        _check(places, erlangs)
        return 1.0
    blocked = erlang_b(places, erlangs)
    return blocked / (1.0 - erlangs / places * (1.0 - blocked))


def mean_wait_s(places: int, erlangs: float, *, mean_s: float) -> float:
    """Seconds that a call waits on average, those that need not wait included; infinite where places never suffice."""
    if erlangs >= places:
        return math.inf
    return erlang_c(places, erlangs) * mean_s / (places - erlangs)


def crowded_share(places: int, erlangs: float) -> float:
    """Share of calls that come to as many as there are places or more, when none is refused and none waits."""
    _check(places, erlangs)
    from scipy.special import gammainc  # half a second; scipy.stats would cost another

    return float(gammainc(places, erlangs)) if places else 1.0


def _check(places: int, erlangs: float) -> None:
    if places < 0 or not 0 <= erlangs < math.inf:
        raise InvalidInput(f"{erlangs} erlangs on {places} places: both must be numbers of zero or more.")


_SETTLING_LENGTHS = 5
"""Mean lengths of a call after which a fleet that was empty is as full as it will be."""


def pools_of(routing: str, instances: int, knee: int, erlangs: float) -> tuple[int, int, float]:
    """How many pools of places the fleet falls into, the places of each, and the erlangs that each is offered.

    With LEAST_OUTSTANDING_REQUESTS a call finds a full instance only when all are full: one pool. With RANDOM every
    instance is a pool of its own.
    """
    if routing == LEAST_OUTSTANDING_REQUESTS:
        return 1, instances * knee, erlangs
    return instances, knee, erlangs / instances


def full_share_of(routing: str, instances: int, knee: int, erlangs: float) -> float:
    """Share of calls that find a full instance (Erlang B), if they are refused."""
    _, places, share = pools_of(routing, instances, knee, erlangs)
    return erlang_b(places, share)


def least_instances(routing: str, knee: int, erlangs: float, share: float) -> int:
    """The least instances on which at most ``share`` of the calls find a full one."""
    # By doubling and halving: the share falls with every instance.
    enough = 1
    while full_share_of(routing, enough, knee, erlangs) > share:
        enough *= 2
    too_few = enough // 2
    while enough - too_few > 1:
        middle = (enough + too_few) // 2
        if full_share_of(routing, middle, knee, erlangs) > share:
            too_few = middle
        else:
            enough = middle
    return enough


def admitted(traffic: Traffic, *, instances: int, places: int, routing: str, seed: int = 0) -> np.ndarray:
    """Whether each session of ``traffic`` gets a place; a refused one does not come back.

    A session is routed as a stream is (`rules.fleet.choose_instance`), and refused when the instance that was chosen
    holds ``places`` already: SageMaker does not try a second one.

    Args:
        instances: how many there are, throughout.
        places: streams that each of them takes.
        routing: RANDOM or LEAST_OUTSTANDING_REQUESTS.

    Returns:
        Booleans, shape (sessions,).

    Raises:
        InvalidInput: no instance, no place, or a strategy SageMaker does not have.
    """
    if instances < 1 or places < 1:
        raise InvalidInput(f"{instances} instances with {places} places each take no call.")
    counts, live = [0] * instances, list[tuple[float, int]]()
    inside = np.zeros(traffic.sessions, bool)
    draws = generator(seed, 2).random(traffic.sessions).tolist()
    ends = (traffic.starts_s + traffic.durations_s).tolist()
    for index, (start_s, end_s, draw) in enumerate(zip(traffic.starts_s.tolist(), ends, draws, strict=True)):
        while live and live[0][0] <= start_s:
            counts[heappop(live)[1]] -= 1
        slot = choose_instance(counts, routing, draw)
        if counts[slot] < places:
            counts[slot] += 1
            heappush(live, (end_s, slot))
            inside[index] = True
    return inside


def simulated_full_share(
    *,
    instances: int,
    places: int,
    routing: str,
    erlangs: float,
    call_s: float,
    seed: int = 0,
    calls: int = 200_000,
) -> float:
    """The share of calls that found a full instance, of about ``calls`` simulated ones.

    Calls that begin while the fleet is still filling do not count.
    """
    settling_s, every_s = _SETTLING_LENGTHS * call_s, call_s / erlangs
    horizon_s = min(LONGEST_S, settling_s + calls * every_s)
    rng = generator(seed, 3)
    starts_s = np.cumsum(rng.exponential(every_s, int(horizon_s / every_s * 1.1) + 100))
    starts_s = starts_s[starts_s < horizon_s]
    durations_s = rng.exponential(call_s, starts_s.size) + 1e-9
    traffic = Traffic(name="calls at random", starts_s=starts_s, durations_s=durations_s, horizon_s=horizon_s)
    inside = admitted(traffic, instances=instances, places=places, routing=routing, seed=seed)
    counted = inside[starts_s >= settling_s]
    return float(1.0 - counted.mean()) if counted.size else 0.0
