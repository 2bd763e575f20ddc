"""What a cell of somebody's table says: a number, a length of time. What could be two things is refused."""

import math
import re
import reprlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from dgsm_helpers.errors import InvalidInput

_SHORT = reprlib.Repr(maxstring=100)
NUMBER = re.compile(r"[+-]?(\d+([.,]\d*)?|[.,]\d+)(e[+-]?\d+)?", re.ASCII | re.IGNORECASE)
_GROUPED = re.compile(r"[+-]?[1-9]\d{0,2},\d{3}", re.ASCII)
_POINTED = re.compile(r"[1-9]\d{0,2}\.\d{3}", re.ASCII)
_CLOCK = re.compile(r"(\d+):([0-5]?\d):([0-5]?\d(?:[.,]\d+)?)", re.ASCII)
_SHORT_CLOCK = re.compile(r"\d+:\d\d([.,]\d+)?", re.ASCII)


@dataclass(frozen=True)
class Cell:
    """A cell with where it stands: ``place`` is such as ``Line 3 of calls.csv``."""

    place: str
    column: str
    text: str

    def refused(self, why: str, hint: str = "") -> InvalidInput:
        """The refusal of what this cell says."""
        return InvalidInput(f"{self.place}: {self.column} {_SHORT.repr(self.text)} {why}.", hint=hint)


def number(cell: Cell) -> float:
    """A number of zero or more; decimals with a point or a comma.

    Raises:
        InvalidInput: it is empty, none, negative, or has a comma that may separate thousands.
    """
    text = cell.text.strip()
    if not text:
        raise InvalidInput(f"{cell.place} has no {cell.column}.", hint="Fill it in or remove the line.")
    if not NUMBER.fullmatch(text):
        raise cell.refused("is no number")
    if _GROUPED.fullmatch(text):
        raise cell.refused("may be a thousand or a fraction", "Write it without a comma.")
    value = float(text.replace(",", "."))
    if value < 0 or not math.isfinite(value):
        raise InvalidInput(f"{cell.place}: {cell.column} must not be {text:.100}.")
    return value


def numbers(cells: Iterable[Cell]) -> list[float]:
    """The numbers of a column; InvalidInput as for each `number`, or where a point may separate thousands."""
    cells = list(cells)
    _refuse_pointed(cells)
    return [number(cell) for cell in cells]


def lengths_s(cells: Iterable[Cell], *, unit_s: float | None) -> list[float]:
    """A column's lengths of time in seconds, each a number of ``unit_s`` or H:MM:SS; else InvalidInput."""
    cells = list(cells)
    _refuse_pointed(cells)
    return [_length_s(cell, unit_s) for cell in cells]


def _refuse_pointed(cells: Sequence[Cell]) -> None:
    """1.800 beside 95, as German and Spanish tables write them: who measures in fractions has others than thousandths.

    Where every number but zero has a fraction, the point is one's.
    """
    pointed = next((cell for cell in cells if _POINTED.fullmatch(cell.text.strip())), None)
    texts = {cell.text.strip() for cell in cells}
    others = [text for text in texts if NUMBER.fullmatch(text) and not _POINTED.fullmatch(text) and text != "0"]
    if pointed and others and all(text.isdigit() for text in others):
        raise pointed.refused(
            "may be a thousand or a fraction",
            "Write it without a point, or all numbers of the column with a fraction.",
        )


def _length_s(cell: Cell, unit_s: float | None) -> float:
    text = cell.text.strip()
    if clock := _CLOCK.fullmatch(text):
        hours, minutes, seconds = (float(part.replace(",", ".")) for part in clock.groups())
        return hours * 3600 + minutes * 60 + seconds
    if _SHORT_CLOCK.fullmatch(text):
        raise cell.refused("may be minutes and seconds, or hours and minutes", "Write H:MM:SS, or seconds.")
    if not NUMBER.fullmatch(text) and text:
        raise cell.refused("is no length of time", "Write seconds, or H:MM:SS.")
    value = number(cell)
    if unit_s is None:
        raise cell.refused(
            "has no unit",
            f"Say it: --columns start=…,duration_s={cell.column} for seconds, duration_ms= for milliseconds.",
        )
    return value * unit_s
