"""What the live pictures in SVG share: a plot area that maps values to pixels, its grid, lines and labels.

Text and grid take the page's own colour (``currentColor``), so that they are right on light and on dark pages.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from dgsm_helpers.rules.foreign_text import in_html
from dgsm_helpers.views.figures import palette

TEXT = 'fill="currentColor" font-size="12"'

type Points = Iterable[tuple[float, float]]
"""Pixels from the left and from the top."""


@dataclass(frozen=True, kw_only=True)
class Frame:
    """A plot area. ``left``, ``right``, ``top`` and ``floor`` are its edges in pixels.

    Across it runs ``start`` to ``end``; values beyond are drawn at its edge. Upwards it runs 0 to ``peak``.
    """

    left: float
    right: float
    top: float
    floor: float
    start: float
    end: float
    peak: float
    grid_opacity: str = ".2"

    def x(self, value: float) -> float:
        """Pixels from the left."""
        share = (min(max(value, self.start), self.end) - self.start) / (self.end - self.start)
        return self.left + share * (self.right - self.left)

    def y(self, value: float) -> float:
        """Pixels from the top."""
        return self.top + (self.floor - self.top) * (1 - value / self.peak)

    def level(self, y: float, label: str) -> str:
        """A line of the grid at ``y`` pixels from the top, with its label before it."""
        stroke = f'stroke="currentColor" stroke-opacity="{self.grid_opacity}"'
        line = f'<line x1="{self.left:g}" y1="{y:.1f}" x2="{self.right:g}" y2="{y:.1f}" {stroke}/>'
        return f'{line}<text x="{self.left - 6:g}" y="{y + 4:.1f}" text-anchor="end" {TEXT}>{label}</text>'

    def beside(self, y: float, text: str, colour: str) -> str:
        """Words to the right of the area, at ``y`` pixels from the top, behind a mark in the colour of what they name.

        The words keep the page's own colour: that of a line has too little contrast for text.
        """
        mark = f'<rect x="{self.right + 4:g}" y="{y - 3:.1f}" width="4" height="6" fill="{colour}"/>'
        return f'{mark}<text x="{self.right + 11:g}" y="{y + 4:.1f}" {TEXT}>{in_html(text)}</text>'


def line(points: Points, colour: str, *, width: float, dash: str = "") -> str:
    """A line through the points; nothing without points."""
    path = coordinates(points)
    dashed = f' stroke-dasharray="{dash}"' if dash else ""
    return f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="{width:g}"{dashed}/>' if path else ""


def area(points: Points, colour: str, *, opacity: str) -> str:
    """The area within the points."""
    return f'<polygon points="{coordinates(points)}" fill="{colour}" fill-opacity="{opacity}"/>'


def coordinates(points: Points) -> str:
    """The points as SVG's ``points`` attribute."""
    return " ".join(f"{x:.1f},{y:.1f}" for x, y in points)


def trouble_html(trouble: str) -> str:
    """An error beside a picture; nothing when all is well."""
    if not trouble:
        return ""
    style = f"border-left:4px solid {palette.ALARM};padding-left:.6em;margin:.3em 0"
    return f'<div role="alert" style="{style}">⚠ {in_html(trouble)}</div>'


def picture(body: str, *, width: float, height: float, label: str, style: str = "") -> str:
    """The whole SVG, as wide as the page; ``label`` is what a screen reader says."""
    styled = f' style="{style}"' if style else ""
    return (
        f'<svg viewBox="0 0 {width:g} {height:g}" width="100%"{styled} role="img" '
        f'aria-label="{in_html(label)}" xmlns="http://www.w3.org/2000/svg" font-family="sans-serif">'
        f"{body}</svg>"
    )
