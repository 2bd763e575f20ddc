"""How an endpoint's change proceeds: creation, a new capacity, an update, deletion.

One change at a time, each from a ``begin_*`` call to the ``advance`` that finds it finished or failed. Statuses are
DescribeEndpoint's. Named assumptions: see ``Settings``.
"""

from __future__ import annotations

import random
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from dgsm_helpers.errors import LocalError
from dgsm_helpers.rules.fleet import removal_order
from embedded_aws.fleet.instances import Instance, Phase
from embedded_aws.fleet.variants import EndpointView, VariantSpec, VariantView
from embedded_aws.listings import listing_for_arn

FAILURE_REASONS = {
    "capacity": "Unable to provision requested ML compute capacity due to InsufficientInstanceCapacity error. "
    "Please retry using a different ML instance type or after some time.",
    "container-failed": "The primary container for production variant {variant} did not pass the ping health check. "
    "Please check CloudWatch logs for this endpoint.",
    "driver": "The primary container for production variant {variant} did not pass the ping health check. "
    "Please check CloudWatch logs for this endpoint.",
    "container-never-started": "Request to service failed. If failure persists after retry, contact customer support.",
}
"""FailureReason by kind of failure, in AWS's words."""

FAILURE_LOGS = {
    "container-failed": "ERROR thread 'main' panicked at engine start: model bundle could not be loaded",
    "driver": "[cuda-preflight] CUDA driver on this host is older than the container needs (580 / CUDA 13)",
}
"""What such a container writes; a container that never started has no log group at all."""


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Named assumptions of the live fleet; AWS documents none of these numbers.

    ``start_delay_s`` draws the time from a machine being found to a serving container. An instance that is scaled in
    is gone
    ``scale_in_s`` later; its streams are cut at once when ``drain_s`` is 0, else they may go on for that long (no AWS
    statement on draining was found). ``delete_s`` is how long ``Deleting`` lasts.
    """

    start_delay_s: Callable[[random.Random], float]
    scale_in_s: float = 60.0
    drain_s: float = 0.0
    delete_s: float = 20.0


@dataclass(frozen=True, kw_only=True)
class Surroundings:
    """What ``advance`` works with besides the endpoint."""

    engines: Mapping
    faults: object
    log: Callable[..., None]
    settings: Settings
    rng: random.Random


@dataclass
class Variant:
    """A variant's live side: ``desired`` instances wanted, ``instances`` there in any phase."""

    spec: VariantSpec
    desired: int
    weight: float
    instances: list[Instance] = field(default_factory=list)

    @property
    def serving(self) -> list[Instance]:
        """Instances that take requests."""
        return [i for i in self.instances if i.phase is Phase.SERVING]

    def view(self, status: str, message: str, since_s: float) -> VariantView:
        """As DescribeEndpoint shows it."""
        pools: dict[str, int] = dict.fromkeys(self.spec.instance_types, 0)
        for instance in self.serving:
            pools[instance.instance_type] += 1
        return VariantView(
            name=self.spec.name,
            current_count=len(self.serving),
            desired_count=self.desired,
            current_weight=self.weight,
            desired_weight=self.weight,
            pools=pools,
            status=status,
            status_message=message,
            status_since_s=since_s,
        )


@dataclass
class Endpoint:
    """A live endpoint. ``change_failed`` is why the last change of capacity could not be fulfilled, '' if it could."""

    region: str
    name: str
    config_name: str
    created_s: float
    status: str = "Creating"
    failure_reason: str = ""
    modified_s: float = 0.0
    variants: dict[str, Variant] = field(default_factory=dict)
    incoming: dict[str, Variant] = field(default_factory=dict)
    incoming_config: str = ""
    since_s: float = 0.0
    change_failed: str = ""
    gone: bool = False

    def view(self) -> EndpointView:
        """As DescribeEndpoint shows it."""
        statuses = {"Creating": "Creating", "Updating": "Updating", "Deleting": "Deleting"}
        status = statuses.get(self.status, "")
        return EndpointView(
            name=self.name,
            config_name=self.config_name,
            status=self.status,
            failure_reason=self.failure_reason,
            change_failed=self.change_failed,
            created_s=self.created_s,
            modified_s=self.modified_s,
            variants=tuple(v.view(status, self._progress(v), self.since_s) for v in self.variants.values()),
            pending_config_name=self.incoming_config,
            pending_since_s=self.since_s if self.incoming_config else 0.0,
            pending_counts={name: v.desired for name, v in self.incoming.items()},
        )

    def _progress(self, variant: Variant) -> str:
        waiting = [i for i in variant.instances if i.phase is Phase.PROCURING]
        starting = [i for i in variant.instances if i.phase is Phase.STARTING]
        parts = [f"waiting for {variant.spec.instance_types[i.pool]} capacity" for i in waiting]
        parts += [f"starting {i.instance_type}" for i in starting]
        return "; ".join(dict.fromkeys(parts))


