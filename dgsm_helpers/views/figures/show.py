"""Show a figure in whatever notebook front end is there, and so that it is still seen where no plotly is.

Three facts decide (all tried): JupyterLab draws plotly's small output only if plotly 6.1 or newer is installed beside
the *server*; plotly 6.0, which SageMaker Distribution images pin, would therefore write the whole of plotly.js (4.6 MB)
into the notebook with each figure; and nbconvert and GitHub draw no plotly output at all. So every figure is saved
small, with the same picture as SVG beside it, which a reader without plotly shows instead.
"""

from typing import Any

import plotly.graph_objects as go
import plotly.io as pio

IN_JUPYTER = "plotly_mimetype+notebook"
"""What plotly chooses by itself in Jupyter; any other choice is the user's (``PLOTLY_RENDERER``) or the front end's."""


def show(figure: go.Figure) -> None:
    """Draw ``figure`` below the cell: plotly's own drawing where the front end has it, the SVG elsewhere.

    A renderer that you choose (``PLOTLY_RENDERER``) or that plotly chooses for VS Code or Colab draws alone.
    """
    from IPython.display import display

    if pio.renderers.default in (IN_JUPYTER, "plotly_mimetype"):
        display(bundle(figure), raw=True)
    else:
        figure.show()


def bundle(figure: go.Figure) -> dict[str, Any]:
    """The output of a cell: plotly's small form, the SVG, and the title for readers of text."""
    from dgsm_helpers.views.figures.still_svg import still_svg

    small = pio.renderers["plotly_mimetype"].to_mimebundle(figure.to_dict())
    title = (figure.layout.title.text or "figure").partition("<br>")[0]
    return {**small, "image/svg+xml": still_svg(figure), "text/plain": title}
