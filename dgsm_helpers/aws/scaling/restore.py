"""Scaling taken off an endpoint for a while and put back as it was."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

from dgsm_helpers.aws.core.calls import call
from dgsm_helpers.aws.scaling import registration, scalable_target
from dgsm_helpers.aws.scaling.scalable_target import SERVICE
from dgsm_helpers.aws.scaling.scaling_setup import Setup
from dgsm_helpers.aws.scaling.scheduled_actions import may_fire

if TYPE_CHECKING:
    from dgsm_helpers.session import Workbook


def remove_scaling(wb: Workbook, setup: Setup) -> tuple[str, ...]:
    """Remove scheduled actions, policies and target of every variant of the set-up; what was removed, in words."""
    targets = setup.of("RegisterScalableTarget")
    return tuple(what for target in targets for what in registration.remove(_of(wb, target)))


def restore_scaling(wb: Workbook, setup: Setup) -> tuple[str, ...]:
    """Register every variant of the set-up that is not, and put its policies and scheduled actions on it.

    May be repeated. Scheduled actions that will not fire any more are left out, as AWS would refuse them.

    Returns:
        What the endpoint has again, in words.
    """
    done = []
    for request in setup.of("RegisterScalableTarget"):
        if scalable_target.target(_of(wb, request)) is None:
            call(wb, SERVICE, "RegisterScalableTarget", **request)
        done.append(f"{request['ResourceId']} ({request['MinCapacity']} to {request['MaxCapacity']} instances)")
    for request in setup.of("PutScalingPolicy"):
        call(wb, SERVICE, "PutScalingPolicy", **request)
        done.append(f"policy {request['PolicyName']}")
    for request in map(_with_times, setup.of("PutScheduledAction")):
        if may_fire(request, wb.now()):
            call(wb, SERVICE, "PutScheduledAction", **request)
            done.append(f"scheduled action {request['ScheduledActionName']}")
    return tuple(done)


def _of(wb: Workbook, target: Mapping[str, Any]) -> Workbook:
    """The workbook on the target's variant."""
    return replace(wb, variant_name=target["ResourceId"].rpartition("/")[2])


def _with_times(request: Mapping[str, Any]) -> dict[str, Any]:
    times = {key: datetime.fromisoformat(request[key]) for key in ("StartTime", "EndTime") if key in request}
    return {**request, **times}
