"""What an endpoint's instances have cost: their history times the price list. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

    from ..prices import Price


@dataclass(frozen=True)
class Cost:
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


def cost_so_far(running: pd.DataFrame, prices: Sequence[tuple[str, Price]]) -> Cost:
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
    return Cost(
        since=running.index[0].to_pydatetime(),
        instance_hours=hours,
        low_usd=hours * min(known) if complete else None,
        high_usd=hours * max(known) if complete else None,
        price_source="; ".join(sources) or "no price was asked for",
    )
