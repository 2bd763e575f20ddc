"""The capacity ladder: what figure and live picture say about rungs, and that they do not change unnoticed."""

from __future__ import annotations

import math
import re
from dataclasses import replace
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kit.stored import agrees_with_snapshot

from dgsm_helpers.errors import InvalidInput
from dgsm_helpers.views.figures.ladder_figure import (
    LadderState,
    RungPoint,
    bracket,
    ladder_html,
    ladder_svg,
    lag_against_concurrency,
)

POINTS = (
    RungPoint(4, 30, 53, "PASS", "", 4, 4),
    RungPoint(6, 31, 60, "INCONCLUSIVE", "", 6, 6),
    RungPoint(8, 32, 78, "PASS", "", 16, 16),
    RungPoint(9, 60, 102, "FAIL", "lag growth", 14, 18),
    RungPoint(16, 1200, math.inf, "FAIL", "p95 lag", 0, 16),
    RungPoint(32, math.nan, math.nan, "VOID"),
)
STATE = LadderState(
    endpoint_name="deepgram-demo",
    points=POINTS,
    limit_ms=500,
    limit_name="p95 lag (strict)",
    origin="a made-up ladder",
    elapsed_s=40,
    forecast_s=72,
    running=True,
    said="9 streams: fail",
)


def figure(points=POINTS, **given):
    return lag_against_concurrency(
        points, limit_ms=500, limit_name="p95 lag (strict)", origin="a made-up ladder", **given
    )


def named(figure, name):
    return next(trace for trace in figure.data if trace.name == name)


def test_a_running_ladder_is_the_stored_one():
    agrees_with_snapshot("ladder.html", ladder_html(STATE))


def test_a_ladder_before_its_first_rung_is_the_stored_one():
    agrees_with_snapshot("ladder-empty.html", ladder_html(replace(STATE, points=(), running=False, elapsed_s=0)))


def test_the_live_picture_is_well_formed_and_takes_the_pages_colours():
    svg = ladder_svg(STATE)
    ElementTree.fromstring(svg)
    assert 'fill="currentColor"' in svg
    assert not re.search(r'(fill|stroke)="(black|white|#000|#fff)', svg)


def test_names_and_errors_are_escaped():
    html = ladder_html(replace(STATE, endpoint_name="<b>", trouble="<script>", said="<i>"))
    assert "<script>" not in html
    assert "<i>" not in html


def test_every_rung_tells_its_verdict_in_words():
    tips = re.findall(r"<title>([^<]+)</title>", ladder_svg(STATE))
    assert "9 streams: FAIL by lag growth, 14 of 18 within bounds, p95 lag 102 ms" in tips
    assert any("16 streams" in tip and "results never came" in tip for tip in tips)


def test_the_headline_says_the_interval_so_far():
    assert "between 8 and 9 streams" in ladder_html(STATE)
    assert "at least 4 streams" in ladder_html(replace(STATE, points=POINTS[:1]))
    assert "nothing proven yet" in ladder_html(replace(STATE, points=()))


@pytest.mark.parametrize(
    ("points", "interval"),
    [(POINTS, (8, 9)), (POINTS[:2], (4, None)), (POINTS[3:5], (0, 9)), ((), (0, None))],
)
def test_only_proven_rungs_bracket_the_knee(points, interval):
    assert bracket(points) == interval


def test_a_pass_above_a_failure_is_not_the_lower_end():
    assert bracket([RungPoint(4, 1, 1, "PASS"), RungPoint(6, 1, 1, "FAIL"), RungPoint(8, 1, 1, "PASS")]) == (4, 6)


def test_the_figure_shows_each_verdict_with_a_shape_of_its_own():
    shapes = {name: named(figure(), name).marker.symbol for name in ("PASS", "FAIL", "INCONCLUSIVE", "VOID")}
    assert len(set(shapes.values())) == 4
    assert list(named(figure(), "PASS").x) == [4, 8]


def test_the_figure_marks_knee_limit_and_target():
    drawn = figure(target_value=6.4)
    texts = " ".join(annotation.text for annotation in drawn.layout.annotations)
    assert "knee: 8 pass,<br>9 fail by lag growth" in texts
    assert "p95 lag (strict) 500 ms" in texts
    assert "TargetValue 6.4" in texts
    assert "Source: a made-up ladder" in drawn.layout.title.text


def test_the_figure_without_a_failure_claims_no_knee():
    texts = " ".join(annotation.text for annotation in figure(POINTS[:2]).layout.annotations)
    assert "knee" not in texts


def test_a_figure_without_rungs_is_refused():
    with pytest.raises(InvalidInput, match="no rungs"):
        figure(())


@given(
    st.lists(
        st.builds(
            RungPoint,
            streams=st.integers(1, 2000),
            lag_p50_ms=st.floats(0) | st.just(math.nan),
            lag_p95_ms=st.floats(0) | st.just(math.nan),
            verdict=st.sampled_from(["PASS", "FAIL", "INCONCLUSIVE", "VOID"]),
            why=st.sampled_from(["", "p95 lag", "a<b"]),
        ),
        max_size=12,
    )
)
def test_any_ladder_is_drawn_inside_its_picture(points):
    tree = ElementTree.fromstring(ladder_svg(replace(STATE, points=points)))
    places = [
        float(element.get(name))
        for element in tree.iter()
        for name in ("x1", "x2", "y1", "y2", "cx", "cy")
        if element.get(name) is not None
    ]
    assert all(math.isfinite(place) and -1 <= place <= 921 for place in places)
