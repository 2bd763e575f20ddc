"""CloudWatch by region, for one embedded AWS a process: made at first use, all on one clock.

What the gateway asks for every call to CloudWatch of a region.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

from botocore import xform_name

from dgsm_helpers.rules.request_checks import service_model
from embedded_aws.clock import Clock
from embedded_aws.cloudwatch.alarm import AlarmTransition
from embedded_aws.cloudwatch.alarm_calls import AlarmCalls
from embedded_aws.cloudwatch.alarm_store import Alarms
from embedded_aws.cloudwatch.dashboards import DashboardCalls
from embedded_aws.cloudwatch.metric_calls import MetricCalls
from embedded_aws.cloudwatch.metric_store import MetricStore
from embedded_aws.cloudwatch.refusals import invalid

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


_lock = threading.Lock()
_by_region: dict[str, CloudWatch] = {}
_clock: Clock = Clock()


def install(clock: Clock) -> None:
    """Begin anew on ``clock``: no metrics, no alarms, no dashboards in any region."""
    global _clock
    with _lock:
        _clock = clock
        _by_region.clear()


def reset() -> None:
    """Forget all metrics, alarms and dashboards."""
    install(_clock)


def cloudwatch_for(region: str) -> CloudWatch:
    """CloudWatch of a region."""
    with _lock:
        if region not in _by_region:
            _by_region[region] = CloudWatch(region, _clock.now_s)
        return _by_region[region]


def evaluate_alarms(now_s: float) -> dict[str, list[AlarmTransition]]:
    """Evaluate the alarms that are due in all regions; the changes of state by region."""
    with _lock:
        regions = list(_by_region.items())
    return {region: cloudwatch.alarms.evaluate(now_s) for region, cloudwatch in regions}


def responders() -> dict[str, Callable[[str], object]]:
    """What the gateway needs to answer for CloudWatch."""
    return {"cloudwatch": cloudwatch_for}
