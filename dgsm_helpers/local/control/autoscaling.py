"""Application Auto Scaling of the embedded AWS: scalable targets, policies, scheduled actions, activities.

What can be asked of the service is here, with AWS's refusals; when something scales is the heartbeat's
(``autoscaler``).
Moto's own backend makes no alarms, fires no actions and keeps no activities, so nothing of it is used but its wire
format.
"""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import wraps
from typing import Any

from moto.core.exceptions import ServiceException

from ...simulate.schedules import parse_schedule
from ..listings import ACCOUNT_ID

NAMESPACE = "sagemaker"
DIMENSION = "sagemaker:variant:DesiredInstanceCount"
SERVICE_ROLE = (
    f"arn:aws:iam::{ACCOUNT_ID}:role/aws-service-role/sagemaker.application-autoscaling.amazonaws.com/"
    "AWSServiceRoleForApplicationAutoScaling_SageMakerEndpoint"
)
ACTIVITY_AGE_S = 42 * 24 * 3600.0
"""AWS keeps activities for six weeks."""
PREDEFINED = ("SageMakerVariantInvocationsPerInstance", "SageMakerVariantConcurrentRequestsPerModelHighResolution")


def _one_at_a_time(method: Callable[[Any, Any], dict[str, Any]]) -> Callable[[Any, Any], dict[str, Any]]:
    """The gateway answers each request on a thread of its own, and the heartbeat reads the same state."""

    @wraps(method)
    def locked(self: AutoScaling, p: Mapping[str, Any]) -> dict[str, Any]:
        with self.lock:
            return method(self, p)

    return locked


def refuse(message: str, code: str = "ValidationException") -> ServiceException:
    """An error in AWS's words."""
    return ServiceException(code, message)


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


@dataclass
class ScheduledAction:
    """A scheduled action; ``request`` is as put, ``next_s`` when it fires next (None: never again)."""

    resource_id: str
    name: str
    arn: str
    request: dict[str, Any]
    created_s: float
    next_s: float | None


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


