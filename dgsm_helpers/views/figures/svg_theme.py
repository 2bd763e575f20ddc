"""Colours and words of a still picture: its own paper, light or dark as its reader's system is."""

import re
import zlib
from collections import Counter
from html import escape, unescape
from typing import Any

WIDTH_PX = 900.0

# Stand-ins that matplotlib writes and CSS variables replace: on light and on dark paper.
INK, PAPER, GRID = "#010203", "#fdfcfb", "#d1d2d3"
LIGHT = {INK: "#3b3b3b", PAPER: "#ffffff", GRID: "#dddddd"}
"""What stands where nobody can say whether the reader's page is light or dark."""
_DARK = {INK: "#d6d6d6", PAPER: "#161616", GRID: "#3a3a3a"}


def colour(text: str | None) -> Any:
    """A colour as matplotlib takes it, from ``#rrggbb`` or ``rgba(r, g, b, a)``."""
    numbers = re.findall(r"[\d.]+", text or "") if (text or "").startswith("rgb") else None
    if numbers is None:
        return text or INK
    red, green, blue, *alpha = map(float, numbers)
    return (red / 255, green / 255, blue / 255, *alpha)


def plain(text: str) -> str:
    """Plotly's markup as lines of text."""
    return unescape(re.sub(r"<(?!br)[^>]*>", "", text)).replace("<br>", "\n")


_SHORTER = (
    (re.compile(r" font-family: [^;\"]*(;|(?=\"))"), ""),  # a list of a dozen fonts in each text
    (re.compile(r' transform="rotate\(-0 [^"]*\)"'), ""),
    (re.compile(r"(\d\.\d)\d{2,}"), r"\1"),  # a tenth of a pixel
    (re.compile(r"\s*\n\s*(?=[A-Z\"])"), " "),
    (re.compile(r">\s+<"), "><"),
    (re.compile(r'<g id="\w+"/>'), ""),
    # A cell of a heat map: a box, whose edge its group gives.
    (
        re.compile(
            r'<path d="M ([\d.]+) ([\d.]+) L ([\d.]+) \2 L \3 ([\d.]+) L \1 \4 L \1 \2 "'
            r' clip-path="[^"]*" style="fill: (#\w+); stroke: [^"]*"/>'
        ),
        r'<path d="M\1 \2H\3V\4H\1z" fill="\5"/>',
    ),
    (re.compile(r'<g id="QuadMesh_\d+">'), f'<g stroke="{PAPER}">'),
    (re.compile(r'<g id="text_\d+">(<text[^>]*>[^<]*</text>)</g>'), r"\1"),
)
"""What matplotlib writes and nobody sees, with what stands in its place: half of a picture with many words."""


_STYLE = re.compile(r' style="([^"]*)"')
_OFTEN = 8
"""A style that stands so often is written once."""


def themed(svg: str, label: str) -> str:
    """The document without its preamble, as wide as the page, its colours given by the reader's light or dark."""
    body = svg[svg.index("<svg") :]
    body = re.sub(r' width="[^"]*" height="[^"]*"', "", body, count=1)
    body = re.sub(r"<metadata>.*?</metadata>", "", body, flags=re.DOTALL)
    for found, instead in _SHORTER:
        body = found.sub(instead, body)
    styles = {text: count for text, count in Counter(_STYLE.findall(body)).items() if count >= _OFTEN}
    # Named by what they say: pictures on one page share them.
    classes = {text: f"s{zlib.crc32(text.encode()):x}" for text in styles}
    body = _STYLE.sub(lambda at: f' class="{classes[at[1]]}"' if at[1] in classes else at[0], body)
    rules = "".join(f".{name} {{ {text} }}" for text, name in classes.items())
    for number, stand_in in enumerate(LIGHT):
        rules = rules.replace(stand_in, f"var(--still-{number}, {LIGHT[stand_in]})")
        body = body.replace(stand_in, f"var(--still-{number}, {LIGHT[stand_in]})")
    dark = "; ".join(f"--still-{number}: {_DARK[stand_in]}" for number, stand_in in enumerate(LIGHT))
    style = f"<style>{rules}@media (prefers-color-scheme: dark) {{ .still {{ {dark} }} }}</style>"
    words = escape(plain(label).partition("\n")[0])
    opening = f'<svg class="still" role="img" aria-label="{words}" style="max-width: {WIDTH_PX:g}px"'
    opening += ' font-family="sans-serif"'
    return body.replace("<svg", opening, 1).replace(">", f">{style}", 1)
