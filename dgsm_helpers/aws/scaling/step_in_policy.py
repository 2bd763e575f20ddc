"""The policy that takes one instance away while none has more than so many calls, and its alarm: put, read, removed."""

from __future__ import annotations

from collections.abc import Iterable

from dgsm_helpers.aws.core.calls import call_or_none, call_tagged
from dgsm_helpers.aws.scaling.scalable_target import SERVICE, AlarmState, policies, put_step_policy, triple
from dgsm_helpers.rules.names import alarm_prefix
from dgsm_helpers.rules.step_in import STEP_IN, step_in
from dgsm_helpers.session import Workbook


def alarm_name(wb: Workbook) -> str:
    """Of the policy's alarm; clean-up finds it by how it begins."""
    return f"{alarm_prefix(wb.endpoint_name)}{wb.variant_name}-{STEP_IN}"


def put(wb: Workbook, most_cut: int) -> None:
    """Put policy and alarm, or change them.

    Raises:
        NotFound: the variant is not registered.
    """
    rule = step_in(most_cut)
    steps = [{"MetricIntervalUpperBound": step.upper, "ScalingAdjustment": step.adjustment} for step in rule.steps]
    configuration = {
        "AdjustmentType": rule.adjustment_type,
        "StepAdjustments": steps,
        "Cooldown": int(rule.cooldown_s),
        "MetricAggregationType": rule.aggregation,
    }
    arn = put_step_policy(wb, STEP_IN, configuration)
    call_tagged(
        wb,
        "cloudwatch",
        "PutMetricAlarm",
        wb.tags,
        AlarmName=alarm_name(wb),
        AlarmDescription=f"One instance less while none of {wb.resource_id} has more than {most_cut} calls.",
        Namespace="AWS/SageMaker",
        MetricName="ConcurrentRequestsPerModel",
        Dimensions=[
            {"Name": "EndpointName", "Value": wb.endpoint_name},
            {"Name": "VariantName", "Value": wb.variant_name},
        ],
        Statistic=rule.alarm.statistic,
        Period=rule.alarm.period_s,
        EvaluationPeriods=rule.alarm.evaluation_periods,
        DatapointsToAlarm=rule.alarm.datapoints_to_alarm,
        Threshold=rule.alarm.threshold,
        ComparisonOperator="LessThanOrEqualToThreshold",
        TreatMissingData=rule.alarm.treat_missing,
        AlarmActions=[arn],
    )


def is_there(wb: Workbook) -> bool:
    """Whether the variant has the policy."""
    return any(policy.name == STEP_IN for policy in policies(wb))


def remove(wb: Workbook) -> None:
    """Delete both, as far as they are there; AWS leaves the alarm when its policy goes."""
    call_or_none(wb, SERVICE, "DeleteScalingPolicy", **triple(wb), PolicyName=STEP_IN)
    call_or_none(wb, "cloudwatch", "DeleteAlarms", AlarmNames=[alarm_name(wb)])


def most_cut_of(alarms: Iterable[AlarmState]) -> int | None:
    """How many calls a scale-in may cut, as the policy's alarm among ``alarms`` says; None where it is not there."""
    found = (alarm for alarm in alarms if alarm.name.endswith(STEP_IN))
    return next((int(alarm.threshold) for alarm in found if alarm.threshold is not None), None)