class AutoScaling:
    """One region's Application Auto Scaling.

    Args:
        region: its name.
        now_s: local time.
        running: instance count of ``endpoint/NAME/variant/VARIANT``, None when there is no such variant.
        make_alarms: makes a target-tracking policy's alarms and returns their names.
        delete_alarms: deletes alarms by name.
    """

    def __init__(
        self,
        region: str,
        *,
        now_s: Callable[[], float],
        running: Callable[[str, str], int | None],
        make_alarms: Callable[[str, Policy], list[str]],
        delete_alarms: Callable[[str, list[str]], None],
    ) -> None:
        self.region = region
        self.lock = threading.RLock()
        self._now_s = now_s
        self._running = running
        self._make_alarms = make_alarms
        self._delete_alarms = delete_alarms
        self.targets: dict[str, Target] = {}
        self.policies: dict[tuple[str, str], Policy] = {}
        self.actions: dict[tuple[str, str], ScheduledAction] = {}
        self.activities: list[Activity] = []

    # Scalable targets

    @_one_at_a_time
    def register_scalable_target(self, p: Mapping[str, Any]) -> dict[str, Any]:
        resource_id = self._resource(p)
        target = self.targets.get(resource_id)
        low = p.get("MinCapacity", target.min_capacity if target else None)
        high = p.get("MaxCapacity", target.max_capacity if target else None)
        if low is None or high is None:
            raise refuse("Both MinCapacity and MaxCapacity are required to register a new scalable target")
        if low > high:
            raise refuse(f"Maximum capacity cannot be less than minimum capacity: minimum {low}, maximum {high}")
        if self._running(self.region, resource_id) is None:
            raise refuse(f"The resource does not exist or is not in service: {resource_id}")
        if target is None:
            arn = f"arn:aws:application-autoscaling:{self.region}:{ACCOUNT_ID}:scalable-target/{uuid.uuid4().hex[:30]}"
            target = self.targets[resource_id] = Target(resource_id, arn, low, high, self._now_s())
        target.min_capacity, target.max_capacity = low, high
        target.suspended.update(p.get("SuspendedState", {}))
        target.tags.update(p.get("Tags", {}))
        return {"ScalableTargetARN": target.arn}

    @_one_at_a_time
    def deregister_scalable_target(self, p: Mapping[str, Any]) -> dict[str, Any]:
        self.forget(self._target(p))
        return {}

    @_one_at_a_time
    def describe_scalable_targets(self, p: Mapping[str, Any]) -> dict[str, Any]:
        self._namespace(p)
        wanted = p.get("ResourceIds")
        rows = [
            {
                "ServiceNamespace": NAMESPACE,
                "ResourceId": t.resource_id,
                "ScalableDimension": DIMENSION,
                "MinCapacity": t.min_capacity,
                "MaxCapacity": t.max_capacity,
                "RoleARN": SERVICE_ROLE,
                "CreationTime": _moment(t.created_s),
                "SuspendedState": dict(t.suspended),
                "ScalableTargetARN": t.arn,
            }
            for t in self.targets.values()
            if not wanted or t.resource_id in wanted
        ]
        return _page(rows, p, "ScalableTargets")

    def forget(self, target: Target) -> None:
        """Drop a target with its policies, their alarms and its scheduled actions."""
        for policy in [x for x in self.policies.values() if x.resource_id == target.resource_id]:
            self._drop(policy)
        for key in [k for k in self.actions if k[0] == target.resource_id]:
            del self.actions[key]
        del self.targets[target.resource_id]

    # Policies

    @_one_at_a_time
    def put_scaling_policy(self, p: Mapping[str, Any]) -> dict[str, Any]:
        target = self._target(p)
        key = (target.resource_id, p["PolicyName"])
        former = self.policies.get(key)
        kind = p.get("PolicyType") or (former.kind if former else None)
        if kind == "PredictiveScaling":
            raise refuse("PredictiveScaling is not supported for the service namespace sagemaker")
        field_name = {
            "TargetTrackingScaling": "TargetTrackingScalingPolicyConfiguration",
            "StepScaling": "StepScalingPolicyConfiguration",
        }.get(kind or "")
        if field_name is None or field_name not in p:
            raise refuse("PolicyType and its configuration are required: TargetTrackingScaling or StepScaling")
        if former and former.kind != kind:
            raise refuse("The type of an existing scaling policy cannot be changed; delete it first")
        config = dict(p[field_name])
        if kind == "TargetTrackingScaling":
            self._check_target_tracking(key, config)
        policy = Policy(target.resource_id, p["PolicyName"], former.arn if former else "", kind, config, self._now_s())
        if not policy.arn:
            policy.arn = (
                f"arn:aws:autoscaling:{self.region}:{ACCOUNT_ID}:scalingPolicy:{uuid.uuid4()}:resource/"
                f"{NAMESPACE}/{target.resource_id}:policyName/{policy.name}"
            )
        if former:
            policy.created_s = former.created_s
            self._delete_alarms(self.region, former.alarms)
        self.policies[key] = policy
        if kind == "TargetTrackingScaling":
            policy.alarms = self._make_alarms(self.region, policy)
        return {"PolicyARN": policy.arn, "Alarms": self._alarm_rows(policy)}

    def _check_target_tracking(self, key: tuple[str, str], config: Mapping[str, Any]) -> None:
        predefined = config.get("PredefinedMetricSpecification")
        custom = config.get("CustomizedMetricSpecification")
        if (predefined is None) == (custom is None):
            raise refuse("Give either PredefinedMetricSpecification or CustomizedMetricSpecification")
        if config["TargetValue"] <= 0:
            raise refuse(f"TargetValue must be greater than zero: {config['TargetValue']}")
        if predefined:
            metric = predefined["PredefinedMetricType"]
            if metric not in PREDEFINED:
                raise refuse(f"The predefined metric {metric} does not apply to the scalable dimension {DIMENSION}")
            for other in self.policies.values():
                spec = other.config.get("PredefinedMetricSpecification", {})
                same = spec.get("PredefinedMetricType") == metric
                if same and other.resource_id == key[0] and other.name != key[1]:
                    raise refuse(
                        f"Only one TargetTrackingScaling policy for a given metric specification is allowed: {metric}"
                    )
        elif metrics := custom.get("Metrics"):
            returned = [m for m in metrics if m.get("ReturnData", True)]
            if len(returned) != 1:
                raise refuse(f"Exactly one element of the metrics list should return data, not {len(returned)}")
            if len({m["Id"] for m in metrics}) != len(metrics):
                raise refuse("The Ids of the metrics list must be unique")
        elif not (custom.get("MetricName") and custom.get("Namespace") and custom.get("Statistic")):
            raise refuse("CustomizedMetricSpecification needs MetricName, Namespace and Statistic, or Metrics")

    @_one_at_a_time
    def delete_scaling_policy(self, p: Mapping[str, Any]) -> dict[str, Any]:
        resource_id = self._resource(p)
        policy = self.policies.get((resource_id, p["PolicyName"]))
        if policy is None:
            raise _missing(
                f"No scaling policy found for service namespace: {NAMESPACE}, resource ID: {resource_id}, "
                f"scalable dimension: {DIMENSION}, policy name: {p['PolicyName']}"
            )
        self._drop(policy)
        return {}

    @_one_at_a_time
    def describe_scaling_policies(self, p: Mapping[str, Any]) -> dict[str, Any]:
        self._namespace(p)
        names, resource_id = p.get("PolicyNames"), p.get("ResourceId")
        rows = []
        for policy in self.policies.values():
            if (names and policy.name not in names) or (resource_id and policy.resource_id != resource_id):
                continue
            rows.append(
                {
                    "PolicyARN": policy.arn,
                    "PolicyName": policy.name,
                    "ServiceNamespace": NAMESPACE,
                    "ResourceId": policy.resource_id,
                    "ScalableDimension": DIMENSION,
                    "PolicyType": policy.kind,
                    f"{policy.kind}PolicyConfiguration": policy.config,
                    "Alarms": self._alarm_rows(policy),
                    "CreationTime": _moment(policy.created_s),
                }
            )
        return _page(rows, p, "ScalingPolicies")

    # Scheduled actions

    @_one_at_a_time
    def put_scheduled_action(self, p: Mapping[str, Any]) -> dict[str, Any]:
        target = self._target(p)
        key = (target.resource_id, p["ScheduledActionName"])
        former = self.actions.get(key)
        request = {**(former.request if former else {}), **p}
        if "Schedule" not in request:
            raise refuse("Schedule is required for a new scheduled action")
        action = request.get("ScalableTargetAction", {})
        low, high = action.get("MinCapacity"), action.get("MaxCapacity")
        if low is None and high is None:
            raise refuse("ScalableTargetAction needs MinCapacity or MaxCapacity")
        if low is not None and high is not None and low > high:
            raise refuse(f"Maximum capacity cannot be less than minimum capacity: minimum {low}, maximum {high}")
        arn = (
            former.arn
            if former
            else (
                f"arn:aws:autoscaling:{self.region}:{ACCOUNT_ID}:scheduledAction:{uuid.uuid4()}:resource/"
                f"{NAMESPACE}/{target.resource_id}:scheduledActionName/{p['ScheduledActionName']}"
            )
        )
        now_s = self._now_s()
        try:
            next_s = next_firing(request, now_s)
        except ValueError as error:
            raise refuse(str(error)) from error
        self.actions[key] = ScheduledAction(target.resource_id, p["ScheduledActionName"], arn, request, now_s, next_s)
        return {}

    @_one_at_a_time
    def delete_scheduled_action(self, p: Mapping[str, Any]) -> dict[str, Any]:
        resource_id = self._resource(p)
        if self.actions.pop((resource_id, p["ScheduledActionName"]), None) is None:
            raise _missing(
                f"No scheduled action found for resource ID: {resource_id}, "
                f"scheduled action name: {p['ScheduledActionName']}"
            )
        return {}

    @_one_at_a_time
    def describe_scheduled_actions(self, p: Mapping[str, Any]) -> dict[str, Any]:
        self._namespace(p)
        names, resource_id = p.get("ScheduledActionNames"), p.get("ResourceId")
        shown = ("Schedule", "Timezone", "StartTime", "EndTime", "ScalableTargetAction")
        rows = [
            {
                "ScheduledActionName": a.name,
                "ScheduledActionARN": a.arn,
                "ServiceNamespace": NAMESPACE,
                "ResourceId": a.resource_id,
                "ScalableDimension": DIMENSION,
                "CreationTime": _moment(a.created_s),
                **{k: a.request[k] for k in shown if k in a.request},
            }
            for a in self.actions.values()
            if (not names or a.name in names) and (not resource_id or a.resource_id == resource_id)
        ]
        return _page(rows, p, "ScheduledActions")

    # Activities and tags

    @_one_at_a_time
    def describe_scaling_activities(self, p: Mapping[str, Any]) -> dict[str, Any]:
        self._namespace(p)
        resource_id, all_of_them = p.get("ResourceId"), p.get("IncludeNotScaledActivities", False)
        oldest_s = self._now_s() - ACTIVITY_AGE_S
        rows = [
            _activity_row(a)
            for a in reversed(self.activities)
            if (not resource_id or a.resource_id == resource_id)
            and (all_of_them or not a.not_scaled)
            and a.start_s >= oldest_s
        ]
        return _page(rows, p, "ScalingActivities")

    @_one_at_a_time
    def list_tags_for_resource(self, p: Mapping[str, Any]) -> dict[str, Any]:
        return {"Tags": dict(self._by_arn(p["ResourceARN"]).tags)}

    @_one_at_a_time
    def tag_resource(self, p: Mapping[str, Any]) -> dict[str, Any]:
        self._by_arn(p["ResourceARN"]).tags.update(p["Tags"])
        return {}

    @_one_at_a_time
    def untag_resource(self, p: Mapping[str, Any]) -> dict[str, Any]:
        tags = self._by_arn(p["ResourceARN"]).tags
        for key in p["TagKeys"]:
            tags.pop(key, None)
        return {}

    @_one_at_a_time
    def get_predictive_scaling_forecast(self, p: Mapping[str, Any]) -> dict[str, Any]:
        raise refuse("Predictive scaling is not supported for the service namespace sagemaker")

    # Shared

    def _namespace(self, p: Mapping[str, Any]) -> None:
        if p.get("ServiceNamespace") != NAMESPACE:
            raise refuse(
                f"The embedded AWS scales the service namespace sagemaker only, not {p.get('ServiceNamespace')}"
            )
        if p.get("ScalableDimension", DIMENSION) != DIMENSION:
            raise refuse(
                f"Unsupported scalable dimension: {p['ScalableDimension']}; a real-time variant has {DIMENSION}"
            )

    def _resource(self, p: Mapping[str, Any]) -> str:
        self._namespace(p)
        parts = p["ResourceId"].split("/")
        if len(parts) != 4 or parts[0] != "endpoint" or parts[2] != "variant":
            raise refuse(f"Unsupported resource ID: {p['ResourceId']}; expected endpoint/NAME/variant/VARIANT")
        return p["ResourceId"]

    def _target(self, p: Mapping[str, Any]) -> Target:
        resource_id = self._resource(p)
        if resource_id not in self.targets:
            raise _missing(
                f"No scalable target registered for service namespace: {NAMESPACE}, "
                f"resource ID: {resource_id}, scalable dimension: {DIMENSION}"
            )
        return self.targets[resource_id]

    def _by_arn(self, arn: str) -> Target:
        for target in self.targets.values():
            if target.arn == arn:
                return target
        raise _missing(f"No scalable target has the ARN {arn}", "ResourceNotFoundException")

    def _drop(self, policy: Policy) -> None:
        self._delete_alarms(self.region, policy.alarms)
        del self.policies[policy.resource_id, policy.name]

    def _alarm_rows(self, policy: Policy) -> list[dict[str, str]]:
        prefix = f"arn:aws:cloudwatch:{self.region}:{ACCOUNT_ID}:alarm:"
        return [{"AlarmName": name, "AlarmARN": prefix + name} for name in policy.alarms]


