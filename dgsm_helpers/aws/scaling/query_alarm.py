"""An alarm on a PromQL query that is to add an instance, which AWS may or may not take: put, set off, removed."""

from __future__ import annotations

from dgsm_helpers.aws.core.calls import call, call_or_none, call_tagged
from dgsm_helpers.aws.scaling.scalable_target import put_step_policy
from dgsm_helpers.rules.names import alarm_prefix
from dgsm_helpers.session import Workbook

_POLICY = "dgsm-query-alarm"


def alarm_name(wb: Workbook) -> str:
    """Of the query's alarm; clean-up finds it by how it begins, should nobody come to remove it."""
    return f"{alarm_prefix(wb.endpoint_name)}{wb.variant_name}-{_POLICY}"


def put(wb: Workbook, query: str) -> None:
    """Put a step-scaling policy on the registered variant, and an alarm on the query that triggers it.

    Raises:
        AwsCallFailed: CloudWatch refuses such an alarm.
        NotFound: the variant is not registered.
    """
    # On either side, for a query has no threshold from which AWS could count.
    steps = [{f"MetricInterval{side}Bound": 0.0, "ScalingAdjustment": 1} for side in ("Upper", "Lower")]
    adds_one = {"AdjustmentType": "ChangeInCapacity", "StepAdjustments": steps, "Cooldown": 60}
    arn = put_step_policy(wb, _POLICY, adds_one)
    call_tagged(
        wb,
        "cloudwatch",
        "PutMetricAlarm",
        wb.tags,
        AlarmName=alarm_name(wb),
        EvaluationCriteria={"PromQLCriteria": {"Query": query, "PendingPeriod": 60, "RecoveryPeriod": 60}},
        EvaluationInterval=60,
        AlarmActions=[arn],
    )


def set_off(wb: Workbook) -> None:
    """Set the alarm to ALARM by hand."""
    said = {"StateValue": "ALARM", "StateReason": "dgsm record asks whether its policy acts"}
    call(wb, "cloudwatch", "SetAlarmState", AlarmName=alarm_name(wb), **said)


def remove(wb: Workbook) -> None:
    """Delete the alarm, which outlives its policy."""
    call_or_none(wb, "cloudwatch", "DeleteAlarms", AlarmNames=[alarm_name(wb)])
