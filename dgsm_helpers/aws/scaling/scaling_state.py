"""Scaling as it was read back from AWS, and what is wrong with it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from dgsm_helpers.aws.core.tables import Table
from dgsm_helpers.aws.scaling.policy import PREDEFINED_METRIC, ScalingPolicy
from dgsm_helpers.errors import NotReady
from dgsm_helpers.rules.guide import POLICY_NAME


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
        return f"{self.side}: {self.state} ({rule}, {self.datapoints_to_alarm} of {self.evaluation_periods}{every})"


@dataclass(frozen=True)
class ScalingState(Table):
    """Target, policies and alarms, with ``problems`` in words; ``ok`` when there are none."""

    resource_id: str
    target: Target | None
    policies: tuple[PolicyState, ...]
    alarms: tuple[AlarmState, ...]
    problems: tuple[str, ...]

    _columns = ("what", "name", "as AWS has it")

    @classmethod
    def judged(
        cls,
        resource_id: str,
        target: Target | None,
        policies: tuple[PolicyState, ...],
        alarms: tuple[AlarmState, ...],
        *,
        expected: ScalingPolicy | str,
        min_capacity: int | None = None,
        max_capacity: int | None = None,
    ) -> ScalingState:
        """The state with its problems. ``expected`` is the policy to compare with, or only the name to look for."""
        problems = [
            *_target_problems(target, min_capacity, max_capacity),
            *_policy_problems(policies, expected),
            *_alarm_problems(policies, alarms),
        ]
        return cls(resource_id, target, policies, alarms, tuple(problems))

    @property
    def ok(self) -> bool:
        """True when everything is there and as asked for."""
        return not self.problems

    @property
    def followed(self) -> PolicyState | None:
        """The target-tracking policy that scales; None where there is none, or several to choose from.

        The guide's by its name, else the one that follows concurrent requests, else the only one.
        """
        tracking = [policy for policy in self.policies if policy.tracks]
        named = [policy for policy in tracking if policy.name == POLICY_NAME]
        streams = [policy for policy in tracking if policy.metric == metric_of(ScalingPolicy().to_request())]
        return next(iter(named or streams or (tracking if len(tracking) == 1 else ())), None)

    def policy(self, **changes: float | None) -> ScalingPolicy:
        """The target-tracking policy that is there, with changes; the guide's where there is none.

        Args:
            changes: settings of `ScalingPolicy`, such as ``target_value``; None leaves one as it is.

        Raises:
            NotReady: it follows a metric of its own, for which a target in streams means nothing.
        """
        held, guide = self.followed, ScalingPolicy()
        wanted: dict[str, Any] = {name: value for name, value in changes.items() if value is not None}
        if held is None:
            return replace(guide, **wanted)
        configuration = held.configuration
        if held.metric != metric_of(guide.to_request()):
            raise NotReady(
                f"Policy {held.name} follows a metric of its own and not {PREDEFINED_METRIC}.",
                hint="Put the guide's policy in its place first: register.apply(wb).",
            )
        as_it_is = {
            "target_value": configuration["TargetValue"],
            "scale_in_cooldown_s": configuration.get("ScaleInCooldown", guide.scale_in_cooldown_s),
            "scale_out_cooldown_s": configuration.get("ScaleOutCooldown", guide.scale_out_cooldown_s),
            "disable_scale_in": configuration.get("DisableScaleIn", False),
            "name": held.name,
        }
        return ScalingPolicy(**{**as_it_is, **wanted})

    def _caption(self) -> str:
        return f"Scaling of {self.resource_id}: {'as it should be' if self.ok else 'not as it should be'}"

    def _notes(self) -> list[str]:
        return [f"✗ {problem}" for problem in self.problems]

    def _rows(self) -> list[tuple[object, ...]]:
        rows: list[tuple[object, ...]] = []
        if self.target is not None:
            rows.append(
                ("target", self.resource_id, f"{self.target.min_capacity} to {self.target.max_capacity} instances")
            )
        for policy in self.policies:
            rows.append(("policy", policy.name, str(policy)))
        # The random end of an alarm's name tells a reader nothing; `alarms` holds the whole name.
        rows += [("alarm", re.sub(r"(-Alarm(?:High|Low))-.*", r"\1", alarm.name), str(alarm)) for alarm in self.alarms]
        return rows


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
    return AlarmState(
        name=raw["AlarmName"],
        side=side[1].lower() if side else "",
        state=raw.get("StateValue", ""),
        comparison={
            "GreaterThanThreshold": ">",
            "GreaterThanOrEqualToThreshold": ">=",
            "LessThanThreshold": "<",
            "LessThanOrEqualToThreshold": "<=",
        }.get(raw.get("ComparisonOperator", ""), raw.get("ComparisonOperator", "")),
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


def _target_problems(target: Target | None, min_capacity: int | None, max_capacity: int | None) -> list[str]:
    if target is None:
        return ["The variant is not registered as a scalable target: register.register(wb)."]
    bounds = (("min", min_capacity, target.min_capacity), ("max", max_capacity, target.max_capacity))
    problems = [
        f"The registered {bound} capacity is {registered}, not {expected}: register.register(wb, …)."
        for bound, expected, registered in bounds
        if expected is not None and expected != registered
    ]
    kinds = (
        ("Scale-in", target.suspension.scale_in),
        ("Scale-out", target.suspension.scale_out),
        ("Scheduled scaling", target.suspension.scheduled),
    )
    problems += [f"{kind} is suspended: register.resume(wb)." for kind, is_suspended in kinds if is_suspended]
    return problems


def _policy_problems(policies: tuple[PolicyState, ...], expected: ScalingPolicy | str) -> list[str]:
    name = expected if isinstance(expected, str) else expected.name
    state = next((policy for policy in policies if policy.name == name), None)
    if state is None:
        others = ", ".join(policy.name for policy in policies)
        return [f"There is no policy {name}{f' (but {others})' if others else ''}: register.apply(wb, policy)."]
    if isinstance(expected, str):
        return []
    asked = {"DisableScaleIn": False, **expected.to_request()}
    held = {"DisableScaleIn": False, **state.configuration}
    return [
        f"{key} of policy {name} is {held.get(key)}, not {value}: register.apply(wb, policy)."
        for key, value in asked.items()
        if held.get(key) != value
    ]


def _alarm_problems(policies: tuple[PolicyState, ...], alarms: tuple[AlarmState, ...]) -> list[str]:
    problems = []
    for policy in policies:
        if not policy.tracks:
            continue
        missing = policy.missing_alarms(alarms)
        problems += [f"Alarm {name} is missing: register.apply(wb, policy) makes it again." for name in missing]
        if not missing and (sides := policy.missing_sides(alarms)):
            lacking = " and ".join(sides)
            problems.append(f"Policy {policy.name} has no {lacking} alarm: register.apply(wb, policy) makes it again.")
    return problems
