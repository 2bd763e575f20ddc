"""CloudWatch of the embedded AWS: metrics that answer right and alarms that are evaluated."""

from .alarm import Alarm, AlarmStatus, AlarmTransition
from .queries import MetricStat, Query
from .regions import cloudwatch_for, evaluate_alarms, install, reset, responders
from .responder import CloudWatch

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
