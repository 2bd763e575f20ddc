"""The alarms and the dashboard that Deepgram's manual recommends, as values with the numbers of this endpoint. Pure.

Source: Deepgram, observability-sagemaker.
"""

import json
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

from dgsm_helpers.aws.watch.metrics import variant_dimensions
from dgsm_helpers.rules.names import alarm_prefix
from dgsm_helpers.session import Workbook

CAPACITY_SHARE = 0.85
"""The manual says 80–90 % of measured capacity."""

GPU_SHARE_PERCENT = 80
EXAMPLE_FIRST_CHUNK_MS = 5000.0
"""The manual's example, used when no baseline is known."""

_BASELINE_FACTOR = 3.0
_LEAST_FIRST_CHUNK_MS = 1000.0
"""The lowest limit: 0.5 s above the 200–500 ms that Deepgram expects, so that a healthy stream raises no alarm."""

_GPUS = {"12xlarge": 4, "24xlarge": 4, "48xlarge": 8}
"""GPUs by size, of the g5, g6 and g6e types; the smaller sizes and 16xlarge have one."""

_TABLE = tomllib.loads((files("dgsm_helpers") / "data" / "recommended_monitoring.toml").read_text(encoding="utf-8"))
_ALARMS: Mapping[str, Mapping[str, Any]] = _TABLE["alarms"]
_WIDTH, _HEIGHT = 12, 6
"""Of a graph in the dashboard, whose whole width is 24."""


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


def alarm_names(wb: Workbook) -> tuple[str, ...]:
    """The names of the recommended alarms of the workbook's endpoint."""
    return tuple(f"{alarm_prefix(wb.endpoint_name)}{short}" for short in _ALARMS)


def recommended(
    wb: Workbook,
    *,
    knee: int,
    knee_from: str,
    gpus: int,
    first_chunk_ms: float | None = None,
    sns_topic_arn: str | None = None,
) -> tuple[AccountAlarm, ...]:
    """The four alarms as values; nothing is called. Without the first chunk's where that is a greeting of the model's.

    Args:
        knee: streams that one instance sustains; ``knee_from`` says who says so.
        gpus: GPUs of one instance, as GPUUtilization counts 100 for each.
        first_chunk_ms: p95 or so of the first chunk in normal operation; None: the manual's example of 5 s.
        sns_topic_arn: topic told when an alarm begins and ends; None: the alarms are only seen.
    """
    limit_ms, limit_from = _first_chunk_limit(first_chunk_ms)
    unit = wb.family.unit
    # Threshold, where it comes from, and the alarm's description.
    thresholds = {
        "concurrency-near-capacity": (
            CAPACITY_SHARE * knee,
            f"{CAPACITY_SHARE:.0%} of {knee} {unit} ({knee_from})",
            f"An instance holds {CAPACITY_SHARE:.0%} or more of the {knee} {unit} that it sustains.",
        ),
        "errors-5xx": (
            5.0,
            "the manual",
            "Five or more requests failed on the server's side in five minutes, twice.",
        ),
        # The metric is in microseconds.
        "first-chunk-p99": (
            limit_ms * 1000,
            limit_from,
            f"The slowest new streams wait longer than {limit_ms:.0f} ms for their first result.",
        ),
        "gpu-utilisation": (
            float(GPU_SHARE_PERCENT * gpus),
            f"{GPU_SHARE_PERCENT} % of {gpus} GPU{'s' * (gpus > 1)}",
            f"The GPUs are {GPU_SHARE_PERCENT} % busy or more for a quarter of an hour.",
        ),
    }
    if wb.family.first_chunk_is_greeting:
        del thresholds["first-chunk-p99"]
    actions = [sns_topic_arn] if sns_topic_arn else []
    dimensions = [{"Name": name, "Value": value} for name, value in variant_dimensions(wb)]
    alarms = []
    for short, (threshold, why, description) in thresholds.items():
        request = {
            "AlarmName": f"{alarm_prefix(wb.endpoint_name)}{short}",
            "AlarmDescription": description,
            "Dimensions": dimensions,
            "AlarmActions": actions,
            "OKActions": actions,
            **_ALARMS[short],
            "Threshold": threshold,
        }
        alarms.append(AccountAlarm(request, why))
    return tuple(alarms)


def dashboard_body(wb: Workbook, *, target_value: float | None, knee: int, alarm_arns: Sequence[str]) -> str:
    """DashboardBody: concurrency against target and capacity, latency, errors, utilisation, and the alarms' states.

    Args:
        target_value, knee: lines in the concurrency graph; None leaves the target out.
        alarm_arns: alarms whose states are shown.
    """
    dimensions = [text for pair in variant_dimensions(wb) for text in pair]
    levels = [("TargetValue", target_value), ("measured capacity of one instance", knee)]
    annotations = [{"label": label, "value": value} for label, value in levels if value is not None]
    widgets: list[dict[str, Any]] = []
    for number, graph in enumerate(_TABLE["graphs"]):
        metrics = [
            [graph["namespace"], metric, *dimensions, {"stat": stat, "period": 60, "label": label}]
            for metric, stat, label in graph["lines"]
        ]
        properties = {"title": graph["title"], "region": wb.region, "view": "timeSeries", "metrics": metrics}
        place = {"x": _WIDTH * (number % 2), "y": _HEIGHT * (number // 2), "width": _WIDTH, "height": _HEIGHT}
        widgets.append({"type": "metric", **place, "properties": {**properties, **graph.get("properties", {})}})
    widgets[0]["properties"]["annotations"] = {"horizontal": annotations}
    if alarm_arns:
        states = {"title": "Alarms", "alarms": list(alarm_arns)}
        below = _HEIGHT * ((len(widgets) + 1) // 2)
        widgets.append({"type": "alarm", "x": 0, "y": below, "width": 24, "height": 3, "properties": states})
    return json.dumps({"widgets": widgets}, sort_keys=True)


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
