"""What a figure leaves in a notebook."""

from __future__ import annotations

import json

import plotly.graph_objects as go
import plotly.io as pio
import pytest

from dgsm_helpers.aws.core.money import InstanceCost
from dgsm_helpers.aws.watch.logs import Known
from dgsm_helpers.prices import Price
from dgsm_helpers.views.figures.show import IN_JUPYTER, bundle, show


@pytest.fixture
def figure():
    figure = go.Figure(go.Scatter(x=[0, 1, 2], y=[1, 3, 1], name="instances"))
    return figure.update_layout(title={"text": "Instances<br><sup>Source: a test</sup>"}, height=300)


def test_a_figure_is_saved_small_with_a_picture_beside_it(figure):
    saved = bundle(figure)
    assert set(saved) == {"application/vnd.plotly.v1+json", "image/svg+xml", "text/plain"}
    assert len(json.dumps(saved)) < 60_000
    assert saved["text/plain"] == "Instances"
    assert saved["application/vnd.plotly.v1+json"]["layout"]["title"]["text"].startswith("Instances")


@pytest.mark.parametrize("default", [IN_JUPYTER, "plotly_mimetype"])
def test_in_jupyter_both_are_shown(default, figure, monkeypatch):
    shown = []
    monkeypatch.setattr(pio.renderers, "default", default)
    monkeypatch.setattr("IPython.display.display", lambda data, raw: shown.append(data))
    show(figure)
    assert [set(data) for data in shown] == [set(bundle(figure))]


@pytest.fixture
def outputs(monkeypatch):
    """What was displayed: an object, or an output's data by type."""
    shown = []
    monkeypatch.setattr("IPython.display.display", lambda what, raw=False: shown.append(what))
    return shown


def test_words_are_shown_in_lines_that_do_not_break_inside_them(outputs):
    show("Target 8 <b>\n  because of 10")
    assert outputs[0]["text/plain"] == "Target 8 <b>\n  because of 10"
    html = outputs[0]["text/html"]
    assert "Target 8 &lt;b&gt;\n  because of 10" in html
    assert "white-space:pre-wrap" in html and "word-break:normal" in html


def test_what_is_a_table_is_shown_as_one_and_what_is_not_as_its_words(outputs):
    table, cost = Known(), InstanceCost(2.0, "ml.g6.2xlarge", Price(amount_usd=3.0, source="a test"))
    show(table)
    show(cost)
    assert outputs[0] is table
    assert outputs[1]["text/plain"] == str(cost) and "$0.10" in outputs[1]["text/html"]


@pytest.mark.parametrize("default", ["json", "vscode"])
def test_a_renderer_that_somebody_chose_draws_alone(default, figure, monkeypatch):
    drawn = []

    def draw(chosen):
        drawn.append(chosen)

    monkeypatch.setattr(pio.renderers, "default", default)
    monkeypatch.setattr(go.Figure, "show", draw)
    show(figure)
    assert drawn == [figure]
