"""What Application Auto Scaling holds for the workbook's variant: its target, policies and their alarms, read."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import batched
from typing import Any

from dgsm_helpers.aws.core.calls import call, call_or_none, pages
from dgsm_helpers.aws.scaling.policy import DIMENSION, NAMESPACE
from dgsm_helpers.errors import AccessDenied, NotFound
from dgsm_helpers.rules.alarms import COMPARISONS
from dgsm_helpers.rules.schedules import bounds_due
from dgsm_helpers.session import Workbook

SERVICE = "application-autoscaling"


def triple(wb: Workbook) -> dict[str, str]:
    """The three names by which every call finds the variant."""
    return {"ServiceNamespace": NAMESPACE, "ResourceId": wb.resource_id, "ScalableDimension": DIMENSION}


def target(wb: Workbook) -> Target | None:
    """The variant's scalable target, or None when it is not registered."""
    on = {"ServiceNamespace": NAMESPACE, "ResourceIds": [wb.resource_id], "ScalableDimension": DIMENSION}
    return next(map(read_target, pages(wb, SERVICE, "DescribeScalableTargets", "ScalableTargets", **on)), None)


def policies(wb: Workbook) -> tuple[PolicyState, ...]:
    """Every scaling policy on the variant."""
    return tuple(map(read_policy, pages(wb, SERVICE, "DescribeScalingPolicies", "ScalingPolicies", **triple(wb))))


def policy_alarms(wb: Workbook, policies: Sequence[PolicyState]) -> tuple[AlarmState, ...]:
    """The alarms that the policies name and that exist, the high ones first."""
    return read_alarms(described_alarms(wb, [name for policy in policies for name in policy.alarm_names]))


def described_alarms(wb: Workbook, names: Sequence[str]) -> Iterator[Mapping[str, Any]]:
    """Those of the alarms that exist, as DescribeAlarms shows them, in calls of 100 names (its limit)."""
    for some in batched(names, 100):
        yield from pages(wb, "cloudwatch", "DescribeAlarms", "MetricAlarms", AlarmNames=list(some))


def not_registered(wb: Workbook) -> NotFound:
    """The error that the variant is not registered."""
    return NotFound(f"{wb.resource_id} is not registered as a scalable target.", hint="register.register(wb) first.")


def put_step_policy(wb: Workbook, name: str, configuration: Mapping[str, Any]) -> str:
    """Put a step-scaling policy on the variant, or change it, and return its ARN, which an alarm has to name.

    Raises:
        NotFound: the variant is not registered.
    """
    named = {"PolicyName": name, "PolicyType": "StepScaling"}
    put = call_or_none(
        wb, SERVICE, "PutScalingPolicy", **triple(wb), **named, StepScalingPolicyConfiguration=configuration
    )
    if put is None:
        raise not_registered(wb)
    return str(put["PolicyARN"])


def require_target(wb: Workbook) -> Target:
    """The variant's scalable target. Raises NotFound: the variant is not registered."""
    registered = target(wb)
    if registered is None:
        raise not_registered(wb)
    return registered


def change(wb: Workbook, **settings: Any) -> None:
    """Change bounds or ``SuspendedState`` of a variant that is registered; what is not named stays."""
    call(wb, SERVICE, "RegisterScalableTarget", **triple(wb), **settings)


def scheduled_bounds(wb: Workbook, bounds: Mapping[str, int], since: datetime) -> dict[str, int]:
    """What the variant's scheduled actions would have made of ``bounds`` by now, had they fired since then.

    That AWS does not catch up on what fell due while scheduled scaling was suspended is an assumption. Who may not list
    them gets ``bounds`` as they were: that must not keep anything from being put back.
    """
    try:
        actions = list(pages(wb, SERVICE, "DescribeScheduledActions", "ScheduledActions", **triple(wb)))
    except AccessDenied:
        return dict(bounds)
    return bounds_due(bounds, actions, since, wb.now())


def bounds_back(now: Mapping[str, int], left: Mapping[str, int], due: Mapping[str, int]) -> dict[str, int]:
    """Those of the ``due`` bounds that have to be set where they are as they were ``left``; others are somebody's."""
    wanted = {bound: due[bound] if now[bound] == left[bound] else now[bound] for bound in due}
    if wanted["MinCapacity"] > wanted["MaxCapacity"]:
        return {}
    return {bound: number for bound, number in wanted.items() if number != now[bound]}


@dataclass(frozen=True)
class Suspension:
    """Which kinds of scaling are suspended."""

    scale_in: bool = False
    scale_out: bool = False
    scheduled: bool = False

    def to_request(self) -> dict[str, bool]:
        """The SuspendedState."""
        return {member: getattr(self, kind) for kind, member in _SUSPENDED_MEMBERS.items()}


_SUSPENDED_MEMBERS = {
    "scale_in": "DynamicScalingInSuspended",
    "scale_out": "DynamicScalingOutSuspended",
    "scheduled": "ScheduledScalingSuspended",
}


@dataclass(frozen=True)
class Target:
    """The registered scalable target."""

    resource_id: str
    min_capacity: int
    max_capacity: int
    suspension: Suspension = Suspension()
    arn: str = ""

    @property
    def bounds(self) -> dict[str, int]:
        """Both, as a request has them."""
        return {"MinCapacity": self.min_capacity, "MaxCapacity": self.max_capacity}


