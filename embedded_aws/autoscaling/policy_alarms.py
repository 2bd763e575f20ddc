"""Between Application Auto Scaling and CloudWatch: a policy as the rules of scaling read it, and its alarms."""

import uuid
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

from dgsm_helpers.rules.activities import alarm_name
from dgsm_helpers.rules.alarms import AlarmSpec, AlarmStateName
from dgsm_helpers.rules.model import ScalingModel
from dgsm_helpers.rules.policies import StepAdjustment, StepScaling, TargetTracking
from dgsm_helpers.rules.target_tracking import alarms_for
from embedded_aws.autoscaling.scaling_records import PolicyRecord
from embedded_aws.cloudwatch.metric_alarm import AlarmStatus, MetricAlarm
from embedded_aws.cloudwatch.queries import MetricQuery, MetricStat, dimensions_from_api, queries_from_api

DEFAULT_COOLDOWN_S = 300
"""AWS's default cooldown of a SageMaker variant, both ways."""


def split_resource(resource_id: str) -> tuple[str, str]:
    """Endpoint and variant of ``endpoint/NAME/variant/VARIANT``."""
    _, endpoint, _, variant = resource_id.split("/")
    return endpoint, variant


def read_rule(name: str, kind: str, config: Mapping[str, Any]) -> TargetTracking | Callable[..., StepScaling]:
    """A policy's configuration as the rules of scaling read it.

    A step-scaling policy still lacks the user's alarm: it is made by calling the answer with ``alarm=AlarmSpec(…)`` and
    ``alarm_name=``.
    """
    if kind == "StepScaling":
        steps = tuple(
            StepAdjustment(
                adjustment=step["ScalingAdjustment"],
                lower=step.get("MetricIntervalLowerBound"),
                upper=step.get("MetricIntervalUpperBound"),
            )
            for step in config.get("StepAdjustments", [])
        )
        return partial(
            StepScaling,
            name=name,
            steps=steps,
            adjustment_type=config.get("AdjustmentType", "ChangeInCapacity"),
            cooldown_s=config.get("Cooldown", DEFAULT_COOLDOWN_S),
            aggregation=config.get("MetricAggregationType", "Average"),
            min_adjustment_magnitude=config.get("MinAdjustmentMagnitude", 1),
        )
    return TargetTracking.from_configuration(name, config)


def _is_high_resolution(config: Mapping[str, Any]) -> bool:
    predefined = config.get("PredefinedMetricSpecification", {}).get("PredefinedMetricType", "")
    return predefined.endswith("HighResolution")


def naming(policy: PolicyRecord, alarms: Iterable[AlarmStatus]) -> list[AlarmStatus]:
    """The alarms whose actions hold the policy's ARN: what DescribeScalingPolicies lists of a step-scaling policy.

    All that are breached are evaluated (AAS guide, "Step scaling policies").
    """
    return [a for a in alarms if states_for(policy, a.alarm)]


def states_for(policy: PolicyRecord, alarm: MetricAlarm) -> tuple[AlarmStateName, ...]:
    """The states of an alarm that trigger a policy: PutMetricAlarm takes scaling policies in all three lists."""
    lists: dict[AlarmStateName, tuple[str, ...]] = {
        "ALARM": alarm.alarm_actions,
        "OK": alarm.ok_actions,
        "INSUFFICIENT_DATA": alarm.insufficient_data_actions,
    }
    return tuple(state for state, actions in lists.items() if policy.arn in actions)


def alarms_of(policy: PolicyRecord, model: ScalingModel) -> list[MetricAlarm]:
    """AlarmHigh and AlarmLow of a target-tracking policy, as Application Auto Scaling makes them; else none."""
    if not isinstance(policy.rule, TargetTracking):
        return []
    alarms = []
    for side, spec in zip(("High", "Low"), alarms_for(policy.rule, model), strict=True):
        metric, metrics = _watched(policy, spec)
        alarm = MetricAlarm(
            name=alarm_name(policy.resource_id, side, str(uuid.uuid4())),
            spec=replace(spec, statistic=metric.stat if metric else ""),
            metric=metric,
            metrics=metrics,
            description=f"DO NOT EDIT OR DELETE. For TargetTrackingScaling policy {policy.arn}.",
            alarm_actions=(policy.arn,),
        )
        alarms.append(alarm)
    return alarms


def _watched(policy: PolicyRecord, spec: AlarmSpec) -> tuple[MetricStat | None, tuple[MetricQuery, ...]]:
    """The metric, or else the metrics, that the policy's configuration names."""
    custom = policy.config.get("CustomizedMetricSpecification")
    if custom is None:
        endpoint, variant = split_resource(policy.resource_id)
        dimensions = (("EndpointName", endpoint), ("VariantName", variant))
        name, stat = "InvocationsPerInstance", "Sum"
        if _is_high_resolution(policy.config):
            name, stat = "ConcurrentRequestsPerModel", spec.statistic
        return MetricStat("AWS/SageMaker", name, dimensions, stat, spec.period_s), ()
    if "Metrics" in custom:
        # The policy leaves the period to Application Auto Scaling.
        queries = [
            query | {"MetricStat": query["MetricStat"] | {"Period": spec.period_s}} if "MetricStat" in query else query
            for query in custom["Metrics"]
        ]
        return None, queries_from_api(queries, where="Metrics")
    metric = MetricStat(
        custom["Namespace"],
        custom["MetricName"],
        dimensions_from_api(custom.get("Dimensions", ())),
        custom["Statistic"],
        spec.period_s,
        custom.get("Unit"),
    )
    return metric, ()
