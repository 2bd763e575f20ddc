"""The live fleet: endpoints, their variants and the instances behind them.

The control plane asks it to create, change and delete. The runtime server takes a ``Lease`` on an instance for each
request. The heartbeat calls ``tick`` every ten seconds of local time, which moves life cycles on: they follow local
time, requests follow the wall. How a change proceeds once it has begun is ``lifecycle``'s; here is what others may ask,
under one lock.
"""

import random
import threading
from collections.abc import Mapping, Sequence

from dgsm_helpers.rules.fleet import choose_instance, removal_order
from embedded_aws.clock import Clock
from embedded_aws.engines.base import Engine
from embedded_aws.fleet.instances import Instance, Lease
from embedded_aws.fleet.lifecycle import ContainerLog, EndpointLifecycle, FleetSettings
from embedded_aws.fleet.variants import Endpoint, EndpointView, LiveVariant, VariantSpec
from embedded_aws.gateway.faults import Faults


class FleetBusy(Exception):
    """The endpoint is changing already; AWS refuses the next change."""


class EndpointNotFound(LookupError):
    """No endpoint of that name in the region."""


class VariantNotFound(LookupError):
    """The endpoint has no variant of that name."""


class EndpointNotInService(Exception):
    """The endpoint or variant takes no requests now."""


