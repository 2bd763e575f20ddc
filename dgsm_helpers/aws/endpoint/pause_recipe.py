"""Pausing and resuming without a workbook: Amazon EventBridge Scheduler calls AWS itself, at set hours.

Its universal targets call any AWS operation with a fixed request, so the recipe needs no code of yours in AWS: scaling
off, endpoint deleted; endpoint made, and scaling on again once it has had the time to come up.
"""

import json
from dataclasses import dataclass
from typing import Any

from dgsm_helpers.aws.account.permissions import with_those_behind
from dgsm_helpers.aws.export.setup_export import plain
from dgsm_helpers.aws.export.template_values import parametrised, reference
from dgsm_helpers.aws.scaling import scaling_setup
from dgsm_helpers.aws.scaling.setup_calls import SetupCall
from dgsm_helpers.errors import InvalidInput, UnsupportedFeature
from dgsm_helpers.rules import request_checks
from dgsm_helpers.rules.package_arn import partition_of
from dgsm_helpers.rules.schedules import parse_schedule
from dgsm_helpers.session import Workbook

SCHEDULER_ROLE = "scheduler_role_arn"
_SDK_NAMES = {"sagemaker": "sagemaker", "application-autoscaling": "applicationautoscaling"}
_DAY_MIN = 24 * 60
_LEAST_PAUSE_MIN = 15
"""Deleting an endpoint takes some minutes (ours); nothing is made while one of its name is there."""
_SERVICE_LINKED_ROLE = "iam:CreateServiceLinkedRole"
_ANY_ROLE = "arn:aws:iam::123456789012:role/any"
"""Stands in for the parameter where the request is checked."""


@dataclass(frozen=True)
class Recipe:
    """The schedules as CreateSchedule takes them, and the policy of the role that they act with.

    ``${…}`` are parameters: the scheduler's role, and what `export` calls by the same names.
    """

    schedules: tuple[dict[str, Any], ...]
    policy: dict[str, Any]

    def to_json(self) -> str:
        """Both, as one JSON text."""
        return json.dumps({"schedules": self.schedules, "role_policy": self.policy}, indent=2) + "\n"

    def __str__(self) -> str:
        return "\n".join(
            f"{s['ScheduleExpression']:<28} {s['ScheduleExpressionTimezone']:<16} {s['Target']['Arn'].split('sdk:')[1]}"
            for s in self.schedules
        )


def recipe(
    wb: Workbook,
    *,
    pause_at: str,
    resume_at: str,
    days: str = "MON-FRI",
    timezone: str = "UTC",
    ready_after_min: int = 20,
) -> Recipe:
    """The workbook's endpoint, paused and resumed every day by EventBridge Scheduler.

    Args:
        pause_at, resume_at: wall-clock times, ``HH:MM``.
        days: day-of-week field of a cron expression, for both.
        timezone: IANA name.
        ready_after_min: minutes after which scaling is put on; the endpoint must be ``InService`` by then.

    Raises:
        InvalidInput: a time, day or zone cannot be read, the steps would run past midnight, or the pause is too short.
        NotFound: there is no such endpoint.
        UnsupportedFeature: it has step-scaling policies with alarms, or is of a kind without instances of its own.
    """
    setup = scaling_setup.read(wb)
    if setup.alarms:
        names = ", ".join(alarm.request["AlarmName"] for alarm in setup.alarms)
        raise UnsupportedFeature(
            f"The alarms {names} trigger step-scaling policies, which get another ARN whenever they are made again: a "
            "fixed request cannot tell the alarms.",
            hint="cleanup.pause(wb) and cleanup.resume(wb) do.",
        )
    template = parametrised(setup)
    pause_min, resume_min = _minute(pause_at), _minute(resume_at)
    paused_min = (resume_min - pause_min) % _DAY_MIN
    if paused_min < _LEAST_PAUSE_MIN:
        raise InvalidInput(
            f"{resume_at} is {paused_min} minutes after {pause_at}: the endpoint may not be gone by then.",
            hint=f"Leave at least {_LEAST_PAUSE_MIN} minutes between.",
        )
    create_request = next(s.request for s in template.steps if s.operation == "CreateEndpoint")
    delete_request = {"EndpointName": create_request["EndpointName"]}
    calls: list[tuple[int, SetupCall]] = []
    for step in template.steps:
        if step.operation == "RegisterScalableTarget":
            target_key = {k: step.request[k] for k in ("ServiceNamespace", "ResourceId", "ScalableDimension")}
            calls.append((pause_min, SetupCall(step.service, "DeregisterScalableTarget", target_key)))
    calls.append((pause_min + 2, SetupCall("sagemaker", "DeleteEndpoint", delete_request)))
    calls.append((resume_min, SetupCall("sagemaker", "CreateEndpoint", create_request)))
    for step in template.steps:
        if step.service == "application-autoscaling":
            later_min = 0 if step.operation == "RegisterScalableTarget" else 2
            calls.append((resume_min + ready_after_min + later_min, step))
    schedules = []
    for number, (minute, step) in enumerate(calls, 1):
        schedule = _schedule(minute, step, days, timezone, partition_of(wb.region))
        schedules.append({"Name": f"{wb.endpoint_name[:30]}-{number}-{step.operation}", **schedule})
        request = {**schedules[-1], "Target": {**schedule["Target"], "RoleArn": _ANY_ROLE}}
        request_checks.validate("scheduler", "CreateSchedule", request)
    actions = with_those_behind(f"{step.service}:{step.operation}" for _, step in calls) - {_SERVICE_LINKED_ROLE}
    policy = {
        "Version": "2012-10-17",
        "Statement": [
            {"Effect": "Allow", "Action": sorted(actions), "Resource": "*"},
            {
                "Effect": "Allow",
                "Action": _SERVICE_LINKED_ROLE,
                "Resource": "*",
                "Condition": {
                    "StringEquals": {"iam:AWSServiceName": "sagemaker.application-autoscaling.amazonaws.com"}
                },
            },
        ],
    }
    return Recipe(tuple(schedules), policy)


def _minute(text: str) -> int:
    hours, _, minutes = text.partition(":")
    if not (hours.isdigit() and minutes.isdigit() and int(hours) < 24 and int(minutes) < 60):
        raise InvalidInput(f"{text!r} is not a time of day.", hint='Give HH:MM, such as "07:30".')
    return 60 * int(hours) + int(minutes)


def _schedule(minute: int, step: SetupCall, days: str, timezone: str, partition: str) -> dict[str, Any]:
    if minute >= _DAY_MIN:
        raise InvalidInput("The steps would run past midnight, into another day.", hint="Begin earlier in the evening.")
    expression = f"cron({minute % 60} {minute // 60} ? * {days} *)"
    try:
        parse_schedule(expression, timezone)
    except ValueError as error:
        raise InvalidInput(f"{error}.", hint="Days are such as MON-FRI, zones such as Europe/Berlin.") from error
    operation = step.operation[0].lower() + step.operation[1:]
    return {
        "Description": "Written by dgsm: pauses or resumes a SageMaker endpoint",
        "ScheduleExpression": expression,
        "ScheduleExpressionTimezone": timezone,
        "FlexibleTimeWindow": {"Mode": "OFF"},
        "Target": {
            "Arn": f"arn:{partition}:scheduler:::aws-sdk:{_SDK_NAMES[step.service]}:{operation}",
            "RoleArn": plain(reference(SCHEDULER_ROLE)),
            "Input": json.dumps(plain(step.request)),
        },
    }
