"""How an endpoint's change proceeds: creation, a new capacity, an update, deletion.

One change at a time: the fleet begins it, the ``advance`` that sees it finished or failed ends it. Statuses are
DescribeEndpoint's. Named assumptions: see ``FleetSettings``.
"""

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

from dgsm_helpers.errors import LocalError
from dgsm_helpers.rules.fleet import ContainerStop
from dgsm_helpers.rules.model import ScalingModel
from embedded_aws.engines.base import Engine
from embedded_aws.fleet.instances import Instance, Phase
from embedded_aws.fleet.variants import Endpoint, LiveVariant, VariantSpec
from embedded_aws.gateway.faults import Faults
from embedded_aws.listings import listing_for_arn

_NO_PING = (
    "The primary container for production variant {variant} did not pass the ping health check. "
    "Please check CloudWatch logs for this endpoint."
)
FAILURE_REASONS = {
    "capacity": "Unable to provision requested ML compute capacity due to InsufficientInstanceCapacity error. "
    "Please retry using a different ML instance type or after some time.",
    "container-failed": _NO_PING,
    "driver": _NO_PING,
    "container-never-started": "Request to service failed. If failure persists after retry, contact customer support.",
}
"""FailureReason by kind of failure, in AWS's words."""

FAILURE_LOGS = {
    "container-failed": "ERROR thread 'main' panicked at engine start: model bundle could not be loaded",
    "driver": "[cuda-preflight] CUDA driver on this host is older than the container needs (580 / CUDA 13)",
}
"""What such a container writes; a container that never started has no log group at all."""


type ContainerLog = Callable[[str, str, str, str, float], None]
"""Writes a line: region, endpoint, stream (``<variant>/<instance id>``), message, local Unix seconds."""


@dataclass(frozen=True, kw_only=True)
class FleetSettings:
    """Named assumptions of the live fleet; AWS documents ``stop`` alone.

    ``start_delay_s`` draws the time from a machine being there to a serving container; it is told whether the endpoint
    has the image cached. An instance that is scaled in is gone ``scale_in_s`` later, or when its last stream has ended.
    ``delete_s`` is how long ``Deleting`` lasts at least. ``image_cache`` is `ScalingModel`'s.
    """

    start_delay_s: Callable[[random.Random, bool], float]
    scale_in_s: float = 60.0
    stop: ContainerStop = field(default_factory=ContainerStop)
    delete_s: float = 20.0
    image_cache: Literal["per endpoint", "kept"] = ScalingModel.image_cache


