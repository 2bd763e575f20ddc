"""The Price List API of the embedded AWS: real-time hosting on GPU instances, from a dated copy."""

import hashlib
import json
import tomllib
from collections.abc import Mapping
from importlib.resources import files
from typing import Any

from embedded_aws.gateway.paging import one_page
from embedded_aws.gateway.refusal import AwsRefusal
from embedded_aws.gateway.regions import Params

SERVICE = "AmazonSageMaker"
REGION = "us-east-1"
_TABLE = tomllib.loads((files("embedded_aws") / "data" / "prices.toml").read_text(encoding="utf-8"))
USD_PER_HOUR: Mapping[str, float] = _TABLE["usd_per_hour"]
VERSION = f"embedded-{_TABLE['published'][:10].replace('-', '')}"
"""Marks a document as the dated copy it is."""

_PAGE = 100


class Pricing:
    """What the Price List API answers; its methods are the API's operations. It is the same wherever asked."""

    def describe_services(self, p: Params) -> dict[str, Any]:
        """The one service with prices here."""
        _check_service(p.get("ServiceCode", SERVICE))
        return {
            "Services": [{"ServiceCode": SERVICE, "AttributeNames": sorted(_attributes("ml.g5.xlarge"))}],
            "FormatVersion": "aws_v1",
        }

    def get_attribute_values(self, p: Params) -> dict[str, Any]:
        """Values of one attribute of the offers."""
        _check_service(p["ServiceCode"])
        values = sorted(
            {_attributes(t)[p["AttributeName"]] for t in USD_PER_HOUR if p["AttributeName"] in _attributes(t)}
        )
        return {"AttributeValues": [{"Value": value} for value in values]}

    def get_products(self, p: Params) -> dict[str, Any]:
        """Offers whose attributes pass all filters, each as a JSON document."""
        _check_service(p["ServiceCode"])
        matching = [t for t in USD_PER_HOUR if all(_passes(_attributes(t), f) for f in p.get("Filters", ()))]
        offers, size = [json.dumps(_offer(instance_type)) for instance_type in matching], p.get("MaxResults", _PAGE)
        refusal = AwsRefusal("The pagination token is invalid.", "InvalidNextTokenException")
        return one_page(offers, p, "PriceList", size=size, refusal=refusal) | {"FormatVersion": "aws_v1"}


def _attributes(instance_type: str) -> dict[str, str]:
    return {
        "servicecode": SERVICE,
        "servicename": "Amazon SageMaker",
        "regionCode": REGION,
        "location": "US East (N. Virginia)",
        "locationType": "AWS Region",
        "component": "Hosting",
        "computeType": "GPU",
        "instanceName": instance_type,
        "instanceType": f"{instance_type}-Hosting",
        "usagetype": f"USE1-Host:{instance_type}",
        "operation": "RunInstance",
    }


def _offer(instance_type: str) -> dict[str, Any]:
    sku = hashlib.sha256(instance_type.encode()).hexdigest()[:16].upper()
    term, rate = f"{sku}.JRTCKXETXF", f"{sku}.JRTCKXETXF.6YS6EN2CT7"
    price = USD_PER_HOUR[instance_type]
    dimension = {
        "unit": "Hrs",
        "beginRange": "0",
        "endRange": "Inf",
        "description": f"${price:g} per Hosting {instance_type} hour in US East (N. Virginia)",
        "appliesTo": [],
        "rateCode": rate,
        "pricePerUnit": {"USD": f"{price:.10f}"},
    }
    return {
        "product": {"productFamily": "ML Instance", "attributes": _attributes(instance_type), "sku": sku},
        "serviceCode": SERVICE,
        "terms": {
            "OnDemand": {
                term: {
                    "priceDimensions": {rate: dimension},
                    "sku": sku,
                    "effectiveDate": _TABLE["published"],
                    "offerTermCode": "JRTCKXETXF",
                    "termAttributes": {},
                }
            }
        },
        "version": VERSION,
        "publicationDate": _TABLE["published"],
    }


def _passes(attributes: Mapping[str, str], offer_filter: Mapping[str, str]) -> bool:
    value, expected = attributes.get(offer_filter["Field"]), offer_filter["Value"]
    if value is None:
        return False
    match offer_filter["Type"]:
        case "TERM_MATCH" | "EQUALS":
            return value.lower() == expected.lower()
        case "CONTAINS":
            return expected.lower() in value.lower()
        case "ANY_OF":
            return value in expected.split(",")
        case _:
            return value not in expected.split(",")


def _check_service(code: str) -> None:
    if code != SERVICE:
        raise AwsRefusal(
            f"The service code {code} is not in the embedded AWS's price list.", "InvalidParameterException"
        )
