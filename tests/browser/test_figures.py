"""The still figures as plotly really draws them, narrow and wide: nothing lies on anything else."""

from __future__ import annotations

import plotly.graph_objects as go
import plotly.io as pio
import pytest
from kit.browser import browser_page, need_browser
from plotly.subplots import make_subplots

from dgsm_helpers.views.figures.look import finished

LONG = "target {}, cooldown 300/300 s, 1 to 11, high-resolution, scheduled 7 till 1 h"
SHORT = ("mean of the instances", "idlest to busiest instance", "TargetValue 5", "scale-in below 4.5 (0.9 × target)")
BOXES = """() => [...document.querySelectorAll('.js-plotly-plot')].map(plot => {
  const box = e => { const r = e.getBoundingClientRect(); return [r.left, r.top, r.right, r.bottom] };
  const all = name => [...plot.querySelectorAll(name)].map(box);
  return { plot: box(plot), legend: all('.legend')[0], titles: all('.xtitle, .x2title, .x3title, .x4title'),
           ticks: all('.xaxislayer-above text, .xtick text'), origin: all('.gtitle')[0] };
})"""


def figure(names, *, rows, height):
    """A figure of the common look: a line for each name in each row, times below."""
    drawn = make_subplots(rows=rows, cols=1, shared_xaxes=True)
    for row in range(1, rows + 1):
        for number, name in enumerate(names):
            x = [f"2026-11-29T1{hour}:00" for hour in range(5)]
            drawn.add_scatter(x=x, y=[number, 2, 1, 3, 2], name=name, showlegend=row == 1, row=row, col=1)
    drawn.update_xaxes(title_text="time (UTC)", row=rows, col=1)
    return finished(drawn, title="A figure", origin="a test", height=height)


FIGURES: dict[str, go.Figure] = {
    "one row, low": figure(SHORT[:2], rows=1, height=300),
    "two rows, many names": figure((*SHORT, "desired instances", "running instances", "activity"), rows=2, height=560),
    "four rows, long names": figure([LONG.format(n) for n in (5, 7, 8)], rows=4, height=780),
    "one row, long names": figure([LONG.format(n) for n in (5, 7, 8)], rows=1, height=430),
}


@pytest.mark.parametrize("width", [900, 1280])
def test_legends_axes_and_titles_lie_clear_of_each_other(tmp_path, width):
    need_browser()
    drawn = [pio.to_html(f, full_html=False, include_plotlyjs=n == 0) for n, f in enumerate(FIGURES.values())]
    page_file = tmp_path / "figures.html"
    page_file.write_text(f"<meta charset=utf-8><body>{''.join(drawn)}", encoding="utf-8")
    with browser_page(viewport={"width": width, "height": 2400}) as page:
        page.goto(page_file.as_uri())
        page.wait_for_function(f"document.querySelectorAll('.js-plotly-plot .legend').length == {len(FIGURES)}")
        boxes = page.evaluate(BOXES)
    for name, found in zip(FIGURES, boxes, strict=True):
        left, top, right, bottom = found["plot"]
        legend, lowest = found["legend"], max(box[3] for box in [*found["titles"], *found["ticks"]])
        assert found["titles"] and found["ticks"], name
        assert legend[1] >= lowest - 1, f"{name}: the legend lies on the axis"
        assert legend[3] <= bottom + 1 and legend[2] <= right + 1, f"{name}: the legend runs out of the figure"
        assert found["origin"][3] <= min(box[1] for box in found["ticks"]), name
        assert found["origin"][0] >= left and found["origin"][1] >= top, name
