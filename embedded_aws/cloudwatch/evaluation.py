"""Metric math: its values. `Evaluation` computes a parsed expression over the points of the queries it names.

A value is a number, a series (points by time), or an array of series. Rules of CloudWatch's user guide ("Metric math
syntax and functions", "Using IF expressions"), also where they surprise:

- Between two series a missing point counts as zero where the other has one; between a series and a number there is a
  result only where the series has a point.
- Dividing by zero drops the point: it is not-a-number to operators, and missing to FILL, to IF and in the result.
- AVG and SUM of an array count a missing point as zero; MAX and MIN, of which the guide says nothing, skip it.
- IF drops a point where its condition has none, and takes zero for a missing point of the branch chosen by "true".
- FILL fills every period of the query, also of a series without any point (an assumption: the guide does not say).
  REPEAT leaves what comes before the first point empty, LINEAR also what comes after the last.
- The result must be a series or an array of series, never a number.
"""

import math
import operator
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise

from embedded_aws.cloudwatch.expressions import Array, FunctionCall, Node, Number, Operation, QueryReference
from embedded_aws.cloudwatch.series_functions import (
    OF_SERIES,
    SHAPES,
    TIMES,
    Series,
    at_times,
    dropped,
    ordered,
    part_of,
    reduction,
    shaped,
)
from embedded_aws.gateway.refusal import AwsRefusal

Value = float | Series | list[Series]

_OPERATORS: Mapping[str, Callable[[float, float], float]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
    "^": operator.pow,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "==": operator.eq,
    "!=": operator.ne,
    "&&": lambda a, b: bool(a) and bool(b),
    "||": lambda a, b: bool(a) or bool(b),
}


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """Computes the expressions of a request.

    Args:
        values: result of each query that an expression names.
        metrics: the series of the request's metrics by id, for METRICS().
        periods: their periods by id, for PERIOD.
        grid: beginnings of all periods of the request.
    """

    values: Mapping[str, Value]
    metrics: Mapping[str, Series]
    periods: Mapping[str, int]
    grid: Sequence[float]

    def of(self, node: Node) -> Value:
        """An expression's value. Raises AwsRefusal: ValidationError, for operands that a function does not take."""
        match node:
            case Number(value=value):
                return value
            case QueryReference(id=name):
                return self.values[name]
            case Array(items=items):
                return self._array(items)
            case Operation(sign=sign, left=left, right=right):
                return _combined(_OPERATORS[sign], self.of(left), self.of(right))
            case FunctionCall(function="PERIOD", arguments=(QueryReference(id=name),)):
                return self._period(name)
            case FunctionCall(function="METRICS", words=words):
                return [series for name, series in self.metrics.items() if "".join(words) in name]
            case FunctionCall(function=function, arguments=arguments, words=words):
                return self._call(function, [self.of(argument) for argument in arguments], words)
        raise AssertionError(f"the parser makes no {node}")

    def _call(self, function: str, arguments: list[Value], words: Sequence[str]) -> Value:
        first, *others = arguments
        match function:
            case "FILL":
                return self._fill(first, words[0] if words else others[0])
            case "IF":
                return _choose(*arguments)
            case "TIME_SERIES":
                return dict.fromkeys(self.grid, _of_kind(function, first, float))
            case "FIRST" | "LAST":
                array = _array_of(function, first)
                return (array[0] if function == "FIRST" else array[-1]) if array else {}
            case "METRIC_COUNT":
                return float(len(_array_of(function, first)))
            case "REMOVE_EMPTY":
                return [one for one in _array_of(function, first) if dropped(one)[0]]
            case "SORT":
                most = _of_kind(function, others[0], float) if others else None
                return ordered(_array_of(function, first), partial(_total, words[0]), words[1], most)
            case "SLICE":
                begin, *ends = (_of_kind(function, one, float) for one in others)
                return part_of(_array_of(function, first), begin, ends[0] if ends else None)
        if function in SHAPES:
            return _each_point(partial(shaped, function), first)
        if isinstance(first, float):
            raise AwsRefusal(f"{function} takes a time series or an array of them, not a number.")
        if function in TIMES:
            return at_times(function, self.grid) if isinstance(first, dict) else _only_series(function)
        if function in OF_SERIES:
            return _each_series(lambda series: OF_SERIES[function](dropped(series)[0]), first)
        return _reduced(function, first)

    def _period(self, name: str) -> float:
        if name not in self.periods:
            raise AwsRefusal(f"PERIOD takes the id of a metric, which {name} is not.")
        return float(self.periods[name])

    def _array(self, items: Sequence[Node]) -> list[Series]:
        series: list[Series] = []
        for item in map(self.of, items):
            if isinstance(item, float):
                raise AwsRefusal(
                    "An array in an expression can hold time series only: numbers in it are not supported."
                )
            series.extend(item if isinstance(item, list) else [item])
        return series

    def _fill(self, value: Value, filler: Value | str) -> Value:
        if isinstance(value, list):
            return [self._filled(series, filler) for series in value]
        if isinstance(value, float):
            raise AwsRefusal("FILL takes a time series or an array of them as its first argument, not a number.")
        return self._filled(value, filler)

    def _filled(self, series: Series, filler: Value | str) -> Series:
        if isinstance(filler, list):
            raise AwsRefusal(
                "FILL takes a number, a time series, REPEAT or LINEAR as its second argument, not an array."
            )
        series = dropped(series)[0]
        if filler == "LINEAR":
            return self._linear(series)
        filled: Series = {}
        last: float | None = None
        for at in sorted({*self.grid, *series}):
            last = series.get(at, last)
            instead = filler.get(at) if isinstance(filler, dict) else last if isinstance(filler, str) else filler
            if (point := series.get(at, instead)) is not None:
                filled[at] = point
        return filled

    def _linear(self, series: Series) -> Series:
        filled = dict(series)
        for (left, low), (right, high) in pairwise(sorted(series.items())):
            for at in self.grid[bisect_right(self.grid, left) : bisect_left(self.grid, right)]:
                filled[at] = low + (high - low) * (at - left) / (right - left)
        return dict(sorted(filled.items()))


