"""What the control plane tells the fleet to run, and what the fleet tells it back: frozen values only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Pool:
    """An instance type and its priority (1 is tried first)."""

    instance_type: str
    priority: int = 1


@dataclass(frozen=True, kw_only=True)
class VariantSpec:
    """A production variant as an endpoint configuration describes it.

    ``pools`` has one entry for a plain ``InstanceType``. ``provision_timeout_s`` is how long a type without capacity
    is tried
    before the next one (``VariantInstanceProvisionTimeoutInSeconds``, 300 to 3600); ``startup_timeout_s`` how long a
    container may take to answer its health check.
    """

    name: str
    model_package_arn: str
    pools: tuple[Pool, ...]
    initial_count: int = 1
    weight: float = 1.0
    routing: str = "RANDOM"
    provision_timeout_s: float = 300.0
    startup_timeout_s: float = 300.0
    inference_ami_version: str | None = None
    enhanced_metrics: bool = False

    @property
    def instance_types(self) -> tuple[str, ...]:
        """Types by priority, the preferred one first."""
        return tuple(p.instance_type for p in sorted(self.pools, key=lambda p: p.priority))


@dataclass(frozen=True, kw_only=True)
class VariantView:
    """A variant as DescribeEndpoint shows it. ``pools`` counts serving instances per type; ``status`` is a
    VariantStatus or ''."""

    name: str
    current_count: int
    desired_count: int
    current_weight: float
    desired_weight: float
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
