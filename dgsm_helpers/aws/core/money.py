"""What some minutes of an instance cost.

What an endpoint's instances have cost: their history times the price list. Pure.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Self

from dgsm_helpers.aws.core.price_list import price_per_hour
from dgsm_helpers.aws.endpoint import endpoint_state
from dgsm_helpers.prices import Price

if TYPE_CHECKING:
    import pandas as pd

    from dgsm_helpers.aws.endpoint.endpoint_state import EndpointState
    from dgsm_helpers.prices import Price
    from dgsm_helpers.session import Workbook


@dataclass(frozen=True)
class InstanceCost:
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
        prices = [(instance_type, price_per_hour(wb, instance_type)) for instance_type in types]
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
    return running or endpoint_state.instance_types(wb, state)


@dataclass(frozen=True)
class PeriodCost:
    """Instances only, without the software fee: hours times the cheapest and the dearest price of the types."""

    since: datetime
    instance_hours: float
    low_usd: float | None
    high_usd: float | None
    price_source: str

    @property
    def amount(self) -> str:
        """The money: one number, a range where the types' prices differ, or that it is unknown."""
        if self.low_usd is None or self.high_usd is None:
            return f"price unknown ({self.price_source})"
        if self.high_usd - self.low_usd < 0.005:
            return f"${self.high_usd:.2f}"
        return f"${self.low_usd:.2f} to ${self.high_usd:.2f}, by the types that ran"

    def __str__(self) -> str:
        return f"{self.instance_hours:.2f} instance-hours since {self.since:%Y-%m-%d %H:%M} UTC: {self.amount}"


def cost_so_far(running: pd.DataFrame, prices: Sequence[tuple[str, Price]]) -> PeriodCost:
    """What the instances cost over their history.

    Args:
        running: ``running_instances`` by time, each count valid until the next (``observe.instances``).
        prices: hourly price per type that may have run.
    """
    seconds = running.index.to_series().diff().shift(-1).dt.total_seconds().fillna(0)
    hours = float((seconds * running["running_instances"]).sum() / 3600)
    amounts = [price.amount_usd for _, price in prices]
    known = [amount for amount in amounts if amount is not None]
    complete = bool(known) and len(known) == len(amounts)
    sources = sorted({f"{p.source}{f', {p.as_of}' if p.as_of else ''}" for _, p in prices})
    return PeriodCost(
        since=running.index[0].to_pydatetime(),
        instance_hours=hours,
        low_usd=hours * min(known) if complete else None,
        high_usd=hours * max(known) if complete else None,
        price_source="; ".join(sources) or "no price was asked for",
    )