@dataclass(frozen=True, kw_only=True)
class EndpointLifecycle:
    """Moves endpoints on; the fields are what instances need to start and what strikes them.

    ``engines`` are by the names that the listings have for them.
    """

    engines: Mapping[str, Engine]
    faults: Faults
    log: ContainerLog
    settings: FleetSettings
    rng: random.Random
    pulled: set[str] = field(default_factory=set)
    """Model packages that an instance of any endpoint has started with."""

    def advance(self, endpoint: Endpoint, now_s: float) -> None:
        """Move the endpoint's instances on, and finish its change when they are where they should be."""
        if endpoint.status == "Failed":
            return
        variants = (*endpoint.variants.values(), *endpoint.incoming.values(), *endpoint.outgoing)
        for variant in variants:
            for instance in list(variant.instances):
                self._advance_instance(endpoint, variant, instance, now_s)
        endpoint.outgoing = [variant for variant in endpoint.outgoing if variant.instances]
        if endpoint.status == "Deleting":
            held = any(instance.leases for variant in variants for instance in variant.instances)
            if now_s - endpoint.since_s >= self.settings.delete_s and not held:
                for variant in variants:
                    variant.end("the endpoint is deleted")
                endpoint.gone = True
            return
        if endpoint.status == "InService" and self.faults.take("crash", endpoint.name):
            self._crash(endpoint, now_s)
        if endpoint.status == "Creating":
            _finish_create(endpoint, now_s)
        elif endpoint.incoming:
            _finish_update(endpoint, now_s)
        elif endpoint.status in ("Updating", "RollingBack"):
            _finish_capacity(endpoint, now_s)

    def _advance_instance(self, endpoint: Endpoint, variant: LiveVariant, instance: Instance, now_s: float) -> None:
        if instance.phase is Phase.PROCURING:
            self._procure(endpoint, variant.spec, instance, now_s)
        elif instance.phase is Phase.STARTING and now_s >= instance.ready_at_s:
            self._start(endpoint, variant.spec, instance, now_s)
        elif instance.phase is Phase.STOPPING:
            age_s = now_s - instance.since_s
            if self.settings.stop.killed(age_s):
                instance.end("its container was stopped (SIGTERM, then SIGKILL)")
            if age_s >= self.settings.scale_in_s and not instance.leases:
                instance.end("its container has stopped")
                variant.instances.remove(instance)

    def routed(self, endpoint: Endpoint, variant: LiveVariant, now_s: float) -> list[Instance]:
        """The instances that a new request may reach, oldest first."""
        replaced = [old for old in endpoint.outgoing if old.spec.name == variant.spec.name]
        stopping = [instance for one in (*replaced, variant) for instance in one.stopping]
        if not stopping:
            return variant.serving
        late = self.faults.take("late-routing", endpoint.name)
        stop = replace(self.settings.stop, routed_until="SIGKILL") if late else self.settings.stop
        return [i for i in stopping if stop.takes_streams(now_s - i.since_s)] + variant.serving

    def _procure(self, endpoint: Endpoint, spec: VariantSpec, instance: Instance, now_s: float) -> None:
        types = spec.instance_types
        if not self.faults.shortage(types[instance.pool]):
            instance.instance_type = types[instance.pool]
            instance.phase = Phase.STARTING
            images = endpoint.cached_images if self.settings.image_cache == "per endpoint" else self.pulled
            cached = spec.model_package_arn in images
            instance.ready_at_s = now_s + self.settings.start_delay_s(self.rng, cached)
        elif now_s - instance.since_s >= spec.provision_timeout_s:
            # The sources disagree whether the time is for each type or for all (reference aws.md 5.1): for each.
            instance.pool, instance.since_s = instance.pool + 1, now_s
            if instance.pool == len(types):
                instance.fail("capacity")

    def _start(self, endpoint: Endpoint, spec: VariantSpec, instance: Instance, now_s: float) -> None:
        if failure := self.faults.failed_start(instance.instance_type):
            instance.fail(failure)
            if failure in FAILURE_LOGS:
                self.write_log(endpoint, spec, instance, FAILURE_LOGS[failure], now_s)
            return
        listing = listing_for_arn(spec.model_package_arn)
        try:
            if listing is None:
                raise LocalError(f"{spec.model_package_arn} is no listing of the embedded AWS.")
            instance.engine = self.engines[listing.engine].new_instance(instance.instance_id)
            instance.listing = listing
        except LocalError as error:
            instance.fail("container-failed")
            self.write_log(endpoint, spec, instance, f"ERROR {error}", now_s)
            return
        instance.phase = Phase.SERVING
        endpoint.cached_images.add(spec.model_package_arn)
        self.pulled.add(spec.model_package_arn)
        self.write_log(endpoint, spec, instance, "INFO Deepgram Engine is ready", now_s)

    def write_log(self, endpoint: Endpoint, spec: VariantSpec, instance: Instance, message: str, now_s: float) -> None:
        """A line of the instance's container."""
        self.log(endpoint.region, endpoint.name, f"{spec.name}/{instance.instance_id}", message, now_s)

    def _crash(self, endpoint: Endpoint, now_s: float) -> None:
        """Lose one serving instance; SageMaker replaces it without a change of the endpoint's status."""
        for variant in endpoint.variants.values():
            if variant.serving:
                lost = self.rng.choice(variant.serving)
                message = "ERROR thread 'engine' panicked at instance crash"
                self.write_log(endpoint, variant.spec, lost, message, now_s)
                lost.end("instance crashed")
                variant.instances.remove(lost)
                variant.instances.append(Instance.requested(now_s))
                return


def _finish_create(endpoint: Endpoint, now_s: float) -> None:
    failure = _first_failure(endpoint.variants)
    if failure:
        endpoint.failure_reason = failure
        for variant in endpoint.variants.values():
            variant.end("endpoint failed")
            variant.instances.clear()
        endpoint.set_status("Failed", now_s)
    elif _all_serving(endpoint.variants):
        endpoint.set_status("InService", now_s)


def _finish_update(endpoint: Endpoint, now_s: float) -> None:
    failure = _first_failure(endpoint.incoming)
    if failure:
        endpoint.failure_reason = failure
        for variant in endpoint.incoming.values():
            variant.end("the update failed")
    elif _all_serving(endpoint.incoming):
        for variant in endpoint.variants.values():
            variant.sigterm(now_s)
        endpoint.outgoing += endpoint.variants.values()
        endpoint.variants, endpoint.failure_reason = endpoint.incoming, ""
        endpoint.config_name = endpoint.incoming_config
    else:
        return
    endpoint.incoming, endpoint.incoming_config = {}, ""
    endpoint.set_status("InService", now_s)


def _finish_capacity(endpoint: Endpoint, now_s: float) -> None:
    failure = _first_failure(endpoint.variants)
    if failure and endpoint.status == "Updating":
        # A failed scale-up under auto scaling rolls back (reference scaling.md 1.6): what serves stays.
        endpoint.change_failed = failure
        for variant in endpoint.variants.values():
            for instance in [i for i in variant.instances if i.phase not in (Phase.SERVING, Phase.STOPPING)]:
                instance.end("scale-up rolled back")
                variant.instances.remove(instance)
            variant.desired = len(variant.serving)
        endpoint.set_status("RollingBack", now_s)
    elif _all_serving(endpoint.variants):
        if endpoint.status == "Updating":
            endpoint.change_failed = ""
        endpoint.set_status("InService", now_s)


def _first_failure(variants: Mapping[str, LiveVariant]) -> str:
    failed = ((v, i) for v in variants.values() for i in v.instances if i.phase is Phase.FAILED)
    return next((FAILURE_REASONS[i.failure].format(variant=v.spec.name) for v, i in failed), "")


def _all_serving(variants: Mapping[str, LiveVariant]) -> bool:
    return all(
        len(v.serving) == v.desired and all(i.phase is Phase.SERVING for i in v.instances) for v in variants.values()
    )
