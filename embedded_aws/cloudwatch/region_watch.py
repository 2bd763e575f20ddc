"""What CloudWatch keeps of a region."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from embedded_aws.cloudwatch.alarm_actions import carry_out
from embedded_aws.cloudwatch.alarm_store import AlarmStore
from embedded_aws.cloudwatch.metric_store import MetricStore


@dataclass(frozen=True)
class Dashboard:
    """A dashboard as it was put, in JSON."""

    name: str
    body: str
    modified_s: float


class RegionWatch:
    """A region's metrics, alarms and dashboards; thread-safe. ``now_s`` is local time in Unix seconds."""

    def __init__(self, region: str, now_s: Callable[[], float]) -> None:
        self.region = region
        self.now_s = now_s
        self.store = MetricStore(now_s)
        self.alarms = AlarmStore(self.store, now_s, partial(carry_out, region))
        self.dashboards: dict[str, Dashboard] = {}
        self.enrichment: dict[str, Any] | None = None
        """The filters and the beginning of the metrics' enrichment; None while it is stopped, as at first."""
