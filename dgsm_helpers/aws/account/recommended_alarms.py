"""The alarms that Deepgram's manual recommends for an endpoint, as values with the numbers of this one. Pure.

Source: Deepgram, observability-sagemaker.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dgsm_helpers.aws.account.inventory import alarm_prefix
from dgsm_helpers.aws.watch.metrics import CONCURRENCY, INVOCATION_NAMESPACE, UTILISATION_NAMESPACE

if TYPE_CHECKING:
    from dgsm_helpers.session import Workbook

CAPACITY_SHARE = 0.85
"""The manual says 80–90 % of measured capacity."""

GPU_SHARE_PERCENT = 80
EXAMPLE_FIRST_CHUNK_MS = 5000.0
"""The manual's example, used when no baseline is known."""

_BASELINE_FACTOR = 3.0
_LEAST_FIRST_CHUNK_MS = 1000.0
"""Whatever the baseline: Deepgram expects 200–500 ms for a healthy stream, and half a second more wakes nobody."""

_GPUS = {"12xlarge": 4, "24xlarge": 4, "48xlarge": 8}
"""GPUs by size, of the g5, g6 and g6e types; the smaller sizes and 16xlarge have one."""


@dataclass(frozen=True)
class AccountAlarm:
    """One alarm: PutMetricAlarm's parameters without tags, and how its threshold came about."""

    request: Mapping[str, Any]
    why: str

    @property
    def name(self) -> str:
        """Its name in the account."""
        return self.request["AlarmName"]

    @property
    def rule(self) -> str:
        """When it alarms, in short."""
        request = self.request
        sign = ">=" if request["ComparisonOperator"].startswith("GreaterThanOrEqual") else ">"
        stat = request.get("Statistic") or request["ExtendedStatistic"]
        return (
            f"{request['MetricName']} {stat} {sign} {threshold_text(request['MetricName'], request['Threshold'])}, "
            f"{request['EvaluationPeriods']} × {request['Period']} s"
        )


def recommended(
    wb: Workbook,
    *,
    knee: int,
    knee_from: str,
    gpus: int,
    first_chunk_ms: float | None = None,
    sns_topic_arn: str | None = None,
) -> tuple[AccountAlarm, ...]:
    """The four alarms as values; nothing is called.

    Args:
        knee: streams that one instance sustains; ``knee_from`` says who says so.
        gpus: GPUs of one instance, as GPUUtilization counts 100 for each.
        first_chunk_ms: p95 or so of the first chunk in normal operation; None: the manual's example of 5 s.
        sns_topic_arn: topic told when an alarm begins and ends; None: the alarms are only seen.
    """
    where = [{"Name": "EndpointName", "Value": wb.endpoint_name}, {"Name": "VariantName", "Value": wb.variant_name}]
    actions = [sns_topic_arn] if sns_topic_arn else []

    def alarm(short: str, description: str, why: str, **numbers: Any) -> AccountAlarm:
        request = {
            "AlarmName": f"{alarm_prefix(wb)}{short}",
            "AlarmDescription": description,
            "Dimensions": where,
            "AlarmActions": actions,
            "OKActions": actions,
            **numbers,
        }
        return AccountAlarm(request, why)

    limit_ms, limit_from = _first_chunk_limit(first_chunk_ms)
    return (
        alarm(
            "concurrency-near-capacity",
            f"An instance holds {CAPACITY_SHARE:.0%} or more of the {knee} streams that it sustains.",
            f"{CAPACITY_SHARE:.0%} of {knee} streams ({knee_from})",
            Namespace=INVOCATION_NAMESPACE,
            MetricName=CONCURRENCY,
            Statistic="Maximum",
            Period=60,
            EvaluationPeriods=3,
            DatapointsToAlarm=3,
            Threshold=CAPACITY_SHARE * knee,
            ComparisonOperator="GreaterThanOrEqualToThreshold",
            # The metric is always there while an instance serves: its absence is a state of its own.
            TreatMissingData="missing",
        ),
        alarm(
            "errors-5xx",
            "Five or more requests failed on the server's side in five minutes, twice.",
            "the manual",
            Namespace=INVOCATION_NAMESPACE,
            MetricName="Invocation5XXErrors",
            Statistic="Sum",
            Period=300,
            EvaluationPeriods=2,
            DatapointsToAlarm=2,
            Threshold=5.0,
            ComparisonOperator="GreaterThanOrEqualToThreshold",
            TreatMissingData="notBreaching",
        ),
        alarm(
            "first-chunk-p99",
            f"The slowest new streams wait longer than {limit_ms:.0f} ms for their first result.",
            limit_from,
            Namespace=INVOCATION_NAMESPACE,
            MetricName="FirstChunkLatency",
            ExtendedStatistic="p99",
            Period=60,
            EvaluationPeriods=3,
            DatapointsToAlarm=3,
            # The metric is in microseconds, one sample per stream: minutes without new streams are normal.
            Threshold=limit_ms * 1000,
            ComparisonOperator="GreaterThanThreshold",
            TreatMissingData="notBreaching",
        ),
        alarm(
            "gpu-utilisation",
            f"The GPUs are {GPU_SHARE_PERCENT} % busy or more for a quarter of an hour.",
            f"{GPU_SHARE_PERCENT} % of {gpus} GPU{'s' * (gpus > 1)}",
            Namespace=UTILISATION_NAMESPACE,
            MetricName="GPUUtilization",
            Statistic="Average",
            Period=300,
            EvaluationPeriods=3,
            DatapointsToAlarm=3,
            Threshold=float(GPU_SHARE_PERCENT * gpus),
            ComparisonOperator="GreaterThanOrEqualToThreshold",
            TreatMissingData="missing",
        ),
    )


def threshold_text(metric: str, threshold: float) -> str:
    """A threshold with its unit, as people read it; SageMaker's latencies are in microseconds."""
    return f"{threshold:,.0f} µs" if metric.endswith("Latency") else f"{threshold:g}"


def gpus_of(instance_type: str) -> int:
    """GPUs of one instance of the type."""
    return _GPUS.get(instance_type.rpartition(".")[2], 1)


def _first_chunk_limit(baseline_ms: float | None) -> tuple[float, str]:
    if baseline_ms is None:
        return EXAMPLE_FIRST_CHUNK_MS, "the manual's example"
    limit_ms = max(_BASELINE_FACTOR * baseline_ms, _LEAST_FIRST_CHUNK_MS)
    least = f", at least {_LEAST_FIRST_CHUNK_MS:.0f} ms" if limit_ms == _LEAST_FIRST_CHUNK_MS else ""
    return limit_ms, f"{_BASELINE_FACTOR:g} × {baseline_ms:.0f} ms{least}"
