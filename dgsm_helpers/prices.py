"""What an instance hosting a SageMaker endpoint costs per hour, read out of AWS's price list.

The instance only: the software price of a Marketplace listing is not in the Price List.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

SERVICE_CODE = "AmazonSageMaker"
SOURCE = "AWS Price List"


@dataclass(frozen=True, kw_only=True)
class Price:
    """Hourly price of one instance in US dollars; None when it is not known, and ``source`` says why.

    ``as_of`` is the date (YYYY-MM-DD) that the price list says it is of, "" when there is none.
    """

    amount_usd: float | None
    source: str
    as_of: str = ""

    def __str__(self) -> str:
        if self.amount_usd is None:
            return f"unknown ({self.source})"
        return f"${self.amount_usd:.4g}/h ({self.source}, {self.as_of})"


def price_request(region: str, instance_type: str) -> dict[str, Any]:
    """The ``GetProducts`` request for real-time hosting on ``instance_type`` in ``region``."""
    filters = {"regionCode": region, "component": "Hosting", "instanceName": instance_type}
    return {
        "ServiceCode": SERVICE_CODE,
        "Filters": [{"Type": "TERM_MATCH", "Field": field, "Value": value} for field, value in filters.items()],
    }


def price_of(offers: Sequence[Mapping[str, Any]], region: str, instance_type: str) -> Price:
    """The one hourly price in the offers of the price list; unknown when there is none, or several."""
    dated = {(amount, offer.get("publicationDate", "")[:10]) for offer in offers for amount in _hourly(offer)}
    amounts = {amount for amount, _ in dated}
    if not amounts:
        return unknown_price(f"{SOURCE} has no price for {instance_type} in {region}")
    if len(amounts) > 1:
        listed = ", ".join(f"{amount:g}" for amount in sorted(amounts))
        return unknown_price(f"{SOURCE} has several prices for {instance_type} in {region}: {listed}")
    is_copy = any("embedded" in offer.get("version", "") for offer in offers)
    source = f"{SOURCE}, dated copy" if is_copy else SOURCE
    return Price(amount_usd=amounts.pop(), source=source, as_of=max(date for _, date in dated))


def unknown_price(reason: str) -> Price:
    """A price that is not known, and why."""
    return Price(amount_usd=None, source=reason)


def _hourly(offer: Mapping[str, Any]) -> Iterator[float]:
    """Hourly on-demand prices of one offer; tiers and free units aside."""
    for term in offer.get("terms", {}).get("OnDemand", {}).values():
        for dimension in term.get("priceDimensions", {}).values():
            text = dimension.get("pricePerUnit", {}).get("USD")
            if text is None or dimension.get("unit", "").lower() not in ("hrs", "hours", "hour"):
                continue
            amount = float(text)
            if amount > 0:
                yield amount