@dataclass(frozen=True)
class PolicyState:
    """A policy as AWS holds it; ``configuration`` is that of its type, target tracking or step scaling."""

    name: str
    arn: str
    policy_type: str
    configuration: Mapping[str, Any]
    alarm_names: tuple[str, ...]
    created: datetime | None = None

    @property
    def tracks(self) -> bool:
        """Whether it is a target-tracking policy."""
        return self.policy_type == "TargetTrackingScaling"

    @property
    def metric(self) -> Mapping[str, Any] | None:
        """AWS's own metric that it follows; None for others."""
        return metric_of(self.configuration)

    @property
    def shrinks(self) -> bool:
        """Whether it can take instances away."""
        if self.tracks:
            return not self.configuration.get("DisableScaleIn")
        exact = self.configuration.get("AdjustmentType") == "ExactCapacity"
        return any(exact or step["ScalingAdjustment"] < 0 for step in self.configuration.get("StepAdjustments") or ())

    @property
    def grows(self) -> bool:
        """Whether it can add instances."""
        exact = self.configuration.get("AdjustmentType") == "ExactCapacity"
        steps = self.configuration.get("StepAdjustments") or ()
        return self.tracks or any(exact or step["ScalingAdjustment"] > 0 for step in steps)

    def __str__(self) -> str:
        held = self.configuration
        if self.tracks:
            cooldowns = f"cooldowns out {held.get('ScaleOutCooldown')} s, in {held.get('ScaleInCooldown')} s"
            return f"target {held.get('TargetValue')}, {cooldowns}"
        steps = ", ".join(f"{step['ScalingAdjustment']:+d}" for step in held.get("StepAdjustments") or ())
        return f"{self.policy_type}: {held.get('AdjustmentType', '')} {steps}".rstrip()

    def missing_alarms(self, alarms: Iterable[AlarmState]) -> tuple[str, ...]:
        """Names of the policy's alarms that are not among ``alarms``."""
        existing = {alarm.name for alarm in alarms}
        return tuple(name for name in self.alarm_names if name not in existing)

    def missing_sides(self, alarms: Iterable[AlarmState]) -> tuple[str, ...]:
        """Of ``high``, and ``low`` unless it never scales in: those for which it names no alarm among ``alarms``."""
        sides = {"high"} if self.configuration.get("DisableScaleIn") else {"high", "low"}
        return tuple(sorted(sides - {alarm.side for alarm in alarms if alarm.name in self.alarm_names}))


@dataclass(frozen=True)
class AlarmState:
    """One alarm of a policy. Its numbers are AWS's choice, and the only place where that choice can be read.

    ``metric`` is the name of the metric it watches, "" for an expression over several.
    """

    name: str
    side: str
    state: str
    comparison: str
    threshold: float | None
    statistic: str
    period_s: int | None
    datapoints_to_alarm: int
    evaluation_periods: int
    missing_data: str
    updated: Any
    reason: str
    metric: str = ""

    def __str__(self) -> str:
        rule = (
            f"{self.statistic} {self.comparison} {self.threshold:g}" if self.threshold is not None else self.comparison
        )
        every = f" × {self.period_s} s" if self.period_s else ""
        side = f"{self.side}: " if self.side else ""
        return f"{side}{self.state} ({rule}, {self.datapoints_to_alarm} of {self.evaluation_periods}{every})"


def metric_of(configuration: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The predefined metric of a target-tracking configuration; None for a metric of its own."""
    return configuration.get("PredefinedMetricSpecification")


def read_target(raw: Mapping[str, Any]) -> Target:
    """A target of DescribeScalableTargets."""
    suspended = raw.get("SuspendedState") or {}
    return Target(
        resource_id=raw["ResourceId"],
        min_capacity=raw["MinCapacity"],
        max_capacity=raw["MaxCapacity"],
        suspension=Suspension(**{kind: bool(suspended.get(name)) for kind, name in _SUSPENDED_MEMBERS.items()}),
        arn=raw.get("ScalableTargetARN", ""),
    )


def read_policy(raw: Mapping[str, Any]) -> PolicyState:
    """A policy of DescribeScalingPolicies."""
    return PolicyState(
        name=raw["PolicyName"],
        arn=raw["PolicyARN"],
        policy_type=raw["PolicyType"],
        configuration=raw.get(f"{raw['PolicyType']}PolicyConfiguration") or {},
        alarm_names=tuple(alarm["AlarmName"] for alarm in raw.get("Alarms") or ()),
        created=raw.get("CreationTime"),
    )


def read_alarms(raw_alarms: Iterable[Mapping[str, Any]]) -> tuple[AlarmState, ...]:
    """Alarms of DescribeAlarms, the high one first."""
    return tuple(sorted(map(_read_alarm, raw_alarms), key=lambda alarm: (alarm.side, alarm.name)))


def _read_alarm(raw: Mapping[str, Any]) -> AlarmState:
    side = re.search(r"-Alarm(High|Low)-", raw["AlarmName"])
    metrics = raw.get("Metrics") or ()
    stat: Mapping[str, Any] = next((m["MetricStat"] for m in metrics if "MetricStat" in m), {})
    expression = next((m["Expression"] for m in metrics if "Expression" in m), "")
    operator = raw.get("ComparisonOperator", "")
    return AlarmState(
        name=raw["AlarmName"],
        side=side[1].lower() if side else "",
        state=raw.get("StateValue", ""),
        comparison=COMPARISONS.get(operator, operator),
        threshold=raw.get("Threshold"),
        statistic=raw.get("Statistic") or raw.get("ExtendedStatistic") or expression or stat.get("Stat", ""),
        period_s=raw.get("Period") or stat.get("Period"),
        datapoints_to_alarm=raw.get("DatapointsToAlarm") or raw.get("EvaluationPeriods", 0),
        evaluation_periods=raw.get("EvaluationPeriods", 0),
        missing_data=raw.get("TreatMissingData", "missing"),
        updated=raw.get("StateUpdatedTimestamp"),
        reason=raw.get("StateReason", ""),
        metric=raw.get("MetricName") or ("" if expression else stat.get("Metric", {}).get("MetricName", "")),
    )
