"""What a column of somebody's table says of moments: in one order, in one zone. What could be two is refused."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from typing import Literal

from dgsm_helpers.errors import InvalidInput
from dgsm_helpers.planning.cells import NUMBER, Cell, number

_THIS_CENTURY_S = 946_684_800, 4_102_444_800
"""In Unix times. Beyond it are milliseconds, of this century too."""
_DAYS_OF_THIS_CENTURY = 36526.0, 73050.0
"""Days since 1899-12-30, as spreadsheets count them."""

_MOMENT = re.compile(
    r"(?:[a-z]{3,9},?\s+)??"
    r"(?:(?P<y>\d{4})(?P<s1>[-/.])(?P<m>\d{1,2})(?P=s1)(?P<d>\d{1,2})"
    r"|(?P<a>\d{1,2})(?P<s2>[-/.])(?P<b>\d{1,2})(?P=s2)(?P<y2>\d{4}|\d{2}(?!\d))"
    r"|(?P<d3>\d{1,2})[- ](?P<month>[a-z]{3,9})\.?[-, ]+(?P<y3>\d{4})"
    r"|(?P<month4>[a-z]{3,9})\.? (?P<d4>\d{1,2}),? (?P<y4>\d{4}))"
    r"(?:[t, ]+(?P<hour>\d{1,2}):(?P<minute>\d{2})(?::(?P<second>\d{2})(?P<fraction>[.,]\d+)?)?"
    r"\s*(?P<half>[ap])?(?(half)\.?m\.?)\s*(?P<zone>z|[+-]\d{2}(?::?\d{2})?|[a-z]{2,5})?)?",
    re.ASCII | re.IGNORECASE,
)
_UNSEPARATED = re.compile(
    r"(?P<date>20\d{6})(?P<time>\d{6}(?:[.,]\d+)?|\d{4})(?P<zone>z|[+-]\d{2}(?::?\d{2})?)?", re.ASCII | re.IGNORECASE
)
"""YYYYMMDDHHMMSS and YYYYMMDDHHMM. As Unix times they would be after 2600, or in 1976."""
_LIKE_SECONDS = (
    ("%H%M%S", re.compile(r"0\d{5}", re.ASCII)),
    ("%Y%m%d", re.compile(r"20\d{6}", re.ASCII)),
    ("%d%m%Y", re.compile(r"\d{4}20\d\d", re.ASCII)),
    ("%Y%m%d%H", re.compile(r"20\d{8}", re.ASCII)),
    ("%y%m%d%H%M", re.compile(r"[02-9]\d{9}", re.ASCII)),
    ("%d%m%y%H%M", re.compile(r"[02-9]\d{9}", re.ASCII)),
)
"""Dates and times that would pass as seconds, and what one of a column looks like that is no Unix time before 2033."""
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")

type DateOrder = Literal["day-first", "month-first"]


@dataclass(frozen=True)
class _Written:
    """A date as it was written: ``a`` and ``b`` are day and month, in the order that the separator does not tell.

    A ``short`` year has two figures; ``a`` might be it.
    """

    cell: Cell
    a: int
    b: int
    year: int
    since_midnight: timedelta
    zone: tzinfo | None
    short: bool = False


def moments(
    cells: Iterable[Cell], *, zone: tzinfo | None = None, order: DateOrder | None = None
) -> tuple[list[float], list[str]]:
    """The cells of a column as seconds: Unix times, or seconds from a begin of their own; and what was assumed.

    Seconds or milliseconds since 1970, ISO 8601, RFC 2822, YYYYMMDDHHMMSS, and dates as spreadsheets write them. Dates
    such as 3/4/2026 are read in ``order``, or in the one that another cell of the column proves.

    Args:
        cells: of one column.
        zone: of times that name none; UTC, with a note, when it is not given.
        order: of day and month.

    Raises:
        InvalidInput: one is no time, has no time of day, or could be two.
    """
    cells = list(cells)
    written = [_written(cell, zone) for cell in cells]
    _refuse_day_numbers(cells, written)
    _refuse_unseparated(cells)
    notes: list[str] = []
    unsure = [one for one in written if isinstance(one, _Written)]
    if unsure and order is None:
        order, proof = _proven_order(unsure)
        notes.append(f"Dates are read {order.replace('-', ' ')}: {proof.text} ({proof.place}) can be nothing else.")
    elif order is not None:
        _check(order)
    day_first = order == "day-first"
    values, naive = [], False
    for one in written:
        if isinstance(one, float):
            values.append(one)
            continue
        moment = _built(one, day_first=day_first) if isinstance(one, _Written) else one
        naive |= moment.tzinfo is None
        values.append((moment if moment.tzinfo else moment.replace(tzinfo=zone or UTC)).timestamp())
    if naive and zone is None:
        notes.append("Times that name no zone are taken as UTC; say another with zone=Europe/Berlin in the columns.")
    return values, notes


def _refuse_day_numbers(cells: Iterable[Cell], written: Iterable[object]) -> None:
    """A spreadsheet's dates that lost their format: read as seconds, all calls of a month would begin at once."""
    numbers = [(one, cell) for cell, one in zip(cells, written, strict=True) if isinstance(one, float)]
    if not numbers:
        return
    least, most = min(one for one, _ in numbers), max(one for one, _ in numbers)
    unround = next((cell for one, cell in numbers if one % 1), None)
    if unround and _DAYS_OF_THIS_CENTURY[0] <= least and most < min(least + 366, _DAYS_OF_THIS_CENTURY[1]):
        raise unround.refused(
            "may be a day's number in a spreadsheet, or seconds",
            "Give the column a format with date and time there, such as 2026-11-24 09:00:00, and save it again.",
        )


