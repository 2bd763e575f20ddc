"""What an instance hosting a SageMaker endpoint costs per hour, from AWS's Price List API.

The instance only: the software price of a Marketplace listing is not in the Price List.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

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


def lookup(pricing_client: Any, region: str, instance_type: str) -> Price:
    """On-demand price of real-time hosting on ``instance_type`` in ``region``.

    Args:
        pricing_client: boto3's ``pricing`` client; AWS answers in a few regions only, us-east-1 among them.
        region: region of the endpoint.
        instance_type: such as ``ml.g6.2xlarge``.

    Returns:
        The price. Never raises for what AWS answers: a missing price must not stop a plan, it is shown as unknown.
    """
    filters = {"regionCode": region, "component": "Hosting", "instanceName": instance_type}
    request = {
        "ServiceCode": SERVICE_CODE,
        "Filters": [{"Type": "TERM_MATCH", "Field": field, "Value": value} for field, value in filters.items()],
    }
    try:
        pages = pricing_client.get_paginator("get_products").paginate(**request)
        offers = [json.loads(text) for page in pages for text in page["PriceList"]]
    except (ClientError, BotoCoreError) as error:
        return Price(amount_usd=None, source=f"{SOURCE} could not be read: {error}")
    found = {(amount, offer.get("publicationDate", "")[:10]) for offer in offers for amount in _hourly(offer)}
    amounts = {amount for amount, _ in found}
    if not amounts:
        return Price(amount_usd=None, source=f"{SOURCE} has no price for {instance_type} in {region}")
    if len(amounts) > 1:
        shown = ", ".join(f"{amount:g}" for amount in sorted(amounts))
        return Price(amount_usd=None, source=f"{SOURCE} has several prices for {instance_type} in {region}: {shown}")
    versions = {offer.get("version", "") for offer in offers}
    source = SOURCE if not any("embedded" in version for version in versions) else f"{SOURCE}, dated copy"
    return Price(amount_usd=amounts.pop(), source=source, as_of=max(date for _, date in found))


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
