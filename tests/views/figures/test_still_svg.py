"""The still picture of a plotly figure: the same content, read on light and dark, in any viewer."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from xml.etree import ElementTree

import pandas as pd
import plotly.graph_objects as go
import pytest
from hypothesis import given
from hypothesis import strategies as st
from kit.contrast import contrast
from plotly.subplots import make_subplots

from dgsm_helpers.views.figures.look import finished
from dgsm_helpers.views.figures.still_svg import still_svg
from dgsm_helpers.views.figures.svg_theme import WIDTH_PX

SVG = "{http://www.w3.org/2000/svg}"
BEGAN = datetime(2026, 11, 29, 9, 45, tzinfo=UTC)


def texts(svg: str) -> list[str]:
    return [element.text.strip() for element in ElementTree.fromstring(svg).iter(f"{SVG}text") if element.text]


def drawn(figure: go.Figure, **settings) -> str:
    return still_svg(finished(figure, title="Title", origin="a test", **{"height": 300, **settings}))


def test_a_picture_has_title_origin_axes_and_names_as_text():
    figure = go.Figure()
    figure.add_scatter(x=[0, 1], y=[1, 2], name="desired")
    figure.add_scatter(x=[0, 1], y=[2, 1], name="running")
    figure.update_yaxes(title_text="streams on the<br>fullest instance")
    found = texts(drawn(figure))
    for text in ("Title", "Source: a test", "desired", "running", "streams on the", "fullest instance"):
        assert text in found


def test_a_heat_map_of_many_policies_stays_small_and_its_numbers_stay_in_their_cells():
    figure = make_subplots(rows=1, cols=3)
    for column in (1, 2, 3):
        cells = go.Heatmap(
            x=["5", "6", "7", "8", "9"], y=[f"a policy with a name as long as it is: {n}" for n in range(32)],
            z=[[n / 97 for n in range(5)]] * 32, texttemplate="%{z:.2f}",
        )  # fmt: skip
        figure.add_trace(cells, row=1, col=column)
    svg = drawn(figure, height=870)
    assert len(svg) < 90_000
    root = ElementTree.fromstring(svg)
    row = [e for e in root.iter(f"{SVG}text") if re.fullmatch(r"0\.\d\d", (e.text or "").strip())][:5]
    written_once = dict(re.findall(r"\.(s\w+) { ([^}]*) }", svg))
    styles = [element.get("style") or written_once[element.get("class")] for element in row]
    sizes = {float(re.search(r"font-size: ([\d.]+)px", style)[1]) for style in styles}
    places = sorted(float(element.get("x")) for element in row)
    apart = min(right - left for left, right in pairwise(places))
    assert max(sizes) * 0.62 * 4 <= apart


def test_one_trace_needs_no_legend():
    assert "alone" not in texts(drawn(go.Figure(go.Scatter(x=[0, 1], y=[1, 2], name="alone"))))


def test_the_same_figure_gives_the_same_bytes():
    figure = go.Figure(go.Scatter(x=[0, 1], y=[1, 2]))
    assert drawn(figure) == drawn(go.Figure(figure))


def test_it_is_as_wide_as_its_page_and_carries_its_own_paper_for_light_and_dark():
    svg = drawn(go.Figure(go.Scatter(x=[0, 1], y=[1, 2])))
    opening = re.match("<svg[^>]*>", svg)[0]
    assert f"max-width: {WIDTH_PX:g}px" in opening and " width=" not in opening and "viewBox" in opening
    assert "prefers-color-scheme: dark" in svg
    assert not re.search("#010203|#fdfcfb|#d1d2d3", svg), "every stand-in is replaced"


def test_its_words_have_a_contrast_of_at_least_four_and_a_half_to_one():
    svg = drawn(go.Figure(go.Scatter(x=[0, 1], y=[1, 2])))
    light = re.findall(r"var\(--still-([01]), (#[0-9a-f]{6})\)", svg)
    dark = dict(re.findall(r"--still-([01]): (#[0-9a-f]{6})", svg))
    for colours in (dict(light), dark):
        assert contrast(colours["0"], colours["1"]) >= 4.5


def test_times_are_told_in_utc_whatever_zone_they_carry():
    zone = pd.date_range(BEGAN, periods=3, freq="10min").tz_convert("Asia/Kolkata")
    figure = go.Figure(go.Scatter(x=zone, y=[1, 2, 1]))
    figure.update_xaxes(range=[BEGAN, BEGAN + timedelta(minutes=20)])
    assert {"09:45", "09:50"} & set(texts(drawn(figure)))


def test_a_row_below_another_keeps_its_place_and_legends_lie_below_the_lowest_axis():
    figure = make_subplots(rows=2, cols=1, shared_xaxes=True)
    figure.add_scatter(x=[0, 1], y=[1, 2], name="above", row=1, col=1)
    figure.add_scatter(x=[0, 1], y=[1, 2], name="below", row=2, col=1)
    figure.update_xaxes(title_text="hours", row=2, col=1)
    svg = drawn(figure, height=500)
    places = {
        element.text.strip(): float(element.get("y") or element.get("transform").split()[-1].rstrip(")"))
        for element in ElementTree.fromstring(svg).iter(f"{SVG}text")
        if element.text and (element.get("y") or "translate" in (element.get("transform") or ""))
    }
    assert places["hours"] < places["above"] <= 500


def test_a_logarithmic_axis_a_limit_and_a_note_on_it_meet():
    figure = go.Figure(go.Scatter(x=[1, 2], y=[10, 1000], mode="lines"))
    figure.update_yaxes(type="log", range=[1, 3])
    figure.add_hline(y=100, line={"color": "#c97700", "dash": "dash"})
    figure.add_annotation(x=0.01, xref="x domain", y=2, text="limit 100 ms", showarrow=False)
    svg = drawn(figure)
    assert "limit 100 ms" in texts(svg) and "stroke-dasharray" in svg


def test_a_heat_map_tells_its_rows_columns_and_values():
    figure = go.Figure(
        go.Heatmap(x=["5", "8"], y=["slow", "fast"], z=[[0.1, 1.0], [2.0, None]], texttemplate="%{z:.2f}")
    )
    assert {"5", "8", "slow", "fast", "0.10", "2.00"} <= set(texts(drawn(figure)))


@pytest.mark.parametrize("text", ["<b>a</b> & b", "a < b", '"quoted"', "é ≤ ü", "$5 and $6", "a_b^c"])
def test_words_are_text_whatever_is_in_them(text):
    figure = go.Figure(go.Scatter(x=[0, 1], y=[1, 2]))
    figure.update_yaxes(title_text=text.replace("<b>", "").replace("</b>", ""))
    assert text.replace("<b>", "").replace("</b>", "") in texts(drawn(figure))


@given(st.lists(st.one_of(st.none(), st.floats(-1e6, 1e6)), max_size=20))
def test_any_values_make_a_document(values):
    ElementTree.fromstring(drawn(go.Figure(go.Scatter(x=list(range(len(values))), y=values, name="a"))))
