"""Call records, as telephone systems and contact centres export them, as traffic.

Each system's columns are its own: Asterisk (``cdr_csv``, and the ``cdr`` table), Amazon Connect (contact records, and
the download of a contact search), Genesys Cloud (export of the interactions view, and conversation details), Twilio
(the call log, and the Calls API). Any other table is read by the columns ``start`` and ``duration_s`` or ``end``, or by
those that its reader names.
"""

import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import tzinfo
from importlib.resources import files
from typing import Any, Literal, Self
from zoneinfo import ZoneInfo

import numpy as np

from dgsm_helpers.errors import InvalidInput
from dgsm_helpers.planning.cells import Cell, lengths_s, number
from dgsm_helpers.planning.moments import moments
from dgsm_helpers.planning.spreadsheets import RecordTable, plain
from dgsm_helpers.simulate.traffic import DATED_FROM_S, Traffic

ASTERISK_COLUMNS = tuple(
    """
    accountcode src dst dcontext clid channel dstchannel lastapp lastdata start answer end duration billsec disposition
    amaflags uniqueid userfield
    """.split()  # noqa: SIM905
)
"""The order of ``Master.csv``, which has no header; the last two are there when ``cdr.conf`` asks for them."""
_DISPOSITIONS = frozenset(("ANSWERED", "NO ANSWER", "BUSY", "FAILED", "CONGESTION", "UNKNOWN"))
_LONGEST_IN_S = 12 * 3600.0
"""Longer calls beside times in milliseconds are milliseconds themselves."""
_SHORTEST_OF_ALL_S = 1.0

type Unit = Literal["end", "s", "ms", "clock"]


@dataclass(frozen=True, kw_only=True)
class CallSystem:
    """The columns of one system's records.

    Attributes:
        marks: all of these are there in its records.
        starts: the moment of the call, the better ones first.
        lengths: how long it lasted, by a column and what it holds, the better ones first.
        medium: a column, and what it says of a voice call; other rows are left out.
        answered: a column, and what it says of an answered call; other rows are left out.
        identity: what a row that is delivered again has in common with the first.
        whole: a column that says whether the export is complete.
    """

    name: str
    marks: Sequence[str]
    starts: Sequence[str]
    lengths: Sequence[tuple[str, Unit]]
    medium: Sequence[str] | None = None
    answered: Sequence[str] | None = None
    identity: str = ""
    whole: str = ""
    own: bool = False


SYSTEMS = tuple(
    CallSystem(**columns)
    for columns in tomllib.loads((files("dgsm_helpers") / "data" / "call_systems.toml").read_text())["systems"]
)


