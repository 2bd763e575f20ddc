"""The whole set-up of an endpoint, read back from AWS as the calls that make it again."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from dgsm_helpers.aws.core.calls import call_or_none, pages
from dgsm_helpers.aws.endpoint.endpoint_config import model_in_use
from dgsm_helpers.aws.endpoint.endpoint_reading import EndpointReading
from dgsm_helpers.aws.endpoint.endpoint_state import in_service
from dgsm_helpers.aws.scaling.policy import NAMESPACE
from dgsm_helpers.aws.scaling.scalable_target import SERVICE, described_alarms, triple
from dgsm_helpers.aws.scaling.scaling_state import ScalingState
from dgsm_helpers.aws.scaling.setup_calls import Setup, SetupCall, actions_renamed, policy_mark
from dgsm_helpers.rules.schedules import may_fire
from dgsm_helpers.session import Workbook


def read(wb: Workbook) -> Setup:
    """The workbook's endpoint with all its variants: models, config, endpoint, targets, policies, scheduled actions.

    Raises:
        NotFound: there is no such endpoint, or its config or model was deleted.
        NotReady: it failed, so that there is nothing worth repeating, or it is being deleted.
        UnsupportedFeature: it is of a kind that has no instances of its own.
    """
    endpoint = EndpointReading(wb)
    endpoint.require_known()
    state, config = endpoint.state, endpoint.config
    if state.status in ("Failed", "Deleting"):
        in_service(state)
    models = [model_in_use(wb, name) for name in config.model_names]
    endpoint_request = {
        "EndpointName": state.name,
        "EndpointConfigName": state.config_name,
        "DeploymentConfig": state.last_deployment,
    }
    steps = [
        *(_made(wb, "CreateModel", model, model["ModelArn"]) for model in models),
        _made(wb, "CreateEndpointConfig", config.described, config.arn),
        _made(wb, "CreateEndpoint", endpoint_request, state.arn),
    ]
    notes: list[str] = []
    if state.status != "InService":
        notes.append(f"The endpoint is {state.status}: what it changes to is not part of this. Export it again then.")
    alarms: dict[str, SetupCall] = {}
    if guards := state.last_deployment.get("AutoRollbackConfiguration", {}).get("Alarms"):
        names = ", ".join(alarm["AlarmName"] for alarm in guards)
        notes.append(f"The alarms that roll an update back ({names}) are your own, and are not part of this set-up.")
    for variant in config.variants:
        steps += _scaling(wb, f"endpoint/{state.name}/variant/{variant.name}", notes, alarms)
    return Setup(state.name, wb.region, tuple(steps), tuple(notes), tuple(alarms.values()))


def of_variant(wb: Workbook, endpoint: EndpointReading | ScalingState, *, schedule: bool = False) -> Setup:
    """Bounds and target-tracking policies of the workbook's variant as they were read; its ``schedule`` if wished."""
    target, steps = endpoint.target, []
    if target is not None:
        bounds = {"MinCapacity": target.min_capacity, "MaxCapacity": target.max_capacity}
        suspended = {"SuspendedState": target.suspension.to_request()}
        steps.append(SetupCall(SERVICE, "RegisterScalableTarget", {**triple(wb), **bounds, **suspended}))
    for policy in endpoint.policies:
        if policy.tracks:
            kind = {"PolicyName": policy.name, "PolicyType": policy.policy_type}
            configuration = {"TargetTrackingScalingPolicyConfiguration": policy.configuration}
            steps.append(SetupCall(SERVICE, "PutScalingPolicy", {**triple(wb), **kind, **configuration}))
    if schedule:
        actions = pages(wb, SERVICE, "DescribeScheduledActions", "ScheduledActions", **triple(wb))
        steps += [_call_of(wb, SERVICE, "PutScheduledAction", action) for action in actions]
    return Setup(wb.endpoint_name, wb.region, tuple(steps))


def scaling_now(wb: Workbook, resource_id: str) -> tuple[SetupCall, ...]:
    """The calls that would make a variant's scaling as it is now."""
    return tuple(_scaling(wb, resource_id, [], {}))


