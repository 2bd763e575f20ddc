"""Draw which room imports which, from the source, into docs/imports.svg.

Rows run from what a user opens down to what everything stands on. Arrows that another path implies are left out, and so
are those to `errors`, `rules` and `wire`, which every room may import.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from html import escape
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "tests"))

from kit.imports import GROUND, MODULES, STEPS, imported_modules, name_of, room_of  # noqa: E402

ROWS = (
    ("notebooks", "cli"),
    ("steps",),
    ("views", "workbook"),
    ("planning",),
    ("simulate", "aws", "load"),
    ("session",),
    ("local", "families", "prices", "state", "kernel"),
    ("errors · rules · wire",),
)
GROUND_ROOM = ROWS[-1][0]
EMULATOR = "embedded_aws"
WIDTH, ROW, BOX, TOP = 920, 84, (150, 44), 20
COLOURS = {"notebooks": "#fde7c8", "steps": "#fde7c8", EMULATOR: "#d9ead3", GROUND_ROOM: "#e8e8ee"}


def drawn_room(module: str) -> str:
    """The box a module stands in."""
    room = room_of(module)
    return "steps" if room in STEPS or room == "top" else GROUND_ROOM if room in GROUND else room


def room_imports() -> dict[str, set[str]]:
    """Boxes with the boxes they import; the notebooks import the steps by rule."""
    arrows: dict[str, set[str]] = {"notebooks": {"steps"}}
    for module, targets in imported_modules().items():
        source = drawn_room(module)
        arrows.setdefault(source, set()).update({drawn_room(target) for target in targets} - {source})
    return arrows


def without_implied(arrows: Mapping[str, set[str]]) -> list[tuple[str, str]]:
    """The arrows that no longer path implies."""

    def reached(room: str) -> set[str]:
        return {further for target in arrows.get(room, ()) for further in {target} | reached(target)}

    return [
        (room, target)
        for room, targets in sorted(arrows.items())
        for target in sorted(targets)
        if not any(target in reached(other) for other in targets - {target})
    ]


def line_counts() -> dict[str, int]:
    """Source lines of each box."""
    counts: dict[str, int] = {}
    for path in MODULES:
        room = drawn_room(name_of(path))
        counts[room] = counts.get(room, 0) + len(path.read_text(encoding="utf-8").splitlines())
    return counts


def picture() -> str:
    """The picture as SVG."""
    places = {
        room: (180 + (WIDTH - 180) * (i + 0.5) / len(row) - BOX[0] / 2, TOP + n * ROW)
        for n, row in enumerate(ROWS)
        for i, room in enumerate(row)
    }
    places[EMULATOR] = (10.0, TOP + 5.0 * ROW)
    counts = line_counts()
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {TOP + len(ROWS) * ROW}" '
        'font-family="system-ui, sans-serif" font-size="14">',
        '<defs><marker id="head" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto">'
        '<path d="M0 0 8 4 0 8z" fill="#667"/></marker></defs>',
        f'<rect width="{WIDTH}" height="{TOP + len(ROWS) * ROW}" fill="#fff"/>',
    ]
    for source, target in without_implied(room_imports()):
        parts.append(_arrow(places[source], places[target]))
    parts.append(_arrow(places["local"], places[EMULATOR], "a process, HTTP, server.json"))
    for room, place in places.items():
        parts.append(_box(room, place, counts.get(room)))
    return "\n".join([*parts, "</svg>"]) + "\n"


def _arrow(source: tuple[float, float], target: tuple[float, float], label: str = "") -> str:
    level = source[1] == target[1] or abs(source[0] - target[0]) > 400
    side = target[0] < source[0]
    x1 = source[0] + (0 if level and side else BOX[0] if level else BOX[0] / 2)
    y1 = source[1] + (BOX[1] / 2 if level else BOX[1])
    x2 = target[0] + (BOX[0] if level and side else 0 if level else BOX[0] / 2)
    y2 = target[1] + (BOX[1] / 2 if level else 0)
    dash = ' stroke-dasharray="5 4"' if label else ""
    line = f'<path d="M{x1:.0f} {y1:.0f} {x2:.0f} {y2:.0f}" stroke="#667" fill="none"{dash} marker-end="url(#head)"/>'
    text = f'<text x="{target[0]:.0f}" y="{y2 + 46:.0f}" font-size="11" fill="#556">{escape(label)}</text>'
    return line + (text if label else "")


def _box(room: str, place: tuple[float, float], lines: int | None) -> str:
    x, y = place
    colour = COLOURS.get(room, "#dce8f7")
    size = f'<text x="{x + BOX[0] / 2:.0f}" y="{y + 36:.0f}" text-anchor="middle" font-size="11" fill="#556">'
    return (
        f'<rect x="{x:.0f}" y="{y:.0f}" width="{BOX[0]}" height="{BOX[1]}" rx="6" fill="{colour}" stroke="#889"/>'
        f'<text x="{x + BOX[0] / 2:.0f}" y="{y + 20:.0f}" text-anchor="middle">{escape(room)}</text>'
        + (f"{size}{round(lines, -2) / 1000:.1f} k lines</text>" if lines else "")
    )


if __name__ == "__main__":
    (HERE / "imports.svg").write_text(picture(), encoding="utf-8")
