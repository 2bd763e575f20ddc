"""What the gateway asks for every call to CloudWatch of a region."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

from botocore import xform_name

from ...service_model import service_model
from .alarm_calls import AlarmCalls
from .alarms import Alarms
from .dashboards import DashboardCalls
from .metric_calls import MetricCalls
from .refusals import invalid
from .store import MetricStore

Answer = Callable[[Mapping[str, Any]], dict[str, Any]]


class CloudWatch:
    """CloudWatch of one region.

    ``store`` and ``alarms`` are for the rest of the embedded AWS. Each operation of the API is a method by boto3's name
    of it, which takes and returns what boto3 does; one that is not supported is refused with a ValidationError.

    Args:
        region: its name.
        now_s: local time in Unix seconds.
    """

    def __init__(self, region: str, now_s: Callable[[], float]) -> None:
        self.store = MetricStore(now_s)
        self.alarms = Alarms(self.store, now_s)
        self._calls = (
            MetricCalls(region, self.store, now_s),
            AlarmCalls(region, self.alarms),
            DashboardCalls(now_s),
        )

    def __getattr__(self, name: str) -> Answer:
        operation = None if name.startswith("_") else _operations().get(name)
        if operation is None:
            raise AttributeError(name)
        answer = next((getattr(calls, name) for calls in self._calls if hasattr(calls, name)), None)
        return answer or _refusal(operation)


@cache
def _operations() -> Mapping[str, str]:
    return {xform_name(name): name for name in service_model("cloudwatch").operation_names}


def _refusal(operation: str) -> Answer:
    def refuse(_: Mapping[str, Any]) -> dict[str, Any]:
        raise invalid(f"The embedded AWS does not support CloudWatch's {operation}.")

    return refuse