def begin_create(endpoint: Endpoint, specs: Sequence[VariantSpec], now_s: float) -> None:
    """Ask for the first instances."""
    endpoint.variants = {s.name: _variant(s, s.initial_count, now_s) for s in specs}
    _mark(endpoint, "Creating", now_s)


def begin_update(
    endpoint: Endpoint, config_name: str, specs: Sequence[VariantSpec], counts: Mapping[str, int], now_s: float
) -> None:
    """Ask for a second fleet that takes over when all of it serves."""
    endpoint.incoming = {s.name: _variant(s, counts.get(s.name, s.initial_count), now_s) for s in specs}
    endpoint.incoming_config = config_name
    _mark(endpoint, "Updating", now_s)


def begin_capacity(endpoint: Endpoint, desired: Mapping[str, tuple[int | None, float | None]], now_s: float) -> None:
    """Ask for more instances, or take the surplus out of service."""
    for name, (count, weight) in desired.items():
        variant = endpoint.variants[name]
        if weight is not None:
            variant.weight = weight
        if count is None or count == variant.desired:
            continue
        variant.desired = count
        have = variant.serving
        variant.instances += [_instance(now_s) for _ in range(count - len(have))]
        priority = {t: rank for rank, t in enumerate(variant.spec.instance_types)}
        order = removal_order([priority[i.instance_type] for i in have], [i.outstanding for i in have])
        for index in order[: max(0, len(have) - count)]:
            have[index].phase, have[index].since_s = Phase.DRAINING, now_s
    _mark(endpoint, "Updating", now_s)


def begin_delete(endpoint: Endpoint, now_s: float) -> None:
    """Cut everything; the endpoint is gone after a moment."""
    for variant in (*endpoint.variants.values(), *endpoint.incoming.values()):
        for instance in variant.instances:
            instance.end("endpoint deleted")
    _mark(endpoint, "Deleting", now_s)


def advance(endpoint: Endpoint, around: Surroundings, now_s: float) -> None:
    """Move the endpoint's instances on and finish its change when they are where they should be."""
    if endpoint.status == "Deleting":
        endpoint.gone = now_s - endpoint.since_s >= around.settings.delete_s
        return
    if endpoint.status == "Failed":
        return
    for variant in (*endpoint.variants.values(), *endpoint.incoming.values()):
        _advance_variant(endpoint, variant, around, now_s)
    if endpoint.status == "InService" and around.faults.take("crash", endpoint.name):
        _crash(endpoint, around, now_s)
    if endpoint.status == "Creating":
        _finish_create(endpoint, now_s)
    elif endpoint.incoming:
        _finish_update(endpoint, now_s)
    elif endpoint.status in ("Updating", "RollingBack"):
        _finish_capacity(endpoint, now_s)


def _advance_variant(endpoint: Endpoint, variant: Variant, around: Surroundings, now_s: float) -> None:
    types = variant.spec.instance_types
    for instance in list(variant.instances):
        if instance.phase is Phase.PROCURING:
            if not around.faults.shortage(types[instance.pool]):
                instance.instance_type = types[instance.pool]
                instance.phase = Phase.STARTING
                instance.ready_at_s = now_s + around.settings.start_delay_s(around.rng)
            elif now_s - instance.since_s >= variant.spec.provision_timeout_s:
                # The sources disagree whether the time is for each type or for all (reference aws.md 5.1): for each.
                instance.pool, instance.since_s = instance.pool + 1, now_s
                if instance.pool == len(types):
                    instance.phase, instance.failure = Phase.FAILED, "capacity"
        elif instance.phase is Phase.STARTING and now_s >= instance.ready_at_s:
            _start(endpoint, variant, instance, around, now_s)
        elif instance.phase is Phase.DRAINING:
            age_s = now_s - instance.since_s
            if age_s >= around.settings.drain_s:
                instance.end("instance removed by scale-in")
            if age_s >= around.settings.scale_in_s and not instance.leases:
                variant.instances.remove(instance)


