"""What a plan does to a day, as SVG in HTML for sliders: streams against what the instances sustain."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape

from dgsm_helpers.views.figures import palette

_WIDTH, _HEIGHT, _LEFT, _RIGHT, _TOP, _BOTTOM = 920.0, 260.0, 46.0, 130.0, 14.0, 30.0
_TEXT = 'fill="currentColor" font-size="12"'
_GRID = 'stroke="currentColor" stroke-opacity=".2"'


@dataclass(frozen=True, kw_only=True)
class PlanState:
    """One picture. ``hours``, ``streams`` and ``instances`` have one value a moment, evenly spaced.

    ``knee`` is what one instance sustains, ``facts`` are (name, value) pairs shown above, ``origin`` says under which
    assumptions it is simulated, ``trouble`` is an error to show, "" when all is well.
    """

    hours: Sequence[float]
    streams: Sequence[float]
    instances: Sequence[int]
    knee: int
    facts: Sequence[tuple[str, str]]
    origin: str
    trouble: str = ""


def plan_html(state: PlanState) -> str:
    """The picture with its facts, as one HTML fragment."""
    facts = " · ".join(f"{escape(name)} <b>{escape(value)}</b>" for name, value in state.facts)
    trouble = (
        f'<div style="border-left:4px solid {palette.ALARM};padding-left:.6em">⚠ {escape(state.trouble)}</div>'
        if state.trouble
        else ""
    )
    return (
        f'<div style="color:inherit;max-width:1100px;line-height:1.4"><div>{facts}</div>{plan_svg(state)}{trouble}'
        f'<div style="font-size:.8em;opacity:.7">Source: simulated; {escape(state.origin)}</div></div>'
    )


def plan_svg(state: PlanState) -> str:
    """Streams in progress (filled) against the streams that the running instances sustain (steps)."""
    sustained = [count * state.knee for count in state.instances]
    peak = max([*state.streams, *sustained, 1])
    last = max(state.hours[-1], 1e-9) if state.hours else 1.0

    def x(hour: float) -> float:
        return _LEFT + hour / last * (_WIDTH - _LEFT - _RIGHT)

    def y(value: float) -> float:
        return _TOP + (_HEIGHT - _TOP - _BOTTOM) * (1 - value / peak)

    parts = [_axis(x, y, last, peak)]
    if state.hours:
        line = [(x(hour), y(value)) for hour, value in zip(state.hours, state.streams, strict=True)]
        floor = [(line[-1][0], y(0)), (line[0][0], y(0))]
        parts.append(f'<polygon points="{_path([*line, *floor])}" fill="{palette.METRIC}" fill-opacity=".3"/>')
        parts.append(_line(line, palette.METRIC))
        steps, held = [], sustained[0]
        for hour, value in zip(state.hours, sustained, strict=True):
            steps += [(x(hour), y(held)), (x(hour), y(value))]
            held = value
        parts.append(_line(steps, palette.INSTANCES))
        right = _WIDTH - _RIGHT + 8
        parts.append(
            f'<text x="{right:g}" y="{_TOP + 12:g}" font-size="12" fill="{palette.INSTANCES}">sustained</text>'
        )
        parts.append(f'<text x="{right:g}" y="{_TOP + 28:g}" font-size="12" fill="{palette.METRIC}">streams</text>')
    return (
        f'<svg viewBox="0 0 {_WIDTH:g} {_HEIGHT:g}" width="100%" role="img" aria-label="Simulated streams against what '
        f'the instances sustain" xmlns="http://www.w3.org/2000/svg" font-family="sans-serif">{"".join(parts)}</svg>'
    )


def _axis(x: Callable[[float], float], y: Callable[[float], float], last: float, peak: float) -> str:
    parts = []
    for share in (0, 0.5, 1):
        level = round(peak * share)
        parts.append(f'<line x1="{_LEFT:g}" y1="{y(level):.1f}" x2="{_WIDTH - _RIGHT:g}" y2="{y(level):.1f}" {_GRID}/>')
        parts.append(f'<text x="{_LEFT - 6:g}" y="{y(level) + 4:.1f}" text-anchor="end" {_TEXT}>{level:g}</text>')
    for quarter in range(5):
        hour = last * quarter / 4
        parts.append(f'<text x="{x(hour):.1f}" y="{_HEIGHT - 8:g}" text-anchor="middle" {_TEXT}>{hour:.3g} h</text>')
    return "".join(parts)


def _line(points: Sequence[tuple[float, float]], colour: str) -> str:
    return f'<polyline points="{_path(points)}" fill="none" stroke="{colour}" stroke-width="1.8"/>'


def _path(points: Sequence[tuple[float, float]]) -> str:
    return " ".join(f"{a:.1f},{b:.1f}" for a, b in points)
