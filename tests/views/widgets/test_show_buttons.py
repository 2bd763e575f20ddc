"""The show's buttons below the live view: the same callers, trouble and story as on the page of ``dgsm show``."""

from __future__ import annotations

from dataclasses import replace

import pytest
from kit.waiting import until

from dgsm_helpers.load.transport.background_load import Load
from dgsm_helpers.views.show_events import BUTTONS, QUIET_CALLS
from dgsm_helpers.views.widgets.live_view import Live


@pytest.fixture
def load(scaling_endpoint):
    with Load(scaling_endpoint, call_s=(15, 45)) as made:
        yield made


@pytest.fixture
def view(scaling_endpoint, load):
    made = Live(scaling_endpoint, load=load, every_s=0.2)
    yield made
    made.stop()


def row(view):
    box, text = view.widget.children[2].children
    return {button.description: button for button in box.children}, text


def test_they_are_those_of_the_page(view):
    buttons, _ = row(view)
    assert list(buttons) == ["▶ tell the story", *(label for label, _ in BUTTONS.values())]


def test_a_click_calls_with_the_load_of_the_view_and_says_what_it_does(view, load):
    buttons, text = row(view)
    buttons["quiet again"].click()
    until(lambda: load.wanted == QUIET_CALLS, "a few call")
    until(lambda: "Quiet again" in text.value, "it is said")
    buttons["morning rush"].click()
    until(lambda: "morning rush" in text.value, "it is said")
    view.once()
    assert load.wanted > QUIET_CALLS


def test_the_story_is_told_with_the_refreshes_and_can_be_paused(view, load):
    buttons, text = row(view)
    buttons["▶ tell the story"].click()
    until(lambda: buttons["▶ tell the story"].description.endswith("pause the story"), "it plays")
    view.once()
    assert "Each box is an instance" in text.value and load.wanted == QUIET_CALLS
    buttons["▶ tell the story"].click()
    until(lambda: buttons["▶ tell the story"].description.startswith("▶"), "it is paused")


def test_what_keeps_it_from_being_done_is_said(scaling_endpoint):
    gone = Live(replace(scaling_endpoint, endpoint_name="dg-nobody"))
    buttons, text = row(gone)
    buttons["an instance dies"].click()
    until(lambda: "dg-nobody" in text.value, "the error is shown")
    assert "Traceback" not in text.value


def test_on_aws_there_are_none(scaling_endpoint):
    assert len(Live(replace(scaling_endpoint, administer=None)).widget.children) == 2
