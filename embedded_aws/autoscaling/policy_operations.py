"""Application Auto Scaling's operations on what a scalable target is told: scaling policies and scheduled actions."""

import uuid
from collections.abc import Iterable, Mapping
from itertools import pairwise
from math import inf
from typing import Any

from embedded_aws.autoscaling.policy_alarms import naming, read_rule
from embedded_aws.autoscaling.region_scaling import (
    ScalingOperations,
    crossed,
    limit_reached,
    missing,
    one_at_a_time,
    page_of,
)
from embedded_aws.autoscaling.scaling_records import (
    DIMENSION,
    NAMESPACE,
    PolicyRecord,
    ScheduledActionRecord,
    alarm_rows,
)
from embedded_aws.gateway.refusal import AwsRefusal
from embedded_aws.gateway.regions import Params
from embedded_aws.listings import make_arn

PREDEFINED = ("SageMakerVariantInvocationsPerInstance", "SageMakerVariantConcurrentRequestsPerModelHighResolution")

POLICIES_A_PAGE = 10
"""Most policies of one answer, and how many without MaxResults (API reference, DescribeScalingPolicies)."""
LARGEST_TARGET = 2.0**360
"""API reference, TargetTrackingScalingPolicyConfiguration; below zero no variant can be tracked."""
MOST_STEPS, MOST_POLICIES, MOST_ACTIONS = 20, 50, 200
"""Step adjustments of a policy, policies and scheduled actions of a target (Application Auto Scaling's quotas)."""


