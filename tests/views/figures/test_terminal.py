"""The terminal's view, from the same state as the SVG."""

from __future__ import annotations

from dataclasses import replace
from math import nan

import pytest

from dgsm_helpers.views.figures.terminal import live_text


def row(text: str, word: str) -> str:
    return next(line for line in text.splitlines() if word in line)


def test_it_tells_status_types_alarms_and_activities(live_state):
    text = live_text(live_state)
    assert row(text, "deepgram-demo InService") == (
        "deepgram-demo InService · 1 × ml.g6.2xlarge · 2 errors · 15 of 15 streams open"
    )
    assert "░░░░░░░░░░░░ 0 of 3  Average > 5" in row(text, "▲ high OK")
    assert "████████████ 90 of 90  Average < 4.5" in row(text, "▼ low  ALARM")
    assert "1 running, 1 desired" in text
    assert "▲ 11:36:00 high alarm: desired 3" in text
    assert "not scaled" not in text
    assert row(text, "first chunk") == "first chunk  p50 70 ms, p99 100 ms"


def test_bars_cross_the_target_where_the_metric_does(live_state):
    above = next(line for line in live_text(live_state).splitlines() if "target 5" in line)
    assert "█" in above and "─" in above


def test_the_instances_of_each_time_stand_below_it(live_state):
    digits = live_text(live_state).splitlines()
    line = digits[digits.index(next(d for d in digits if d.startswith("instances:"))) + 1].strip()
    assert (line[0], set(line), line[-1]) == ("1", {"1", "3"}, "1")
    assert 0.55 < line.count("3") / len(line) < 0.65


@pytest.mark.parametrize("width", [10, 60, 80, 200])
def test_no_line_is_wider_than_the_terminal(live_state, width):
    long = replace(live_state, trouble="AccessDenied: " + "very long " * 40)
    assert max(map(len, live_text(long, width=width).splitlines())) <= max(width, 60)


def test_what_is_missing_is_said(live_state):
    empty = replace(
        live_state, concurrency=[(0.0, nan, nan, nan)], instances=[], latency=[], alarms=[], target_value=None
    )
    text = live_text(empty)
    for said in ("no data", "instances: unknown", "no new streams", "no policy is applied"):
        assert said in text


def test_trouble_is_shown_with_the_last_picture(live_state):
    assert "⚠ Throttled: wait" in live_text(replace(live_state, trouble="Throttled: wait"))