def alarm_now(wb: Workbook, name: str) -> Mapping[str, Any] | None:
    """The call that would make an alarm as it is now; None where there is none of that name."""
    return next(
        (_call_of(wb, "cloudwatch", "PutMetricAlarm", one).request for one in described_alarms(wb, [name])), None
    )


def _made(wb: Workbook, operation: str, described: Mapping[str, Any], arn: str) -> SetupCall:
    tags = [t for t in pages(wb, "sagemaker", "ListTags", "Tags", ResourceArn=arn) if not t["Key"].startswith("aws:")]
    return _call_of(wb, "sagemaker", operation, {**described, "Tags": tags})


def _scaling(wb: Workbook, resource_id: str, notes: list[str], alarms: dict[str, SetupCall]) -> Iterator[SetupCall]:
    """The variant's target, policies and scheduled actions; nothing when it is not registered.

    What is left out goes to ``notes``, the alarms of step-scaling policies to ``alarms`` by name.
    """
    on = {"ServiceNamespace": NAMESPACE, "ResourceId": resource_id}
    of_variant = {"ServiceNamespace": NAMESPACE, "ResourceIds": [resource_id]}
    for target in pages(wb, SERVICE, "DescribeScalableTargets", "ScalableTargets", **of_variant):
        # The role is the service's own in every account, and no suspension is the default.
        left_out = {"RoleARN"} | (set() if any(target["SuspendedState"].values()) else {"SuspendedState"})
        tags = _target_tags(wb, target)
        described = {**{k: v for k, v in target.items() if k not in left_out}, "Tags": tags}
        yield _call_of(wb, SERVICE, "RegisterScalableTarget", described)
    for policy in pages(wb, SERVICE, "DescribeScalingPolicies", "ScalingPolicies", **on):
        yield _call_of(wb, SERVICE, "PutScalingPolicy", policy)
        if policy["PolicyType"] == "StepScaling":
            names = [alarm["AlarmName"] for alarm in policy.get("Alarms") or ()]
            for alarm in described_alarms(wb, names):
                known = alarms.get(alarm["AlarmName"]) or _call_of(wb, "cloudwatch", "PutMetricAlarm", alarm)
                marked = actions_renamed(known.request, {policy["PolicyARN"]: policy_mark(policy)})
                alarms[alarm["AlarmName"]] = replace(known, request=marked)
            if not names:
                notes.append(f"Policy {policy['PolicyName']} is a step-scaling policy: no alarm triggers it.")
    for action in pages(wb, SERVICE, "DescribeScheduledActions", "ScheduledActions", **on):
        if not may_fire(action, wb.now()):
            over = f"Scheduled action {action['ScheduledActionName']}, {action['Schedule']}, is over and left out"
            notes.append(f"{over}: AWS refuses one that never fires.")
            continue
        yield _call_of(wb, SERVICE, "PutScheduledAction", action)


def _target_tags(wb: Workbook, target: Mapping[str, Any]) -> dict[str, str]:
    if not target.get("ScalableTargetARN"):
        return {}
    answer = call_or_none(wb, SERVICE, "ListTagsForResource", ResourceARN=target["ScalableTargetARN"])
    return (answer or {}).get("Tags", {})


def _call_of(wb: Workbook, service: str, operation: str, described: Mapping[str, Any]) -> SetupCall:
    """What a Describe call answered, as the call that makes it: only what the operation takes, nothing empty."""
    shape = wb.client(service).meta.service_model.operation_model(operation).input_shape
    return SetupCall(service, operation, _fitting(shape, described))


def _fitting(shape: Any, value: Any) -> Any:
    if shape.type_name == "structure":
        members = {name: _fitting(member, value[name]) for name, member in shape.members.items() if name in value}
        return {name: member for name, member in members.items() if member not in (None, "", [], {})}
    if shape.type_name == "list":
        return [_fitting(shape.member, item) for item in value]
    return value.isoformat() if isinstance(value, datetime) else value
