"""What a figure leaves in a notebook."""

from __future__ import annotations

import json

import plotly.graph_objects as go
import plotly.io as pio
import pytest

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


@pytest.mark.parametrize("default", ["json", "vscode"])
def test_a_renderer_that_somebody_chose_draws_alone(default, figure, monkeypatch):
    drawn = []

    def draw(chosen):
        drawn.append(chosen)

    monkeypatch.setattr(pio.renderers, "default", default)
    monkeypatch.setattr(go.Figure, "show", draw)
    show(figure)
    assert drawn == [figure]
