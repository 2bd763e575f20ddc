"""Which renderer draws a figure."""

from __future__ import annotations

import pytest

from dgsm_helpers.views.figures.show import EVERYWHERE, SMALL, renderer


@pytest.mark.parametrize(
    ("version", "default", "expected"),
    [
        ("7.1.0", SMALL, SMALL),
        ("6.3.0", EVERYWHERE, SMALL),
        ("6.1.0", EVERYWHERE, SMALL),
        ("6.0.1", EVERYWHERE, EVERYWHERE),
        ("7.1.0", "vscode", "vscode"),
        ("7.1.0", "browser", "browser"),
    ],
)
def test_figures_are_small_wherever_the_front_end_can_draw_them(version, default, expected, monkeypatch):
    monkeypatch.delenv("PLOTLY_RENDERER", raising=False)
    assert renderer(version=version, default=default) == expected


def test_a_renderer_named_in_the_environment_stands(monkeypatch):
    monkeypatch.setenv("PLOTLY_RENDERER", EVERYWHERE)
    assert renderer(version="7.1.0", default=EVERYWHERE) == EVERYWHERE
