"""Between Application Auto Scaling and CloudWatch: the alarms that a policy makes, and a policy as ``simulate`` reads
it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from dgsm_helpers.rules.alarms import AlarmSpec
from dgsm_helpers.rules.model import ScalingModel
from dgsm_helpers.rules.policies import StepAdjustment, StepScaling, TargetTracking
from dgsm_helpers.rules.target_tracking import alarms_for
from embedded_aws.autoscaling.scaling_records import Policy
from embedded_aws.cloudwatch.alarm import COMPARISONS, Alarm, AlarmStatus
from embedded_aws.cloudwatch.queries import MetricStat, Query

DEFAULT_COOLDOWN_S = 300
"""AWS's default cooldown of a SageMaker variant, both ways."""

_COMPARISON_NAMES = {sign: name for name, sign in COMPARISONS.items()}


def split_resource(resource_id: str) -> tuple[str, str]:
    """Endpoint and variant of ``endpoint/NAME/variant/VARIANT``."""
    _, endpoint, _, variant = resource_id.split("/")
    return endpoint, variant


def tracking(policy: Policy) -> TargetTracking:
    """A target-tracking policy as ``simulate`` reads it."""
    config = policy.config
    predefined = config.get("PredefinedMetricSpecification", {}).get("PredefinedMetricType", "")
    if predefined.endswith("HighResolution"):
        metric = "high-resolution"
    else:
        metric = "metric-math" if "Metrics" in config.get("CustomizedMetricSpecification", {}) else "one-minute"
    return TargetTracking(
        name=policy.name,
        target_value=config["TargetValue"],
        metric=metric,
        scale_out_cooldown_s=config.get("ScaleOutCooldown", DEFAULT_COOLDOWN_S),
        scale_in_cooldown_s=config.get("ScaleInCooldown", DEFAULT_COOLDOWN_S),
        disable_scale_in=config.get("DisableScaleIn", False),
    )


def stepping(policy: Policy, alarm: AlarmSpec) -> StepScaling:
    """A step-scaling policy with the user's own alarm, as ``simulate`` reads it."""
    config = policy.config
    steps = tuple(
        StepAdjustment(
            adjustment=s["ScalingAdjustment"],
            lower=s.get("MetricIntervalLowerBound"),
            upper=s.get("MetricIntervalUpperBound"),
        )
        for s in config.get("StepAdjustments", [])
    )
    return StepScaling(
        name=policy.name,
        alarm=alarm,
        steps=steps,
        adjustment_type=config.get("AdjustmentType", "ChangeInCapacity"),
        cooldown_s=config.get("Cooldown", DEFAULT_COOLDOWN_S),
        min_adjustment_magnitude=config.get("MinAdjustmentMagnitude", 1),
    )


def make_policy_alarms(names: Iterable[str], policy: Policy, model: ScalingModel) -> list[Alarm]:
    """AlarmHigh and AlarmLow of a target-tracking policy, as Application Auto Scaling makes them."""
    specs = alarms_for(tracking(policy), model)
    return [_alarm(name, policy, spec) for name, spec in zip(names, specs, strict=True)]


def acting_on(policy: Policy, alarms: Iterable[AlarmStatus]) -> AlarmStatus | None:
    """The alarm whose actions name the policy, with its actions enabled: what triggers a step-scaling policy."""
    return next((a for a in alarms if a.actions_enabled and policy.arn in a.alarm.alarm_actions), None)


def _alarm(name: str, policy: Policy, spec: AlarmSpec) -> Alarm:
    watched = _watched(policy, spec)
    return Alarm(
        name=name,
        threshold=spec.threshold,
        comparison=spec.comparison,
        evaluation_periods=spec.evaluation_periods,
        datapoints_to_alarm=spec.datapoints_to_alarm,
        treat_missing=spec.treat_missing,
        extra_range_periods=spec.extra_range_periods,
        description=f"DO NOT EDIT OR DELETE. For TargetTrackingScaling policy {policy.arn}.",
        alarm_actions=(policy.arn,),
        **watched,
    )


def _watched(policy: Policy, spec: AlarmSpec) -> Mapping[str, Any]:
    """The metric, or metrics, that the policy's configuration names."""
    custom = policy.config.get("CustomizedMetricSpecification")
    if custom is None:
        predefined = policy.config["PredefinedMetricSpecification"]["PredefinedMetricType"]
        endpoint, variant = split_resource(policy.resource_id)
        where = (("EndpointName", endpoint), ("VariantName", variant))
        if predefined.endswith("HighResolution"):
            stat = MetricStat("AWS/SageMaker", "ConcurrentRequestsPerModel", where, spec.statistic, spec.period_s)
        else:
            stat = MetricStat("AWS/SageMaker", "InvocationsPerInstance", where, "Sum", spec.period_s)
        return {"metric": stat}
    if "Metrics" not in custom:
        where = tuple((d["Name"], d["Value"]) for d in custom.get("Dimensions", []))
        stat = MetricStat(
            custom["Namespace"], custom["MetricName"], where, custom["Statistic"], spec.period_s, custom.get("Unit")
        )
        return {"metric": stat}
    queries = []
    for given in custom["Metrics"]:
        metric = None
        if measured := given.get("MetricStat"):
            where = tuple((d["Name"], d["Value"]) for d in measured["Metric"].get("Dimensions", []))
            metric = MetricStat(
                measured["Metric"]["Namespace"],
                measured["Metric"]["MetricName"],
                where,
                measured["Stat"],
                spec.period_s,
                measured.get("Unit"),
            )
        queries.append(
            Query(
                given["Id"],
                metric=metric,
                expression=given.get("Expression"),
                label=given.get("Label"),
                return_data=given.get("ReturnData", True),
            )
        )
    return {"metrics": tuple(queries)}
