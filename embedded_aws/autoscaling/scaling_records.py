"""What Application Auto Scaling keeps, as its Describe operations show it, and its refusals."""

import uuid
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from itertools import count
from typing import Any

from dgsm_helpers.rules.activities import ActivityText
from dgsm_helpers.rules.policies import Bounds, StepScaling, TargetTracking
from dgsm_helpers.rules.schedules import next_firing
from embedded_aws.clock import moment
from embedded_aws.listings import make_arn

NAMESPACE = "sagemaker"
_next_number = count().__next__
"""Lists are in the order in which their records were made, several of them at the same moment."""
DIMENSION = "sagemaker:variant:DesiredInstanceCount"
SERVICE_ROLE = (
    "role/aws-service-role/sagemaker.application-autoscaling.amazonaws.com/"
    "AWSServiceRoleForApplicationAutoScaling_SageMakerEndpoint"
)


@dataclass
class TargetRecord:
    """A scalable target; ``suspended`` has AWS's three keys.

    ``bounds_act`` says that bounds have been set and the count has not been brought into them yet.
    """

    resource_id: str
    arn: str
    min_capacity: int
    max_capacity: int
    created_s: float
    suspended: dict[str, bool] = field(
        default_factory=lambda: dict.fromkeys(
            ("DynamicScalingInSuspended", "DynamicScalingOutSuspended", "ScheduledScalingSuspended"), False
        )
    )
    tags: dict[str, str] = field(default_factory=dict)
    bounds_act: bool = False
    number: int = field(default_factory=_next_number)

    @property
    def bounds(self) -> Bounds:
        """Its bounds; the API takes a minimum of 0, but a real-time variant keeps one instance."""
        return Bounds(
            min_capacity=max(1, self.min_capacity),
            max_capacity=max(1, self.max_capacity),
            scaling_in_suspended=self.suspended["DynamicScalingInSuspended"],
            scaling_out_suspended=self.suspended["DynamicScalingOutSuspended"],
            scheduled_suspended=self.suspended["ScheduledScalingSuspended"],
        )

    def row(self) -> dict[str, Any]:
        """As DescribeScalableTargets shows it."""
        return {
            **_key(self.resource_id),
            "MinCapacity": self.min_capacity,
            "MaxCapacity": self.max_capacity,
            "RoleARN": make_arn("iam", self.arn.split(":")[3], SERVICE_ROLE, of_region=False),
            "CreationTime": moment(self.created_s),
            "SuspendedState": dict(self.suspended),
            "ScalableTargetARN": self.arn,
        }


@dataclass
class PolicyRecord:
    """A scaling policy.

    ``config`` is the configuration exactly as put, ``rule`` is the same as the rules of scaling read it
    (``policy_alarms.read_rule``), ``alarms`` are the names of the alarms made for the policy.
    """

    resource_id: str
    name: str
    arn: str
    kind: str
    config: Mapping[str, Any]
    rule: TargetTracking | Callable[..., StepScaling]
    created_s: float
    alarms: list[str] = field(default_factory=list)
    number: int = field(default_factory=_next_number)

    def row(self, region: str, alarms: Iterable[str]) -> dict[str, Any]:
        """As DescribeScalingPolicies shows it, with the names of its alarms."""
        return {
            "PolicyARN": self.arn,
            "PolicyName": self.name,
            **_key(self.resource_id),
            "PolicyType": self.kind,
            f"{self.kind}PolicyConfiguration": self.config,
            "Alarms": alarm_rows(region, alarms),
            "CreationTime": moment(self.created_s),
        }


def alarm_rows(region: str, names: Iterable[str]) -> list[dict[str, str]]:
    """A policy's alarms with their ARNs."""
    return [{"AlarmName": name, "AlarmARN": make_arn("cloudwatch", region, f"alarm:{name}")} for name in names]


@dataclass
class ScheduledActionRecord:
    """A scheduled action; ``request`` is as put, ``next_s`` when it fires next (None: never again)."""

    resource_id: str
    name: str
    arn: str
    request: Mapping[str, Any]
    created_s: float
    next_s: float | None = None
    number: int = field(default_factory=_next_number)

    def firing_after(self, after_s: float) -> float | None:
        """When it fires next after ``after_s``, within its StartTime and EndTime; None for never.

        Raises:
            ValueError: the schedule or the time zone cannot be read.
        """
        start, end = self.request.get("StartTime"), self.request.get("EndTime")
        return next_firing(
            self.request["Schedule"],
            self.request.get("Timezone") or "UTC",
            after_s,
            made_s=self.created_s,
            start_s=start and start.timestamp(),
            end_s=end and end.timestamp(),
        )

    def row(self) -> dict[str, Any]:
        """As DescribeScheduledActions shows it."""
        members = ("Schedule", "Timezone", "StartTime", "EndTime", "ScalableTargetAction")
        return {
            "ScheduledActionName": self.name,
            "ScheduledActionARN": self.arn,
            **_key(self.resource_id),
            "CreationTime": moment(self.created_s),
            **{member: self.request[member] for member in members if member in self.request},
        }


@dataclass
class ActivityRecord:
    """A scaling activity, or the reasons why there was none; ``end_s`` is None while it lasts."""

    resource_id: str
    text: ActivityText
    start_s: float
    end_s: float | None = None
    activity_id: str = field(default_factory=lambda: str(uuid.uuid4()))
    number: int = field(default_factory=_next_number)

    def row(self) -> dict[str, Any]:
        """As DescribeScalingActivities shows it."""
        row: dict[str, Any] = {
            "ActivityId": self.activity_id,
            **_key(self.resource_id),
            "Description": self.text.description,
            "Cause": self.text.cause,
            "StartTime": moment(self.start_s),
            "StatusCode": self.text.status_code,
        }
        if self.text.status_message:
            row["StatusMessage"] = self.text.status_message
        if self.end_s is not None:
            row["EndTime"] = moment(self.end_s)
        if self.text.not_scaled_reasons:
            row["NotScaledReasons"] = [dict(reason) for reason in self.text.not_scaled_reasons]
        return row


def _key(resource_id: str) -> dict[str, str]:
    return {"ServiceNamespace": NAMESPACE, "ResourceId": resource_id, "ScalableDimension": DIMENSION}
