"""Plans put into an account while scheduled actions hold other bounds than the ordinary ones."""

from __future__ import annotations

from datetime import timedelta

import pytest
from kit.moved_workbook import EmptyAws, moved_workbook

from dgsm_helpers.aws.endpoint import deployment, deployment_plan
from dgsm_helpers.aws.scaling import registration, scalable_target, scheduled_actions
from dgsm_helpers.aws.scaling.policy import ScalingPolicy
from dgsm_helpers.planning.applying import applied_plans, apply_settings, bounds_for, settings_for
from dgsm_helpers.planning.candidates import FleetLimits, presets_for
from dgsm_helpers.planning.forecast_schedule import LAST

TYPE = "ml.g6.2xlarge"


@pytest.fixture
def scaled(tmp_path):
    """A workbook whose clock the test moves, and its embedded AWS; registered 1 to 4, at eight streams."""
    aws = EmptyAws()
    wb = moved_workbook(aws, tmp_path, "e1")
    deployment.deploy(wb, deployment_plan.plan(wb))
    registration.register(wb, 1, 4)
    registration.apply(wb, ScalingPolicy(target_value=8))
    return wb, aws


def until_hour(wb, aws, hour):
    while wb.now().hour != hour:
        aws.run(600)


def registered_minimum(wb):
    return scalable_target.require_target(wb).min_capacity


def test_plans_are_the_same_at_noon_as_at_night_and_leave_no_minimum_raised(scaled, day):
    wb, aws = scaled
    _, at_target, *_, scheduled = presets_for(day, FleetLimits(knee=10, instance_type=TYPE))
    apply_settings(wb, settings_for(scheduled))
    seen = {}
    for hour, raised in ((23, 1), (12, 3)):
        until_hour(wb, aws, hour)
        assert registered_minimum(wb) == raised
        (applied,) = applied_plans(wb, day, TYPE)
        seen[hour] = bounds_for(wb), applied.bounds, applied.schedule
    assert seen[12] == seen[23]
    assert seen[12][0] == {"min_capacity": 1, "max_capacity": 7}
    presets = presets_for(day, FleetLimits(knee=10, instance_type=TYPE, **bounds_for(wb)))
    assert (presets[1].bounds, presets[-1].schedule) == (at_target.bounds, scheduled.schedule)
    apply_settings(wb, settings_for(presets[1]))
    assert not scheduled_actions.listed(wb)
    assert registered_minimum(wb) == 1


@pytest.mark.parametrize("which", [1, -1], ids=["without a schedule", "with one"])
def test_a_plan_takes_the_place_of_a_forecast_and_leaves_other_actions(scaled, day, which):
    wb, _ = scaled
    for name, ahead in (("forecast-1", 1), (LAST, 2)):
        at = wb.now() + timedelta(days=ahead)
        scheduled_actions.put(wb, name, f"at({at:%Y-%m-%dT%H:%M:%S})", min_capacity=2)
    scheduled_actions.put(wb, "somebody-elses", "cron(0 20 ? * MON-FRI *)", max_capacity=9)
    settings = settings_for(presets_for(day, FleetLimits(knee=10, instance_type=TYPE))[which])
    apply_settings(wb, settings)
    left = {action.name for action in scheduled_actions.listed(wb)}
    assert left == {"somebody-elses", *(daily.name for daily in settings.daily)}
