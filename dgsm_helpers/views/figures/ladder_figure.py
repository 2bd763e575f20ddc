"""The capacity ladder: latency against streams held on one instance, with what each rung proved.

Pure functions of `RungPoint`s: a plotly figure for the result, and a live picture (SVG in HTML) while it is measured.
A verdict is told by shape and word as well as by colour. Latencies are on a logarithmic axis, because an instance past
its knee is late by seconds where a good one needs tens of milliseconds.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import inf, isfinite, isnan, log10
from typing import Any

import plotly.graph_objects as go

from dgsm_helpers.errors import InvalidInput
from dgsm_helpers.rules.foreign_text import in_html
from dgsm_helpers.views.figures import palette
from dgsm_helpers.views.figures.look import finished
from dgsm_helpers.views.figures.svg_frame import TEXT, Frame, picture, trouble_html
from dgsm_helpers.views.figures.svg_theme import LIGHT, PAPER

LATE_MS = 30_000.0
"""Latencies beyond this, and results that never came, are drawn here."""
FLOOR_MS = 10.0


@dataclass(frozen=True)
class RungPoint:
    """``streams`` held at once, their lag in ms (inf: results never came) and the verdict.

    ``verdict`` is PASS, FAIL, INCONCLUSIVE or VOID; ``why`` what a failing rung broke; ``passed`` of ``total`` streams
    kept to the criteria, over all holds.
    """

    streams: int
    lag_p50_ms: float
    lag_p95_ms: float
    verdict: str
    why: str = ""
    passed: int = 0
    total: int = 0

    @classmethod
    def of(cls, rung: Mapping[str, Any]) -> RungPoint:
        """From a rung of the evidence (`Rung.to_dict`); a lag of None never came."""
        middle, late = (inf if rung["lag_ms"][name] is None else rung["lag_ms"][name] for name in ("p50", "p95"))
        why = rung["constraint"] or "" if rung["verdict"] == "FAIL" else ""
        return cls(rung["n"], middle, late, rung["verdict"], why, rung["passed"], rung["total"])

    @property
    def summary(self) -> str:
        """The verdict in words."""
        by = f" by {self.why}" if self.why else ""
        return f"{self.verdict}{by}, {self.passed} of {self.total} within bounds"


@dataclass(frozen=True, kw_only=True)
class LadderState:
    """What one live picture shows.

    ``elapsed_s`` and ``forecast_s`` are wall-clock seconds, ``limit_ms`` the bound of the lag with ``limit_name``;
    ``lag`` is what the lag is called, ``unit`` what is counted;
    ``said`` is what is going on, ``trouble`` an error to show, "" when all is well.
    """

    endpoint_name: str
    points: Sequence[RungPoint]
    limit_ms: float
    limit_name: str
    origin: str
    lag: str = "lag"
    unit: str = "streams"
    elapsed_s: float = 0.0
    forecast_s: float = 0.0
    running: bool = False
    said: str = ""
    trouble: str = ""


_SHAPES = {
    "PASS": ("circle", palette.INSTANCES),
    "FAIL": ("x", palette.ALARM),
    "INCONCLUSIVE": ("circle-open", palette.METRIC),
    "VOID": ("line-ew-open", palette.MUTED),
}


def bracket(points: Sequence[RungPoint]) -> tuple[int, int | None]:
    """The interval that the rungs prove: most streams that pass below the fewest that fail (None: none failed)."""
    high = min((p.streams for p in points if p.verdict == "FAIL"), default=None)
    passing = [p.streams for p in points if p.verdict == "PASS" and (high is None or p.streams < high)]
    return max(passing, default=0), high


def lag_against_concurrency(
    points: Sequence[RungPoint],
    *,
    limit_ms: float,
    limit_name: str,
    origin: str,
    target_value: float | None = None,
    lag: str = "lag",
    unit: str = "streams",
) -> go.Figure:
    """Each rung's median and p95 lag, its verdict, and the interval that holds the knee.

    Args:
        points: the rungs, in any order.
        limit_ms, limit_name: the criteria's bound of the lag and what it is called, such as "p95 lag (strict)".
        origin: where the numbers come from.
        target_value: drawn as a line where given.
        lag, unit: what the lag is called, and what is counted.

    Raises:
        InvalidInput: there are no rungs.
    """
    if not points:
        raise InvalidInput("There are no rungs to draw.", hint="Measure first.")
    ordered = sorted(points, key=lambda p: p.streams)
    figure = go.Figure()
    for name, column, dash in ((f"median {lag}", "lag_p50_ms", "dot"), (f"p95 {lag}", "lag_p95_ms", "solid")):
        figure.add_scatter(
            x=[p.streams for p in ordered],
            y=[_drawn(getattr(p, column)) for p in ordered],
            mode="lines",
            name=name,
            line={"color": palette.LATENCY, "dash": dash, "width": 1.5},
            hoverinfo="skip",
        )
    for verdict, (symbol, colour) in _SHAPES.items():
        judged_so = [p for p in ordered if p.verdict == verdict]
        if judged_so:
            figure.add_scatter(
                x=[p.streams for p in judged_so],
                y=[_drawn(p.lag_p95_ms) for p in judged_so],
                mode="markers",
                name=verdict,
                marker={"symbol": symbol, "size": 11, "color": colour, "line": {"width": 2, "color": colour}},
                hovertext=[f"{p.streams} {unit}: {p.summary}<br>p95 {lag} {_ms(p.lag_p95_ms)}" for p in judged_so],
                hoverinfo="text",
            )
    figure.add_hline(y=limit_ms, line={"color": palette.TARGET, "dash": "dash", "width": 1.5})
    # Annotations of a logarithmic axis are placed by the exponent, unlike shapes.
    figure.add_annotation(
        x=0.01,
        xref="x domain",
        y=log10(limit_ms),
        yanchor="bottom",
        text=f"{limit_name} {limit_ms:g} ms",
        showarrow=False,
    )
    _add_knee(figure, ordered)
    if target_value is not None:
        figure.add_vline(
            x=target_value,
            line={"color": palette.TARGET, "width": 2},
            annotation_text=f"TargetValue {target_value:g}",
            annotation_position="bottom left",
        )
    figure.update_xaxes(title_text=f"{unit} held at once", rangemode="tozero")
    most = max(_drawn(p.lag_p95_ms) for p in ordered)
    figure.update_yaxes(
        title_text=f"{lag} (ms)", type="log", range=[log10(FLOOR_MS), log10(max(most, limit_ms) * 2)], dtick=1
    )
    title = f"{lag.capitalize()} against concurrent {unit} on one instance"
    return finished(figure, title=title, origin=origin, height=440)


def _add_knee(figure: go.Figure, ordered: Sequence[RungPoint]) -> None:
    low, high = bracket(ordered)
    if low and high:
        why = next(p.why for p in ordered if p.streams == high)
        figure.add_vrect(
            x0=low,
            x1=high,
            fillcolor=palette.MUTED,
            opacity=0.25,
            line_width=0,
            annotation={
                "text": f"knee: {low} pass,<br>{high} fail{f' by {why}' if why else ''}",
                "align": "left",
                "bgcolor": LIGHT[PAPER],  # the target's line may run behind it
            },
            annotation_position="top right",
        )


def _drawn(lag_ms: float) -> float:
    return min(max(lag_ms, FLOOR_MS), LATE_MS) if not isnan(lag_ms) else LATE_MS


def _ms(lag_ms: float) -> str:
    return f"{lag_ms:.0f} ms" if isfinite(lag_ms) else "without end (results never came)"


_WIDTH, _HEIGHT, _LEFT, _RIGHT, _TOP, _BOTTOM = 920.0, 300.0, 60.0, 190.0, 16.0, 34.0


def ladder_html(state: LadderState) -> str:
    """The live view as one HTML fragment: where the search is, the picture, and where the numbers come from."""
    footer = f"● passes, ✕ fails, ○ not decided; small dot: median {state.lag}, sign: p95. Source: {state.origin}"
    return (
        f'<div style="color:inherit;max-width:1100px;line-height:1.4">{_headline(state)}{_progress(state)}'
        f'{ladder_svg(state)}<div style="opacity:.75;font-size:.9em">{in_html(footer)}</div>'
        f"{trouble_html(state.trouble)}</div>"
    )


def ladder_svg(state: LadderState) -> str:
    """Lag per rung, from median to p95, on a logarithmic axis."""
    most = max((p.streams for p in state.points), default=8) * 1.08
    lags_ms = [_drawn(lag) for p in state.points for lag in (p.lag_p50_ms, p.lag_p95_ms)]
    top_ms = max([*lags_ms, 2 * state.limit_ms, 1000.0]) * 1.3
    right, floor = _WIDTH - _RIGHT, _HEIGHT - _BOTTOM
    frame = Frame(left=_LEFT, right=right, top=_TOP, floor=floor, start=0, end=most, peak=log10(top_ms / FLOOR_MS))
    x = frame.x

    def y(lag_ms: float) -> float:
        return frame.y(log10(_drawn(lag_ms) / FLOOR_MS))

    labels = {10: "10 ms", 100: "100 ms", 1000: "1 s", 10_000: "10 s"}
    parts = [frame.level(y(value), label) for value, label in labels.items() if value < top_ms]
    limit = y(state.limit_ms)
    parts.append(
        f'<line x1="{_LEFT:g}" y1="{limit:.1f}" x2="{right:g}" y2="{limit:.1f}" stroke="{palette.TARGET}" '
        f'stroke-width="1.5" stroke-dasharray="6 4"/>'
    )
    parts.append(frame.beside(limit, f"{state.limit_name} {state.limit_ms:g} ms", palette.TARGET))
    low, high = bracket(state.points)
    if low and high:
        parts.append(
            f'<rect x="{x(low):.1f}" y="{_TOP:g}" width="{x(high) - x(low):.1f}" height="{floor - _TOP:g}" '
            f'fill="currentColor" fill-opacity=".12"><title>the knee is in here</title></rect>'
        )
    places = [(point, x(point.streams), y(point.lag_p50_ms), y(point.lag_p95_ms)) for point in state.points]
    parts += [_rung(*place, lag=state.lag, unit=state.unit) for place in places]
    parts += _numbers([(x(p.streams), p.streams) for p in state.points], floor + 15)
    parts.append(
        f'<text x="{right:g}" y="{floor + 30:g}" text-anchor="end" {TEXT}>{in_html(state.unit)} held at once</text>'
    )
    return picture(
        "".join(parts),
        width=_WIDTH,
        height=_HEIGHT,
        label=f"{state.lag.capitalize()} per rung of {state.endpoint_name}",
    )


def _rung(point: RungPoint, x: float, middle: float, top: float, *, lag: str, unit: str) -> str:
    """A whisker from median to p95 with the verdict's sign at its end."""
    _, colour = _SHAPES.get(point.verdict, _SHAPES["VOID"])
    signs = {
        "PASS": f'<circle cx="{x:.1f}" cy="{top:.1f}" r="5" fill="{colour}"/>',
        "FAIL": f'<path d="M{x - 5:.1f},{top - 5:.1f}l10,10m0,-10l-10,10" stroke="{colour}" stroke-width="3"/>',
        "INCONCLUSIVE": f'<circle cx="{x:.1f}" cy="{top:.1f}" r="5" fill="none" stroke="{colour}" stroke-width="2"/>',
    }
    sign = signs.get(point.verdict, f'<path d="M{x - 5:.1f},{top:.1f}h10" stroke="{colour}" stroke-width="2"/>')
    tip = in_html(f"{point.streams} {unit}: {point.summary}, p95 {lag} {_ms(point.lag_p95_ms)}")
    whisker = (
        f'<line x1="{x:.1f}" y1="{middle:.1f}" x2="{x:.1f}" y2="{top:.1f}" stroke="{colour}" stroke-width="2"/>'
        f'<circle cx="{x:.1f}" cy="{middle:.1f}" r="2" fill="{colour}"/>'
    )
    return f"<g><title>{tip}</title>{whisker}{sign}</g>"