def _combined(compute: Callable[[float, float], float], left: Value, right: Value) -> Value:
    if isinstance(left, list):
        if isinstance(right, list):
            raise AwsRefusal("An operator between two arrays of time series is not supported.")
        return [_paired(compute, series, right) for series in left]
    if isinstance(right, list):
        return [_paired(compute, left, series) for series in right]
    if isinstance(left, float) and isinstance(right, float):
        return _number(compute, left, right)
    return _paired(compute, left, right)


def _paired(compute: Callable[[float, float], float], left: float | Series, right: float | Series) -> Series:
    """Point by point, at least one of both being a series."""
    times = {at for value in (left, right) if isinstance(value, dict) for at in value}
    return {at: _number(compute, _point(left, at), _point(right, at)) for at in sorted(times)}


def _point(value: float | Series, at: float) -> float:
    return value.get(at, 0.0) if isinstance(value, dict) else value


def _number(compute: Callable[[float, float], float], left: float, right: float) -> float:
    """The result; NaN when there is none, also of a comparison."""
    if math.isnan(left) or math.isnan(right):
        return math.nan
    try:
        result = compute(left, right)
    except (ZeroDivisionError, OverflowError):
        return math.nan
    return float(result) if not isinstance(result, complex) else math.nan


def _each_point(compute: Callable[[float], float], value: Value) -> Value:
    if isinstance(value, float):
        return compute(value)
    return _each_series(lambda series: {at: compute(point) for at, point in series.items()}, value)


def _each_series(compute: Callable[[Series], Series], value: Series | list[Series]) -> Value:
    return compute(value) if isinstance(value, dict) else [compute(series) for series in value]


def _of_kind[Kind](function: str, value: Value, kind: type[Kind]) -> Kind:
    if not isinstance(value, kind):
        words = {float: "a number", list: "an array of time series"}
        raise AwsRefusal(f"{function} takes {words[kind]} there.")
    return value


def _array_of(function: str, value: Value) -> list[Series]:
    return _of_kind(function, value, list)


def _only_series(function: str) -> Value:
    raise AwsRefusal(f"{function} takes a time series, not an array of them.")


def _total(function: str, series: Series) -> float:
    return reduction(function, list(dropped(series)[0].values()))


def _reduced(function: str, value: Series | list[Series]) -> Value:
    if not isinstance(value, list):
        return reduction(function, list(dropped(value)[0].values()))
    series = [dropped(one)[0] for one in value]
    reduced: Series = {}
    for at in sorted(set().union(*series)):
        points = [one[at] for one in series if at in one]
        if function == "AVG":
            points += [0.0] * (len(series) - len(points))
        reduced[at] = reduction(function, points)
    return reduced


def _choose(condition: Value, chosen: Value, otherwise: Value | None = None) -> Value:
    if isinstance(condition, list) or isinstance(chosen, list) or isinstance(otherwise, list):
        raise AwsRefusal("IF takes time series and numbers, not arrays.")
    if isinstance(chosen, dict):
        chosen = dropped(chosen)[0]
    if isinstance(otherwise, dict):
        otherwise = dropped(otherwise)[0]
    if isinstance(condition, float):
        if isinstance(chosen, float) or isinstance(otherwise, float):
            raise AwsRefusal("IF with a number as its condition takes time series as its other arguments.")
        return {} if math.isnan(condition) else chosen if condition else otherwise or {}
    result: Series = {}
    for at, value in dropped(condition)[0].items():
        if value:
            result[at] = chosen if isinstance(chosen, float) else chosen.get(at, 0.0)
        elif isinstance(otherwise, float):
            result[at] = otherwise
        elif otherwise is not None and at in otherwise:
            result[at] = otherwise[at]
    return result
