"""Erlang's formulas: how often a call finds every place taken, and how long one waits that may wait.

A *place* is room for one stream. Calls begin independently of each other (Poisson); ``erlangs`` are calls begun in a
second times their mean length in seconds, which is how many would be in progress at once if there were room for all.

Source: A. K. Erlang (1917); V. B. Iversen, ITU Teletraffic Engineering Handbook.
"""

import math

from scipy.special import gammainc  # all of scipy.stats would cost half a second

from dgsm_helpers.errors import InvalidInput


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
    return float(gammainc(places, erlangs)) if places else 1.0


def _check(places: int, erlangs: float) -> None:
    if places < 0 or not 0 <= erlangs < math.inf:
        raise InvalidInput(f"{erlangs} erlangs on {places} places: both must be numbers of zero or more.")
