"""Rules between members that AWS documents in prose: a request that keeps them, and changes that break one each."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from kit.scaling_bench import HIGH_RESOLUTION, TARGET

AAS, CW, SM = "application-autoscaling", "cloudwatch", "sagemaker"


@dataclass(frozen=True)
class Rule:
    """``good`` is taken after the calls ``before``; with any of ``breaks`` (None drops a member) it is refused."""

    about: str
    source: str
    service: str
    operation: str
    good: Mapping[str, Any]
    breaks: tuple[Mapping[str, Any], ...]
    code: str = "ValidationException"
    before: tuple[tuple[str, str, Mapping[str, Any]], ...] = ()

    def __str__(self) -> str:
        return self.about

    def bad(self) -> Iterator[dict[str, Any]]:
        """The requests that are refused."""
        for change in self.breaks:
            yield {k: v for k, v in {**self.good, **change}.items() if v is not None}


REGISTERED = (AAS, "RegisterScalableTarget", {**TARGET, "MinCapacity": 1, "MaxCapacity": 4})


def _steps(*steps: tuple[float | None, float | None, int], **config: Any) -> dict[str, Any]:
    names = ("MetricIntervalLowerBound", "MetricIntervalUpperBound", "ScalingAdjustment")
    rows = [{n: v for n, v in zip(names, step, strict=True) if v is not None} for step in steps]
    whole = {"AdjustmentType": "ChangeInCapacity", "StepAdjustments": rows, **config}
    return {"StepScalingPolicyConfiguration": {k: v for k, v in whole.items() if v is not None}}


def _tracking(**config: Any) -> dict[str, Any]:
    whole = {"TargetValue": 5.0, "PredefinedMetricSpecification": HIGH_RESOLUTION, **config}
    return {"TargetTrackingScalingPolicyConfiguration": {k: v for k, v in whole.items() if v is not None}}


ALARM = {
    "AlarmName": "a",
    "Namespace": "Own",
    "MetricName": "Load",
    "Statistic": "Sum",
    "Period": 60,
    "EvaluationPeriods": 3,
    "Threshold": 1.0,
    "ComparisonOperator": "GreaterThanThreshold",
}
STAT = {"Metric": {"Namespace": "Own", "MetricName": "Load"}, "Period": 60, "Stat": "Sum"}
VARIANT = {"VariantName": "v", "ModelName": "m", "InitialInstanceCount": 1, "InstanceType": "ml.g6.2xlarge"}
TIMES = {"StartTime": 1_799_990_000, "EndTime": 1_799_999_960}
CONFIG = {"EndpointConfigName": "new", "ProductionVariants": [VARIANT]}


def _variants(*changes: Mapping[str, Any]) -> dict[str, Any]:
    rows = [{k: v for k, v in {**VARIANT, **change}.items() if v is not None} for change in changes]
    return {"ProductionVariants": rows}


RULES = (
    Rule(
        "a new target has both bounds, in order",
        "API reference, RegisterScalableTarget",
        AAS,
        "RegisterScalableTarget",
        {**TARGET, "MinCapacity": 1, "MaxCapacity": 4},
        ({"MinCapacity": 5}, {"MinCapacity": -1}, {"MaxCapacity": 0}, {"ResourceId": "endpoint/none/variant/v"}),
    ),
    Rule(
        "steps neither overlap nor leave gaps, and are open where they must be",
        "API reference, StepAdjustment; terraform-provider-aws 4812, 9077",
        AAS,
        "PutScalingPolicy",
        {**TARGET, "PolicyName": "p", "PolicyType": "StepScaling", **_steps((0.0, 10.0, 1), (10.0, None, 2))},
        (
            _steps(),
            _steps((None, None, 1)),
            _steps((0.0, 10.0, 1), (5.0, None, 2)),
            _steps((0.0, 10.0, 1), (20.0, None, 2)),
            _steps((None, 0.0, 1), (None, 10.0, 2), (10.0, None, 3)),
            _steps((-10.0, 0.0, -1)),
            _steps((0.0, 10.0, 1)),
            _steps((10.0, 0.0, 1), (10.0, None, 1)),
            _steps((0.0, None, 1), AdjustmentType=None),
            _steps((0.0, None, -1), AdjustmentType="ExactCapacity"),
            {"StepScalingPolicyConfiguration": None},
            {"PolicyType": "TargetTrackingScaling"},
            {"PolicyType": "PredictiveScaling"},
        ),
        before=(REGISTERED,),
    ),
    Rule(
        "target tracking follows one metric of the variant, towards a value above zero",
        "API reference, TargetTrackingScalingPolicyConfiguration",
        AAS,
        "PutScalingPolicy",
        {**TARGET, "PolicyName": "p", "PolicyType": "TargetTrackingScaling", **_tracking()},
        (
            _tracking(TargetValue=0.0),
            _tracking(TargetValue=-1.0),
            _tracking(TargetValue="NaN"),
            _tracking(TargetValue="Infinity"),
            _tracking(TargetValue=2.0**361),
            _tracking(ScaleInCooldown=-1),
            _tracking(PredefinedMetricSpecification=None),
            _tracking(PredefinedMetricSpecification={"PredefinedMetricType": "ECSServiceAverageCPUUtilization"}),
            _tracking(PredefinedMetricSpecification={**HIGH_RESOLUTION, "ResourceLabel": "app/x"}),
            _tracking(
                CustomizedMetricSpecification={"MetricName": "M", "Namespace": "Own", "Statistic": "Sum"},
            ),
        ),
        before=(REGISTERED,),
    ),
    Rule(
        "a scheduled action has a schedule that still fires and a bound, in order",
        "API reference, PutScheduledAction",
        AAS,
        "PutScheduledAction",
        {
            **TARGET,
            "ScheduledActionName": "s",
            "Schedule": "cron(0 8 ? * MON-FRI *)",
            "ScalableTargetAction": {"MinCapacity": 2},
        },
        (
            {"Schedule": "at(2020-01-01T00:00:00)"},
            {"Schedule": "cron(0 8 * * MON-FRI *)"},
            {"Schedule": "every day"},
            {"Timezone": "Mars/Olympus"},
            {"ScalableTargetAction": {}},
            {"ScalableTargetAction": {"MinCapacity": 3, "MaxCapacity": 2}},
            {"EndTime": 1_700_000_000},
        ),
        before=(REGISTERED,),
    ),
    Rule(
        "an alarm watches one metric or metric math, over a time that is not too long",
        "API reference, PutMetricAlarm",
        CW,
        "PutMetricAlarm",
        ALARM,
        (
            {"ComparisonOperator": None},
            {"EvaluationPeriods": None},
            {"Threshold": None},
            {"MetricName": None},
            {"Namespace": None},
            {"Period": None},
            {"Period": 45},
            {"EvaluationPeriods": 1441},
            {"Period": 3600, "EvaluationPeriods": 169},
            {"DatapointsToAlarm": 4},
            {"TreatMissingData": "zero"},
            {"AlarmActions": ["not-an-arn"]},
            {"Threshold": "NaN"},
        ),
        code="ValidationError",
    ),
    Rule(
        "an alarm's statistic is one, and beside metric math there is no metric",
        "API reference, PutMetricAlarm",
        CW,
        "PutMetricAlarm",
        ALARM,
        (
            {"Statistic": None},
            {"ExtendedStatistic": "p90"},
            {"Metrics": [{"Id": "m1", "MetricStat": STAT}]},
        ),
        code="InvalidParameterCombination",
    ),
    Rule(
        "queries have unique ids, one kind each, and something to return",
        "API reference, GetMetricData",
        CW,
        "GetMetricData",
        {"MetricDataQueries": [{"Id": "m1", "MetricStat": STAT}], **TIMES},
        (
            {"MetricDataQueries": [{"Id": "m1", "MetricStat": STAT}] * 2},
            {"MetricDataQueries": [{"Id": "M1", "MetricStat": STAT}]},
            {"MetricDataQueries": [{"Id": "m1"}]},
            {"MetricDataQueries": [{"Id": "m1", "MetricStat": STAT, "Expression": "m2"}]},
            {"MetricDataQueries": [{"Id": "m1", "MetricStat": STAT, "ReturnData": False}]},
            {"MetricDataQueries": [{"Id": "e", "Expression": "x + 1"}]},
            {"MetricDataQueries": [{"Id": "m1", "MetricStat": {**STAT, "Period": 45}}]},
            {"MetricDataQueries": []},
            {"EndTime": TIMES["StartTime"]},
            {"MaxDatapoints": 200_000},
        ),
        code="ValidationError",
    ),
    Rule(
        "statistics are of one kind and not too many",
        "API reference, GetMetricStatistics; recorded",
        CW,
        "GetMetricStatistics",
        {"Namespace": "Own", "MetricName": "Load", "Period": 60, "Statistics": ["Sum"], **TIMES},
        ({"Statistics": None}, {"ExtendedStatistics": ["p90"]}, {"Period": 1}),
        code="InvalidParameterCombination",
    ),
    Rule(
        "a datum is a number of this time",
        "API reference, MetricDatum",
        CW,
        "PutMetricData",
        {"Namespace": "Own", "MetricData": [{"MetricName": "Load", "Value": 1.0}]},
        (
            {"Namespace": "AWS/SageMaker"},
            {"MetricData": [{"MetricName": "Load", "Value": "NaN"}]},
            {"MetricData": [{"MetricName": "Load", "Value": 2.0**361}]},
            {"MetricData": [{"MetricName": "Load", "Value": 1.0, "Timestamp": 1_000_000_000}]},
            {"MetricData": [{"MetricName": "Load", "Value": 1.0, "StorageResolution": 7}]},
            {"MetricData": [{"MetricName": "Load", "Values": [1.0], "Counts": [1.0, 2.0]}]},
        ),
        code="InvalidParameterValue",
    ),
    Rule(
        "a variant has one kind of capacity, of types that its package runs on",
        "API reference, ProductionVariant",
        SM,
        "CreateEndpointConfig",
        CONFIG,
        (
            _variants({"InstanceType": None}),
            _variants({"InstancePools": [{"InstanceType": "ml.g6.2xlarge", "Priority": 1}]}),
            _variants({"InitialInstanceCount": None}),
            _variants({"InitialInstanceCount": 0}),
            _variants({"ModelName": None}),
            _variants({"ModelName": "none"}),
            _variants({"InstanceType": "ml.m5.large"}),
            _variants({}, {}),
            _variants({"ManagedInstanceScaling": {"Status": "ENABLED", "MinInstanceCount": 1, "MaxInstanceCount": 2}}),
        ),
    ),
    Rule(
        "weights and counts are of variants that exist, each once",
        "API reference, UpdateEndpointWeightsAndCapacities",
        SM,
        "UpdateEndpointWeightsAndCapacities",
        {"EndpointName": "e", "DesiredWeightsAndCapacities": [{"VariantName": "AllTraffic", "DesiredWeight": 2.0}]},
        (
            {"DesiredWeightsAndCapacities": [{"VariantName": "none", "DesiredWeight": 2.0}]},
            {"DesiredWeightsAndCapacities": [{"VariantName": "AllTraffic", "DesiredInstanceCount": 0}]},
            {"DesiredWeightsAndCapacities": [{"VariantName": "AllTraffic"}] * 2},
            {"EndpointName": "none"},
        ),
    ),
)
