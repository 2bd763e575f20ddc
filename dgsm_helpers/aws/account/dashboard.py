"""The CloudWatch dashboard of an endpoint, as a value: what Deepgram's manual says to watch. Pure."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from dgsm_helpers.aws.watch.metrics import CONCURRENCY, INVOCATION_NAMESPACE, UTILISATION_NAMESPACE

_WIDTH, _HEIGHT = 12, 6


def dashboard_body(
    *,
    endpoint_name: str,
    variant_name: str,
    region: str,
    target_value: float | None,
    knee: int | None,
    alarm_arns: Sequence[str],
) -> str:
    """DashboardBody: concurrency against target and capacity, latency, errors, utilisation, and the alarms' states.

    Args:
        target_value, knee: lines in the concurrency graph; None leaves one out.
        alarm_arns: alarms whose states are shown.
    """
    dimensions = ["EndpointName", endpoint_name, "VariantName", variant_name]

    def graph(title: str, *metrics: list[Any], **more: Any) -> dict[str, Any]:
        return {
            "type": "metric",
            "properties": {"title": title, "region": region, "view": "timeSeries", "metrics": list(metrics), **more},
        }

    def line(metric: str, stat: str, label: str, *, period_s: int = 60, namespace: str = INVOCATION_NAMESPACE):
        return [namespace, metric, *dimensions, {"stat": stat, "period": period_s, "label": label}]

    levels = [("TargetValue", target_value), ("measured capacity of one instance", knee)]
    annotations = [{"label": label, "value": value} for label, value in levels if value is not None]
    graphs = [
        graph(
            "Concurrent requests per instance",
            line(CONCURRENCY, "Maximum", "busiest instance"),
            line(CONCURRENCY, "Average", "mean of the instances"),
            annotations={"horizontal": annotations},
            yAxis={"left": {"min": 0}},
        ),
        graph(
            "First chunk of a stream, µs",
            line("FirstChunkLatency", "p50", "p50"),
            line("FirstChunkLatency", "p99", "p99"),
        ),
        graph(
            "Errors",
            line("Invocation5XXErrors", "Sum", "5XX"),
            line("Invocation4XXErrors", "Sum", "4XX"),
            line("MidStreamErrors", "Sum", "mid-stream"),
        ),
        graph("Requests a minute", line("Invocations", "Sum", "streams and files opened")),
        graph(
            "Utilisation, % (100 per GPU or core)",
            line("GPUUtilization", "Average", "GPU", namespace=UTILISATION_NAMESPACE),
            line("CPUUtilization", "Average", "CPU", namespace=UTILISATION_NAMESPACE),
        ),
        graph("Files (pre-recorded only): model latency, µs", line("ModelLatency", "p99", "p99")),
    ]
    widgets = [
        {"x": _WIDTH * (i % 2), "y": _HEIGHT * (i // 2), "width": _WIDTH, "height": _HEIGHT, **widget}
        for i, widget in enumerate(graphs)
    ]
    if alarm_arns:
        states = {"title": "Alarms", "alarms": list(alarm_arns)}
        below = _HEIGHT * ((len(graphs) + 1) // 2)
        widgets.append({"type": "alarm", "x": 0, "y": below, "width": 24, "height": 3, "properties": states})
    return json.dumps({"widgets": widgets}, sort_keys=True)
