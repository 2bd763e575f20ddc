"""What Application Auto Scaling keeps of a region: the API's operations and the beat share it."""

import threading
from collections.abc import Callable, Iterable, Mapping
from functools import wraps
from operator import attrgetter
from typing import Any

from dgsm_helpers.rules.model import ScalingModel
from embedded_aws.autoscaling.policy_alarms import alarms_of, split_resource
from embedded_aws.autoscaling.scaling_records import (
    DIMENSION,
    NAMESPACE,
    ActivityRecord,
    PolicyRecord,
    ScheduledActionRecord,
    TargetRecord,
)
from embedded_aws.clock import Clock
from embedded_aws.cloudwatch.alarm_store import AlarmStore
from embedded_aws.fleet.live_fleet import Fleet
from embedded_aws.fleet.variants import EndpointView, VariantView
from embedded_aws.gateway.paging import one_page
from embedded_aws.gateway.refusal import AwsRefusal
from embedded_aws.gateway.regions import Operations, Params

_PAGE = 50
"""Most rows of one answer, and how many without MaxResults (API reference)."""


class RegionScaling:
    """A region's scalable targets, policies, scheduled actions and activities; hold ``lock`` while using them.

    ``alarms`` are the region's, among them those of the policies. ``model`` says how AWS makes them.
    """

    def __init__(self, region: str, clock: Clock, fleet: Fleet, alarms: AlarmStore, model: ScalingModel) -> None:
        self.region = region
        self.clock = clock
        self.fleet = fleet
        self.alarms = alarms
        self.model = model
        self.lock = threading.RLock()
        self.targets: dict[str, TargetRecord] = {}
        self.policies: dict[tuple[str, str], PolicyRecord] = {}
        self.actions: dict[tuple[str, str], ScheduledActionRecord] = {}
        self.activities: list[ActivityRecord] = []

    def look(self, resource_id: str) -> tuple[EndpointView, VariantView] | None:
        """Endpoint and variant of ``endpoint/NAME/variant/VARIANT`` as they are now; None when there is none such."""
        endpoint_name, variant_name = split_resource(resource_id)
        endpoint = self.fleet.view(self.region, endpoint_name)
        variant = endpoint.variant(variant_name) if endpoint else None
        return (endpoint, variant) if endpoint and variant else None

    def keep_policy(self, policy: PolicyRecord) -> None:
        """Keep a policy and make its alarms, in the place of a policy of the same name.

        Raises:
            AwsRefusal: CloudWatch refuses the policy's expression. The former policy and its alarms then stay.
        """
        former = self.policies.get((policy.resource_id, policy.name))
        for alarm in alarms_of(policy, self.model):
            self.alarms.put(alarm)
            policy.alarms.append(alarm.name)
        if former:
            self.alarms.delete(former.alarms)
        self.policies[policy.resource_id, policy.name] = policy

    def drop_policy(self, policy: PolicyRecord) -> None:
        """Forget a policy and delete its alarms."""
        self.alarms.delete(policy.alarms)
        del self.policies[policy.resource_id, policy.name]

    def drop_target(self, target: TargetRecord) -> None:
        """Forget a target with its policies, their alarms and its scheduled actions."""
        for policy in [policy for policy in self.policies.values() if policy.resource_id == target.resource_id]:
            self.drop_policy(policy)
        for key in [key for key in self.actions if key[0] == target.resource_id]:
            del self.actions[key]
        del self.targets[target.resource_id]


def one_at_a_time[Answer](method: Callable[[Any, Params], Answer]) -> Callable[[Any, Params], Answer]:
    """The gateway answers each request on a thread of its own, and the heartbeat reads the same state."""

    @wraps(method)
    def locked(self: ScalingOperations, p: Params) -> Answer:
        with self.state.lock:
            return method(self, p)

    return locked


class ScalingOperations(Operations[RegionScaling]):
    """What the operations have in common: how they read which target a request is about."""

    def is_of_variants(self, p: Params) -> bool:
        """Whether a request for a list is about SageMaker's variants; of all else there is nothing to list."""
        if "ScalableDimension" in p and not (p.get("ResourceId") or p.get("ResourceIds")):
            raise AwsRefusal("With a scalable dimension, a resource ID is required too")
        return bool(p["ServiceNamespace"] == NAMESPACE and p.get("ScalableDimension", DIMENSION) == DIMENSION)

    def resource_id(self, p: Params) -> str:
        """The request's resource ID. Raises AwsRefusal: it is not of the form ``endpoint/NAME/variant/VARIANT``."""
        if p["ServiceNamespace"] != NAMESPACE:
            raise AwsRefusal(
                f"The embedded AWS scales the service namespace sagemaker only, not {p['ServiceNamespace']}"
            )
        if p["ScalableDimension"] != DIMENSION:
            raise AwsRefusal(
                f"Unsupported scalable dimension: {p['ScalableDimension']}; a real-time variant has {DIMENSION}"
            )
        parts = p["ResourceId"].split("/")
        if len(parts) != 4 or parts[0] != "endpoint" or parts[2] != "variant":
            raise AwsRefusal(f"Unsupported resource ID: {p['ResourceId']}; expected endpoint/NAME/variant/VARIANT")
        return p["ResourceId"]

    def target(self, p: Params) -> TargetRecord:
        """The scalable target that the request names. Raises AwsRefusal: there is none."""
        resource_id = self.resource_id(p)
        if resource_id not in self.state.targets:
            raise missing(
                f"No scalable target registered for service namespace: {NAMESPACE}, "
                f"resource ID: {resource_id}, scalable dimension: {DIMENSION}"
            )
        return self.state.targets[resource_id]

    def listed[Record: (PolicyRecord, ScheduledActionRecord)](
        self, p: Params, records: Mapping[tuple[str, str], Record], *, names: str
    ) -> list[Record]:
        """The records of the request's resource, or of all; ``names`` is the member that lists those asked for."""
        resource_id, chosen = p.get("ResourceId"), p.get(names)
        if not self.is_of_variants(p):
            return []
        return [
            record
            for record in records.values()
            if (not chosen or record.name in chosen) and (not resource_id or record.resource_id == resource_id)
        ]


def missing(message: str, code: str = "ObjectNotFoundException") -> AwsRefusal:
    """An error of something that is not there."""
    return AwsRefusal(message, code)


def limit_reached(what: str, most: int) -> AwsRefusal:
    """An error of a quota of Application Auto Scaling's own."""
    return AwsRefusal(f"The limit of {most} {what} has been reached", "LimitExceededException")


def crossed(low: int, high: int) -> str:
    """What AWS says of bounds that leave no capacity."""
    return f"Maximum capacity cannot be less than minimum capacity: minimum {low}, maximum {high}"


def page_of[Record: (TargetRecord, PolicyRecord, ScheduledActionRecord, ActivityRecord)](
    records: Iterable[Record],
    p: Params,
    result: str,
    row: Callable[[Record], dict[str, Any]],
    *,
    descending: bool = False,
    most: int = _PAGE,
) -> dict[str, Any]:
    """The page of records that a request asks for (`one_page`), in the order of their making, as ``row`` shows each."""
    size = p.get("MaxResults", most)
    if not 1 <= size <= most:
        raise AwsRefusal(f"MaxResults must be between 1 and {most}, not {size}")
    refusal = AwsRefusal("The next token is invalid", "InvalidNextTokenException")
    number = attrgetter("number")
    ordered = sorted(records, key=number, reverse=descending)
    page = one_page(ordered, p, result, size=size, refusal=refusal, key=number, descending=descending)
    return page | {result: [row(record) for record in page[result]]}
