"""Endpoints and their variants: as a configuration describes them, as they live, and as DescribeEndpoint shows them.

What the control plane gives and gets is frozen; ``Endpoint`` and ``LiveVariant`` are the fleet's own, under its lock.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from embedded_aws.fleet.instances import Instance, Phase


@dataclass(frozen=True, kw_only=True)
class VariantSpec:
    """A production variant as an endpoint configuration describes it.

    ``instance_types`` are by priority, the preferred one first. ``provision_timeout_s`` is how long a type without
    capacity is tried before the next one (``VariantInstanceProvisionTimeoutInSeconds``, 300 to 3600).
    """

    name: str
    model_package_arn: str
    instance_types: tuple[str, ...]
    initial_count: int = 1
    weight: float = 1.0
    routing: str = "RANDOM"
    provision_timeout_s: float = 300.0
    enhanced_metrics: bool = False


@dataclass(frozen=True, kw_only=True)
class VariantView:
    """A variant as DescribeEndpoint shows it.

    ``pools`` counts serving instances per type; ``status`` is a VariantStatus or ''.
    """

    name: str
    current_count: int
    desired_count: int
    weight: float
    pools: Mapping[str, int] = field(default_factory=dict)
    status: str = ""
    status_message: str = ""
    status_since_s: float = 0.0


@dataclass(frozen=True, kw_only=True)
class EndpointView:
    """An endpoint as DescribeEndpoint shows it; times are local Unix seconds.

    ``config_name`` is the configuration that serves now, ``pending_*`` is what an update brings: after a failed update
    it is the former one again. ``change_failed`` is why the last change of capacity was rolled back, '' if it was not:
    AWS says that in the scaling activity only.
    """

    name: str
    config_name: str
    status: str
    failure_reason: str
    created_s: float
    modified_s: float
    variants: tuple[VariantView, ...]
    change_failed: str = ""
    pending_config_name: str = ""
    pending_since_s: float = 0.0
    pending_counts: Mapping[str, int] = field(default_factory=dict)

    def variant(self, name: str) -> VariantView | None:
        """The variant of that name, or None."""
        return next((v for v in self.variants if v.name == name), None)


@dataclass
class LiveVariant:
    """A variant's live side: ``desired`` instances wanted, ``instances`` there in any phase."""

    spec: VariantSpec
    desired: int
    weight: float
    instances: list[Instance] = field(default_factory=list)

    @classmethod
    def starting(cls, spec: VariantSpec, count: int, now_s: float) -> LiveVariant:
        """A variant whose first ``count`` instances are asked for."""
        return cls(spec, count, spec.weight, [Instance.requested(now_s) for _ in range(count)])

    @property
    def serving(self) -> list[Instance]:
        """Instances that take requests."""
        return [i for i in self.instances if i.phase is Phase.SERVING]

    @property
    def coming(self) -> list[Instance]:
        """Instances that are asked for and do not serve yet."""
        return [i for i in self.instances if i.phase in (Phase.PROCURING, Phase.STARTING)]

    @property
    def stopping(self) -> list[Instance]:
        """Instances between their SIGTERM and the end of what they hold."""
        return [i for i in self.instances if i.phase is Phase.STOPPING and i.engine]

    def sigterm(self, now_s: float) -> None:
        """Let its instances stop: those that serve by and by, the others at once."""
        for instance in self.instances:
            instance.sigterm(now_s)
        self.instances = self.stopping

    def end(self, reason: str) -> None:
        """End its instances; ``reason`` reaches whoever holds one."""
        for instance in self.instances:
            instance.end(reason)

    def view(self, status: str, message: str, since_s: float) -> VariantView:
        """As DescribeEndpoint shows it."""
        pools: dict[str, int] = dict.fromkeys(self.spec.instance_types, 0)
        for instance in self.serving:
            pools[instance.instance_type] += 1
        return VariantView(
            name=self.spec.name,
            current_count=len(self.serving),
            desired_count=self.desired,
            weight=self.weight,
            pools=pools,
            status=status,
            status_message=message,
            status_since_s=since_s,
        )


@dataclass
class Endpoint:
    """A live endpoint.

    ``outgoing`` are the variants that an update has replaced, while their instances stop. ``cached_images`` are the
    model packages that an instance of this endpoint has started with. ``change_failed`` is why the last change of
    capacity could not be fulfilled, '' if it could.
    """

    region: str
    name: str
    config_name: str
    created_s: float
    status: str = "Creating"
    failure_reason: str = ""
    modified_s: float = 0.0
    variants: dict[str, LiveVariant] = field(default_factory=dict)
    incoming: dict[str, LiveVariant] = field(default_factory=dict)
    incoming_config: str = ""
    outgoing: list[LiveVariant] = field(default_factory=list)
    cached_images: set[str] = field(default_factory=set)
    since_s: float = 0.0
    change_failed: str = ""
    gone: bool = False

    def set_status(self, status: str, now_s: float) -> None:
        """The endpoint's status from now on."""
        self.status, self.modified_s, self.since_s = status, now_s, now_s

    def view(self) -> EndpointView:
        """As DescribeEndpoint shows it."""
        status = self.status if self.status in ("Creating", "Updating", "Deleting") else ""
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

    def instances(self) -> list[dict[str, Any]]:
        """Every instance that is there or asked for, as the operator sees it; AWS tells this of no endpoint.

        ``phase`` is a `Phase`, ``since_s`` when it was asked for (or told to stop), ``requests`` what it holds.
        """
        return [
            {
                "id": instance.instance_id,
                "variant": variant.spec.name,
                "type": instance.instance_type,
                "model_package_arn": variant.spec.model_package_arn,
                "phase": instance.phase.value,
                "since_s": instance.since_s,
                "requests": [lease.request_id for lease in instance.leases],
            }
            for variant in (*self.outgoing, *self.variants.values(), *self.incoming.values())
            for instance in variant.instances
            if instance.phase is not Phase.FAILED
        ]

    def _progress(self, variant: LiveVariant) -> str:
        waiting = [i for i in variant.instances if i.phase is Phase.PROCURING]
        starting = [i for i in variant.instances if i.phase is Phase.STARTING]
        parts = [f"waiting for {variant.spec.instance_types[i.pool]} capacity" for i in waiting]
        parts += [f"starting {i.instance_type}" for i in starting]
        return "; ".join(dict.fromkeys(parts))
