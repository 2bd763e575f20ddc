"""Prices out of AWS's Price List, made into dollars: per hour, of minutes on one instance, of a fleet's history."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Self

from dgsm_helpers.aws.core.calls import pages
from dgsm_helpers.errors import DgsmError
from dgsm_helpers.prices import SOURCE, Price, price_of, price_request, unknown_price
from dgsm_helpers.session import Workbook

if TYPE_CHECKING:
    import pandas as pd

type Prices = tuple[tuple[str, Price], ...]
"""Instance types, each with the on-demand price of one instance for an hour."""


def price_per_hour(wb: Workbook, instance_type: str) -> Price:
    """On-demand price of one hosting instance in the workbook's region (`prices_of`)."""
    return prices_of(wb, (instance_type,))[0][1]


def prices_of(wb: Workbook, instance_types: Iterable[str]) -> Prices:
    """The on-demand price of each type in the workbook's region, in the same order, without the software fee.

    A price that AWS does not give is unknown and says why: a missing price must not stop a plan. Where the price list
    cannot be read at all (it has no VPC endpoint) it is asked once, not for every type.

    Raises:
        CredentialsProblem, AwsCallFailed: no request can be made at all.
    """
    wb.client("pricing")
    unread: DgsmError | None = None
    prices = []
    for instance_type in instance_types:
        if unread is None:
            try:
                price = _read_price(wb, instance_type)
            except DgsmError as error:
                unread = error
        if unread is not None:
            price = unknown_price(f"{SOURCE} could not be read: {unread.message}")
        prices.append((instance_type, price))
    return tuple(prices)


def _read_price(wb: Workbook, instance_type: str) -> Price:
    products = pages(wb, "pricing", "GetProducts", "PriceList", **price_request(wb.region, instance_type))
    return price_of([json.loads(text) for text in products], wb.region, instance_type)


def dearest(prices: Prices) -> tuple[str, Price]:
    """The type that costs most; one whose price is unknown before all others, as it may be the dearest."""
    if not prices:
        return "an unknown type", Price(amount_usd=None, source="AWS names no instance type")
    return max(prices, key=lambda pair: float("inf") if pair[1].amount_usd is None else pair[1].amount_usd)


def named_dearest(prices: Prices) -> str:
    """The type that a price is stated for, in words: any of a pool may be the one that runs.

    Beside the dearest stands what one instance of the first costs, which runs while there is capacity.
    """
    name, _ = dearest(prices)
    if len(prices) < 2:
        return f"of {name}"
    first, price = prices[0]
    tried = "" if first == name else f"; {first}, which is tried first, is {hourly(price)}"
    return f"of {name}, the dearest of {len(prices)} types{tried}"


def hourly(price: Price) -> str:
    """An hour of one instance, in words."""
    return "of unknown price" if price.amount_usd is None else f"${price.amount_usd:.2f} an hour"


def usd_per_hour(prices: Prices, instances: int) -> float | None:
    """What ``instances`` of the dearest type cost an hour; None when a price is unknown."""
    amount_usd = dearest(prices)[1].amount_usd
    return None if amount_usd is None else amount_usd * instances


def fleet_usd_per_hour(prices: Mapping[str, Price], instances_by_type: Mapping[str, int]) -> float | None:
    """What a fleet costs an hour, type by type; None when a price is unknown or there is no instance."""
    counts = {instance_type: count for instance_type, count in instances_by_type.items() if count}
    known = {name: prices[name].amount_usd for name in counts if name in prices}
    amounts = [None if (usd := known.get(name)) is None else usd * count for name, count in counts.items()]
    return total_usd(amounts) if amounts else None


def total_usd(amounts: Iterable[float | None]) -> float | None:
    """The sum; None when one of the amounts is unknown."""
    total = 0.0
    for amount in amounts:
        if amount is None:
            return None
        total += amount
    return total


def require_spend(wb: Workbook, what: str, instance_types: Iterable[str], instances: int) -> None:
    """Stop unless the user agreed to pay for ``instances`` of the dearest of the types.

    Prices are asked for only where they have to be stated.

    Raises:
        SpendNotConfirmed: it would start billing and ``confirm_spend`` is False; the message states the price.
    """
    if wb.bills and wb.confirm_spend is not True:
        prices = prices_of(wb, instance_types)
        wb.require_spend(f"{what} ({named_dearest(prices)})", usd_per_hour(prices, instances))


@dataclass(frozen=True)
class InstanceCost:
    """``instance_minutes`` on an instance of ``instance_type`` at ``price``; without the Marketplace software fee.

    ``str()`` is one sentence part with the price's source and date.
    """

    instance_minutes: float
    instance_type: str
    price: Price

    @classmethod
    def of(cls, wb: Workbook, instance_types: tuple[str, ...], instance_minutes: float) -> Self:
        """At the price of the dearest type: which of a pool will be used is not known beforehand."""
        return cls(instance_minutes, *dearest(prices_of(wb, instance_types)))

    @property
    def usd(self) -> float | None:
        """US dollars; None when the price is not known."""
        return None if self.price.amount_usd is None else self.price.amount_usd * self.instance_minutes / 60

    def __str__(self) -> str:
        spent = "an unknown amount" if self.usd is None else f"${self.usd:.2f}"
        return f"{self.instance_minutes:.1f} instance-minutes of {self.instance_type} at {self.price}: {spent}"


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
