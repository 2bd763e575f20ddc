"""An executed notebook for readers without its kernel: as one HTML page that needs no network, or in any viewer.

nbconvert leaves plotly figures out and fetches the code for widgets from the internet. Here plotly.js inside the page
draws the figures, and an HTML widget becomes the picture it last showed. JupyterLab shows widgets only in a notebook
that it trusts, and removes SVG from the HTML of others. They get an image instead.
"""

import base64
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dgsm_helpers.processes.schema_import import import_without_grammar
from dgsm_helpers.wire.whole_file import write_whole
from dgsm_helpers.workbook.notebook_inputs import read_notebook

PLOTLY_MIME = "application/vnd.plotly.v1+json"
VIEW_MIME = "application/vnd.jupyter.widget-view+json"
STATE_MIME = "application/vnd.jupyter.widget-state+json"

_NOTEBOOK_LINK = re.compile(r'(<a [^>]*href="[\w-]+)\.ipynb(?=[#"])')
"""To a notebook beside this one, whose page stands beside this page."""
_INK, _PAPER = "#3b3b3b", "#ffffff"
_SVG = re.compile(r"<svg\b.*?</svg>", re.DOTALL)

# nbconvert's page fetches these from the internet; besides, plotly.js hides itself from a page that has require.js.
_OFFLINE = """{% extends 'lab/index.html.j2' %}
{% block html_head_js %}{% endblock %}
{% block html_head_js_mathjax %}{% endblock %}
{% block html_head_js_mermaidjs %}{% endblock %}
"""


def write_html(executed: Path, html: Path) -> Path:
    """Write the executed notebook ``executed`` as the page ``html`` (5 MB with figures, which carry plotly.js once)."""
    import_without_grammar()
    from jinja2 import DictLoader
    from nbconvert import HTMLExporter

    notebook = read_notebook(executed)
    freeze_widgets(notebook)
    embed_figures(notebook)
    notebook.metadata["title"] = executed.stem
    exporter = HTMLExporter(extra_loaders=[DictLoader({"offline.html.j2": _OFFLINE})], template_file="offline.html.j2")
    body, _ = exporter.from_notebook_node(notebook)
    body = _NOTEBOOK_LINK.sub(r"\1.html", body)
    html.parent.mkdir(parents=True, exist_ok=True)
    write_whole(html, body)
    return html


def freeze_widgets(notebook: Any) -> None:
    """Put what each widget last showed in its output's place; controls are left out."""
    for output, picture in _widget_outputs(notebook):
        del output.data[VIEW_MIME]
        output.data["text/plain"] = "(widgets, alive in JupyterLab)"
        if picture:
            output.data["text/html"] = picture
    notebook.metadata.pop("widgets", None)


def add_pictures(notebook: Any) -> None:
    """Give every widget output also what the widget last showed, as an image that needs no trust."""
    for output, picture in _widget_outputs(notebook):
        if picture:
            output.data["text/html"] = _SVG.sub(_image_tag, picture)


def embed_figures(notebook: Any) -> None:
    """Let plotly figures draw themselves, with plotly.js in the first."""
    figures = (output for output in _rich_outputs(notebook) if PLOTLY_MIME in output.data)
    for number, output in enumerate(figures):
        output.data["text/html"] = _figure_html(output.data.pop(PLOTLY_MIME), with_library=number == 0)


def figures_of(executed: Path) -> list[str]:
    """The plotly figures of an executed notebook, each as HTML that draws itself on a page that carries plotly.js."""
    import_without_grammar()
    import nbformat

    outputs = _rich_outputs(nbformat.read(executed, as_version=4))
    return [
        _figure_html(output.data[PLOTLY_MIME], with_library=False) for output in outputs if PLOTLY_MIME in output.data
    ]


def _figure_html(figure: Mapping[str, Any], *, with_library: bool) -> str:
    import plotly.io as pio

    parts = {"data": figure["data"], "layout": figure["layout"]}
    options = {"full_html": False, "validate": False, "config": {"responsive": True}}
    return pio.to_html(parts, include_plotlyjs=with_library, **options)


def _rich_outputs(notebook: Any) -> list[Any]:
    cells = (cell for cell in notebook.cells if cell.cell_type == "code")
    return [output for cell in cells for output in cell.outputs if "data" in output]


def _widget_outputs(notebook: Any) -> list[tuple[Any, str]]:
    """Each output that shows a widget, and the HTML that the widget last was, "" for none."""
    states = notebook.metadata.get("widgets", {}).get(STATE_MIME, {}).get("state", {})
    outputs = [output for output in _rich_outputs(notebook) if VIEW_MIME in output.data]
    return [(output, _widget_html(output.data[VIEW_MIME]["model_id"], states)) for output in outputs]


def _image_tag(svg: re.Match[str]) -> str:
    # An image has no page whose colour it could take, so it has paper of its own.
    text = svg[0].replace("currentColor", _INK)
    label = re.search(r'aria-label="[^"]*"', text)
    described = f" {label[0].replace('aria-label', 'alt')}" if label else ""
    data = base64.b64encode(text.encode()).decode()
    return f'<img{described} style="width:100%;background:{_PAPER}" src="data:image/svg+xml;base64,{data}">'


def _widget_html(model_id: str, states: Mapping[str, Any]) -> str:
    """The HTML of a widget and of what is inside it."""
    model = states.get(model_id, {})
    state = model.get("state", {})
    if model.get("model_name") == "HTMLModel":
        return f"<div>{state['value']}</div>" if state.get("value") else ""
    children = (child.removeprefix("IPY_MODEL_") for child in state.get("children", ()))
    return "".join(_widget_html(child, states) for child in children)
