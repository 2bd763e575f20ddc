"""Buttons and slider set the load, within the ceiling, from any thread; on AWS only with confirmed spending."""

from __future__ import annotations

import threading
from dataclasses import replace

import pytest

from dgsm_helpers.errors import InvalidInput, SpendNotConfirmed
from dgsm_helpers.load.transport.background_load import Load
from dgsm_helpers.views.widgets.load_control import LoadControl


@pytest.fixture
def load(scaling_endpoint):
    with Load(scaling_endpoint) as running:
        yield running


@pytest.fixture
def control(scaling_endpoint, load):
    return LoadControl(scaling_endpoint, load, ceiling=4)


def parts(control):
    slider, *buttons, text = control.widget.children
    return slider, {button.description: button for button in buttons}, text


def test_buttons_add_and_drop_within_the_ceiling(control, load):
    slider, buttons, text = parts(control)
    buttons["+ 1"].click()
    assert load.wanted == slider.value == 1
    buttons["+ 5"].click()
    assert load.wanted == slider.value == 4
    assert text.value == "4 streams wanted"
    buttons["None"].click()
    assert load.wanted == slider.value == 0


def test_the_slider_sets_the_number(control, load):
    slider, _, _ = parts(control)
    slider.value = 3
    assert load.wanted == 3


def test_clicks_in_several_threads_are_not_lost(control, load):
    _, buttons, _ = parts(control)
    threads = [threading.Thread(target=buttons["+ 1"].click) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert load.wanted == 3


def test_a_stopped_load_is_said_beside_the_buttons(control, load):
    _, buttons, text = parts(control)
    load.stop()
    buttons["+ 1"].click()
    assert "has been stopped" in text.value


def test_it_needs_confirmed_spending_where_instances_cost_money(scaling_endpoint, load):
    billed = replace(scaling_endpoint, bills=True)
    with pytest.raises(SpendNotConfirmed, match="up to 4 streams"):
        LoadControl(billed, load, ceiling=4)
    LoadControl(replace(billed, confirm_spend=True), load, ceiling=4)


def test_a_ceiling_below_one_is_refused(scaling_endpoint, load):
    with pytest.raises(InvalidInput, match="ceiling is 0"):
        LoadControl(scaling_endpoint, load, ceiling=0)


def test_a_load_above_the_ceiling_is_refused(scaling_endpoint, load):
    load.set(3)
    with pytest.raises(InvalidInput, match="holds 3 streams, and the ceiling is 2"):
        LoadControl(scaling_endpoint, load, ceiling=2)


def test_no_number_asked_for_passes_the_ceiling(control, load):
    slider, _, _ = parts(control)
    control.set(10**6)
    assert load.wanted == slider.value == 4
    slider.value = 10**6
    assert load.wanted == 4
    control.set(-1)
    assert load.wanted == 0
