"""What Application Auto Scaling keeps, as its Describe operations show it, and its refusals."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from moto.core.exceptions import ServiceException

from embedded_aws.listings import ACCOUNT_ID

NAMESPACE = "sagemaker"
DIMENSION = "sagemaker:variant:DesiredInstanceCount"
SERVICE_ROLE = (
    f"arn:aws:iam::{ACCOUNT_ID}:role/aws-service-role/sagemaker.application-autoscaling.amazonaws.com/"
    "AWSServiceRoleForApplicationAutoScaling_SageMakerEndpoint"
)
PREDEFINED = ("SageMakerVariantInvocationsPerInstance", "SageMakerVariantConcurrentRequestsPerModelHighResolution")


def refuse(message: str, code: str = "ValidationException") -> ServiceException:
    """An error in AWS's words."""
    return ServiceException(code, message)


def missing(message: str, code: str = "ObjectNotFoundException") -> ServiceException:
    """An error of something that is not there."""
    return refuse(message, code)


@dataclass
class Target:
    """A scalable target; ``suspended`` has AWS's three keys."""

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

    def row(self) -> dict[str, Any]:
        """As DescribeScalableTargets shows it."""
        return {
            "ServiceNamespace": NAMESPACE,
            "ResourceId": self.resource_id,
            "ScalableDimension": DIMENSION,
            "MinCapacity": self.min_capacity,
            "MaxCapacity": self.max_capacity,
            "RoleARN": SERVICE_ROLE,
            "CreationTime": _moment(self.created_s),
            "SuspendedState": dict(self.suspended),
            "ScalableTargetARN": self.arn,
        }


@dataclass
class Policy:
    """A scaling policy; ``config`` is the configuration exactly as put, ``alarms`` the names of the alarms made for
    it."""

    resource_id: str
    name: str
    arn: str
    kind: str
    config: dict[str, Any]
    created_s: float
    alarms: list[str] = field(default_factory=list)

    def alarm_rows(self, region: str) -> list[dict[str, str]]:
        """Its alarms with their ARNs."""
        prefix = f"arn:aws:cloudwatch:{region}:{ACCOUNT_ID}:alarm:"
        return [{"AlarmName": name, "AlarmARN": prefix + name} for name in self.alarms]

    def row(self, region: str) -> dict[str, Any]:
        """As DescribeScalingPolicies shows it."""
        return {
            "PolicyARN": self.arn,
            "PolicyName": self.name,
            "ServiceNamespace": NAMESPACE,
            "ResourceId": self.resource_id,
            "ScalableDimension": DIMENSION,
            "PolicyType": self.kind,
            f"{self.kind}PolicyConfiguration": self.config,
            "Alarms": self.alarm_rows(region),
            "CreationTime": _moment(self.created_s),
        }


@dataclass
class ScheduledAction:
    """A scheduled action; ``request`` is as put, ``next_s`` when it fires next (None: never again)."""

    resource_id: str
    name: str
    arn: str
    request: dict[str, Any]
    created_s: float
    next_s: float | None

    def row(self) -> dict[str, Any]:
        """As DescribeScheduledActions shows it."""
        shown = ("Schedule", "Timezone", "StartTime", "EndTime", "ScalableTargetAction")
        return {
            "ScheduledActionName": self.name,
            "ScheduledActionARN": self.arn,
            "ServiceNamespace": NAMESPACE,
            "ResourceId": self.resource_id,
            "ScalableDimension": DIMENSION,
            "CreationTime": _moment(self.created_s),
            **{k: self.request[k] for k in shown if k in self.request},
        }


@dataclass
class Activity:
    """A scaling activity or, with ``not_scaled``, the reason why there was none."""

    resource_id: str
    description: str
    cause: str
    start_s: float
    status: str
    message: str = ""
    end_s: float | None = None
    not_scaled: tuple[dict[str, Any], ...] = ()
    activity_id: str = field(default_factory=lambda: str(uuid.uuid4()))

    def row(self) -> dict[str, Any]:
        """As DescribeScalingActivities shows it."""
        shown: dict[str, Any] = {
            "ActivityId": self.activity_id,
            "ServiceNamespace": NAMESPACE,
            "ResourceId": self.resource_id,
            "ScalableDimension": DIMENSION,
            "Description": self.description,
            "Cause": self.cause,
            "StartTime": _moment(self.start_s),
            "StatusCode": self.status,
        }
        if self.message:
            shown["StatusMessage"] = self.message
        if self.end_s is not None:
            shown["EndTime"] = _moment(self.end_s)
        if self.not_scaled:
            shown["NotScaledReasons"] = list(self.not_scaled)
        return shown


def check_target_tracking(config: Mapping[str, Any]) -> None:
    """Refuse a target-tracking configuration that cannot work, in itself."""
    predefined = config.get("PredefinedMetricSpecification")
    custom = config.get("CustomizedMetricSpecification")
    if (predefined is None) == (custom is None):
        raise refuse("Give either PredefinedMetricSpecification or CustomizedMetricSpecification")
    if config["TargetValue"] <= 0:
        raise refuse(f"TargetValue must be greater than zero: {config['TargetValue']}")
    for member in ("ScaleInCooldown", "ScaleOutCooldown"):
        if config.get(member, 0) < 0:
            raise refuse(f"{member} must not be negative: {config[member]}")
    if predefined:
        if predefined["PredefinedMetricType"] not in PREDEFINED:
            metric = predefined["PredefinedMetricType"]
            raise refuse(f"The predefined metric {metric} does not apply to the scalable dimension {DIMENSION}")
    elif metrics := custom.get("Metrics"):
        returned = [m for m in metrics if m.get("ReturnData", True)]
        if len(returned) != 1:
            raise refuse(f"Exactly one element of the metrics list should return data, not {len(returned)}")
        if len({m["Id"] for m in metrics}) != len(metrics):
            raise refuse("The Ids of the metrics list must be unique")
    elif not (custom.get("MetricName") and custom.get("Namespace") and custom.get("Statistic")):
        raise refuse("CustomizedMetricSpecification needs MetricName, Namespace and Statistic, or Metrics")


def _moment(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
