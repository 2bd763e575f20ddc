"""Metric math's functions of single series and of arrays of them, beside those that reduce.

Where the user guide leaves something open: a first point has no predecessor, so that RATE, DIFF and DIFF_TIME have no
point there; SORT puts a series without points last; a logarithm that does not exist drops the point.

Source: CloudWatch user guide, "Using math expressions with CloudWatch metrics", table of functions.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from itertools import accumulate, pairwise

from embedded_aws.gateway.refusal import AwsRefusal

Series = dict[float, float]

SHAPES: Mapping[str, Callable[[float], float]] = {
    "ABS": abs,
    "CEIL": math.ceil,
    "FLOOR": math.floor,
    "LOG": math.log,
    "LOG10": math.log10,
}
"""Functions of a point."""

_REDUCTIONS: Mapping[str, Callable[[Sequence[float]], float]] = {
    "AVG": lambda points: math.fsum(points) / len(points),
    "MAX": max,
    "MIN": min,
    "SUM": math.fsum,
}

_TIMES: Mapping[str, Callable[[datetime], float]] = {
    "MINUTE": lambda at: at.minute,
    "HOUR": lambda at: at.hour,
    "DAY": datetime.isoweekday,
    "DATE": lambda at: at.day,
    "MONTH": lambda at: at.month,
    "YEAR": lambda at: at.year,
    "EPOCH": datetime.timestamp,
}
TIMES = tuple(_TIMES)
"""Functions of the time of a point, which has a value in every period."""


def shaped(function: str, point: float) -> float:
    """A function of ``SHAPES``; NaN where it has no value."""
    if not math.isfinite(point):
        return point
    try:
        return float(SHAPES[function](point))
    except ValueError:
        return math.nan


def at_times(function: str, grid: Sequence[float]) -> Series:
    """A function of ``TIMES`` at the beginning of each period, in UTC; DAY is 1 on a Monday."""
    return {at: float(_TIMES[function](datetime.fromtimestamp(at, UTC))) for at in grid}


def _differences(series: Series) -> Series:
    return {at: series[at] - series[before] for before, at in pairwise(sorted(series))}


def _time_differences(series: Series) -> Series:
    return {at: at - before for before, at in pairwise(sorted(series))}


def _rates(series: Series) -> Series:
    return {at: (series[at] - series[before]) / (at - before) for before, at in pairwise(sorted(series))}


def _running_sum(series: Series) -> Series:
    times = sorted(series)
    return dict(zip(times, accumulate(series[at] for at in times), strict=True))


OF_SERIES: Mapping[str, Callable[[Series], Series]] = {
    "DIFF": _differences,
    "DIFF_TIME": _time_differences,
    "RATE": _rates,
    "RUNNING_SUM": _running_sum,
}
"""Functions of a series, and of each series of an array."""


def ordered(
    array: Sequence[Series], measure: Callable[[Series], float], direction: str, most: float | None
) -> list[Series]:
    """SORT: an array by a number of each of its series, ``ASC`` or ``DESC``, no more than ``most``."""
    sign = -1 if direction == "DESC" else 1
    measured = [(value if not math.isnan(value := measure(one)) else sign * math.inf, one) for one in array]
    ranked = [one for _, one in sorted(measured, key=lambda pair: sign * pair[0])]
    return ranked if most is None else ranked[: _index(most)]


def part_of(array: Sequence[Series], begin: float, end: float | None) -> list[Series]:
    """SLICE: from ``begin`` on, counted from 0, and before ``end``."""
    return list(array[_index(begin) : None if end is None else _index(end)])


def _index(number: float) -> int:
    if not 0 <= number < 1e6 or number != int(number):
        raise AwsRefusal(f"SLICE and SORT count series in whole numbers from 0, not {number:g}.")
    return int(number)


def reduction(function: str, points: Sequence[float]) -> float:
    """AVG, MAX, MIN, SUM or DATAPOINT_COUNT of finite numbers; NaN without any, or when the sum is too large."""
    if function == "DATAPOINT_COUNT":
        return float(len(points))
    try:
        return float(_REDUCTIONS[function](points)) if points else math.nan
    except OverflowError:
        return math.nan


def dropped(series: Series) -> tuple[Series, bool]:
    """The series without points that are no numbers, and whether there were any."""
    finite = {at: value for at, value in series.items() if math.isfinite(value)}
    return finite, len(finite) < len(series)
