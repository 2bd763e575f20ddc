"""An endpoint's set-up as the calls that make it, and its scaling taken off by them."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from dgsm_helpers.aws.core.calls import call_or_none, pages
from dgsm_helpers.aws.scaling.scalable_target import SERVICE, policies, target, triple
from dgsm_helpers.rules.names import account_of
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

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> "Setup":
        """What ``dataclasses.asdict`` made of one, back from JSON."""
        steps, alarms = (tuple(SetupCall(**call) for call in content[kind]) for kind in ("steps", "alarms"))
        return cls(content["endpoint_name"], content["region"], steps, tuple(content["notes"]), alarms)

    @property
    def account(self) -> str:
        """The account of its models' role, which is the endpoint's (a package's is the seller's); empty without one."""
        return account_of(next((model.get("ExecutionRoleArn", "") for model in self.of("CreateModel")), ""))

    def of(self, operation: str) -> tuple[Mapping[str, Any], ...]:
        """The requests of one operation."""
        return tuple(step.request for step in self.steps if step.operation == operation)


def policy_mark(policy: Mapping[str, Any]) -> str:
    """What stands for the ARN of a policy (a PutScalingPolicy request) among the actions of ``Setup.alarms``."""
    return f"policy:{policy['ResourceId']}:{policy['PolicyName']}"


def actions_renamed(alarm: Mapping[str, Any], names: Mapping[str, str]) -> dict[str, Any]:
    """A PutMetricAlarm request in whose actions each of ``names`` stands as what it is mapped to."""
    renamed = {kind: [names.get(a, a) for a in alarm[kind]] for kind in _ACTION_KINDS if kind in alarm}
    return {**alarm, **renamed}


def actions_rebound(alarm: Mapping[str, Any], arns: Mapping[str, str]) -> dict[str, Any]:
    """The same with the ARNs that policies have now, by their `policy_mark`, for marks and for ARNs they had before.

    An action of a policy that is not among them is left out where only its mark is known.
    """
    ends = {arn.rpartition(":resource/")[2]: arn for arn in arns.values()}
    found = {a: ends.get(a.rpartition(":resource/")[2], a) for kind in _ACTION_KINDS for a in alarm.get(kind, ())}
    known = actions_renamed(alarm, {**found, **arns})
    kept = {kind: [a for a in known[kind] if not a.startswith("policy:")] for kind in _ACTION_KINDS if kind in known}
    return {**known, **kept}


def scaling_removed(wb: Workbook) -> Iterator[str]:
    """Delete scheduled actions, policies (AWS removes their alarms) and the variant's target, in this order.

    Each is named once it is removed; nothing is, the second time.
    """
    actions = pages(wb, SERVICE, "DescribeScheduledActions", "ScheduledActions", **triple(wb))
    names = [action["ScheduledActionName"] for action in actions]
    yield from named_removed(wb, names, [policy.name for policy in policies(wb)], registered=target(wb) is not None)


def named_removed(wb: Workbook, actions: Iterable[str], policies: Iterable[str], *, registered: bool) -> Iterator[str]:
    """The same of those that are named, and of the target where the variant is ``registered``."""
    for name in actions:
        if call_or_none(wb, SERVICE, "DeleteScheduledAction", **triple(wb), ScheduledActionName=name) is not None:
            yield f"scheduled action {name}"
    for name in policies:
        if call_or_none(wb, SERVICE, "DeleteScalingPolicy", **triple(wb), PolicyName=name) is not None:
            yield f"policy {name}"
    if registered and call_or_none(wb, SERVICE, "DeregisterScalableTarget", **triple(wb)) is not None:
        yield f"scalable target {wb.resource_id}"


def unregister(wb: Workbook) -> tuple[str, ...]:
    """All of `scaling_removed`, in words."""
    return tuple(scaling_removed(wb))


def remove_scaling(wb: Workbook, setup: Setup) -> tuple[str, ...]:
    """Remove scheduled actions, policies and target of every variant of the set-up; what was removed, in words."""
    return tuple(what for request in setup.of("RegisterScalableTarget") for what in unregister(_of(wb, request)))


def scaling_of(wb: Workbook, setup: Setup) -> bool:
    """Whether a variant that the set-up registers is registered now."""
    return any(target(_of(wb, request)) is not None for request in setup.of("RegisterScalableTarget"))


def _of(wb: Workbook, request: Mapping[str, Any]) -> Workbook:
    """The workbook on the variant of a RegisterScalableTarget request."""
    return replace(wb, variant_name=request["ResourceId"].rpartition("/")[2])
