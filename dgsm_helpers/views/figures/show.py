"""Show a figure, a table or words in whatever notebook front end is there; a figure also where no plotly is.

Three facts decide (all tried): JupyterLab draws plotly's small output only if plotly 6.1 or newer is installed beside
the *server*; plotly 6.0, which SageMaker Distribution images pin, would therefore write the whole of plotly.js (4.6 MB)
into the notebook with each figure; and nbconvert and GitHub draw no plotly output at all. So every figure is saved
small, with the same picture as SVG beside it, which a reader without plotly shows instead.
"""

from typing import Any

import plotly.graph_objects as go
import plotly.io as pio

from dgsm_helpers.processes.schema_import import import_without_grammar
from dgsm_helpers.rules.foreign_text import in_html

IN_JUPYTER = "plotly_mimetype+notebook"
"""What plotly chooses by itself in Jupyter; any other choice is the user's (``PLOTLY_RENDERER``) or the front end's."""


def show(what: object) -> None:
    """Draw a figure below the cell; show anything else as its table, or its text in lines that break between words.

    A figure is plotly's own drawing where the front end has it, the SVG elsewhere. A renderer that you choose
    (``PLOTLY_RENDERER``) or that plotly chooses for VS Code or Colab draws alone. JupyterLab breaks what is printed in
    the middle of a word.
    """
    from IPython.display import display

    if not isinstance(what, go.Figure):
        display(what if hasattr(what, "_repr_html_") else words(str(what)), raw=not hasattr(what, "_repr_html_"))
    elif _renderers().default in (IN_JUPYTER, "plotly_mimetype"):
        display(bundle(what), raw=True)
    else:
        what.show()


def words(text: str) -> dict[str, str]:
    """The output of a cell that says something: as HTML that keeps words whole, and as it is."""
    style = "white-space:pre-wrap;overflow-wrap:break-word;word-break:normal;max-width:60em;margin:.2em 0"
    return {"text/html": f'<div style="{style}">{in_html(text)}</div>', "text/plain": text}


def bundle(figure: go.Figure) -> dict[str, Any]:
    """The output of a cell: plotly's small form, the SVG, and the title for readers of text."""
    from dgsm_helpers.views.figures.still_svg import still_svg

    small = _renderers()["plotly_mimetype"].to_mimebundle(figure.to_dict())
    title = (figure.layout.title.text or "figure").partition("<br>")[0]
    return {**small, "image/svg+xml": still_svg(figure), "text/plain": title}


def _renderers() -> Any:
    """Plotly's; it imports nbformat with them, which a kernel has no use for."""
    import_without_grammar()
    return pio.renderers
