"""The look that all still figures share."""

from textwrap import wrap

import plotly.graph_objects as go

from dgsm_helpers.views.figures.svg_theme import GRID, INK, LIGHT, PAPER

_TOP, _BOTTOM = 80, 100
_ORIGIN_CHARACTERS = 104
"""In one line, or a narrow page would cut it off."""


def finished(figure: go.Figure, *, title: str, origin: str, height: int) -> go.Figure:
    """Common look: dark ink on paper of its own, the origin under the title, the legend under the axis.

    No grey has the contrast that text needs (4.5 to 1) on white and on JupyterLab's dark page alike, and a figure does
    not know which it is on.

    Args:
        origin: where the numbers come from, such as "CloudWatch, measured on the embedded AWS".
        height: in pixels.
    """
    grid = {"gridcolor": LIGHT[GRID], "zerolinecolor": LIGHT[GRID]}
    figure.update_xaxes(**grid)
    figure.update_yaxes(**grid)
    # Words in the colour of a line would have the contrast of a line.
    figure.update_annotations(font_color=LIGHT[INK])
    lines = wrap(f"Source: {origin}", _ORIGIN_CHARACTERS, break_on_hyphens=False)
    source, top = "<br>".join(f"<sup>{line}</sup>" for line in lines), _TOP + 18 * (len(lines) - 1)
    figure.update_layout(
        title={"text": f"{title}<br>{source}", "x": 0, "xref": "paper"},
        height=height,
        margin={"l": 60, "r": 20, "t": top, "b": _BOTTOM},
        # Below the axis' title, which a narrow figure would otherwise draw through it; y counts in plot heights.
        legend={
            "orientation": "h",
            "x": 0,
            "y": -68 / (height - top - _BOTTOM),
            "yanchor": "top",
            "traceorder": "normal",
        },
        paper_bgcolor=LIGHT[PAPER],
        plot_bgcolor=LIGHT[PAPER],
        font={"color": LIGHT[INK]},
        template="none",
    )
    return figure
