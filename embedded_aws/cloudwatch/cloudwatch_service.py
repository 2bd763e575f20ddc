"""CloudWatch of the embedded AWS: one region's metrics, alarms and dashboards, and what answers for them."""

from __future__ import annotations

from embedded_aws.cloudwatch.alarm_operations import AlarmOperations
from embedded_aws.cloudwatch.dashboards import DashboardOperations
from embedded_aws.cloudwatch.metric_operations import MetricOperations
from embedded_aws.gateway.regions import Regions


class CloudWatch(MetricOperations, AlarmOperations, DashboardOperations):
    """A region's CloudWatch. Methods are the API's operations; they raise ``AwsRefusal``."""


def evaluate_alarms(regions: Regions[CloudWatch], now_s: float) -> None:
    """Evaluate the alarms that are due in all regions."""
    for service in regions.made():
        service.state.alarms.evaluate(now_s)
