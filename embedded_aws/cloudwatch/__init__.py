"""CloudWatch of the embedded AWS: metrics that answer right and alarms that are evaluated."""

from embedded_aws.cloudwatch.alarm import Alarm, AlarmStatus, AlarmTransition
from embedded_aws.cloudwatch.queries import MetricStat, Query
from embedded_aws.cloudwatch.responder import CloudWatch, cloudwatch_for, evaluate_alarms, install, reset, responders

__all__ = [
    "Alarm",
    "AlarmStatus",
    "AlarmTransition",
    "CloudWatch",
    "MetricStat",
    "Query",
    "cloudwatch_for",
    "evaluate_alarms",
    "install",
    "reset",
    "responders",
]
