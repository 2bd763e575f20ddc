"""An alarm on a PromQL query that is to add an instance, which AWS may or may not take: put, set off, removed."""

from __future__ import annotations

from dgsm_helpers.aws.core.calls import call, call_or_none
from dgsm_helpers.aws.scaling.scalable_target import SERVICE, triple
from dgsm_helpers.session import Workbook

NAME = "dgsm-query-alarm"
"""Of the alarm and its step-scaling policy."""


def put(wb: Workbook, query: str) -> None:
    """Put a step-scaling policy on the registered variant, and an alarm on the query that triggers it.

    Raises:
        AwsCallFailed: CloudWatch refuses such an alarm.
    """
    # On either side, for a query has no threshold from which AWS could count.
    steps = [{f"MetricInterval{side}Bound": 0.0, "ScalingAdjustment": 1} for side in ("Upper", "Lower")]
    adds_one = {"AdjustmentType": "ChangeInCapacity", "StepAdjustments": steps, "Cooldown": 60}
    named = {"PolicyName": NAME, "PolicyType": "StepScaling"}
    policy = call(wb, SERVICE, "PutScalingPolicy", **triple(wb), **named, StepScalingPolicyConfiguration=adds_one)
    call(
        wb,
        "cloudwatch",
        "PutMetricAlarm",
        AlarmName=NAME,
        EvaluationCriteria={"PromQLCriteria": {"Query": query, "PendingPeriod": 60, "RecoveryPeriod": 60}},
        EvaluationInterval=60,
        AlarmActions=[policy["PolicyARN"]],
    )


def set_off(wb: Workbook) -> None:
    """Set the alarm to ALARM by hand."""
    said = {"StateValue": "ALARM", "StateReason": "dgsm record asks whether its policy acts"}
    call(wb, "cloudwatch", "SetAlarmState", AlarmName=NAME, **said)


def remove(wb: Workbook) -> None:
    """Delete the alarm, which outlives its policy."""
    call_or_none(wb, "cloudwatch", "DeleteAlarms", AlarmNames=[NAME])
