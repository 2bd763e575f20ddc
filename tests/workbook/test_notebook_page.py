"""Executed notebooks as offline pages: widgets as they last looked, figures that draw themselves."""

from __future__ import annotations

import base64
import re

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from dgsm_helpers.workbook.notebook_page import (
    PLOTLY_MIME,
    STATE_MIME,
    VIEW_MIME,
    add_pictures,
    embed_figures,
    freeze_widgets,
    write_html,
)

STATES = {
    "box": {"model_name": "VBoxModel", "state": {"children": ["IPY_MODEL_button", "IPY_MODEL_inner"]}},
    "inner": {"model_name": "HBoxModel", "state": {"children": ["IPY_MODEL_picture"]}},
    "button": {"model_name": "ButtonModel", "state": {"description": "Start"}},
    "picture": {"model_name": "HTMLModel", "state": {"value": "<svg>the last picture</svg>"}},
}


def notebook(*datas):
    cells = [new_code_cell("x", outputs=[new_output("display_data", data)]) for data in datas]
    return new_notebook(cells=cells, metadata={"widgets": {STATE_MIME: {"state": STATES}}})


def shown(change, made):
    """The outputs of the notebook after the change."""
    change(made)
    return [cell.outputs[0].data for cell in made.cells]


def test_a_live_view_becomes_its_last_picture():
    before = notebook({VIEW_MIME: {"model_id": "box"}, "text/plain": "VBox(...)"})
    data = shown(freeze_widgets, before)[0]
    assert data["text/html"] == "<div><svg>the last picture</svg></div>"
    assert VIEW_MIME not in data


@pytest.mark.parametrize("model_id", ["button", "unknown"])
def test_a_widget_without_a_picture_leaves_a_note(model_id):
    data = shown(freeze_widgets, notebook({VIEW_MIME: {"model_id": model_id}}))[0]
    assert data == {"text/plain": "(widgets, alive in JupyterLab)"}


def test_an_image_of_a_live_view_stands_in_where_widgets_are_not_trusted():
    label = 'aria-label="Live view of &lt;dg&gt;"'
    svg = f'<svg {label} xmlns="http://www.w3.org/2000/svg"><text fill="currentColor">ü 3</text></svg>'
    states = STATES | {"picture": {"model_name": "HTMLModel", "state": {"value": f"<b>dg</b>{svg}<i>now</i>"}}}
    made = notebook({VIEW_MIME: {"model_id": "box"}, "text/plain": "VBox(...)"})
    made.metadata["widgets"][STATE_MIME]["state"] = states
    data = shown(add_pictures, made)[0]
    assert data[VIEW_MIME] == {"model_id": "box"} and made.metadata["widgets"][STATE_MIME]["state"] == states
    found = re.fullmatch(
        r'<div><b>dg</b><img alt="Live view of &lt;dg&gt;" style="width:100%;background:#ffffff" '
        r'src="data:image/svg\+xml;base64,(.*)">'
        r"<i>now</i></div>",
        data["text/html"],
    )
    assert base64.b64decode(found[1]).decode() == svg.replace("currentColor", "#3b3b3b")
    assert "text/html" not in shown(add_pictures, notebook({VIEW_MIME: {"model_id": "button"}}))[0]


def test_figures_share_one_copy_of_the_library():
    figure = {PLOTLY_MIME: {"data": [{"type": "scatter", "y": [1]}], "layout": {}}}
    first, second = (data["text/html"] for data in shown(embed_figures, notebook(figure, figure)))
    assert len(first) > 1_000_000
    assert len(second) < 20_000
    assert "Plotly.newPlot" in first and "Plotly.newPlot" in second


def test_a_link_to_the_next_notebook_leads_to_its_page_and_others_stay(tmp_path):
    said = "[next](02_register.ipynb#steps), [docs](../docs/guides/to_aws.md), [elsewhere](https://x.example/a.ipynb)"
    executed = tmp_path / "01_deploy.ipynb"
    nbformat.write(new_notebook(cells=[new_markdown_cell(said)]), executed)
    html = write_html(executed, tmp_path / "01_deploy.html").read_text(encoding="utf-8")
    targets = re.findall(r'href="([^"#][^"]*)"', html)
    assert {"02_register.html#steps", "../docs/guides/to_aws.md", "https://x.example/a.ipynb"} <= set(targets)