@dataclass(frozen=True)
class Columns:
    """What somebody says about a table: ``start=Begin,duration_s=Talk time,zone=Europe/Berlin,dates=day-first``.

    ``start`` and one of ``duration_s``, ``duration_ms``, ``end`` name columns, or ``time`` and ``streams`` do; ``zone``
    is that of times which name none, ``dates`` the order of day and month.
    """

    named: dict[str, str]
    zone: tzinfo | None = None
    order: Any = None

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read what was given; InvalidInput for what is no such list, or an unknown zone."""
        known = ("start", "duration_s", "duration_ms", "end", "time", "streams", "zone", "dates")
        named: dict[str, str] = {}
        for part in filter(None, (part.strip() for part in text.split(","))):
            key, equals, value = (piece.strip() for piece in part.partition("="))
            if not equals or not value or key not in known or key in named:
                raise InvalidInput(
                    f"{part!r} in the columns {text!r} says nothing known.",
                    hint=f"Write start=NAME,duration_s=NAME; known are {', '.join(known)}.",
                )
            named[key] = value
        zone, order = named.pop("zone", None), named.pop("dates", None)
        try:
            return cls(named, ZoneInfo(zone) if zone else None, order)
        except (ValueError, OSError, LookupError) as error:
            raise InvalidInput(f"There is no time zone {zone!r}.", hint="Write one as Europe/Berlin.") from error

    def system(self) -> CallSystem | None:
        """The system that these columns describe; None when they describe none."""
        units: tuple[tuple[str, Unit], ...] = (("duration_s", "s"), ("duration_ms", "ms"), ("end", "end"))
        lengths = tuple((self.named[key], unit) for key, unit in units if key in self.named)
        if not lengths and "start" not in self.named:
            return None
        if not lengths or "start" not in self.named:
            raise InvalidInput("Columns of calls name both their start and their length.", hint="start=…,duration_s=…")
        return CallSystem(name="", marks=(), starts=(self.named["start"],), lengths=lengths, own=True)


def header_at(rows: Sequence[tuple[int, Sequence[str]]], columns: Columns) -> int:
    """Which row names the columns: the first of a score that names all that is needed, else the very first.

    Reports have a title, a time and a filter above it.
    """

    def names(row: Sequence[str], name: str) -> bool:
        here = {plain(cell) for cell in row}
        return plain(name) in here or all(plain(part) in here for part in name.split("+"))

    for at, (_, row) in enumerate(rows[:20]):
        if columns.named:
            if all(names(row, name) for name in columns.named.values()):
                return at
        elif _marked(row) or all(names(row, name) for name in ("time", "streams")):
            return at
    return 0


def _marked(columns: Sequence[str]) -> CallSystem | None:
    """The first system all of whose marks are among the columns."""
    present = {plain(column) for column in columns}
    return next((one for one in SYSTEMS if all(plain(mark) in present for mark in one.marks)), None)


def is_asterisk_row(row: Sequence[str]) -> bool:
    """Whether a file that begins with this row is a ``Master.csv``."""
    return 16 <= len(row) <= 18 and row[14].strip().upper() in _DISPOSITIONS and row[13].strip().isdigit()


def traffic_of_calls(table: RecordTable, *, columns: Columns, notes: Sequence[str] = ()) -> Traffic:
    """The calls of a table as traffic that begins with the first one and ends with the last; in any order.

    Raises:
        InvalidInput: no column that is needed, a cell that says nothing or two things (file, line, column and value are
            named), an export that says it is not complete, or no call that was answered.
    """
    system = columns.system() or _system_of(table)
    told = list(notes)
    table = _chosen(table, system, told)
    start = table.find(*system.starts) or system.starts[0]
    starts, assumed = moments(table.cells(start), zone=columns.zone, order=columns.order)
    told += assumed
    lengths = np.array(_lengths(table, system, starts, columns), float)
    begins = np.array(starts, float)
    real = lengths > 0
    if left_out := int((~real).sum()):
        told.append(
            f"{left_out} of {len(lengths)} calls lasted no time: nobody answered, so {_are(left_out)} left out."
        )
    if not real.any():
        raise InvalidInput(f"{table.name} has no call that lasted any time.", hint="Give one with answered calls.")
    begins, lengths = begins[real], lengths[real]
    inorder = np.argsort(begins, kind="stable")
    begins, lengths = begins[inorder], lengths[inorder]
    first = float(begins[0])
    return Traffic(
        name=table.name,
        starts_s=begins - first,
        durations_s=lengths,
        horizon_s=float((begins - first + lengths).max()),
        begin_s=first if first >= DATED_FROM_S else None,
        notes=tuple(told),
    )


def _system_of(table: RecordTable) -> CallSystem:
    if (system := _marked(table.columns)) is not None:
        return system
    raise InvalidInput(
        f"{table.name} has no column start; it has {', '.join(table.columns) or 'nothing'}.",
        hint="Say which columns hold the calls: --columns 'start=…,duration_s=…' (or end=…).",
    )


def _chosen(table: RecordTable, system: CallSystem, told: list[str]) -> RecordTable:
    """The rows that are answered voice calls, each once; what was left out is told."""
    if system.whole and (column := table.find(system.whole)):
        for cell in table.cells(column):
            if cell.text.strip().lower() not in ("yes", "true", "1", ""):
                raise cell.refused("says that the export is not complete", "Export it again, or a shorter time.")
    for where, what in ((system.medium, "no voice calls"), (system.answered, "calls that nobody answered")):
        if where is None or (column := table.find(where[0])) is None:
            continue
        keep = [cell.text.strip().lower() == where[1] for cell in table.cells(column)]
        if others := keep.count(False):
            told.append(f"{others} of {len(keep)} records are {what} ({column}), so {_are(others)} left out.")
        table = table.only(keep)
    if system.identity and (column := table.find(system.identity)):
        calls = [cell.text for cell in table.cells(column)]
        newest = {call: number for number, call in enumerate(calls)}
        # An empty cell identifies no call.
        keep = [not call or newest[call] == number for number, call in enumerate(calls)]
        if again := keep.count(False):
            told.append(f"{again} of {len(keep)} records came again ({column}); the last of each counts.")
        table = table.only(keep)
    blank = [not cell.text.strip() for cell in table.cells(_length_column(table, system)[0])] if not system.own else []
    if any(blank):
        told.append(
            f"{blank.count(True)} of {len(blank)} calls have no end: they were not answered, or are still going on."
        )
        table = table.only([not one for one in blank])
    if not table.rows:
        raise InvalidInput(f"{table.name} has a header but no rows of calls.", hint=" ".join(told))
    return table


def _length_column(table: RecordTable, system: CallSystem) -> tuple[str, Unit]:
    for name, unit in system.lengths:
        if "+" in name or table.find(name):
            return table.find(name) or name, unit
    wanted = " nor ".join(name for name, _ in system.lengths)
    raise InvalidInput(
        f"{table.name} has neither a column {wanted}; it has {', '.join(table.columns)}.",
        hint="Say which one holds the length: --columns 'start=…,duration_s=…' (or end=…).",
    )


def _lengths(table: RecordTable, system: CallSystem, starts: Sequence[float], columns: Columns) -> list[float]:
    column, unit = _length_column(table, system)
    cells = list(table.cells(column))
    if unit == "end":
        ends, _ = moments(cells, zone=columns.zone, order=columns.order)
        lengths = [end - start for start, end in zip(starts, ends, strict=True)]
        for cell, length in zip(cells, lengths, strict=True):
            if length < 0:
                raise cell.refused(f"is {-length:g} s before the call's start")
        return lengths
    units = {"s": 1.0, "ms": 0.001, "clock": None}
    lengths = lengths_s(cells, unit_s=units[unit])
    longest = int(np.argmax(lengths))
    if 0 < lengths[longest] < _SHORTEST_OF_ALL_S:
        raise cells[longest].refused(
            "is the longest call, and less than a second",
            "A spreadsheet counts lengths in days: give the column the format [h]:mm:ss there, and save it again.",
        )
    if unit == "s" and column not in columns.named.values():
        _refuse_milliseconds(table, system, cells, lengths)
    return lengths


def _refuse_milliseconds(
    table: RecordTable, system: CallSystem, cells: Sequence[Cell], lengths: Sequence[float]
) -> None:
    """Lengths that would be of more than half a day, beside starts in milliseconds."""
    longest = int(np.argmax(lengths))
    if lengths[longest] < _LONGEST_IN_S:
        return
    first = next(table.cells(table.find(*system.starts) or system.starts[0]))
    text = first.text.strip()
    if text.replace(".", "", 1).isdigit() and number(first) > 1e11:
        raise cells[longest].refused(
            "would be more than half a day, beside times in milliseconds",
            "Say what it is: --columns 'start=…,duration_ms=…', or duration_s=….",
        )


def _are(count: int) -> str:
    return "it is" if count == 1 else "they are"
