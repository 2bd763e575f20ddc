"""The look that all still figures share."""

import plotly.graph_objects as go

from dgsm_helpers.views.figures import palette

_TOP, _BOTTOM = 80, 100


def finished(figure: go.Figure, *, title: str, origin: str, height: int) -> go.Figure:
    """Common look: transparent on light and dark pages, the origin under the title, the legend under the axis.

    Args:
        origin: where the numbers come from, such as "CloudWatch, measured on the embedded AWS".
        height: in pixels.
    """
    grid = {"gridcolor": "rgba(128,128,128,0.25)", "zerolinecolor": "rgba(128,128,128,0.5)"}
    figure.update_xaxes(**grid)
    figure.update_yaxes(**grid)
    figure.update_layout(
        title={"text": f"{title}<br><sup>Source: {origin}</sup>", "x": 0, "xref": "paper"},
        height=height,
        margin={"l": 60, "r": 20, "t": _TOP, "b": _BOTTOM},
        # Below the axis' title, which a narrow figure would otherwise draw through it; y counts in plot heights.
        legend={
            "orientation": "h",
            "x": 0,
            "y": -68 / (height - _TOP - _BOTTOM),
            "yanchor": "top",
            "traceorder": "normal",
        },
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
        font={"color": palette.MUTED},
        template="none",
    )
    return figure
