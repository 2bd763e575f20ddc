"""Recorded traffic: a CSV of calls, or a series of concurrency as CloudWatch keeps it, as sessions to simulate.

A series says how many streams there were, not how long each lasted; sessions are made so that their concurrency
equals the series at every point, with an exponential duration as far as the series lets them live.
"""

import csv
import heapq
import io
import math
import random
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np

from dgsm_helpers.errors import InvalidInput
from dgsm_helpers.simulate.traffic import Traffic, refuse_mean, refuse_size

_DATED_FROM_S = 1e9
"""Seconds from here on (2001) are Unix times; smaller ones count from a begin of their own."""
_DATED_TO_S = 1e11
"""Beyond this (the year 5138) they are milliseconds."""


@dataclass(frozen=True, kw_only=True)
class Series:
    """Concurrency over the whole variant, one value a period; ``start_s`` in Unix seconds (or from 0)."""

    name: str
    start_s: float
    period_s: float
    values: tuple[float, ...]

    @property
    def horizon_s(self) -> float:
        """Length of the series."""
        return self.period_s * len(self.values)


def read_calls(text: str, *, name: str = "calls") -> Traffic:
    """Read a CSV of calls with the columns ``start`` and either ``duration_s`` or ``end``.

    ``start`` and ``end`` are seconds or ISO 8601 times (UTC when they name no zone), ascending by start. The traffic
    begins with the first call and ends with the last one. Commas, semicolons or tabs separate columns.

    Raises:
        InvalidInput: no rows, a missing column or cell, a value that is no time, negative or unordered times.
    """
    rows = _rows(text, name, needed=("start",))
    if not {"duration_s", "end"} & rows[0][1].keys():
        raise InvalidInput(f"CSV {name!r} has neither a column duration_s nor end.", hint="Its header must name one.")
    by_end = "duration_s" not in rows[0][1]
    starts: list[float] = []
    durations: list[float] = []
    for number, row in rows:
        start = _time(row, "start", name, number)
        if starts and start < starts[-1]:
            raise InvalidInput(f"Line {number} of CSV {name!r} starts before the line above it.", hint="Sort by start.")
        length = _time(row, "end", name, number) - start if by_end else _number(row, "duration_s", name, number)
        if length <= 0:
            raise InvalidInput(f"Line {number} of CSV {name!r} is a call of {length:g} s; it must be above zero.")
        starts.append(start)
        durations.append(length)
    begins, lengths = np.array(starts) - starts[0], np.array(durations)
    return Traffic(
        name=name,
        starts_s=begins,
        durations_s=lengths,
        horizon_s=float((begins + lengths).max()),
        begin_s=_dated(starts[0]),
    )


def read_series(text: str, *, name: str = "series") -> Series:
    """Read a CSV with the columns ``time`` and ``streams``: concurrency over the whole variant, evenly spaced.

    Raises:
        InvalidInput: fewer than two rows, missing or negative values, unordered times, or a gap.
    """
    rows = _rows(text, name, needed=("time", "streams"))
    times = [_time(row, "time", name, number) for number, row in rows]
    values = [_number(row, "streams", name, number) for number, row in rows]
    return series_of(times, values, name=name)


def columns_of(text: str, *, name: str) -> tuple[str, ...]:
    """The columns that a CSV's header names, in lower case.

    Raises:
        InvalidInput: it is no CSV.
    """
    return tuple(_reader(text, name).fieldnames or ())


def moment_of(text: str) -> float:
    """An ISO 8601 time as Unix seconds; UTC when it names no zone.

    Raises:
        ValueError: it is none.
    """
    moment = datetime.fromisoformat(text)
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


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
        begin_s=_dated(series.start_s),
    )


def _reader(text: str, name: str) -> csv.DictReader[str]:
    lines = io.StringIO(text.lstrip("\ufeff"), newline=None)
    header = lines.readline()
    lines.seek(0)
    reader = csv.DictReader(lines, skipinitialspace=True, delimiter=max(",;\t", key=header.count))
    try:
        reader.fieldnames = [column.strip().lower() for column in reader.fieldnames or ()]
    except csv.Error as error:
        raise InvalidInput(f"The header of CSV {name!r} cannot be read: {error}.") from error
    return reader


def _rows(text: str, name: str, *, needed: tuple[str, ...]) -> list[tuple[int, dict[str, str]]]:
    """(line number, cells by column) of each row."""
    reader = _reader(text, name)
    columns = reader.fieldnames or ()
    if missing := [column for column in needed if column not in columns]:
        raise InvalidInput(
            f"CSV {name!r} has no column {', '.join(missing)}; it has {', '.join(columns) or 'nothing'}."
        )
    rows = []
    try:
        for row in reader:
            # A trailing separator is no cell, but `100,5,60` under two columns would be read as 5 s instead of 60.
            if any(cell.strip() for cell in row.pop(None, ())):
                raise InvalidInput(
                    f"Line {reader.line_num} of CSV {name!r} has more cells than its header has columns.",
                    hint="Write decimals with a point.",
                )
            rows.append((reader.line_num, row))
    except csv.Error as error:
        raise InvalidInput(f"Line {reader.line_num} of CSV {name!r} cannot be read: {error}.") from error
    if not rows:
        raise InvalidInput(f"CSV {name!r} has a header but no rows.")
    return rows


def _dated(start_s: float) -> float | None:
    return start_s if start_s >= _DATED_FROM_S else None


def _time(row: dict[str, str], column: str, name: str, number: int) -> float:
    cell = (row[column] or "").strip()
    try:
        moment = moment_of(cell)
    except ValueError:
        moment = None
    # A compact ISO time such as 20261124 is also a number; plain numbers are seconds.
    if moment is None or cell.isdigit():
        try:
            moment = _number(row, column, name, number)
        except InvalidInput as error:
            if not cell or cell[0] == "-":
                raise
            raise InvalidInput(
                f"Line {number} of CSV {name!r}: {column} {cell!r} is neither seconds nor an ISO time."
            ) from error
    if moment > _DATED_TO_S:
        raise InvalidInput(
            f"Line {number} of CSV {name!r}: {column} {cell} is no time in seconds.",
            hint="Divide milliseconds by 1000.",
        )
    return moment


def _number(row: dict[str, str], column: str, name: str, number: int) -> float:
    cell = (row[column] or "").strip()
    if not cell:
        raise InvalidInput(f"Line {number} of CSV {name!r} has no {column}.", hint="Fill it in or remove the line.")
    try:
        value = float(cell)
    except ValueError as error:
        raise InvalidInput(f"Line {number} of CSV {name!r}: {column} {cell!r} is no number.") from error
    if value < 0 or not math.isfinite(value):
        raise InvalidInput(f"Line {number} of CSV {name!r}: {column} must not be {cell}.")
    return value
