"""The commands that change an endpoint and put it back, or leave it changed on purpose, as functions of a workbook."""

from __future__ import annotations

import time

from dgsm_helpers.aws.endpoint import deployment_plan, pause, update
from dgsm_helpers.aws.scaling import pin, retargeting, suspending
from dgsm_helpers.aws.scaling.policy import ScalingPolicy
from dgsm_helpers.planning import applying
from dgsm_helpers.rules.guide import POLICY_NAME

_TARGET = 7.5


def updated(wb):
    """To an endpoint config that there was not yet."""
    download, health_check = divmod(time.time_ns() // 1000 % 9_000_000, 3000)
    timeouts = {"download_timeout_s": 600 + download, "health_check_timeout_s": 600 + health_check}
    update.update_endpoint(wb, deployment_plan.plan(wb, **timeouts), on_warning=str)


def measured(wb):
    with pin.one_instance(wb, say=str):
        pass


def held_off(wb):
    with suspending.suspended(wb):
        pass


def retargeted(wb):
    retargeting.retarget(wb, _TARGET)


def planned(wb):
    policy = ScalingPolicy(target_value=9, name=POLICY_NAME)
    applying.apply_settings(wb, applying.PlannedSettings(min_capacity=1, max_capacity=5, policy=policy, daily=()))


def paused(wb):
    pause.pause_endpoint(wb)


COMMANDS = {command.__name__: command for command in (updated, measured, held_off, retargeted, planned, paused)}
