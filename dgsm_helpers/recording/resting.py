"""What is there before anything scales: the alarms of a policy, and what an instance without streams publishes."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from dgsm_helpers.aws.scaling import registration
from dgsm_helpers.aws.scaling.policy import ScalingPolicy
from dgsm_helpers.aws.scaling.scalable_target import AlarmState, read_alarms
from dgsm_helpers.aws.watch import observe
from dgsm_helpers.aws.watch.metrics import CONCURRENCY, read, variant_query
from dgsm_helpers.planning.calibrating import alarm_values, recorded_alarms
from dgsm_helpers.recording.ground import MOST_INSTANCES, POLICY, Ground, Observed
from dgsm_helpers.session import Workbook

_QUIET_S = 180.0
_ANSWERED_S = 600.0
"""How long a stream may take to answer; the embedded AWS's time runs faster than its streams."""
_LATE_S = 60.0
"""Datapoints younger than this may still come."""


@dataclass(frozen=True, kw_only=True)
class ByMinute(ScalingPolicy):
    """A policy on a metric of one minute."""

    name: str = "dgsm-record-by-minute"

    def metric(self) -> dict[str, Any]:
        """Invocations an instance and minute."""
        return {"PredefinedMetricSpecification": {"PredefinedMetricType": "SageMakerVariantInvocationsPerInstance"}}


def alarms(ground: Ground) -> Observed:
    """The alarms that AWS makes for a policy on the ten-second metric, and for one on a metric of a minute."""
    ground.at(1)
    fine = _alarms_of(ground.wb, POLICY)
    by_minute = _alarms_of(ground.wb, ByMinute(target_value=1500.0))
    registration.remove(ground.wb)
    values = {**alarm_values(recorded_alarms(by_minute)), **alarm_values(recorded_alarms(fine))}
    seen = "; ".join(map(str, (*fine, *by_minute)))
    return Observed(values=values, seen=seen, replay=(*policy_calls(POLICY), *map(_described, fine)))


def idle(ground: Ground) -> Observed:
    """Three minutes without a stream, after one that had been there and answered."""
    ground.at(1)
    opened = ground.wb.now() - timedelta(seconds=60)  # its minute began before it
    with ground.streams(1) as load:
        answered = ground.until(lambda: load.snapshot().lag_p95_ms is not None, at_most_s=_ANSWERED_S)
        ground.wb.sleep(30)
    begin = ground.wb.now() + timedelta(seconds=20)
    ground.wb.sleep(_QUIET_S)
    minimum = variant_query(ground.wb, CONCURRENCY, "Minimum", 10)
    (points,), _ = read(ground.wb, [minimum], begin, ground.wb.now() - timedelta(seconds=_LATE_S))
    zeros = sum(value == 0 for value in points.values())
    values = {} if points and not zeros else {"idle_instance_emits_zero": bool(zeros)}
    counted = variant_query(ground.wb, "FirstChunkLatency", "SampleCount", 60)
    (chunks,), _ = read(ground.wb, [counted], opened, ground.wb.now())
    samples, streams = sum(chunks.values()), len(load.traces)
    if answered:
        values["first_chunk_per_stream"] = samples == streams
    seen = f"{zeros} zeros, {len(points)} datapoints without a stream; {samples:g} first chunks of {streams} streams"
    return Observed(values=values, seen=seen)


def policy_calls(policy: ScalingPolicy) -> tuple[dict[str, Any], ...]:
    """The set-up of a recording as `tests/recorded/` replays it, on its endpoint ``e``."""
    variant = {
        "ServiceNamespace": "sagemaker",
        "ResourceId": "endpoint/e/variant/AllTraffic",
        "ScalableDimension": "sagemaker:variant:DesiredInstanceCount",
    }
    put = {
        "PolicyName": policy.name,
        "PolicyType": "TargetTrackingScaling",
        "TargetTrackingScalingPolicyConfiguration": policy.to_request(),
    }
    register = {**variant, "MinCapacity": 1, "MaxCapacity": MOST_INSTANCES}
    return (
        {"call": "application-autoscaling.RegisterScalableTarget", "with": register, "answers": {}},
        {"call": "application-autoscaling.PutScalingPolicy", "with": {**variant, **put}, "answers": {}},
    )


def _alarms_of(wb: Workbook, policy: ScalingPolicy) -> tuple[AlarmState, ...]:
    names = registration.apply(wb, policy).alarm_names
    described = observe.described_alarms(wb, f"TargetTracking-{wb.resource_id}-Alarm")
    return read_alarms(alarm for alarm in described if alarm["AlarmName"] in names)


def _described(alarm: AlarmState) -> dict[str, Any]:
    """An alarm as DescribeAlarms is to show it again."""
    shown = {
        "Threshold": alarm.threshold,
        "Period": alarm.period_s,
        "EvaluationPeriods": alarm.evaluation_periods,
        "Statistic": alarm.statistic,
        "TreatMissingData": alarm.missing_data,
    }
    prefix = f"TargetTracking-endpoint/e/variant/AllTraffic-Alarm{alarm.side.title()}"
    return {
        "call": "cloudwatch.DescribeAlarms",
        "with": {"AlarmNamePrefix": prefix},
        "answers": {"MetricAlarms": [shown]},
    }
