"""What some minutes of an instance cost."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from ..prices import Price
from . import endpoint
from .calls import translated

if TYPE_CHECKING:
    from ..session import Workbook
    from .endpoint import EndpointState


@dataclass(frozen=True)
class Cost:
    """``instance_minutes`` on an instance of ``instance_type`` at ``price``; without the Marketplace software fee.

    ``str()`` is one sentence part with the price's source and date.
    """

    instance_minutes: float
    instance_type: str
    price: Price

    @classmethod
    def of(cls, wb: Workbook, types: tuple[str, ...], instance_minutes: float) -> Self:
        """At the price of the dearest of ``types``: which of a pool will be used is not known beforehand."""
        if not types:
            return cls(instance_minutes, "an unknown type", Price(amount_usd=None, source="AWS names no instance type"))
        with translated("pricing", "GetProducts"):
            prices = [(instance_type, wb.price_per_hour(instance_type)) for instance_type in types]
        unknown = [pair for pair in prices if pair[1].amount_usd is None]
        instance_type, price = unknown[0] if unknown else max(prices, key=lambda pair: pair[1].amount_usd)
        return cls(instance_minutes, instance_type, price)

    @property
    def usd(self) -> float | None:
        """US dollars; None when the price is not known."""
        return None if self.price.amount_usd is None else self.price.amount_usd * self.instance_minutes / 60

    def __str__(self) -> str:
        spent = "an unknown amount" if self.usd is None else f"${self.usd:.2f}"
        return f"{self.instance_minutes:.1f} instance-minutes of {self.instance_type} at {self.price}: {spent}"


def running_types(wb: Workbook, state: EndpointState) -> tuple[str, ...]:
    """The instance types that run now behind the workbook's variant; all of its pool when SageMaker does not say."""
    counts = state.variant(wb.variant_name).instances_by_type
    running = tuple(instance_type for instance_type, count in counts.items() if count)
    return running or endpoint.instance_types(wb, state)