class PolicyOperations(ScalingOperations):
    """Operations on scaling policies and scheduled actions."""

    @one_at_a_time
    def put_scaling_policy(self, p: Params) -> dict[str, Any]:
        """Make or replace a policy."""
        target, state, name = self.target(p), self.state, p["PolicyName"]
        former = state.policies.get((target.resource_id, name))
        kind = p.get("PolicyType") or (former.kind if former else "")
        if kind == "PredictiveScaling":
            raise AwsRefusal("PredictiveScaling is not supported for the service namespace sagemaker")
        config = p.get(f"{kind}PolicyConfiguration")
        if kind not in ("TargetTrackingScaling", "StepScaling") or config is None:
            raise AwsRefusal("PolicyType and its configuration are required: TargetTrackingScaling or StepScaling")
        if former and former.kind != kind:
            raise AwsRefusal("The type of an existing scaling policy cannot be changed; delete it first")
        if kind == "StepScaling":
            _check_steps(config)
        else:
            _check_target_tracking(config)
            self._refuse_second_policy(target.resource_id, name, config)
        if former is None:
            _refuse_one_more(target.resource_id, state.policies, "scaling policies per scalable target", MOST_POLICIES)
        new_arn = make_arn(
            "autoscaling",
            state.region,
            f"scalingPolicy:{uuid.uuid4()}:resource/{NAMESPACE}/{target.resource_id}:policyName/{name}",
        )
        policy = PolicyRecord(
            resource_id=target.resource_id,
            name=name,
            arn=former.arn if former else new_arn,
            kind=kind,
            config=config,
            rule=read_rule(name, kind, config),
            created_s=former.created_s if former else state.clock.now_s(),
        )
        if former is not None:
            policy.number = former.number
        state.keep_policy(policy)
        return {"PolicyARN": policy.arn, "Alarms": alarm_rows(state.region, policy.alarms)}

    @one_at_a_time
    def delete_scaling_policy(self, p: Params) -> dict[str, Any]:
        """Forget a policy; its alarms go with it."""
        resource_id = self.resource_id(p)
        policy = self.state.policies.get((resource_id, p["PolicyName"]))
        if policy is None:
            raise missing(
                f"No scaling policy found for service namespace: {NAMESPACE}, resource ID: {resource_id}, "
                f"scalable dimension: {DIMENSION}, policy name: {p['PolicyName']}"
            )
        self.state.drop_policy(policy)
        return {}

    @one_at_a_time
    def describe_scaling_policies(self, p: Params) -> dict[str, Any]:
        """Policies by name or resource, a step-scaling one with the alarms that somebody made for it.

        AWS CLI's example of describe-scaling-policies shows these; they are looked up, as they come and go.
        """
        policies = self.listed(p, self.state.policies, names="PolicyNames")
        everyone = self.state.alarms.describe()

        def row(policy: PolicyRecord) -> dict[str, Any]:
            of_others = policy.kind == "StepScaling"
            alarms = [a.alarm.name for a in naming(policy, everyone)] if of_others else policy.alarms
            return policy.row(self.state.region, alarms)

        return page_of(policies, p, "ScalingPolicies", row, most=POLICIES_A_PAGE)

    @one_at_a_time
    def get_predictive_scaling_forecast(self, p: Params) -> dict[str, Any]:
        """Refused: SageMaker's variants have no predictive scaling."""
        raise AwsRefusal("Predictive scaling is not supported for the service namespace sagemaker")

    @one_at_a_time
    def put_scheduled_action(self, p: Params) -> dict[str, Any]:
        """Make a scheduled action, or change what the request names of one.

        Its times are deleted unless they are named again (API reference, PutScheduledAction).
        """
        target, state, name = self.target(p), self.state, p["ScheduledActionName"]
        former = state.actions.get((target.resource_id, name))
        kept = {k: v for k, v in (former.request if former else {}).items() if k not in ("StartTime", "EndTime")}
        request = {**kept, **p}
        if "Schedule" not in request:
            raise AwsRefusal("Schedule is required for a new scheduled action")
        bounds = request.get("ScalableTargetAction", {})
        low, high = bounds.get("MinCapacity"), bounds.get("MaxCapacity")
        if min(low or 0, high or 0) < 0:
            raise AwsRefusal(f"Capacity cannot be less than zero: {min(low or 0, high or 0)}")
        if low is None and high is None:
            raise AwsRefusal("ScalableTargetAction needs MinCapacity or MaxCapacity")
        if low is not None and high is not None and low > high:
            raise AwsRefusal(crossed(low, high))
        new_arn = make_arn(
            "autoscaling",
            state.region,
            f"scheduledAction:{uuid.uuid4()}:resource/{NAMESPACE}/{target.resource_id}:scheduledActionName/{name}",
        )
        now_s = state.clock.now_s()
        arn, made_s = (former.arn, former.created_s) if former else (new_arn, now_s)
        action = ScheduledActionRecord(target.resource_id, name, arn, request, made_s)
        try:
            action.next_s = action.firing_after(now_s)
        except ValueError as error:
            raise AwsRefusal(str(error)) from error
        if action.next_s is None:
            raise AwsRefusal(f"The scheduled action would never fire: {request['Schedule']} is in the past")
        if former is not None:
            action.number = former.number
        else:
            _refuse_one_more(target.resource_id, state.actions, "scheduled actions per scalable target", MOST_ACTIONS)
        state.actions[target.resource_id, name] = action
        return {}

    @one_at_a_time
    def delete_scheduled_action(self, p: Params) -> dict[str, Any]:
        """Forget a scheduled action; bounds that it has set stay."""
        resource_id = self.resource_id(p)
        if self.state.actions.pop((resource_id, p["ScheduledActionName"]), None) is None:
            raise missing(
                f"No scheduled action found for resource ID: {resource_id}, "
                f"scheduled action name: {p['ScheduledActionName']}"
            )
        return {}

    @one_at_a_time
    def describe_scheduled_actions(self, p: Params) -> dict[str, Any]:
        """Scheduled actions by name or resource."""
        actions = self.listed(p, self.state.actions, names="ScheduledActionNames")
        return page_of(actions, p, "ScheduledActions", ScheduledActionRecord.row)

    def _refuse_second_policy(self, resource_id: str, name: str, config: Mapping[str, Any]) -> None:
        metric = _metric_of(config)
        for other in self.state.policies.values():
            if _metric_of(other.config) == metric and other.resource_id == resource_id and other.name != name:
                raise AwsRefusal(
                    f"Only one TargetTrackingScaling policy for a given metric specification is allowed: "
                    f"{_predefined(config) or 'a customized metric'}"
                )


def _refuse_one_more(resource_id: str, records: Iterable[tuple[str, str]], what: str, most: int) -> None:
    if sum(one == resource_id for one, _ in records) >= most:
        raise limit_reached(what, most)


def _metric_of(config: Mapping[str, Any]) -> tuple[str, Any]:
    """What tells the metric of a target-tracking policy from another's (AAS guide: "each uses a different metric")."""
    custom = dict(config.get("CustomizedMetricSpecification") or {})
    if "Dimensions" in custom:
        custom["Dimensions"] = sorted(custom["Dimensions"], key=lambda pair: pair["Name"])
    return _predefined(config), custom


