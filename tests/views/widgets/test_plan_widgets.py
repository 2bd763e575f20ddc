"""Choosing traffic and moving sliders: every change is simulated at once, and a wrong one is shown, not raised."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from dgsm_helpers.errors import NotFound
from dgsm_helpers.planning.comparing import PlanStudy
from dgsm_helpers.planning.measured import Measured
from dgsm_helpers.prices import Price
from dgsm_helpers.rules.model import ScalingModel
from dgsm_helpers.simulate.conditions import Capacity
from dgsm_helpers.simulate.traffic import preset
from dgsm_helpers.views.widgets.plan_sliders import PlanSliders
from dgsm_helpers.views.widgets.traffic_chooser import TrafficChooser

EPOCH = datetime.fromtimestamp(0, UTC)
INSTANCE = Measured(
    capacity=Capacity(knee=10),
    instance_type="ml.g6.2xlarge",
    source="this test",
    price=Price(amount_usd=1.2, source="this test"),
)


def shown(widget):
    return widget.widget.children[-1].value


@pytest.fixture
def sliders():
    traffic = preset("step", peak=20, horizon_s=3 * 3600.0, seed=1)
    return PlanSliders(PlanStudy(traffic, INSTANCE, ScalingModel()))


def test_a_moved_slider_is_simulated_at_once(sliders):
    before = sliders.played.merits
    sliders.target_value.value = 4.0
    assert sliders.played.merits.instance_hours > before.instance_hours
    assert sliders.plan.policies[0].target_value == 4.0
    assert f"{sliders.played.merits.instance_hours:.1f}" in shown(sliders)


def test_every_slider_reaches_the_plan(sliders):
    sliders.scale_out_cooldown_s.value = 300
    sliders.scale_in_cooldown_s.value = 600
    sliders.bounds.value = (2, 5)
    policy, bounds = sliders.played.plan.policies[0], sliders.played.plan.bounds
    assert (policy.scale_out_cooldown_s, policy.scale_in_cooldown_s) == (300, 600)
    assert (bounds.min_capacity, bounds.max_capacity) == (2, 5)


def test_the_picture_says_that_it_is_simulated_what_is_assumed_and_what_the_other_statistic_gives(sliders):
    assert "Source: simulated" in shown(sliders)
    assert "rules read from the endpoint" in shown(sliders)
    assert "by the other statistic" in shown(sliders)


def test_what_cannot_be_simulated_is_shown_and_the_last_picture_stays():
    sliders = PlanSliders(PlanStudy(preset("step", peak=5, horizon_s=1000.0), INSTANCE, ScalingModel()))
    sliders.scale_in_cooldown_s.value = 1800
    assert "no longer than the cooldown" in shown(sliders)
    assert "<svg" in shown(sliders)


def test_a_shape_and_its_peak_are_chosen():
    chooser = TrafficChooser("diurnal", peak=20)
    chooser.shape.value = "constant"
    chooser.peak.value = 60
    assert chooser.traffic.name == "constant"
    assert chooser.traffic.concurrency().max() > 40
    assert "constant" in shown(chooser)


def upload(chooser, name, content):
    chooser.upload.value = (
        {"name": name, "type": "", "size": len(content), "content": content, "last_modified": EPOCH},
    )


def test_an_uploaded_file_is_the_traffic():
    chooser = TrafficChooser("diurnal", peak=20)
    upload(chooser, "calls.csv", memoryview(b"start,duration_s\n0,600\n60,300\n"))
    assert (chooser.traffic.name, chooser.traffic.sessions) == ("calls.csv", 2)


@pytest.mark.parametrize("content", [b"start,duration_s\n9,5\n3,-5\n", b"\xff\xfe\x00"])
def test_a_wrong_upload_is_said_and_the_traffic_stays(content):
    chooser = TrafficChooser("diurnal", peak=20)
    before = chooser.traffic
    upload(chooser, "calls.csv", memoryview(content))
    assert chooser.traffic is before
    assert "⚠" in shown(chooser)
    assert f"still <b>diurnal</b>: {before.sessions} sessions" in shown(chooser)


def test_a_foreign_file_is_read_by_the_columns_named_and_what_was_left_out_is_shown(tmp_path):
    path = tmp_path / "calls.csv"
    path.write_text("Begin;Talk\n03/04/2026 09:00;60\n03/04/2026 09:05;0\n")
    chooser = TrafficChooser(str(path), peak=20, columns="start=Begin,duration_s=Talk,dates=day-first")
    assert chooser.traffic.sessions == 1
    assert "1 of 2 calls lasted no time" in shown(chooser) and "taken as UTC" in shown(chooser)
    chooser.shape.value = "step"
    assert "lasted no time" not in shown(chooser)
    upload(chooser, "more.csv", memoryview(b"Begin;Talk\n13/04/2026 09:00;60\n"))
    assert chooser.traffic.name == "more.csv"


def test_a_file_by_its_path_can_be_left_and_come_back_to(tmp_path):
    path = tmp_path / "calls.csv"
    path.write_text("start,duration_s\n0,600\n60,300\n")
    chooser = TrafficChooser(str(path), peak=20)
    assert chooser.traffic.name == "calls.csv"
    chooser.shape.value = "step"
    assert chooser.traffic.name == "step"
    chooser.shape.value = str(path)
    assert chooser.traffic.name == "calls.csv"


def test_a_source_that_is_not_there_is_an_error_at_once():
    with pytest.raises(NotFound):
        TrafficChooser("weekly.csv", peak=20)
