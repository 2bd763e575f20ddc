"""Draw which room imports which, from the source, into docs/imports.svg.

Rows run from what a user opens down to what everything stands on. Arrows that a longer path implies are left out, and
so are those to `errors`, `rules` and `wire`, which every room may import.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from html import escape
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent), str(HERE.parent / "tests")]

from kit.imports import GROUND, MODULES, STEPS, imported_modules, name_of, room_of  # noqa: E402

ROWS = (
    ("notebooks", "cli", "testing"),
    ("steps",),
    ("workbook",),
    ("views",),
    ("recording",),
    ("planning",),
    ("simulate", "aws", "load"),
    ("session",),
    ("local", "families", "prices", "state", "progress", "processes"),
    ("errors, rules, wire",),
)
GROUND_ROOM = ROWS[-1][0]
EMULATOR = "embedded_aws"
WIDTH, ROW, BOX, TOP = 920, 84, (132, 44), 20
COLOURS = {"notebooks": "#fde7c8", "steps": "#fde7c8", EMULATOR: "#d9ead3", GROUND_ROOM: "#e8e8ee"}


def drawn_room(module: str) -> str:
    """The box a module stands in."""
    room = room_of(module)
    if room in STEPS or room == "top":
        return "steps"
    drawn_with = {"settings": "session", "places": "local"}
    return GROUND_ROOM if room in GROUND else drawn_with.get(room, room)


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
    boxes = {
        room: (180 + (WIDTH - 190) * (i + 0.5) / len(row) - BOX[0] / 2, TOP + n * ROW)
        for n, row in enumerate(ROWS)
        for i, room in enumerate(row)
    }
    boxes[EMULATOR] = (10.0, TOP + 6.0 * ROW)
    counts, height = line_counts(), TOP + len(ROWS) * ROW
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" '
        'font-family="system-ui, sans-serif" font-size="14">',
        '<defs><marker id="head" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto">'
        '<path d="M0 0 8 4 0 8z" fill="#667"/></marker></defs>',
        f'<rect width="{WIDTH}" height="{height}" fill="#fff"/>',
    ]
    for source, target in without_implied(room_imports()):
        if target != GROUND_ROOM or source == EMULATOR:
            parts.append(_arrow(boxes[source], boxes[target]))
    x, y = boxes[EMULATOR]
    parts.append(_arrow(boxes["local"], boxes[EMULATOR], dashed=True))
    parts.append(f'<text x="{x:.0f}" y="{y - 8:.0f}" font-size="11" fill="#556">a process, HTTP, server.json</text>')
    return "\n".join([*parts, *(_box(room, box, counts.get(room)) for room, box in boxes.items()), "</svg>"]) + "\n"


def _arrow(source: tuple[float, float], target: tuple[float, float], *, dashed: bool = False) -> str:
    """From the foot of one box to the head of the other, or from side to side in one row."""
    if source[1] == target[1]:
        start = (source[0], source[1] + BOX[1] / 2)
        end = (target[0] + BOX[0], target[1] + BOX[1] / 2)
    else:
        start, end = (source[0] + BOX[0] / 2, source[1] + BOX[1]), (target[0] + BOX[0] / 2, target[1])
    points = f"M{start[0]:.0f} {start[1]:.0f} {end[0]:.0f} {end[1]:.0f}"
    style = ' stroke-dasharray="5 4"' if dashed else ""
    return f'<path d="{points}" stroke="#667" fill="none"{style} marker-end="url(#head)"/>'


def _box(room: str, box: tuple[float, float], lines: int | None) -> str:
    x, y = box
    middle, colour = f'x="{x + BOX[0] / 2:.0f}" text-anchor="middle"', COLOURS.get(room, "#dce8f7")
    size = (
        f'<text {middle} y="{y + 36:.0f}" font-size="11" fill="#556">{round(lines or 0, -2) / 1000:.1f} k lines</text>'
    )
    return (
        f'<rect x="{x:.0f}" y="{y:.0f}" width="{BOX[0]}" height="{BOX[1]}" rx="6" fill="{colour}" stroke="#889"/>'
        f'<text {middle} y="{y + (20 if lines else 27):.0f}">{escape(room)}</text>{size if lines else ""}'
    )


if __name__ == "__main__":
    (HERE / "imports.svg").write_text(picture(), encoding="utf-8")