def next_firing(request: Mapping[str, Any], after_s: float) -> float | None:
    """When a scheduled action fires next after ``after_s``, within its StartTime and EndTime; None for never."""
    schedule = parse_schedule(request["Schedule"], request.get("Timezone") or "UTC")
    start, end = (_seconds(request.get(k)) for k in ("StartTime", "EndTime"))
    moment = schedule.next_after(after_s if start is None else max(after_s, start - 1))
    return None if moment is None or (end is not None and moment > end) else moment


def _seconds(value: Any) -> float | None:
    return value.timestamp() if isinstance(value, datetime) else value


def _activity_row(a: Activity) -> dict[str, Any]:
    row = {
        "ActivityId": a.activity_id,
        "ServiceNamespace": NAMESPACE,
        "ResourceId": a.resource_id,
        "ScalableDimension": DIMENSION,
        "Description": a.description,
        "Cause": a.cause,
        "StartTime": _moment(a.start_s),
        "StatusCode": a.status,
        "StatusMessage": a.message,
    }
    if a.end_s is not None:
        row["EndTime"] = _moment(a.end_s)
    if a.not_scaled:
        row["NotScaledReasons"] = list(a.not_scaled)
    return row


def _missing(message: str, code: str = "ObjectNotFoundException") -> ServiceException:
    return refuse(message, code)


def _moment(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def _page(rows: list[dict[str, Any]], p: Mapping[str, Any], name: str) -> dict[str, Any]:
    token = p.get("NextToken")
    if token is not None and not token.isdigit():
        raise refuse("The next token is invalid", "InvalidNextTokenException")
    start, size = int(token or 0), p.get("MaxResults") or 50
    answer: dict[str, Any] = {name: rows[start : start + size]}
    if start + size < len(rows):
        answer["NextToken"] = str(start + size)
    return answer
