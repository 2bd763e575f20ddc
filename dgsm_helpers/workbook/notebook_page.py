"""An executed notebook for readers without its kernel: as one HTML page that needs no network, or in any viewer.

nbconvert leaves plotly figures out and fetches the code for widgets from the internet. Here plotly.js inside the page
draws the figures, and an HTML widget becomes the picture it last showed. JupyterLab shows widgets only in a notebook
that it trusts, and removes SVG from the HTML of others. They get an image instead.
"""

from __future__ import annotations

import base64
import copy
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

PLOTLY_MIME = "application/vnd.plotly.v1+json"
VIEW_MIME = "application/vnd.jupyter.widget-view+json"
STATE_MIME = "application/vnd.jupyter.widget-state+json"

_SVG = re.compile(r"<svg\b.*?</svg>", re.DOTALL)

# nbconvert's page fetches these from the internet; besides, plotly.js hides itself from a page that has require.js.
_OFFLINE = """{% extends 'lab/index.html.j2' %}
{% block html_head_js %}{% endblock %}
{% block html_head_js_mathjax %}{% endblock %}
{% block html_head_js_mermaidjs %}{% endblock %}
"""


def write_html(executed: Path, html: Path) -> Path:
    """Write the executed notebook ``executed`` as the page ``html`` (5 MB with figures, which carry plotly.js once)."""
    import nbformat
    from jinja2 import DictLoader
    from nbconvert import HTMLExporter

    notebook = with_static_figures(with_static_widgets(nbformat.read(executed, as_version=4)))
    notebook.metadata["title"] = executed.stem
    exporter = HTMLExporter(extra_loaders=[DictLoader({"offline.html.j2": _OFFLINE})], template_file="offline.html.j2")
    body, _ = exporter.from_notebook_node(notebook)
    html.write_text(body, encoding="utf-8")
    return html


def with_static_widgets(notebook: Any) -> Any:
    """A copy in which every widget output is what the widget last showed; controls are left out."""
    notebook = copy.deepcopy(notebook)
    states = notebook.metadata.pop("widgets", {}).get(STATE_MIME, {}).get("state", {})
    for output in _rich_outputs(notebook):
        view = output.data.pop(VIEW_MIME, None)
        if view is not None:
            output.data["text/plain"] = "(widgets, alive in JupyterLab)"
            if picture := _widget_html(view["model_id"], states):
                output.data["text/html"] = picture
    return notebook


def with_pictures(notebook: Any) -> Any:
    """A copy in which every widget output also has what the widget last showed, as an image that needs no trust."""
    notebook = copy.deepcopy(notebook)
    states = notebook.metadata.get("widgets", {}).get(STATE_MIME, {}).get("state", {})
    for output in _rich_outputs(notebook):
        if VIEW_MIME in output.data and (picture := _widget_html(output.data[VIEW_MIME]["model_id"], states)):
            output.data["text/html"] = _SVG.sub(_image_tag, picture)
    return notebook


def with_static_figures(notebook: Any) -> Any:
    """A copy in which plotly figures draw themselves, with plotly.js in the first."""
    notebook = copy.deepcopy(notebook)
    first = True
    for output in _rich_outputs(notebook):
        figure = output.data.pop(PLOTLY_MIME, None)
        if figure is not None:
            output.data["text/html"] = _figure_html(figure, with_library=first)
            first = False
    return notebook


def figures_of(executed: Path) -> list[str]:
    """The plotly figures of an executed notebook, each as HTML that draws itself."""
    import nbformat

    outputs = _rich_outputs(nbformat.read(executed, as_version=4))
    return [
        _figure_html(output.data[PLOTLY_MIME], with_library=True) for output in outputs if PLOTLY_MIME in output.data
    ]


def _figure_html(figure: Mapping[str, Any], *, with_library: bool) -> str:
    import plotly.io as pio

    parts = {"data": figure["data"], "layout": figure["layout"]}
    options = {"full_html": False, "validate": False, "config": {"responsive": True}}
    return pio.to_html(parts, include_plotlyjs=with_library, **options)


def _rich_outputs(notebook: Any) -> list[Any]:
    cells = (cell for cell in notebook.cells if cell.cell_type == "code")
    return [output for cell in cells for output in cell.outputs if "data" in output]


def _image_tag(svg: re.Match[str]) -> str:
    # An image has no page whose colour it could take; this grey is read on white and on black.
    text = svg[0].replace("currentColor", "#808080")
    label = re.search(r'aria-label="[^"]*"', text)
    described = f" {label[0].replace('aria-label', 'alt')}" if label else ""
    data = base64.b64encode(text.encode()).decode()
    return f'<img{described} style="width:100%" src="data:image/svg+xml;base64,{data}">'


def _widget_html(model_id: str, states: Mapping[str, Any]) -> str:
    """The HTML of a widget and of what is inside it."""
    model = states.get(model_id, {})
    state = model.get("state", {})
    if model.get("model_name") == "HTMLModel":
        return f"<div>{state['value']}</div>" if state.get("value") else ""
    children = (child.removeprefix("IPY_MODEL_") for child in state.get("children", ()))
    return "".join(_widget_html(child, states) for child in children)
