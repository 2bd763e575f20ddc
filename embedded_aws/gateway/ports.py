"""What the control plane needs from the rest of the embedded AWS, and no more."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Protocol

from embedded_aws.fleet.variants import EndpointView, VariantSpec


class FleetPort(Protocol):
    """The live endpoints; ``embedded_aws.fleet.live_fleet.Fleet`` is it."""

    def create(self, region: str, endpoint_name: str, config_name: str, specs: Sequence[VariantSpec]) -> None:
        """Start an endpoint."""

    def update(
        self, region: str, endpoint_name: str, config_name: str, specs: Sequence[VariantSpec], counts: Mapping[str, int]
    ) -> None:
        """Replace its fleet; raises FleetBusy."""

    def set_capacity(
        self, region: str, endpoint_name: str, desired: Mapping[str, tuple[int | None, float | None]]
    ) -> None:
        """Change (desired count, weight) of variants; raises FleetBusy."""

    def delete(self, region: str, endpoint_name: str) -> None:
        """End it."""

    def view(self, region: str, endpoint_name: str) -> EndpointView | None:
        """It now, or None."""

    def names(self, region: str) -> list[str]:
        """Names of the region's endpoints."""


class ClockPort(Protocol):
    """Local time; ``embedded_aws.clock.Clock`` is it."""

    def now(self) -> datetime:
        """Local time as an aware datetime."""

    def now_s(self) -> float:
        """Local time in Unix seconds."""


class Registered(Protocol):
    """Whether Application Auto Scaling has the variant as a scalable target."""

    def __call__(self, region: str, resource_id: str) -> bool:
        """``resource_id`` is ``endpoint/NAME/variant/VARIANT``."""
