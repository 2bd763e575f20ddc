"""Asks AWS's Price List for what an instance costs per hour."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from dgsm_helpers.aws.core.calls import translated
from dgsm_helpers.prices import SOURCE, Price, price_of, price_request, unknown_price

if TYPE_CHECKING:
    from dgsm_helpers.session import Workbook


def price_per_hour(wb: Workbook, instance_type: str) -> Price:
    """On-demand price of one hosting instance in the workbook's region, without the Marketplace software fee.

    A price that AWS does not give is unknown and says why: a missing price must not stop a plan.

    Raises:
        CredentialsProblem, AwsCallFailed: no request can be made at all.
    """
    with translated("pricing", "GetProducts"):
        client = wb.client("pricing")
    return read_price(client, wb.region, instance_type)


def read_price(pricing_client: Any, region: str, instance_type: str) -> Price:
    """As `price_per_hour`, with a ``pricing`` client of your own; never raises for what AWS answers."""
    try:
        pages = pricing_client.get_paginator("get_products").paginate(**price_request(region, instance_type))
        offers = [json.loads(text) for page in pages for text in page["PriceList"]]
    except (ClientError, BotoCoreError) as error:
        return unknown_price(f"{SOURCE} could not be read: {error}")
    return price_of(offers, region, instance_type)
