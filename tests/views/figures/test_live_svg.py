"""The live view's picture: what is in it, and that it does not change unnoticed (snapshots)."""

from __future__ import annotations

import math
import re
from dataclasses import replace
from datetime import UTC, datetime
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kit.stored import agrees_with_snapshot

from dgsm_helpers.views.figures import palette
from dgsm_helpers.views.figures.live_svg import live_html, live_svg
from dgsm_helpers.views.live_state import Alarm, LiveState, Mark, breach_progress

CONCURRENCIES = st.lists(st.just(math.nan) | st.floats(min_value=0, max_value=1e6), max_size=50)


def test_the_live_view_of_a_known_period_is_the_stored_one(live_state):
    agrees_with_snapshot("live.html", live_html(live_state))


def test_a_view_without_data_streams_or_policy_is_the_stored_one(live_state):
    bare = replace(
        live_state, concurrency=[], instances=[], latency=[], alarms=[], marks=[], target_value=None, streams=""
    )
    agrees_with_snapshot("bare.html", live_html(bare))


def test_the_picture_is_well_formed_and_loads_nothing(live_state):
    html = live_html(live_state)
    ElementTree.fromstring(live_svg(live_state))
    assert "<script" not in html
    assert set(re.findall(r"https?://[^\"' ]+", html)) == {"http://www.w3.org/2000/svg"}


def test_text_and_grid_take_the_pages_colour_so_that_both_themes_work(live_state):
    svg = live_svg(live_state)
    assert 'fill="currentColor"' in svg
    assert not re.search(r'(fill|stroke)="(black|white|#000|#fff)', svg)


def test_every_word_takes_the_pages_colour(live_state):
    """The colours of lines have 3 to 1, which is too little for text."""
    found = re.findall(r'<text [^>]*fill="([^"]*)"', live_html(live_state))
    assert set(found) == {"currentColor"}


@pytest.mark.parametrize(
    ("side", "running", "alarming", "said"),
    [("high", 1, True, False), ("low", 1, False, True), ("low", 3, False, False)],
)
def test_only_the_high_alarm_is_drawn_as_one_and_at_the_minimum_nothing_can_go(
    live_state, side, running, alarming, said
):
    rings = Alarm(side, "ALARM", "Average < 4.5", 90, 90)
    time_s = live_state.now.timestamp()
    calm = replace(live_state, alarms=[rings], marks=(), instances=[(time_s, running, running)])
    html = live_html(calm)
    assert (palette.ALARM in html) == alarming
    assert ("nothing to remove" in html) == said


def test_where_aws_said_that_it_is_at_the_minimum_so_does_the_low_alarm(live_state):
    time_s = live_state.now.timestamp()
    mark = Mark(time_s, "12:00:00 low alarm: not scaled: at the minimum, nothing to remove (AlreadyAtMinCapacity)")
    rings = Alarm("low", "ALARM", "Average < 4.5", 90, 90)
    calm = replace(live_state, alarms=[rings], marks=[mark], instances=[(time_s, 2, 2)])
    assert "datapoints · nothing to remove" in live_html(calm)


def test_a_missing_datapoint_is_a_gap_in_the_line(live_state):
    whole = replace(live_state, concurrency=[p for p in live_state.concurrency if not math.isnan(p[1])])
    assert live_svg(live_state).count("<polygon") == live_svg(whole).count("<polygon") + 1


def test_names_and_causes_from_aws_cannot_inject_markup(live_state):
    evil = "<img src=x onerror=alert(1)>"
    state = replace(
        live_state,
        endpoint_name=evil,
        status=evil,
        trouble=evil,
        origin=evil,
        streams=evil,
        marks=[Mark(live_state.marks[0].time_s, evil, evil)],
        alarms=[Alarm(evil, evil, evil, 1, 3)],
        instances_by_type=[(evil, 1)],
    )
    assert "<img" not in live_html(state)


def test_trouble_is_shown_over_the_last_picture(live_state):
    html = live_html(replace(live_state, trouble="Throttled: Rate exceeded"))
    assert "Throttled: Rate exceeded" in html
    assert "<svg" in html


def test_every_view_says_where_its_numbers_come_from(live_state):
    assert f"Source: {live_state.origin}" in live_html(live_state)


def test_an_activity_decided_against_is_drawn_hollow_and_not_listed(live_state):
    html = live_html(live_state)
    assert html.count('fill="none" stroke="#D55E00"') == 1
    assert "<div>▲ 11:36:00 high alarm: desired 3</div>" in html
    assert "<div>▲ 11:37:00" not in html


@pytest.mark.parametrize(
    ("values", "above", "expected"),
    [
        ([6, 6, 6], True, 3),
        ([6, 5, 6], True, 1),
        ([6, 6, 5], True, 0),
        ([6, 6, math.nan], True, 0),
        ([], True, 0),
        ([9, 4, 4], False, 2),
        ([5, 5, 5], False, 0),
    ],
)
def test_breach_progress_counts_the_newest_datapoints_in_a_row(values, above, expected):
    assert breach_progress(values, above=above, threshold=5.0, needed=3) == expected


@given(CONCURRENCIES, st.booleans(), st.integers(1, 90))
def test_breach_progress_is_full_exactly_when_the_newest_are_all_over(values, above, needed):
    count = breach_progress(values, above=above, threshold=5.0, needed=needed)
    newest = values[-needed:]
    over = [v > 5 if above else v < 5 for v in newest]
    assert 0 <= count <= needed
    assert (count == needed) == (len(newest) == needed and all(over))


@given(CONCURRENCIES)
def test_any_concurrency_makes_a_well_formed_picture(values):
    now = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
    points = [(now.timestamp() - 10 * i, v, v, v) for i, v in enumerate(reversed(values))][::-1]
    state = LiveState(
        endpoint_name="any",
        status="InService",
        now=now,
        window_s=600,
        origin="hypothesis",
        target_value=5.0,
        concurrency=points,
        instances=[],
    )
    svg = live_svg(state)
    ElementTree.fromstring(svg)
    assert "nan" not in svg
