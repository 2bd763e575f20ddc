"""The picture of instances and calls: what is in it, and what cannot get into it."""

from __future__ import annotations

import re
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dgsm_helpers.load.transport.call_progress import OngoingCall
from dgsm_helpers.views.figures.fleet_svg import CAPTIONS, fleet_html, fleet_svg
from dgsm_helpers.views.fleet_state import FleetState, ShownInstance

PHASES = ("requested", "starting", "serving", "stopping")


def call(number, lag_ms=100.0, said="", guess=""):
    return OngoingCall(label=f"stream-{number}", request_id=f"r-{number}", lag_ms=lag_ms, said=said, guess=guess)


def serving(*numbers, **more):
    return ShownInstance(phase="serving", instance_id="i-0123456789", requests=tuple(f"r-{n}" for n in numbers), **more)


def test_every_phase_is_a_box_with_its_name():
    svg = fleet_svg(FleetState(instances=tuple(ShownInstance(phase=phase, age_s=42.0) for phase in PHASES)))
    assert re.findall('data-phase="([a-z]+)"', svg) == list(PHASES)
    assert "starting 42 s" in svg


def test_a_call_is_a_disc_while_it_keeps_up_and_a_diamond_when_it_is_late():
    calls = (call(1), call(2, 900.0), call(3, None))
    svg = fleet_svg(FleetState(instances=(serving(1, 2, 3),), calls=calls))
    assert dict(re.findall('data-call="([^"]+)" data-late="([a-z]+)"', svg)) == {
        "stream-1": "false",
        "stream-2": "true",
        "stream-3": "false",
    }
    assert svg.count("rotate(45") == 1
    assert "text 900 ms behind" in svg and "no text yet" in svg


def test_where_nobody_tells_which_instance_a_call_is_on_the_picture_says_so():
    fleet = FleetState(instances=(ShownInstance(phase="serving", instance_type="ml.g6.2xlarge"),), calls=(call(1),))
    assert "AWS does not tell which instance a call is on" in fleet_svg(fleet)
    placed = FleetState(instances=(serving(),), calls=(call(1),))
    assert "on their way to an instance" in fleet_svg(placed)


def test_dots_stay_within_their_box_however_many_there_are():
    svg = fleet_svg(FleetState(instances=(serving(*range(40)),), calls=tuple(call(n) for n in range(40))))
    box = re.search(r'<rect x="([\d.]+)" y="([\d.]+)" width="([\d.]+)" height="([\d.]+)"', svg)
    left, top, width, height = map(float, box.groups())
    dots = [(float(x), float(y)) for x, y in re.findall(r'<circle cx="([\d.]+)" cy="([\d.]+)" r="6.5"', svg)]
    assert len(dots) == 40
    assert all(left < x - 6 and x + 6 < left + width and top < y - 6 and y + 6 < top + height for x, y in dots)


def test_captions_show_what_is_final_and_what_is_guessed_of_a_few_calls():
    calls = tuple(call(n, said="ask not what", guess="your country") for n in range(9))
    html = fleet_html(FleetState(calls=calls))
    assert html.count("your country") == CAPTIONS
    assert 'ask not what <span style="opacity' in html


def test_money_stands_beside_what_as_many_as_ever_ran_would_cost():
    money = {"usd_per_hour": 1.22, "most": 3, "always_usd_per_hour": 3.66, "spent_usd": 0.8, "always_usd": 1.9}
    html = fleet_html(FleetState(instances=(serving(),), **money))
    assert "$1.22 an hour</b> now · always 3 instances: $3.66 an hour" in html
    assert "$0.80 instead of $1.90" in html


def test_without_instances_and_calls_there_is_nothing():
    assert fleet_html(FleetState()) == ""


TEXTS = st.text(max_size=300)


@given(TEXTS, TEXTS, TEXTS)
def test_no_words_break_the_picture(name, said, guess):
    evil = OngoingCall(label=name, request_id="r", lag_ms=1.0, said=said, guess=guess)
    fleet = FleetState(instances=(ShownInstance(phase="serving", instance_id=name, requests=("r",)),), calls=(evil,))
    ElementTree.fromstring(fleet_svg(fleet))
    assert "<script" not in fleet_html(fleet).lower() or "<script" not in (name + said + guess).lower()


@pytest.mark.parametrize("evil", ["<img src=x onerror=alert(1)>", '"><script>alert(1)</script>'])
def test_a_transcript_cannot_inject_markup(evil):
    html = fleet_html(FleetState(calls=(OngoingCall(label=evil, lag_ms=1.0, said=evil, guess=evil),)))
    assert "<img" not in html and "<script" not in html
