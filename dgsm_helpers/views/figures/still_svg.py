"""A plotly figure as SVG, for readers that draw no plotly: nbconvert, GitHub, viewers, a Lab without the extension.

Drawn by matplotlib from the figure's own traces, axes, lines and annotations, so that both pictures come from one
description. It has what the package's figures use: lines, steps, markers, bands, heat maps, logarithmic, date and
category axes. The SVG carries its own background, dark where the reader's system is, so that its text is read anywhere.
"""

import io
import re
from typing import Any

import matplotlib as mpl
import matplotlib.dates as mdates
import numpy as np
import pandas as pd
import plotly.graph_objects as go
from matplotlib.axes import Axes
from matplotlib.collections import QuadMesh
from matplotlib.figure import Figure
from matplotlib.ticker import MultipleLocator, NullLocator, ScalarFormatter
from matplotlib.transforms import blended_transform_factory

from dgsm_helpers.views.figures.svg_theme import GRID, INK, PAPER, WIDTH_PX, colour, plain, themed

_MARGIN, _LEFT, _TOP, _AXIS, _LEGEND_ROW = 16.0, 72.0, 70.0, 56.0, 20.0

_DASHES = {"dot": ":", "dash": "--", "longdash": (0, (8, 3)), "dashdot": "-."}
_ALIGNMENTS = {"left": "left", "right": "right", "top": "top", "bottom": "bottom"}
_MARKERS = {
    "circle": "o",
    "circle-open": "o",
    "x": "X",
    "x-thin-open": "x",
    "line-ew-open": "_",
    "triangle-up": "^",
    "triangle-up-open": "^",
    "star": "*",
    "diamond-open": "D",
}


_STYLE: Any = {
    "svg.fonttype": "none",  # text stays text
    "svg.hashsalt": "dgsm",  # the same ids each time
    "font.family": "sans-serif",
    "font.size": 12,
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": GRID,
    "xtick.color": INK,
    "ytick.color": INK,
    "text.parse_math": False,  # a dollar is a dollar
    "timezone": "UTC",
}


