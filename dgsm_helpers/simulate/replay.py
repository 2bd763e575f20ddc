"""Recorded traffic: a CSV of calls, or a series of concurrency as CloudWatch keeps it, as sessions to simulate.

A series says how many streams there were, not how long each lasted; sessions are made so that their concurrency
equals the series at every point, with an exponential duration as far as the series lets them live.
"""

from __future__ import annotations

import csv
import heapq
import io
import math
import random
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np

from ..errors import InvalidInput
from .traffic import Traffic


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
    begins with the first call and ends with the last one.

    Raises:
        InvalidInput: no rows, a missing column or cell, a value that is no time, negative or unordered times.
    """
    rows = _rows(text, name, needed=("start",))
    if "duration_s" not in rows[0] and "end" not in rows[0]:
        raise InvalidInput(f"CSV {name!r} has neither a column duration_s nor end.", hint="Its header must name one.")
    by_end = "duration_s" not in rows[0]
    starts, durations = [], []
    for number, row in enumerate(rows, start=2):
        start = _time(row, "start", name, number)
        durations.append(_time(row, "end", name, number) - start if by_end else _time(row, "duration_s", name, number))
        starts.append(start)
        if durations[-1] <= 0:
            raise InvalidInput(
                f"Line {number} of CSV {name!r} is a call of {durations[-1]:g} s; it must be above zero."
            )
        if len(starts) > 1 and start < starts[-2]:
            raise InvalidInput(f"Line {number} of CSV {name!r} starts before the line above it.", hint="Sort by start.")
    first = starts[0]
    lengths = np.array(durations)
    begins = np.array(starts) - first
    return Traffic(name=name, starts_s=begins, durations_s=lengths, horizon_s=float((begins + lengths).max()))


def read_series(text: str, *, name: str = "series") -> Series:
    """Read a CSV with the columns ``time`` and ``streams``: concurrency over the whole variant, evenly spaced.

    Raises:
        InvalidInput: fewer than two rows, missing or negative values, unordered times, or a gap.
    """
    rows = _rows(text, name, needed=("time", "streams"))
    times = [_time(row, "time", name, number) for number, row in enumerate(rows, start=2)]
    values = [_number(row, "streams", name, number) for number, row in enumerate(rows, start=2)]
    return series_of(times, values, name=name)


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
    if not mean_s > 0:
        raise InvalidInput(f"The mean duration of a session must be above zero, not {mean_s} s.")
    rng = random.Random(seed)
    starts: list[float] = []
    ends: list[float] = []
    live: list[tuple[float, int]] = []
    for index, value in enumerate(series.values):
        now_s = index * series.period_s
        while live and live[0][0] <= now_s:
            ends[live[0][1]] = live[0][0]
            heapq.heappop(live)
        wanted = round(value)
        while len(live) > wanted:
            ends[heapq.heappop(live)[1]] = now_s
        while len(live) < wanted:
            starts.append(now_s)
            ends.append(0.0)
            # A session cut short by a falling series must have lived at least a moment.
            heapq.heappush(live, (now_s + series.period_s * 0.5 + rng.expovariate(1 / mean_s), len(starts) - 1))
    for end_s, index in live:
        ends[index] = max(end_s, series.horizon_s)
    begins = np.array(starts)
    return Traffic(name=series.name, starts_s=begins, durations_s=np.array(ends) - begins, horizon_s=series.horizon_s)


def _rows(text: str, name: str, *, needed: tuple[str, ...]) -> list[dict[str, str]]:
    reader = csv.DictReader(io.StringIO(text.lstrip("\ufeff")), skipinitialspace=True)
    missing = [column for column in needed if column not in (reader.fieldnames or ())]
    if missing:
        found = ", ".join(reader.fieldnames or ()) or "nothing"
        raise InvalidInput(f"CSV {name!r} has no column {', '.join(missing)}; it has {found}.")
    rows = list(reader)
    if not rows:
        raise InvalidInput(f"CSV {name!r} has a header but no rows.")
    return rows


def _time(row: dict[str, str], column: str, name: str, number: int) -> float:
    cell = (row[column] or "").strip()
    try:
        return _number(row, column, name, number)
    except InvalidInput:
        if not cell or cell[0] == "-":
            raise
    try:
        moment = datetime.fromisoformat(cell)
    except ValueError as error:
        raise InvalidInput(f"Line {number} of CSV {name!r}: {cell!r} is neither seconds nor an ISO time.") from error
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


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
