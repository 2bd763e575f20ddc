"""Scheduled actions: made, shown, fired by the local clock, and refused when wrong."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from kit import endpoints

from dgsm_helpers.aws.endpoint import endpoint_state
from dgsm_helpers.aws.scaling import registration, scalable_target, scheduled_actions
from dgsm_helpers.aws.watch import observe
from dgsm_helpers.errors import InvalidInput, NotFound, UnsupportedFeature
from dgsm_helpers.rules.schedules import may_fire

MORNING = "cron(0 7 ? * MON-FRI *)"


@pytest.fixture
def registered(deployed):
    registration.register(deployed, 1, 4)
    yield deployed
    registration.remove(deployed)


def test_scheduled_actions_are_listed_and_say_when_they_fire_first(registered):
    scheduled_actions.put(
        registered, "night", "cron(0 22 * * ? *)", min_capacity=1, max_capacity=2, timezone="Europe/Berlin"
    )
    soon = registered.now() + timedelta(days=10)
    launch = scheduled_actions.put(registered, "launch", f"at({soon:%Y-%m-%dT%H:%M:%S})", min_capacity=3)
    assert launch.next_at == soon.replace(microsecond=0)
    found = scheduled_actions.listed(registered)
    assert {a.name: (a.min_capacity, a.max_capacity, a.timezone) for a in found} == {
        "launch": (3, None, "UTC"),
        "night": (1, 2, "Europe/Berlin"),
    }


def test_scheduled_action_is_changed_and_removed_by_name(registered):
    scheduled_actions.put(registered, "morning", MORNING, min_capacity=2)
    scheduled_actions.put(registered, "morning", MORNING, min_capacity=3)
    assert [a.min_capacity for a in scheduled_actions.listed(registered)] == [3]
    assert scheduled_actions.remove(registered, "morning")
    assert not scheduled_actions.remove(registered, "morning")
    assert len(scheduled_actions.listed(registered)) == 0


@pytest.mark.parametrize(
    ("schedule", "timezone", "said"),
    [
        ("cron(0 7 ? * MON-FRI)", "UTC", "has 5 fields"),
        ("cron(0 7 * * MON-FRI *)", "UTC", "must be `\\?`"),
        ("cron(0 25 ? * * *)", "UTC", "outside 0 to 23"),
        ("0 7 * * 1-5", "UTC", "is not at"),
        ("rate(90 seconds)", "UTC", "units are minutes"),
        ("at(24.12.2026 18:00)", "UTC", "is not of the form at"),
        (MORNING, "CET+1", "Unknown time zone 'CET\\+1'"),
        (MORNING, "Berlin", "IANA name"),
        ("at(2020-01-01T00:00:00)", "UTC", "would never fire"),
    ],
)
def test_schedule_mistakes_are_refused_before_any_call(registered, schedule, timezone, said):
    with pytest.raises(InvalidInput, match=said):
        scheduled_actions.put(registered, "wrong", schedule, min_capacity=2, timezone=timezone)
    assert len(scheduled_actions.listed(registered)) == 0


def test_schedule_that_ends_before_it_begins_to_fire_is_refused(registered):
    with pytest.raises(InvalidInput, match="would never fire"):
        scheduled_actions.put(registered, "x", MORNING, min_capacity=2, end=registered.now())
    with pytest.raises(InvalidInput, match="start has no time zone"):
        scheduled_actions.put(registered, "x", MORNING, min_capacity=2, start=datetime(2030, 1, 1))


@pytest.mark.parametrize(
    ("bounds", "kind", "said"),
    [
        ({}, InvalidInput, "neither bound"),
        ({"min_capacity": 0}, UnsupportedFeature, "cannot scale to zero"),
        ({"min_capacity": 6}, InvalidInput, "minimum of 6 would be above the maximum of 4"),
        ({"min_capacity": 3, "max_capacity": 2}, InvalidInput, "minimum of 3 would be above the maximum of 2"),
    ],
)
def test_schedule_with_impossible_bounds_is_refused(registered, bounds, kind, said):
    with pytest.raises(kind, match=said):
        scheduled_actions.put(registered, "x", MORNING, **bounds)


def test_schedule_that_only_aws_can_read_is_listed(scripted):
    s = scripted()
    described = {
        "ScheduledActionName": "odd",
        "ScheduledActionARN": "arn:aws:autoscaling:us-east-1:123456789012:scheduledAction:x",
        "ServiceNamespace": "sagemaker",
        "Schedule": "cron(0 7 L-3 * ? *)",
        "ResourceId": s.wb.resource_id,
        "CreationTime": s.wb.now(),
        "ScalableTargetAction": {"MinCapacity": 2},
    }
    s.answers("application-autoscaling", "describe_scheduled_actions", {"ScheduledActions": [described]})
    (found,) = scheduled_actions.listed(s.wb)
    assert (found.name, found.schedule, found.min_capacity) == ("odd", described["Schedule"], 2)
    assert may_fire(described, s.wb.now())


def test_schedule_needs_a_registered_target(deployed):
    with pytest.raises(NotFound, match=r"register\.register"):
        scheduled_actions.put(deployed, "morning", MORNING, min_capacity=2)


def test_scheduled_minimum_is_fired_by_the_local_clock_and_shown_among_the_activities(workbook):
    wb = endpoints.deployed(workbook())
    registration.register(wb, 1, 4)
    endpoints.schedule_soon(wb, "event", min_capacity=2)
    endpoints.running(wb, 2)
    target = scalable_target.target(wb)
    assert (target.min_capacity, target.max_capacity, endpoint_state.status(wb).running) == (2, 4, 2)
    shown = observe.activities(wb)
    assert "schedule" in shown["trigger"].tolist()
    assert "scheduled action name event was triggered" in observe.story(wb)
    registration.remove(wb)
