"""Made-up weeks of calls, seeded: what a forecast is tried on.

Weeks begin on a Monday at midnight UTC. The first two are what a forecast may learn from; in the third the calendar
has its surprise, where the trace has one.
"""

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from dgsm_helpers.errors import InvalidInput
from dgsm_helpers.simulate.traffic import DAY_S, Traffic, from_level, generator

MONDAY_S = 1_791_763_200.0
"""Monday, 12 October 2026, midnight UTC."""
WEEKS = 3
_HOUR_S = 3600.0
_DAY_NOISE = 0.05
"""Spread of a day's height around the pattern's."""

Pattern = Callable[[np.ndarray, np.ndarray], np.ndarray]
"""Share of the peak by day (0: the first Monday) and hour of the day."""


def _office(day: np.ndarray, hour: np.ndarray) -> np.ndarray:
    """A call centre: from seven to ten up, a dip at noon, until evening down; a third of it on a Saturday."""
    hours = [0, 6, 7, 8, 9, 10, 11.5, 13, 14, 16, 17.5, 18.5, 20, 22, 24]
    share = [0.06, 0.06, 0.15, 0.5, 0.9, 1, 0.95, 0.75, 0.95, 1, 0.7, 0.4, 0.25, 0.12, 0.06]
    return np.interp(hour, hours, share) * np.select([day % 7 == 5, day % 7 == 6], [0.35, 0.25], 1.0)


def _weekend(day: np.ndarray, hour: np.ndarray) -> np.ndarray:
    """A ticket line: evenings, and most of all from Friday evening to Sunday."""
    hours, share = [0, 2, 9, 12, 17, 19, 21, 23, 24], [0.3, 0.06, 0.06, 0.3, 0.5, 0.9, 1, 0.6, 0.3]
    busy = (day % 7 > 4) | ((day % 7 == 4) & (hour >= 14))
    return np.interp(hour, hours, share) * np.where(busy, 1.0, 0.4)


def _campaign(day: np.ndarray, hour: np.ndarray) -> np.ndarray:
    """The call centre, with a mailing at ten on Tuesdays and Thursdays that brings almost twice the calls till noon."""
    mailing = ((day % 7 == 1) | (day % 7 == 3)) & (hour >= 10) & (hour < 12)
    return _office(day, hour) * np.where(mailing, 1.8, 1.0)


def _growth(day: np.ndarray, hour: np.ndarray) -> np.ndarray:
    """The call centre, growing by two and a half per cent a day: by half within the three weeks, and more."""
    return _office(day, hour) * 0.6 * 1.025**day


def _holiday(day: np.ndarray, hour: np.ndarray) -> np.ndarray:
    """The call centre, with a Wednesday in the last week on which hardly anybody calls."""
    return _office(day, hour) * np.where(day == 7 * (WEEKS - 1) + 2, 0.3, 1.0)


def _last_week(other: Pattern) -> Pattern:
    """The call centre, and in the last week something else: what no forecast can know."""

    def pattern(day: np.ndarray, hour: np.ndarray) -> np.ndarray:
        return np.where(day >= 7 * (WEEKS - 1), other(day, hour), _office(day, hour))

    return pattern


TRACES: dict[str, Pattern] = {
    "weekdays": _office,
    "weekend": _weekend,
    "campaign": _campaign,
    "growth": _growth,
    "holiday": _holiday,
}
"""Weeks that somebody who knows those before can foresee, or nearly."""

WRONG: dict[str, Pattern] = {
    "inverted week": _last_week(lambda day, hour: 1.06 - _office(day, hour)),
    "six hours later": _last_week(lambda day, hour: _office(day, (hour - 6) % 24)),
    "a third of the calls": _last_week(lambda day, hour: _office(day, hour) / 3),
    "twice the calls": _last_week(lambda day, hour: 2 * _office(day, hour)),
}
"""Weeks of which a forecast is wrong."""


def weeks(name: str, *, peak: float, mean_s: float = 300.0, seed: int = 0) -> Traffic:
    """Three weeks of calls of a trace of `TRACES` or `WRONG`, about ``peak`` streams at most; or InvalidInput."""
    pattern = (TRACES | WRONG).get(name)
    if pattern is None:
        raise InvalidInput(f"There is no trace {name!r}.", hint=f"Use one of {', '.join(TRACES | WRONG)}.")
    days = 7 * WEEKS
    noise = generator(seed, 4).normal(0.0, _DAY_NOISE, days)

    def level(t: np.ndarray) -> np.ndarray:
        day = (t // DAY_S).astype(int)
        return peak * pattern(day, t % DAY_S / _HOUR_S) * (1 + noise[day])

    made = from_level(name, level, horizon_s=days * DAY_S, mean_s=mean_s, seed=seed)
    return replace(made, begin_s=MONDAY_S)
