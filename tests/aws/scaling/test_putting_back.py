"""Scaling is put back as its scheduled actions would have made it by then, on an embedded AWS whose clock is moved."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import asdict
from datetime import datetime, timedelta

import pytest
from kit import endpoints
from kit.moved_workbook import EmptyAws, moved_workbook

from dgsm_helpers.aws.endpoint import endpoint_state, pause, update
from dgsm_helpers.aws.scaling import (
    journal,
    pin,
    registration,
    scalable_target,
    scaling_setup,
    scheduled_actions,
    suspending,
)
from dgsm_helpers.aws.scaling.policy import ScalingPolicy
from dgsm_helpers.aws.scaling.scalable_target import Suspension
from dgsm_helpers.errors import AccessDenied, NotReady
from dgsm_helpers.planning.applying import bounds_for
from dgsm_helpers.planning.forecast_schedule import LAST


@pytest.fixture
def wb(tmp_path):
    wb = moved_workbook(EmptyAws(), tmp_path, "dg-due")
    endpoints.deployed(wb)
    registration.register(wb, 1, 4)
    registration.apply(wb, ScalingPolicy(target_value=8.0))
    return wb


def wait_until(wb, moment):
    while wb.now() < moment:
        wb.sleep(60)


def limits(wb):
    target = scalable_target.target(wb)
    return target.min_capacity, target.max_capacity


def schedule(wb, name, moment: datetime, **bounds):
    scheduled_actions.put(wb, name, f"at({moment:%Y-%m-%dT%H:%M:%S})", **bounds)


def paused(wb, end):
    pause.pause_endpoint(wb)
    wait_until(wb, end)
    pause.recreate_endpoint(wb)


def updated(wb, end):
    plan = update.plan_change(wb, instance_types=("ml.g5.2xlarge", "ml.g6.2xlarge"))
    wait_until(wb, end - timedelta(minutes=2))
    update.update_endpoint(wb, plan)


def measured(wb, end):
    with pin.one_instance(wb) as pinned:
        wait_until(wb, end)
        pinned.check()


def suspended(wb, end):
    with suspending.suspended(wb):
        wait_until(wb, end)


WAYS = [paused, updated, measured, suspended]


@pytest.mark.parametrize("way", WAYS)
def test_a_minimum_that_ended_while_scaling_was_off_is_not_put_back(wb, way):
    raised, over = wb.now() + timedelta(minutes=5), wb.now() + timedelta(minutes=40)
    schedule(wb, "forecast-a", raised, min_capacity=3)
    schedule(wb, LAST, over, min_capacity=1)
    wait_until(wb, over - timedelta(minutes=15))
    assert limits(wb) == (3, 4)
    way(wb, over + timedelta(minutes=1))
    assert wb.now() > over
    assert limits(wb) == (1, 4)
    assert bounds_for(wb)["min_capacity"] == 1


@pytest.mark.parametrize("way", WAYS)
def test_bounds_that_fell_due_while_scaling_was_off_hold_afterwards(wb, way):
    due = wb.now() + timedelta(minutes=10)
    schedule(wb, "peak", due, min_capacity=3, max_capacity=5)
    way(wb, due + timedelta(minutes=1))
    assert wb.now() > due
    assert limits(wb) == (3, 5)
    wb.sleep(900)
    assert endpoint_state.status(wb).running == 3


@pytest.mark.parametrize("way", WAYS)
def test_where_scheduled_scaling_was_suspended_before_nothing_fell_due(wb, way):
    due = wb.now() + timedelta(minutes=10)
    schedule(wb, "peak", due, min_capacity=3)
    scalable_target.change(wb, SuspendedState=Suspension(scheduled=True).to_request())
    way(wb, due + timedelta(minutes=1))
    assert limits(wb) == (1, 4)
    assert scalable_target.target(wb).suspension == Suspension(scheduled=True)


@pytest.mark.parametrize("held", [pin.one_instance, suspending.suspended])
def test_who_may_not_list_scheduled_actions_gets_back_what_was_there(wb, held, monkeypatch):
    pages = scalable_target.pages

    def denied(wb, service, operation, *key, **given):
        if operation == "DescribeScheduledActions":
            raise AccessDenied("application-autoscaling:DescribeScheduledActions was refused")
        return pages(wb, service, operation, *key, **given)

    due = wb.now() + timedelta(minutes=10)
    schedule(wb, "peak", due, min_capacity=3)
    with held(wb):
        wait_until(wb, due + timedelta(minutes=1))
        monkeypatch.setattr(scalable_target, "pages", denied)
    assert limits(wb) == (1, 4)
    assert scalable_target.target(wb).suspension == Suspension()


@pytest.mark.parametrize("held", [pin.one_instance, suspending.suspended])
def test_a_bound_that_somebody_set_meanwhile_stays(wb, held):
    due = wb.now() + timedelta(minutes=10)
    schedule(wb, "peak", due, min_capacity=2, max_capacity=6)
    with suppress(NotReady), held(wb):
        scalable_target.change(wb, MaxCapacity=3)
        wait_until(wb, due + timedelta(minutes=1))
    assert limits(wb) == (2, 3)


def test_what_a_killed_update_took_away_is_put_back_as_the_schedule_has_it_by_then(wb):
    due = wb.now() + timedelta(minutes=10)
    schedule(wb, "peak", due, min_capacity=3)
    former = scaling_setup.read(wb)
    with journal.written(wb, "update", endpoint_state.status(wb), {"setup": asdict(former)}) as page:
        scheduled_actions.remove(wb, "peak")
        page.settled = True  # as a killed process leaves it
    wait_until(wb, due + timedelta(minutes=1))
    journal.finish(wb)
    assert limits(wb) == (3, 4)


def test_a_killed_suspension_of_an_earlier_version_leaves_the_bounds(wb):
    due, every = wb.now() + timedelta(minutes=10), Suspension(scale_in=True, scale_out=True, scheduled=True)
    schedule(wb, "peak", due, min_capacity=3)
    former = {"before": Suspension().to_request(), "within": every.to_request()}
    with journal.written(wb, "suspension", endpoint_state.status(wb), former) as page:
        scalable_target.change(wb, SuspendedState=former["within"])
        page.settled = True
    wait_until(wb, due + timedelta(minutes=1))
    journal.finish(wb)
    assert (limits(wb), scalable_target.target(wb).suspension) == ((1, 4), Suspension())