def _numbers(places: Sequence[tuple[float, int]], y: float) -> list[str]:
    """The rungs' numbers below the axis, without those that would overlap."""
    shown, end = [], -inf
    for x, streams in sorted(places):
        if x - end > 16:
            shown.append(f'<text x="{x:.1f}" y="{y:g}" text-anchor="middle" {TEXT}>{streams}</text>')
            end = x
    return shown


def _headline(state: LadderState) -> str:
    low, high = bracket(state.points)
    if high is None:
        interval = f"at least {low} {in_html(state.unit)}" if low else "nothing proven yet"
    else:
        interval = f"between {low} and {high} {in_html(state.unit)}"
    doing = in_html(state.said) if state.said else ("measuring" if state.running else "done")
    return f"<div><b>{in_html(state.endpoint_name)}</b>: {interval} · {len(state.points)} rungs · {doing}</div>"


def _progress(state: LadderState) -> str:
    share = 1.0
    if state.running and state.forecast_s:
        share = min(state.elapsed_s / state.forecast_s, 0.97)
    if not state.running and not state.points:
        share = 0.0
    time = f"{state.elapsed_s:.0f} s" + (f" of about {state.forecast_s:.0f} s" if state.running else "")
    return (
        '<div style="display:flex;align-items:center;gap:.6em"><div style="flex:0 0 320px;height:8px;'
        'border-radius:4px;background:rgba(128,128,128,.3)">'
        f'<div style="width:{100 * share:.0f}%;height:8px;border-radius:4px;background:{palette.METRIC}"></div></div>'
        f"<span>{time}</span></div>"
    )
