"""Plain text and HTML tables for results shown in a notebook, readable on light and on dark pages."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import ClassVar

from dgsm_helpers.rules.foreign_text import in_html, in_terminal

# Only translucent greys and the page's own text colour: right on any background without asking which it is.
_ROW = "border-bottom:1px solid rgba(128,128,128,.3)"
_CELL = "text-align:left;vertical-align:top"  # in each, as JupyterLab has rules for cells
_VERDICT_MARKS = {"yes": "✓ yes", "no": "✗ no", "unknown": "? unknown"}

LONGEST_WORD, LONGEST_NAME = 10, 28
"""Cells up to this many characters are kept in one line: a verdict and its mark, and the name of a row."""


class Table(ABC):
    """A result that shows itself as a table: plain text by ``str()``, HTML in a notebook.

    A subclass sets ``_columns`` and writes `_caption` and `_rows`; `_notes`, lines below the table, where it has any.
    """

    _columns: ClassVar[tuple[str, ...]]

    @abstractmethod
    def _caption(self) -> str: ...

    @abstractmethod
    def _rows(self) -> Sequence[Sequence[object]]: ...

    def _notes(self) -> Sequence[str]:
        return ()

    def __str__(self) -> str:
        return text_table(self._caption(), self._columns, self._rows(), notes=self._notes())

    def _repr_html_(self) -> str:
        return html_table(self._caption(), self._columns, self._rows(), notes=self._notes())


def html_table(
    caption: str, headers: Sequence[str], rows: Sequence[Sequence[object]], *, notes: Sequence[str] = ()
) -> str:
    """An HTML table, every value escaped; ``notes`` follow it as paragraphs."""
    head = "".join(f'<th style="{_CELL};opacity:.75">{in_html(h)}</th>' for h in headers)
    body = "".join(
        f"<tr style='{_ROW}'>{''.join(_cell(v, first=i == 0) for i, v in enumerate(row))}</tr>" for row in rows
    )
    after = "".join(f'<p style="margin:.3em 0;max-width:60em">{in_html(note)}</p>' for note in notes)
    table = (
        f'<table cellpadding="6" style="border-collapse:collapse;color:inherit;background:transparent">'
        f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
    )
    title = f'<p style="margin:.3em 0"><b>{in_html(caption)}</b></p>' if caption else ""
    return f'<div style="color:inherit;font-size:.95em">{title}{table if rows else ""}{after}</div>'


def folded(summary: str, html: str) -> str:
    """``html`` behind a line that opens it: what few readers ask for."""
    return f'<details style="margin:.3em 0"><summary>{in_html(summary)}</summary>{html}</details>'


def text_table(
    caption: str, headers: Sequence[str], rows: Sequence[Sequence[object]], *, notes: Sequence[str] = ()
) -> str:
    """The same table as aligned plain text."""
    if not rows:
        return in_terminal("\n".join([caption, *notes]))
    cells = [list(headers), *[[in_terminal(_text(v)) for v in row] for row in rows]]
    widths = [max(len(row[column]) for row in cells) for column in range(len(headers))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in cells]
    return in_terminal("\n".join([caption, *lines, *notes]))


def _cell(value: object, *, first: bool) -> str:
    # The first column names the row; a name broken over lines would be hard to find. What is longer may break, as AWS's
    # long names in the others, or a narrow notebook would cut the last column off; words do not.
    text = _text(value)
    if len(text) <= (LONGEST_NAME if first else LONGEST_WORD):
        wrap = ";white-space:nowrap"
    else:
        wrap = f";overflow-wrap:anywhere;min-width:{9 if first else 5}em"
    return f'<td style="{_CELL}{wrap}">{in_html(text)}</td>'


def mark(verdict: str) -> str:
    """A verdict with a sign beside it, so that it does not rest on colour."""
    return _VERDICT_MARKS[verdict]


def _text(value: object) -> str:
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value)
