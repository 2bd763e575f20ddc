"""Application Auto Scaling of the embedded AWS: scalable targets, policies, scheduled actions, activities.

What can be asked of the service is here, with AWS's refusals; when something scales is ``autoscaler``'s.
Moto's own makes no alarms, fires no actions and keeps no activities, so nothing of it is used.
"""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable, Mapping
from datetime import datetime
from functools import wraps
from typing import Any

from dgsm_helpers.rules.schedules import parse_schedule
from embedded_aws.autoscaling.scaling_records import (
    DIMENSION,
    NAMESPACE,
    Activity,
    Policy,
    ScheduledAction,
    Target,
    check_target_tracking,
    missing,
    refuse,
)
from embedded_aws.listings import ACCOUNT_ID

ACTIVITY_AGE_S = 42 * 24 * 3600.0
"""AWS keeps activities for six weeks."""
_PAGE = 50
"""Most rows of one answer, and how many without MaxResults (API reference)."""


def _one_at_a_time(method: Callable[[Any, Any], dict[str, Any]]) -> Callable[[Any, Any], dict[str, Any]]:
    """The gateway answers each request on a thread of its own, and the heartbeat reads the same state."""

    @wraps(method)
    def locked(self: AutoScaling, p: Mapping[str, Any]) -> dict[str, Any]:
        with self.lock:
            return method(self, p)

    return locked


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
        if low < 0:
            raise refuse(f"Minimum capacity cannot be less than zero: {low}")
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
        rows = [t.row() for t in self.targets.values() if not wanted or t.resource_id in wanted]
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
            check_target_tracking(config)
            self._refuse_twin(key, config)
        policy = Policy(target.resource_id, p["PolicyName"], former.arn if former else "", kind, config, self._now_s())
        if not policy.arn:
            policy.arn = (
                f"arn:aws:autoscaling:{self.region}:{ACCOUNT_ID}:scalingPolicy:{uuid.uuid4()}:resource/"
                f"{NAMESPACE}/{target.resource_id}:policyName/{policy.name}"
            )
        if kind == "TargetTrackingScaling":
            # First, as CloudWatch may refuse the policy's expression: the former policy and its alarms then stay.
            policy.alarms = self._make_alarms(self.region, policy)
        if former:
            policy.created_s = former.created_s
            self._delete_alarms(self.region, former.alarms)
        self.policies[key] = policy
        return {"PolicyARN": policy.arn, "Alarms": policy.alarm_rows(self.region)}

    def _refuse_twin(self, key: tuple[str, str], config: Mapping[str, Any]) -> None:
        metric = config.get("PredefinedMetricSpecification", {}).get("PredefinedMetricType")
        for other in self.policies.values():
            same = other.config.get("PredefinedMetricSpecification", {}).get("PredefinedMetricType") == metric
            if metric and same and other.resource_id == key[0] and other.name != key[1]:
                raise refuse(
                    f"Only one TargetTrackingScaling policy for a given metric specification is allowed: {metric}"
                )

    @_one_at_a_time
    def delete_scaling_policy(self, p: Mapping[str, Any]) -> dict[str, Any]:
        resource_id = self._resource(p)
        policy = self.policies.get((resource_id, p["PolicyName"]))
        if policy is None:
            raise missing(
                f"No scaling policy found for service namespace: {NAMESPACE}, resource ID: {resource_id}, "
                f"scalable dimension: {DIMENSION}, policy name: {p['PolicyName']}"
            )
        self._drop(policy)
        return {}

    @_one_at_a_time
    def describe_scaling_policies(self, p: Mapping[str, Any]) -> dict[str, Any]:
        self._namespace(p)
        names, resource_id = p.get("PolicyNames"), p.get("ResourceId")
        rows = [
            policy.row(self.region)
            for policy in self.policies.values()
            if (not names or policy.name in names) and (not resource_id or policy.resource_id == resource_id)
        ]
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
        if next_s is None:
            raise refuse(f"The scheduled action would never fire: {request['Schedule']} is in the past")
        self.actions[key] = ScheduledAction(target.resource_id, p["ScheduledActionName"], arn, request, now_s, next_s)
        return {}

    @_one_at_a_time
    def delete_scheduled_action(self, p: Mapping[str, Any]) -> dict[str, Any]:
        resource_id = self._resource(p)
        if self.actions.pop((resource_id, p["ScheduledActionName"]), None) is None:
            raise missing(
                f"No scheduled action found for resource ID: {resource_id}, "
                f"scheduled action name: {p['ScheduledActionName']}"
            )
        return {}

    @_one_at_a_time
    def describe_scheduled_actions(self, p: Mapping[str, Any]) -> dict[str, Any]:
        self._namespace(p)
        names, resource_id = p.get("ScheduledActionNames"), p.get("ResourceId")
        rows = [
            a.row()
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
            a.row()
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
        if "ScalableDimension" in p and not (p.get("ResourceId") or p.get("ResourceIds")):
            raise refuse("With a scalable dimension, a resource ID is required too")
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
            raise missing(
                f"No scalable target registered for service namespace: {NAMESPACE}, "
                f"resource ID: {resource_id}, scalable dimension: {DIMENSION}"
            )
        return self.targets[resource_id]

    def _by_arn(self, arn: str) -> Target:
        for target in self.targets.values():
            if target.arn == arn:
                return target
        raise missing(f"No scalable target has the ARN {arn}", "ResourceNotFoundException")

    def _drop(self, policy: Policy) -> None:
        self._delete_alarms(self.region, policy.alarms)
        del self.policies[policy.resource_id, policy.name]


def next_firing(request: Mapping[str, Any], after_s: float) -> float | None:
    """When a scheduled action fires next after ``after_s``, within its StartTime and EndTime; None for never."""
    schedule = parse_schedule(request["Schedule"], request.get("Timezone") or "UTC")
    start, end = (_seconds(request.get(k)) for k in ("StartTime", "EndTime"))
    moment = schedule.next_after(after_s if start is None else max(after_s, start - 1))
    return None if moment is None or (end is not None and moment > end) else moment


def _seconds(value: Any) -> float | None:
    return value.timestamp() if isinstance(value, datetime) else value


def _page(rows: list[dict[str, Any]], p: Mapping[str, Any], name: str) -> dict[str, Any]:
    token = p.get("NextToken")
    if token is not None and not token.isdigit():
        raise refuse("The next token is invalid", "InvalidNextTokenException")
    start, size = int(token or 0), p.get("MaxResults", _PAGE)
    if not 1 <= size <= _PAGE:
        raise refuse(f"MaxResults must be between 1 and {_PAGE}, not {size}")
    answer: dict[str, Any] = {name: rows[start : start + size]}
    if start + size < len(rows):
        answer["NextToken"] = str(start + size)
    return answer