def _start(endpoint: Endpoint, variant: Variant, instance: Instance, around: Surroundings, now_s: float) -> None:
    stream = f"{variant.spec.name}/{instance.instance_id}"
    if failure := around.faults.failed_start(instance.instance_type):
        instance.phase, instance.failure = Phase.FAILED, failure
        if failure in FAILURE_LOGS:
            around.log(endpoint.region, endpoint.name, stream, FAILURE_LOGS[failure], now_s)
        return
    listing = listing_for_arn(variant.spec.model_package_arn)
    try:
        instance.engine = around.engines[listing.engine].new_instance(instance.instance_id)
    except LocalError as error:
        instance.phase, instance.failure = Phase.FAILED, "container-failed"
        around.log(endpoint.region, endpoint.name, stream, f"ERROR {error}", now_s)
        return
    instance.phase = Phase.SERVING
    around.log(endpoint.region, endpoint.name, stream, "INFO Deepgram Engine is ready", now_s)


def _crash(endpoint: Endpoint, around: Surroundings, now_s: float) -> None:
    """Lose one serving instance; SageMaker replaces it without a change of the endpoint's status."""
    for variant in endpoint.variants.values():
        if variant.serving:
            lost = around.rng.choice(variant.serving)
            stream = f"{variant.spec.name}/{lost.instance_id}"
            around.log(
                endpoint.region, endpoint.name, stream, "ERROR thread 'engine' panicked at instance crash", now_s
            )
            lost.end("instance crashed")
            variant.instances.remove(lost)
            variant.instances.append(_instance(now_s))
            return


def _finish_create(endpoint: Endpoint, now_s: float) -> None:
    failed = _first_failure(endpoint.variants)
    if failed:
        endpoint.failure_reason = failed
        for variant in endpoint.variants.values():
            for instance in variant.instances:
                instance.end("endpoint failed")
            variant.instances.clear()
        _mark(endpoint, "Failed", now_s)
    elif _all_serving(endpoint.variants):
        _mark(endpoint, "InService", now_s)


def _finish_update(endpoint: Endpoint, now_s: float) -> None:
    failed = _first_failure(endpoint.incoming)
    if failed:
        ended, endpoint.failure_reason = endpoint.incoming, failed
    elif _all_serving(endpoint.incoming):
        ended, endpoint.variants, endpoint.failure_reason = endpoint.variants, endpoint.incoming, ""
        endpoint.config_name = endpoint.incoming_config
    else:
        return
    for variant in ended.values():
        for instance in variant.instances:
            instance.end("replaced by an endpoint update")
    endpoint.incoming, endpoint.incoming_config = {}, ""
    _mark(endpoint, "InService", now_s)


def _finish_capacity(endpoint: Endpoint, now_s: float) -> None:
    failed = _first_failure(endpoint.variants)
    if failed and endpoint.status == "Updating":
        # A failed scale-up under auto scaling rolls back (reference scaling.md 1.6): what serves stays.
        endpoint.change_failed = failed
        for variant in endpoint.variants.values():
            for instance in [i for i in variant.instances if i.phase is not Phase.SERVING]:
                instance.end("scale-up rolled back")
                variant.instances.remove(instance)
            variant.desired = len(variant.serving)
        _mark(endpoint, "RollingBack", now_s)
    elif _all_serving(endpoint.variants):
        if endpoint.status == "Updating":
            endpoint.change_failed = ""
        _mark(endpoint, "InService", now_s)


def _first_failure(variants: Mapping[str, Variant]) -> str:
    for variant in variants.values():
        for instance in variant.instances:
            if instance.phase is Phase.FAILED:
                return FAILURE_REASONS[instance.failure].format(variant=variant.spec.name)
    return ""


def _all_serving(variants: Mapping[str, Variant]) -> bool:
    return all(
        len(v.serving) == v.desired and all(i.phase is Phase.SERVING for i in v.instances) for v in variants.values()
    )


def _mark(endpoint: Endpoint, status: str, now_s: float) -> None:
    endpoint.status, endpoint.modified_s, endpoint.since_s = status, now_s, now_s


def _variant(spec: VariantSpec, count: int, now_s: float) -> Variant:
    return Variant(spec=spec, desired=count, weight=spec.weight, instances=[_instance(now_s) for _ in range(count)])


def _instance(now_s: float) -> Instance:
    return Instance(instance_id=f"i-{uuid.uuid4().hex[:17]}", since_s=now_s)
