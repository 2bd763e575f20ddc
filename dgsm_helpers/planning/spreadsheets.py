"""Tables as spreadsheets, telephone systems and the AWS CLI write them: bytes in, named columns out."""

import codecs
import csv
import io
import itertools
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

from dgsm_helpers.errors import InvalidInput
from dgsm_helpers.planning.cells import Cell

_BETWEEN = re.compile(r"[ \t\r\n,]*")
"""What stands between JSON documents."""
_NO_TEXT = {
    b"PK\x03\x04": ("a spreadsheet's own file (or a ZIP archive)", "Save it as CSV."),
    b"\xd0\xcf\x11\xe0": ("an old spreadsheet's own file", "Save it as CSV."),
    b"\x1f\x8b": ("compressed", "Unpack it: gunzip FILE.gz"),
    b"PAR1": ("a Parquet file", "Write it as CSV."),
}


def decoded(content: bytes, name: str) -> tuple[str, list[str]]:
    """The text of a file, and what was assumed: UTF-8, UTF-16, or else Windows' Western European letters (cp1252).

    Raises:
        InvalidInput: it is no text.
    """
    for magic, (what, hint) in _NO_TEXT.items():
        if content.startswith(magic):
            raise InvalidInput(f"{name} is {what}, not text.", hint=hint)
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        encodings = ["utf-16"]
    elif b"\0" in content[:1000]:
        encodings = ["utf-16-le" if content[1:2] == b"\0" else "utf-16-be"]
    else:
        encodings = ["utf-8-sig", "cp1252"]
    for encoding in encodings:
        try:
            text = content.decode(encoding)
        except UnicodeDecodeError:
            continue
        if "\0" not in text:
            assumed = [f"{name} is not UTF-8; its letters were read as Windows-1252."] if encoding == "cp1252" else []
            return text, assumed
    raise InvalidInput(f"{name} cannot be read as text.", hint="Save it as CSV in UTF-8.")


def documents_of(text: str, name: str) -> list[Any]:
    """The JSON documents of a text one after the other, an array being its members; InvalidInput for no JSON."""
    decoder, at, documents = json.JSONDecoder(), 0, []
    try:
        while at < len(text):
            document, at = decoder.raw_decode(text, at)
            documents += document if isinstance(document, list) else [document]
            if between := _BETWEEN.match(text, at):
                at = between.end()
    except (ValueError, RecursionError) as error:
        raise InvalidInput(
            f"{name} is no JSON that `aws cloudwatch get-metric-data` or a telephone system prints: {error}.",
            hint="It may have been cut off; export it again.",
        ) from error
    return documents


@dataclass(frozen=True)
class RecordTable:
    """Rows under named columns. ``rows`` holds where each stands (``Line 3``) and its cells in the columns' order."""

    name: str
    columns: tuple[str, ...]
    rows: Sequence[tuple[str, Sequence[str]]]

    def find(self, *names: str) -> str | None:
        """The column called like the first of these names that is there, whatever its case; never one of two."""
        for name in names:
            found = [column for column in self.columns if plain(column) == plain(name)]
            if len(found) > 1:
                raise InvalidInput(
                    f"{self.name} has {len(found)} columns {found[0]!r}; which one is meant cannot be told.",
                    hint="Rename or remove the others.",
                )
            if found:
                return found[0]
        return None

    def cells(self, column: str) -> Iterator[Cell]:
        """The cells of a column from top to bottom; ``Date+Time`` joins two columns that no column is called like."""
        if column in self.columns or "+" not in column:
            parts = [self._index(column)]
        else:
            parts = [self._index(part.strip()) for part in column.split("+")]
        for place, row in self.rows:
            text = " ".join(row[part].strip() for part in parts if part < len(row))
            yield Cell(f"{place} of {self.name}", column, text)

    def only(self, keep: Sequence[bool]) -> Self:
        return replace(self, rows=[row for row, kept in zip(self.rows, keep, strict=True) if kept])

    def _index(self, column: str) -> int:
        found = self.find(column)
        if found is None:
            raise InvalidInput(f"{self.name} has no column {column}; it has {', '.join(self.columns) or 'nothing'}.")
        return self.columns.index(found)


def plain(column: str) -> str:
    """A column's name as it is compared: small letters and figures only."""
    return re.sub(r"[\W_]", "", column.lower())


def csv_rows(text: str, name: str) -> list[tuple[int, list[str]]]:
    """Line number and cells of each row that is not empty, the header's first; InvalidInput for what is no CSV."""
    lines, first = io.StringIO(text, newline=None), 1
    header = lines.readline()
    if declared := re.fullmatch(r"sep=(.)\s*", header):
        # What Excel puts before the header to say how it separates.
        separator, first = declared[1], 2
    else:
        lines.seek(0)
        # A report's title separates nothing.
        heads = (re.sub(r'"[^"]*"', "", line) for line in itertools.islice(lines, 20))
        separator = max(",;\t|", key=next((line for line in heads if re.search(r"[,;\t|]", line)), "").count)
        lines.seek(0)
    reader = csv.reader(lines, skipinitialspace=True, delimiter=separator)
    rows = []
    try:
        for row in reader:
            if any(cell.strip() for cell in row):
                rows.append((reader.line_num + first - 1, row))
    except csv.Error as error:
        raise InvalidInput(f"Line {reader.line_num + first - 1} of {name} cannot be read: {error}.") from error
    return rows


def table_of(rows: Sequence[tuple[int, list[str]]], name: str, *, header: Sequence[str] | None = None) -> RecordTable:
    """A table of CSV rows; the first one names the columns unless a ``header`` is given.

    Raises:
        InvalidInput: no row, or one with more cells than there are columns.
    """
    if header is None and rows:
        header, rows = [cell.strip() for cell in rows[0][1]], rows[1:]
    columns = tuple(header or ())
    for line, row in rows:
        # A trailing separator is no cell, but `100,5,60` under two columns would be read as 5 s instead of 60.
        if any(cell.strip() for cell in row[len(columns) :]):
            raise InvalidInput(
                f"Line {line} of {name} has more cells than its header has columns.",
                hint="Write decimals with a point; the first line must name the columns.",
            )
    return RecordTable(name, columns, [(f"Line {line}", row) for line, row in rows])


def table_of_records(records: Sequence[dict[str, Any]], name: str) -> RecordTable:
    """A table of JSON records; what is nested in them is left out.

    Raises:
        InvalidInput: a number is too long to be written.
    """
    columns = list(dict.fromkeys(key for record in records for key, value in record.items() if _is_plain(value)))
    rows = []
    for number, record in enumerate(records, start=1):
        try:
            rows.append((f"Record {number}", [_text(record.get(key)) for key in columns]))
        except ValueError as error:
            raise InvalidInput(f"Record {number} of {name} holds a number that is too long.") from error
    return RecordTable(name, tuple(str(key) for key in columns), rows)


def _text(value: Any) -> str:
    """As a cell. A fourth decimal says that the point of JSON's numbers separates no thousands."""
    text = "" if value is None else str(value)
    return f"{text}0" if isinstance(value, float) and text[-4:-3] == "." else text


def _is_plain(value: Any) -> bool:
    return value is None or isinstance(value, str | int | float)
