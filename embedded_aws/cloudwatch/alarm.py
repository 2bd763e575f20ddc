"""What an alarm is: its configuration, its state, what happened to it. Frozen values, which ``alarms`` keeps."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

from dgsm_helpers.rules.alarms import AlarmSpec, AlarmStateName
from embedded_aws.cloudwatch.queries import MetricStat, Query, period_of

COMPARISONS = {
    "GreaterThanThreshold": ">",
    "GreaterThanOrEqualToThreshold": ">=",
    "LessThanThreshold": "<",
    "LessThanOrEqualToThreshold": "<=",
}
"""The API's comparison operators as ``AlarmSpec`` has them."""


@dataclass(frozen=True, kw_only=True)
class Alarm:
    """A metric alarm's configuration.

    Args:
        name: unique in its region.
        metric: what it watches; or
        metrics: metrics and one expression (or metric) that returns data, all of one period.
        threshold, comparison: one of ``>``, ``>=``, ``<``, ``<=``.
        evaluation_periods, datapoints_to_alarm: N and M; M is N without it.
        treat_missing: ``missing``, ``notBreaching``, ``breaching`` or ``ignore``.
        extra_range_periods: how many periods beyond N are looked at when some are missing.
        alarm_actions, ok_actions, insufficient_data_actions: ARNs; the autoscaler carries out scaling policies.
        tags: of a new alarm; later ones are changed by TagResource.
    """

    name: str
    threshold: float
    comparison: str
    evaluation_periods: int
    metric: MetricStat | None = None
    metrics: tuple[Query, ...] = ()
    datapoints_to_alarm: int | None = None
    treat_missing: str = "missing"
    extra_range_periods: int = 2
    description: str = ""
    actions_enabled: bool = True
    alarm_actions: tuple[str, ...] = ()
    ok_actions: tuple[str, ...] = ()
    insufficient_data_actions: tuple[str, ...] = ()
    tags: Mapping[str, str] = field(default_factory=dict)

    @cached_property
    def queries(self) -> tuple[Query, ...]:
        """What it watches, as metric data queries."""
        return self.metrics or (Query("m1", metric=self.metric),)

    @cached_property
    def spec(self) -> AlarmSpec:
        """What decides about its state.

        Raises:
            InvalidInput: the numbers do not fit together.
        """
        return AlarmSpec(
            threshold=self.threshold,
            comparison=self.comparison,
            period_s=period_of(self.queries),
            evaluation_periods=self.evaluation_periods,
            datapoints_to_alarm=self.datapoints_to_alarm or self.evaluation_periods,
            statistic=self.metric.stat if self.metric else "",
            treat_missing=self.treat_missing,
            extra_range_periods=self.extra_range_periods,
        )


@dataclass(frozen=True, kw_only=True)
class AlarmStatus:
    """An alarm and its state now.

    ``datapoints`` are the values that decided at the newest evaluation, oldest first. Times are Unix seconds of local
    time: of the last configuration, of the last update of the state or its reason, of the last change of ``state``.
    """

    alarm: Alarm
    state: AlarmStateName
    reason: str
    reason_data: str
    configured_s: float
    updated_s: float
    transitioned_s: float
    actions_enabled: bool
    tags: Mapping[str, str]
    datapoints: tuple[float, ...] = ()


@dataclass(frozen=True, kw_only=True)
class AlarmTransition:
    """A change of state; ``datapoints`` as in ``AlarmStatus``, empty when the state was set by hand."""

    alarm: Alarm
    old: AlarmStateName
    new: AlarmStateName
    at_s: float
    reason: str
    datapoints: tuple[float, ...] = ()


@dataclass(frozen=True, kw_only=True)
class HistoryItem:
    """A line of an alarm's history. ``kind`` is ConfigurationUpdate, StateUpdate or Action; ``data`` is JSON."""

    alarm_name: str
    at_s: float
    kind: str
    summary: str
    data: str
