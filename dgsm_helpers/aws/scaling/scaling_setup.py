"""The whole set-up of an endpoint, read back from AWS as the calls that make it again, and its scaling put back."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from dgsm_helpers.aws.core.calls import call, call_or_none, pages
from dgsm_helpers.aws.endpoint.endpoint_config import model_in_use
from dgsm_helpers.aws.endpoint.endpoint_reading import EndpointReading
from dgsm_helpers.aws.scaling import registration, scalable_target
from dgsm_helpers.aws.scaling.policy import NAMESPACE
from dgsm_helpers.aws.scaling.scalable_target import SERVICE, described_alarms
from dgsm_helpers.aws.scaling.scheduled_actions import may_fire
from dgsm_helpers.errors import NotReady
from dgsm_helpers.session import Workbook

_ACTION_KINDS = ("AlarmActions", "OKActions", "InsufficientDataActions")


@dataclass(frozen=True)
class SetupCall:
    """One call: boto3's service name, the API's operation, and its request (times as ISO 8601 text)."""

    service: str
    operation: str
    request: Mapping[str, Any]


@dataclass(frozen=True)
class Setup:
    """Everything that makes up an endpoint and its scaling, in the order of creation; ``notes`` say what is left out.

    Nothing of it is of the moment: instance counts are those the endpoint config starts with. Bounds are those that
    hold now, which a scheduled action may have set.

    ``alarms`` are the calls (PutMetricAlarm) of the alarms that trigger its step-scaling policies. Somebody made them
    apart from it, and they stay when it goes; but a policy made again has another ARN, which they have to be given:
    where it goes, their actions hold the policy's `policy_mark`.
    """

    endpoint_name: str
    region: str
    steps: tuple[SetupCall, ...]
    notes: tuple[str, ...] = ()
    alarms: tuple[SetupCall, ...] = ()

    def of(self, operation: str) -> tuple[Mapping[str, Any], ...]:
        """The requests of one operation."""
        return tuple(step.request for step in self.steps if step.operation == operation)


def policy_mark(policy: Mapping[str, Any]) -> str:
    """What stands for the ARN of a policy (a PutScalingPolicy request) among the actions of ``Setup.alarms``."""
    return f"policy:{policy['ResourceId']}:{policy['PolicyName']}"


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
        raise NotReady(
            f"Endpoint {state.name!r} is {state.status}: {state.failure_reason}", hint="Deploy it again first."
        )
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
    alarms: dict[str, SetupCall] = {}
    if guards := state.last_deployment.get("AutoRollbackConfiguration", {}).get("Alarms"):
        names = ", ".join(alarm["AlarmName"] for alarm in guards)
        notes.append(f"The alarms that roll an update back ({names}) are your own, and are not part of this set-up.")
    for variant in config.variants:
        steps += _scaling(wb, f"endpoint/{state.name}/variant/{variant.name}", notes, alarms)
    return Setup(state.name, wb.region, tuple(steps), tuple(notes), tuple(alarms.values()))


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
                marked = _actions_renamed(known.request, {policy["PolicyARN"]: policy_mark(policy)})
                alarms[alarm["AlarmName"]] = replace(known, request=marked)
            if not names:
                notes.append(f"Policy {policy['PolicyName']} is a step-scaling policy: no alarm triggers it.")
    for action in pages(wb, SERVICE, "DescribeScheduledActions", "ScheduledActions", **on):
        if not may_fire(action, wb.now()):
            over = f"Scheduled action {action['ScheduledActionName']}, {action['Schedule']}, is over and left out"
            notes.append(f"{over}: AWS refuses one that never fires.")
            continue
        yield _call_of(wb, SERVICE, "PutScheduledAction", action)


def _actions_renamed(alarm: Mapping[str, Any], names: Mapping[str, str]) -> dict[str, Any]:
    """A PutMetricAlarm request in whose actions each of ``names`` stands as what it is mapped to."""
    renamed = {kind: [names.get(a, a) for a in alarm[kind]] for kind in _ACTION_KINDS if kind in alarm}
    return {**alarm, **renamed}


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


def remove_scaling(wb: Workbook, setup: Setup) -> tuple[str, ...]:
    """Remove scheduled actions, policies and target of every variant of the set-up; what was removed, in words."""
    targets = setup.of("RegisterScalableTarget")
    return tuple(what for target in targets for what in registration.unregister(_of(wb, target)))


def restore_scaling(wb: Workbook, setup: Setup) -> tuple[str, ...]:
    """Register every variant of the set-up that is not, and put its policies and scheduled actions on it.

    May be repeated. Scheduled actions that will not fire any more are left out, as AWS would refuse them. The alarms of
    step-scaling policies are given the ARNs that the policies have now.

    Returns:
        What the endpoint has again, in words.
    """
    done = []
    for request in setup.of("RegisterScalableTarget"):
        if scalable_target.target(_of(wb, request)) is None:
            call(wb, SERVICE, "RegisterScalableTarget", **request)
        done.append(f"{request['ResourceId']} ({request['MinCapacity']} to {request['MaxCapacity']} instances)")
    arns = {}
    for request in setup.of("PutScalingPolicy"):
        arns[policy_mark(request)] = call(wb, SERVICE, "PutScalingPolicy", **request)["PolicyARN"]
        done.append(f"policy {request['PolicyName']}")
    for alarm in setup.alarms:
        call(wb, alarm.service, alarm.operation, **_actions_renamed(alarm.request, arns))
        done.append(f"alarm {alarm.request['AlarmName']}")
    for request in map(_with_times, setup.of("PutScheduledAction")):
        if may_fire(request, wb.now()):
            call(wb, SERVICE, "PutScheduledAction", **request)
            done.append(f"scheduled action {request['ScheduledActionName']}")
    return tuple(done)


def _of(wb: Workbook, target: Mapping[str, Any]) -> Workbook:
    """The workbook on the target's variant."""
    return replace(wb, variant_name=target["ResourceId"].rpartition("/")[2])


def _with_times(request: Mapping[str, Any]) -> dict[str, Any]:
    times = {key: datetime.fromisoformat(request[key]) for key in ("StartTime", "EndTime") if key in request}
    return {**request, **times}