def _predefined(config: Mapping[str, Any]) -> str:
    return config.get("PredefinedMetricSpecification", {}).get("PredefinedMetricType", "")


def _check_target_tracking(config: Mapping[str, Any]) -> None:
    """Refuse a target-tracking configuration that cannot work, in itself."""
    custom = config.get("CustomizedMetricSpecification")
    if ("PredefinedMetricSpecification" in config) == (custom is not None):
        raise AwsRefusal("Give either PredefinedMetricSpecification or CustomizedMetricSpecification")
    if not 0 < config["TargetValue"] <= LARGEST_TARGET:  # also when it is not a number
        raise AwsRefusal(f"TargetValue must be greater than zero and at most 2^360: {config['TargetValue']}")
    _refuse_negative(config, "ScaleInCooldown", "ScaleOutCooldown")
    if "ResourceLabel" in config.get("PredefinedMetricSpecification", {}):
        raise AwsRefusal("ResourceLabel applies to metrics of load balancers only")
    if custom is None:
        if _predefined(config) not in PREDEFINED:
            raise AwsRefusal(
                f"The predefined metric {_predefined(config)} does not apply to the scalable dimension {DIMENSION}"
            )
    elif metrics := custom.get("Metrics"):
        returned = [m for m in metrics if m.get("ReturnData", True)]
        if len(returned) != 1:
            raise AwsRefusal(f"Exactly one element of the metrics list should return data, not {len(returned)}")
        if len({m["Id"] for m in metrics}) != len(metrics):
            raise AwsRefusal("The Ids of the metrics list must be unique")
    elif not (custom.get("MetricName") and custom.get("Namespace") and custom.get("Statistic")):
        raise AwsRefusal("CustomizedMetricSpecification needs MetricName, Namespace and Statistic, or Metrics")


def _refuse_negative(config: Mapping[str, Any], *members: str) -> None:
    for member in members:
        if config.get(member, 0) < 0:
            raise AwsRefusal(f"{member} must not be negative: {config[member]}")


def _check_steps(config: Mapping[str, Any]) -> None:
    """Refuse a step-scaling configuration that AWS refuses (API reference, StepAdjustment; StepScalingPolicy…)."""
    steps = config.get("StepAdjustments") or ()
    _refuse_negative(config, "Cooldown", "MinAdjustmentMagnitude")
    if not config.get("AdjustmentType"):
        raise AwsRefusal("AdjustmentType is required for a step scaling policy")
    if not steps:
        raise AwsRefusal("A step scaling policy needs at least one StepAdjustment")
    if len(steps) > MOST_STEPS:
        raise AwsRefusal(f"A step scaling policy has at most {MOST_STEPS} StepAdjustments, not {len(steps)}")
    bounds = [(s.get("MetricIntervalLowerBound"), s.get("MetricIntervalUpperBound")) for s in steps]
    if (None, None) in bounds:
        raise AwsRefusal("Both lower and upper bounds of a step adjustment cannot be left unspecified")
    ends = sorted((-inf if low is None else low, inf if high is None else high) for low, high in bounds)
    if any(low >= high for low, high in ends):
        raise AwsRefusal("The upper bound of a step adjustment must be greater than its lower bound")
    for (_, end), (begin, _) in pairwise(ends):
        if begin != end:
            raise AwsRefusal(
                f"The StepAdjustments must not {'overlap' if begin < end else 'leave a gap'}: {end}, {begin}"
            )
    if ends[0][0] != -inf and ends[0][0] < 0:
        raise AwsRefusal(
            "There must be a StepAdjustment with an unspecified lower bound when one StepAdjustment has a negative "
            "lower bound"
        )
    if ends[-1][1] != inf and ends[-1][1] > 0:
        raise AwsRefusal(
            "There must be a StepAdjustment with an unspecified upper bound when one StepAdjustment has a positive "
            "upper bound"
        )
    if config["AdjustmentType"] == "ExactCapacity" and any(s["ScalingAdjustment"] < 0 for s in steps):
        raise AwsRefusal("ScalingAdjustment must not be negative with the adjustment type ExactCapacity")