class Fleet:
    """All endpoints of the embedded AWS; ``lock`` guards every endpoint, instance and lease.

    Args:
        engines: engine by listing engine name (``metered``, ``speech``).
        faults: capacity shortages, failed starts and crashes on demand.
        log: takes the containers' log lines.
        settings: delays and what scale-in does to live streams.
        seed: of every random choice (routing, start-up delays).
    """

    def __init__(
        self,
        *,
        clock: Clock,
        engines: Mapping[str, Engine],
        faults: Faults,
        log: ContainerLog,
        settings: FleetSettings,
        seed: int = 0,
    ) -> None:
        self._clock = clock
        self.lock = threading.RLock()
        self._rng = random.Random(seed)
        self._endpoints: dict[tuple[str, str], Endpoint] = {}
        self._lifecycle = EndpointLifecycle(
            engines=engines, faults=faults, log=log, settings=settings, rng=random.Random(seed + 1)
        )

    # What the control plane asks

    def create(self, region: str, endpoint_name: str, config_name: str, specs: Sequence[VariantSpec]) -> None:
        """Start an endpoint; it is ``Creating`` until every instance serves."""
        with self.lock:
            now_s = self._clock.now_s()
            endpoint = Endpoint(region=region, name=endpoint_name, config_name=config_name, created_s=now_s)
            endpoint.variants = {s.name: LiveVariant.starting(s, s.initial_count, now_s) for s in specs}
            endpoint.set_status("Creating", now_s)
            self._lifecycle.advance(endpoint, now_s)
            self._endpoints[region, endpoint_name] = endpoint

    def update(
        self,
        region: str,
        endpoint_name: str,
        config_name: str,
        specs: Sequence[VariantSpec],
        counts: Mapping[str, int],
    ) -> None:
        """Start a second fleet that takes over when all of it serves (AWS allows Marketplace containers no other kind).

        ``counts`` holds the instance counts to start with where they differ from the specs' initial ones.
        """
        with self.lock:
            endpoint, now_s = self._idle(region, endpoint_name), self._clock.now_s()
            endpoint.incoming = {
                s.name: LiveVariant.starting(s, counts.get(s.name, s.initial_count), now_s) for s in specs
            }
            endpoint.incoming_config = config_name
            endpoint.set_status("Updating", now_s)
            self._lifecycle.advance(endpoint, now_s)

    def set_capacity(
        self, region: str, endpoint_name: str, desired: Mapping[str, tuple[int | None, float | None]]
    ) -> None:
        """Change (desired count, weight) of variants; None leaves a value. ``Updating`` until fulfilled."""
        with self.lock:
            endpoint, now_s = self._idle(region, endpoint_name), self._clock.now_s()
            for name, (count, weight) in desired.items():
                variant = endpoint.variants[name]
                if weight is not None:
                    variant.weight = weight
                if count is not None and count != variant.desired:
                    _change_count(variant, count, now_s)
            endpoint.set_status("Updating", now_s)
            self._lifecycle.advance(endpoint, now_s)

    def delete(self, region: str, endpoint_name: str) -> None:
        """End the endpoint: it takes no more requests, its containers stop, and then it is gone."""
        with self.lock:
            endpoint, now_s = self._existing(region, endpoint_name), self._clock.now_s()
            for variant in (*endpoint.variants.values(), *endpoint.incoming.values(), *endpoint.outgoing):
                variant.sigterm(now_s)
            endpoint.set_status("Deleting", now_s)

    def view(self, region: str, endpoint_name: str) -> EndpointView | None:
        """The endpoint now, or None when there is none."""
        with self.lock:
            endpoint = self._endpoints.get((region, endpoint_name))
            return endpoint.view() if endpoint else None

    def names(self, region: str) -> list[str]:
        """Names of the region's endpoints."""
        with self.lock:
            return [endpoint.name for endpoint in self._endpoints.values() if endpoint.region == region]

    # What the runtime server asks

    def acquire(self, region: str, endpoint_name: str, *, variant: str | None = None) -> Lease:
        """Hold an instance for one request.

        Raises:
            EndpointNotFound: no such endpoint.
            VariantNotFound: it has no such variant.
            EndpointNotInService: it takes no requests now.
        """
        with self.lock:
            endpoint = self._existing(region, endpoint_name)
            if endpoint.status not in ("InService", "Updating", "RollingBack"):
                raise EndpointNotInService(endpoint.status)
            chosen = self._choose_variant(endpoint, variant)
            routed = self._lifecycle.routed(endpoint, chosen, self._clock.now_s())
            if not routed:
                raise EndpointNotInService("no instance serves")
            index = choose_instance([i.outstanding for i in routed], chosen.spec.routing, self._rng.random())
            instance = routed[index]

            def log(message: str) -> None:
                with self.lock:  # so that no line comes behind the deletion of the endpoint and its log
                    if lease.alive:
                        self._lifecycle.write_log(endpoint, chosen.spec, instance, message, self._clock.now_s())

            lease = Lease(instance=instance, variant_name=chosen.spec.name, _lock=self.lock, log=log)
            return lease

    def _choose_variant(self, endpoint: Endpoint, name: str | None) -> LiveVariant:
        if name:
            if name not in endpoint.variants:
                raise VariantNotFound(name)
            return endpoint.variants[name]
        variants = list(endpoint.variants.values())
        weights = [v.weight for v in variants]
        return self._rng.choices(variants, weights)[0] if sum(weights) else variants[0]

    # What the heartbeat and the operator ask

    def tick(self, now_s: float) -> None:
        """Move every life cycle on to ``now_s``."""
        with self.lock:
            for key, endpoint in list(self._endpoints.items()):
                self._lifecycle.advance(endpoint, now_s)
                if endpoint.gone:
                    del self._endpoints[key]

    def is_asked(self) -> bool:
        """Whether a request is in flight on any instance, or was since the last beat."""
        with self.lock:
            variants = [v for endpoint in self._endpoints.values() for v in endpoint.variants.values()]
            in_flight = any(instance.outstanding for variant in variants for instance in variant.instances)
            return in_flight or any(instance.peak for variant in variants for instance in variant.serving)

    def endpoints(self) -> list[Endpoint]:
        """The live endpoints, for the heartbeat only: hold ``lock`` while you read their instances."""
        with self.lock:
            return list(self._endpoints.values())

    def close(self) -> None:
        """End all instances."""
        with self.lock:
            for endpoint in self._endpoints.values():
                for variant in (*endpoint.variants.values(), *endpoint.incoming.values(), *endpoint.outgoing):
                    variant.end("the embedded AWS stops")
            self._endpoints.clear()

    def _existing(self, region: str, endpoint_name: str) -> Endpoint:
        if (region, endpoint_name) not in self._endpoints:
            raise EndpointNotFound(endpoint_name)
        return self._endpoints[region, endpoint_name]

    def _idle(self, region: str, endpoint_name: str) -> Endpoint:
        endpoint = self._existing(region, endpoint_name)
        if endpoint.status != "InService":
            raise FleetBusy(endpoint.status)
        return endpoint


def _change_count(variant: LiveVariant, count: int, now_s: float) -> None:
    """Ask for more instances, or take the surplus out of service."""
    variant.desired = count
    serving, coming = variant.serving, variant.coming
    # One that replaces a crashed instance may be on its way.
    for instance in coming[max(0, count - len(serving)) :]:
        instance.sigterm(now_s)
        variant.instances.remove(instance)
    variant.instances += [Instance.requested(now_s) for _ in range(count - len(serving) - len(coming))]
    types = variant.spec.instance_types
    order = removal_order([types.index(i.instance_type) for i in serving], [i.outstanding for i in serving])
    for index in order[: max(0, len(serving) - count)]:
        serving[index].sigterm(now_s)