def _refuse_unseparated(cells: Sequence[Cell]) -> None:
    """A column of dates and times that would pass as seconds."""
    texts = {cell.text.strip() for cell in cells}
    for pattern, told in _LIKE_SECONDS:
        one = next((cell for cell in cells if told.fullmatch(cell.text.strip())), None)
        if one and all(_is_written(text, pattern) for text in texts):
            raise one.refused("may be a date or a time, or seconds", "Write it as 2026-11-24T09:00:00Z.")


def _is_written(text: str, pattern: str) -> bool:
    try:
        return datetime.strptime(text, pattern).strftime(pattern) == text
    except ValueError:
        return False


def _check(order: str) -> None:
    if order not in ("day-first", "month-first"):
        raise InvalidInput(f"dates={order} is no order of dates.", hint="Say dates=day-first or dates=month-first.")


def _written(cell: Cell, zone: tzinfo | None) -> float | datetime | _Written:
    text = " ".join(cell.text.split())
    if found := _UNSEPARATED.fullmatch(text):
        try:
            return datetime.fromisoformat(f"{found['date']}T{found['time']}{found['zone'] or ''}".upper())
        except ValueError as error:
            raise cell.refused("is no date and time", "Write it as 2026-11-24T09:00:00Z.") from error
    if NUMBER.fullmatch(text):
        value = number(cell)
        begin, end = _THIS_CENTURY_S
        if value < end:
            return value
        if not begin <= value / 1000 < end or text[0] == "0":
            raise cell.refused("is no time in seconds or milliseconds", "Write it as 2026-11-24T09:00:00Z.")
        return value / 1000
    if not text:
        number(cell)  # refuses the empty cell
    if len(text) > 10:
        try:
            return datetime.fromisoformat(text)
        except ValueError:
            pass
    found = _MOMENT.fullmatch(text)
    if found is None:
        raise cell.refused("is neither seconds nor a date and time", "Write it as 2026-11-24T09:00:00Z.")
    part = found.groupdict()
    if part["hour"] is None:
        raise cell.refused(
            "has no time of day", f"If it stands in a column of its own: --columns 'start={cell.column}+Time,…'."
        )
    since_midnight, named = _time_of_day(cell, part), _zone(cell, part["zone"], zone)
    if part["y2"]:
        a, b, year, short = int(part["a"]), int(part["b"]), int(part["y2"]), len(part["y2"]) == 2
        one = _Written(cell, a, b, 2000 + year if short else year, since_midnight, named, short)
        # A dot stands between day and month only where the day comes first.
        return _built(one, day_first=True) if part["s2"] == "." else one
    day = int(part["d"] or part["d3"] or part["d4"])
    year = int(part["y"] or part["y3"] or part["y4"])
    month = int(part["m"]) if part["m"] else _month(cell, part["month"] or part["month4"])
    return _built(_Written(cell, day, month, year, since_midnight, named), day_first=True)


def _time_of_day(cell: Cell, part: dict[str, str | None]) -> timedelta:
    hour, minute, second = (int(part[name] or 0) for name in ("hour", "minute", "second"))
    if half := part["half"]:
        if not 1 <= hour <= 12:
            raise cell.refused("is no time of day")
        hour = hour % 12 + 12 * (half.lower() == "p")
    if hour > 23 or minute > 59 or second > 60:
        raise cell.refused("is no time of day")
    fraction = float((part["fraction"] or "0").replace(",", "."))
    return timedelta(hours=hour, minutes=minute, seconds=second + fraction)


def _zone(cell: Cell, named: str | None, given: tzinfo | None) -> tzinfo | None:
    if named is None:
        return None
    if named.lower() in ("z", "utc", "gmt"):
        return UTC
    if named[0] in "+-":
        minutes = int(named[1:3]) * 60 + int(named[3:].lstrip(":") or 0)
        return timezone(timedelta(minutes=minutes if named[0] == "+" else -minutes))
    if given is None:
        raise cell.refused(
            f"names the zone {named}, which is used in several places",
            "Say which: --columns '…,zone=America/New_York'.",
        )
    return None


def _month(cell: Cell, name: str | None) -> int:
    short = (name or "").lower()[:3]
    if short not in _MONTHS:
        raise cell.refused("is neither seconds nor a date and time", "Write it as 2026-11-24T09:00:00Z.")
    return _MONTHS.index(short) + 1


def _built(one: _Written, *, day_first: bool) -> datetime:
    day, month = (one.a, one.b) if day_first else (one.b, one.a)
    try:
        return datetime(one.year, month, day, tzinfo=one.zone) + one.since_midnight
    except ValueError as error:
        words = "day first" if day_first else "month first"
        raise one.cell.refused(f"is no date, read {words}") from error


def _proven_order(unsure: list[_Written]) -> tuple[DateOrder, Cell]:
    """The only order in which all of these are dates, and a cell that proves it."""
    if year_first := next((one.cell for one in unsure if one.short and one.a > 12), None):
        raise year_first.refused(
            "may begin with its day or its year", "Say it: --columns '…,dates=day-first', or write the year in full."
        )
    day_first = next((one.cell for one in unsure if one.a > 12), None)
    month_first = next((one.cell for one in unsure if one.b > 12), None)
    if day_first and month_first:
        raise month_first.refused(f"has its month first, but {day_first.text!r} ({day_first.place}) its day")
    if day_first:
        return "day-first", day_first
    if month_first:
        return "month-first", month_first
    raise unsure[0].cell.refused(
        "may have its day first or its month, and no other line tells",
        "Say it: --columns '…,dates=day-first' or dates=month-first.",
    )
