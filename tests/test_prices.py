"""Prices from the Price List API, against the embedded one and against what AWS may answer besides."""

import json
from types import SimpleNamespace

import boto3
import pytest
from botocore.stub import Stubber

from dgsm_helpers import prices
from dgsm_helpers.aws.core.money import price_per_hour

HOUR = {"unit": "Hrs", "pricePerUnit": {"USD": "1.5150000000"}}


def offer(*dimensions, published="2026-09-27T00:00:00Z", version="20260927"):
    terms = {"OnDemand": {"t": {"priceDimensions": {str(n): d for n, d in enumerate(dimensions)}}}}
    return json.dumps({"product": {}, "terms": terms, "publicationDate": published, "version": version})


def at(client, region):
    """A workbook as far as prices need one."""
    return SimpleNamespace(region=region, client=lambda service: client)


def lookup(*offers):
    client = boto3.client("pricing", region_name="us-east-1", aws_access_key_id="x", aws_secret_access_key="y")
    with Stubber(client) as stub:
        expected = {
            "ServiceCode": "AmazonSageMaker",
            "Filters": [
                {"Type": "TERM_MATCH", "Field": "regionCode", "Value": "us-west-2"},
                {"Type": "TERM_MATCH", "Field": "component", "Value": "Hosting"},
                {"Type": "TERM_MATCH", "Field": "instanceName", "Value": "ml.g5.2xlarge"},
            ],
        }
        stub.add_response("get_products", {"PriceList": list(offers)}, expected)
        return price_per_hour(at(client, "us-west-2"), "ml.g5.2xlarge")


def test_an_hourly_price_is_read_with_its_date():
    price = lookup(offer(HOUR))
    assert price == prices.Price(amount_usd=1.515, source="AWS Price List", as_of="2026-09-27")
    assert str(price) == "$1.515/h (AWS Price List, 2026-09-27)"


def test_the_embedded_copy_is_labelled_as_one():
    assert lookup(offer(HOUR, version="embedded-20260927")).source == "AWS Price List, dated copy"


@pytest.mark.parametrize(
    "other",
    [
        {"unit": "GB-Mo", "pricePerUnit": {"USD": "0.154"}},
        {"unit": "Hrs", "pricePerUnit": {"USD": "0.0000000000"}},
        {"unit": "Hrs", "pricePerUnit": {"CNY": "9.9"}},
        HOUR,
    ],
)
def test_storage_free_units_and_other_currencies_are_left_aside(other):
    assert lookup(offer(other, HOUR)).amount_usd == 1.515


def test_no_offer_is_an_unknown_price():
    price = lookup()
    assert price.amount_usd is None
    assert str(price) == "unknown (AWS Price List has no price for ml.g5.2xlarge in us-west-2)"


def test_an_offer_without_on_demand_terms_is_an_unknown_price():
    assert lookup(json.dumps({"product": {}, "terms": {"Reserved": {}}})).amount_usd is None


def test_two_prices_are_not_guessed_between():
    price = lookup(offer(HOUR), offer({"unit": "Hrs", "pricePerUnit": {"USD": "2"}}))
    assert price.amount_usd is None
    assert "several prices" in price.source
    assert "1.515, 2" in price.source


def test_an_answer_of_aws_that_is_an_error_is_an_unknown_price():
    client = boto3.client("pricing", region_name="us-east-1", aws_access_key_id="x", aws_secret_access_key="y")
    with Stubber(client) as stub:
        stub.add_client_error("get_products", "AccessDeniedException", "not authorized")
        price = price_per_hour(at(client, "us-east-1"), "ml.g5.2xlarge")
    assert price.amount_usd is None
    assert "AccessDeniedException" in price.source
