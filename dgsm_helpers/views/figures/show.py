"""Show a figure in whatever notebook front end is there, without bloating the notebook's file.

Two facts decide (both tried): JupyterLab draws the small ``application/vnd.plotly.v1+json`` output only if plotly 6.1
or newer is installed beside the *server*; and plotly 6.0, which SageMaker Distribution images pin, therefore writes the
whole of plotly.js (4.6 MB) into the notebook with each figure, and cannot do with less.
"""

import os
from collections.abc import Callable

import plotly
import plotly.graph_objects as go
import plotly.io as pio

SMALL = "plotly_mimetype"
"""Some 30 KB a figure."""

EVERYWHERE = "plotly_mimetype+notebook"
"""Draws wherever the notebook is opened, exported HTML included; carries plotly.js."""


def show(figure: go.Figure) -> None:
    """Draw ``figure`` below the cell.

    Should nothing appear, the kernel's environment is not the server's and the server has no plotly: set
    ``PLOTLY_RENDERER=plotly_mimetype+notebook`` in the kernel's environment.
    """
    figure.show(renderer=renderer(version=plotly.__version__, default=pio.renderers.default))


def renderer(*, version: str, default: str) -> str:
    """The renderer for plotly ``version`` whose own choice is ``default``.

    The user's choice (``PLOTLY_RENDERER``) and that of other front ends (VS Code, Colab) stand. In Jupyter, plotly 6.1
    and newer write the small form.
    """
    if os.environ.get("PLOTLY_RENDERER") or default != EVERYWHERE:
        return default
    major, minor = (int(part) for part in version.split(".")[:2])
    return SMALL if (major, minor) >= (6, 1) else EVERYWHERE


def show_line(text: str) -> Callable[[str], None]:
    """Show a line of text below the cell; the function that comes back puts another in its place."""
    from IPython.display import Pretty, display

    handle = display(Pretty(text), display_id=True)
    return lambda newer: handle.update(Pretty(newer))