def still_svg(figure: go.Figure) -> str:
    """The figure as an SVG document, as wide as its page up to `WIDTH_PX`; the same for the same figure."""
    height = float(figure.layout.height or 450)
    columns = _legend_columns(figure)
    names = {trace.name for trace in figure.data if _named(trace)}
    rows = -(-len(names) // columns) if columns else 0
    with mpl.rc_context(_STYLE):
        # An inch is 72 of SVG's units: one of them is a pixel.
        drawing = Figure(figsize=(WIDTH_PX / 72, height / 72), dpi=72, facecolor=PAPER)
        axes = _place_axes(figure, drawing, height, bottom=_AXIS + rows * _LEGEND_ROW)
        _draw_traces(figure, axes)
        for (x, y), ax in axes.items():
            _draw_axis(_axis_of(figure, x), ax.xaxis, ax.set_xscale, ax.set_xlim)
            _draw_axis(_axis_of(figure, y), ax.yaxis, ax.set_yscale, ax.set_ylim)
            _draw_frame(ax)
        _draw_shapes(figure, axes)
        _draw_annotations(figure, axes, drawing)
        _draw_title(figure, drawing, height)
        _draw_legend(axes, drawing, columns)
        text = io.StringIO()
        drawing.savefig(text, format="svg", facecolor=PAPER, metadata={"Date": None, "Creator": None})
    return themed(text.getvalue(), figure.layout.title.text or "")


def _place_axes(figure: go.Figure, drawing: Figure, height: float, *, bottom: float) -> dict[tuple[str, str], Axes]:
    """A matplotlib axes for each pair of plotly's, where plotly puts it; room for the names of a heat map's rows."""
    rows = [str(name) for trace in figure.data if isinstance(trace, go.Heatmap) for name in trace.y]
    left = max(_LEFT, _MARGIN + 6.5 * max(map(len, rows), default=0))
    wide, high = WIDTH_PX - left - _MARGIN, height - _TOP - bottom
    axes = {}
    for x, y in dict.fromkeys((trace.xaxis or "x", trace.yaxis or "y") for trace in figure.data):
        x0, x1 = _axis_of(figure, x).domain or (0.0, 1.0)
        y0, y1 = _axis_of(figure, y).domain or (0.0, 1.0)
        edges = (left + x0 * wide, bottom + y0 * high, (x1 - x0) * wide, (y1 - y0) * high)
        across, up, width, tall = edges
        place = (across / WIDTH_PX, up / height, width / WIDTH_PX, tall / height)
        axes[x, y] = drawing.add_axes(place, facecolor="none")
    return axes


def _draw_traces(figure: go.Figure, axes: dict[tuple[str, str], Axes]) -> None:
    before: dict[tuple[str, str], np.ndarray] = {}
    for trace in figure.data:
        key = (trace.xaxis or "x", trace.yaxis or "y")
        if isinstance(trace, go.Heatmap):
            _draw_heat_map(trace, axes[key])
            continue
        x, y = _points(trace)
        _draw_scatter(trace, axes[key], x, y, before.get(key))
        before[key] = y


def _points(trace: Any) -> tuple[np.ndarray, np.ndarray]:
    """The trace's values; times as UTC without their zone, which numpy has no type for."""
    y = np.asarray([np.nan if value is None else value for value in trace.y], dtype=float)
    if trace.x is None:
        return (trace.x0 or 0) + (trace.dx or 1) * np.arange(len(y)), y
    x = np.asarray(trace.x)
    if x.dtype.kind not in "OU":
        return x, y
    if all(value is None for value in x):  # a name in the legend alone
        return np.full(len(x), np.nan), y
    times = pd.to_datetime(pd.Series(x), utc=True, format="ISO8601").dt.tz_localize(None)
    return times.to_numpy(), y


def _draw_scatter(trace: Any, ax: Axes, x: np.ndarray, y: np.ndarray, below: np.ndarray | None) -> None:
    line, marker, mode = trace.line, trace.marker, trace.mode or "lines"
    stepped: Any = {"hv": "post", "vh": "pre"}.get(line.shape or "")
    label = trace.name if trace.name and trace.showlegend is not False else "_none"
    if trace.fill == "tonexty" and below is not None:
        ax.fill_between(x, below, y, step=stepped, color=colour(trace.fillcolor), linewidth=0, label=label)
        return
    symbol = str(marker.symbol or "circle")
    open_ = symbol.endswith("-open")
    drawn_in = colour(marker.color if mode == "markers" else line.color)
    ax.plot(
        x,
        y,
        label=label,
        color=drawn_in,
        linestyle=_DASHES.get(line.dash or "solid", "-") if "lines" in mode else "none",
        linewidth=2.0 if line.width is None else line.width,
        drawstyle=f"steps-{stepped}" if stepped else "default",
        marker=_MARKERS.get(symbol, "o") if "markers" in mode else "",
        markersize=float(marker.size or 6),
        markerfacecolor="none" if open_ else colour(marker.color or line.color),
        clip_on=trace.cliponaxis is not False,
    )


def _draw_heat_map(trace: Any, ax: Axes) -> None:
    values = np.asarray([[np.nan if v is None else v for v in row] for row in trace.z], dtype=float)
    mesh = ax.pcolormesh(values, cmap="cividis_r" if trace.reversescale else "cividis", edgecolors=PAPER, linewidth=1)
    form = re.search(r"%\{z:([^}]*)\}", trace.texttemplate or "")
    written = [len(format(value, form[1])) for value in values.flat if form and np.isfinite(value)]
    cell_px = ax.get_position().width * WIDTH_PX / values.shape[1]
    size = min(11.0, 1.5 * cell_px / max(written, default=1))  # a character is some 0.6 of its size wide
    shades = np.asarray(mesh.cmap(mesh.norm(values)))[..., :3] @ (0.299, 0.587, 0.114)
    for (row, column), value in np.ndenumerate(values):
        if form and np.isfinite(value):
            ink = "#000000" if shades[row, column] > 0.5 else "#ffffff"
            at = (column + 0.5, row + 0.5)
            ax.annotate(format(value, form[1]), at, ha="center", va="center", color=ink, fontsize=round(size, 1))
    ax.set_xticks(np.arange(len(trace.x)) + 0.5, [str(name) for name in trace.x])
    ax.set_yticks(np.arange(len(trace.y)) + 0.5, [str(name) for name in trace.y])


def _draw_axis(wanted: Any, axis: Any, set_scale: Any, set_limits: Any) -> None:
    """Scale, limits, ticks and title of one axis, as ``wanted`` has them."""
    logarithmic = wanted.type == "log"
    if logarithmic:
        set_scale("log")
        axis.set_major_formatter(ScalarFormatter())
        axis.set_minor_locator(NullLocator())
    if wanted.range is not None:
        low, high = wanted.range
        if isinstance(axis.get_major_locator(), mdates.AutoDateLocator):
            low, high = mdates.date2num(pd.to_datetime([low, high], utc=True))
        set_limits(*((10.0**low, 10.0**high) if logarithmic else (low, high)))
    elif wanted.rangemode == "tozero":
        set_limits(0, None)
    if wanted.dtick is not None and not logarithmic:
        axis.set_major_locator(MultipleLocator(float(wanted.dtick)))
    if isinstance(axis.get_major_locator(), mdates.AutoDateLocator):
        axis.set_major_formatter(mdates.ConciseDateFormatter(axis.get_major_locator()))
    if wanted.title.text:
        axis.set_label_text(plain(wanted.title.text))
    if wanted.showticklabels is False:
        axis.set_tick_params(labelbottom=False, labelleft=False)


def _draw_frame(ax: Axes) -> None:
    if not any(isinstance(drawn, QuadMesh) for drawn in ax.collections):  # a heat map would hide it
        ax.grid(color=GRID, linewidth=0.8)
    ax.set_axisbelow(True)
    ax.tick_params(length=0, which="both")
    for spine in ax.spines.values():
        spine.set_visible(False)


def _draw_shapes(figure: go.Figure, axes: dict[tuple[str, str], Axes]) -> None:
    for shape in figure.layout.shapes:
        for ax in _referred(axes, shape.xref, shape.yref):
            line = {
                "color": colour(shape.line.color),
                "linewidth": 2.0 if shape.line.width is None else shape.line.width,
            }
            dashes = _DASHES.get(shape.line.dash or "solid", "-")
            if shape.type == "rect":
                ax.axvspan(shape.x0, shape.x1, color=colour(shape.fillcolor), alpha=shape.opacity, linewidth=0)
            elif shape.xref.endswith("domain"):
                ax.axhline(shape.y0, linestyle=dashes, **line)
            else:
                ax.axvline(shape.x0, linestyle=dashes, **line)


def _draw_annotations(figure: go.Figure, axes: dict[tuple[str, str], Axes], drawing: Figure) -> None:
    boxes = [ax.get_position() for ax in axes.values()]
    left, right = min(box.x0 for box in boxes), max(box.x1 for box in boxes)
    floor, top = min(box.y0 for box in boxes), max(box.y1 for box in boxes)
    for note in figure.layout.annotations:
        style: dict[str, Any] = {
            "color": colour(note.font.color) if note.font.color else INK,
            "fontsize": float(note.font.size or 12),
            "ha": _ALIGNMENTS.get(note.xanchor, "center"),
            "va": _ALIGNMENTS.get(note.yanchor, "center"),
        }
        x, y, text = note.x, note.y, plain(note.text)
        if "paper" in (note.xref or "paper", note.yref or "paper"):
            x, y = (0.5 if place is None else place for place in (x, y))
            drawing.text(left + x * (right - left), floor + y * (top - floor), text, **style)
            continue
        for ax in _referred(axes, note.xref, note.yref):
            x_of, y_of = ax.transData, ax.transData
            if note.xref.endswith("domain"):
                x_of = ax.transAxes
            if note.yref.endswith("domain"):
                y_of = ax.transAxes
            elif ax.get_yscale() == "log":
                y = 10.0**y
            ax.text(x, y, text, transform=blended_transform_factory(x_of, y_of), **style)


def _draw_title(figure: go.Figure, drawing: Figure, height: float) -> None:
    title, *origin = plain(figure.layout.title.text or "").split("\n")
    drawing.text(_MARGIN / WIDTH_PX, 1 - 22 / height, title, fontsize=16, va="baseline")
    for number, line in enumerate(origin):
        drawing.text(_MARGIN / WIDTH_PX, 1 - (42 + 14 * number) / height, line, fontsize=11, va="baseline")


def _draw_legend(axes: dict[tuple[str, str], Axes], drawing: Figure, columns: int) -> None:
    """Below everything, so that it never lies on an axis."""
    found = [ax.get_legend_handles_labels() for ax in axes.values()]
    handles = {label: handle for some, labels in found for handle, label in zip(some, labels, strict=True)}
    if columns:
        drawing.legend(
            handles.values(), handles.keys(), loc="lower left", bbox_to_anchor=(0, 0), ncols=columns, frameon=False
        )


def _legend_columns(figure: go.Figure) -> int:
    """How many names fit beside each other; 0 where there is nothing to tell apart."""
    names = {trace.name for trace in figure.data if _named(trace)}
    longest = max((len(name) for name in names), default=0)
    return min(len(names), max(1, int((WIDTH_PX - 2 * _MARGIN) / (50 + 7 * longest)))) if len(names) > 1 else 0


def _named(trace: Any) -> bool:
    return bool(trace.name) and trace.showlegend is not False


def _referred(axes: dict[tuple[str, str], Axes], xref: str, yref: str) -> list[Axes]:
    """The axes that ``x2``, ``y2 domain`` and the like speak of."""
    wanted = (xref.removesuffix(" domain"), yref.removesuffix(" domain"))
    return [ax for pair, ax in axes.items() if pair == wanted]


def _axis_of(figure: go.Figure, name: str) -> Any:
    """The layout of axis ``x``, ``y2`` and so on."""
    return figure.layout[f"{name[0]}axis{name[1:]}"]
