"""Service Quotas and the Price List of the embedded AWS."""

import json

import pytest
from botocore.exceptions import ClientError

from dgsm_helpers.errors import InvalidInput
from embedded_aws.other.price_list_service import USD_PER_HOUR
from embedded_aws.other.service_quotas import DEFAULT_QUOTA


def endpoint_quotas(client):
    pages = client.get_paginator("list_service_quotas").paginate(ServiceCode="sagemaker")
    return {quota["QuotaName"]: quota for page in pages for quota in page["Quotas"]}


def test_every_type_has_an_endpoint_quota_over_all_pages(plane):
    quotas = endpoint_quotas(plane.client("service-quotas"))
    assert quotas["ml.g6.2xlarge for endpoint usage"]["Value"] == DEFAULT_QUOTA
    assert len(quotas) == len(plane.control.quotas.instance_types) > 200
    assert len({quota["QuotaCode"] for quota in quotas.values()}) == len(quotas)


def test_a_quota_set_by_the_operator_shows_in_its_region_only(plane):
    plane.control.quotas.set("us-east-1", "ml.g6.2xlarge", 0)
    code = endpoint_quotas(plane.client("service-quotas"))["ml.g6.2xlarge for endpoint usage"]["QuotaCode"]

    def value(region, operation="get_service_quota"):
        call = getattr(plane.client("service-quotas", region), operation)
        return call(ServiceCode="sagemaker", QuotaCode=code)["Quota"]["Value"]

    assert value("us-east-1") == 0
    assert value("eu-west-1") == value("us-east-1", "get_aws_default_service_quota") == DEFAULT_QUOTA


def test_an_increase_is_taken_down_once(plane):
    client = plane.client("service-quotas")
    code = endpoint_quotas(client)["ml.g6.2xlarge for endpoint usage"]["QuotaCode"]
    wanted = {"ServiceCode": "sagemaker", "QuotaCode": code, "DesiredValue": 50.0}
    with pytest.raises(client.exceptions.IllegalArgumentException):
        client.request_service_quota_increase(**wanted | {"DesiredValue": 1.0})
    assert client.request_service_quota_increase(**wanted)["RequestedQuota"]["Status"] == "PENDING"
    with pytest.raises(client.exceptions.ResourceAlreadyExistsException):
        client.request_service_quota_increase(**wanted)
    history = client.list_requested_service_quota_change_history(ServiceCode="sagemaker")["RequestedQuotas"]
    assert [row["DesiredValue"] for row in history] == [50.0]


@pytest.mark.parametrize("where", [{"ServiceCode": "lambda"}, {"QuotaCode": "L-00000000"}])
def test_an_unknown_quota_is_no_such_resource(plane, where):
    client = plane.client("service-quotas")
    with pytest.raises(client.exceptions.NoSuchResourceException):
        client.get_service_quota(**{"ServiceCode": "sagemaker", "QuotaCode": "L-12345678"} | where)


@pytest.mark.parametrize(("kind", "value"), [("ml.nope", 1), ("ml.g6.2xlarge", -1), ("ml.g6.2xlarge", "many")])
def test_a_quota_that_cannot_be_is_refused(plane, kind, value):
    with pytest.raises(InvalidInput):
        plane.control.quotas.set("us-east-1", kind, value)


def test_offers_have_the_price_lists_shape(plane):
    filters = [{"Type": "TERM_MATCH", "Field": "instanceName", "Value": "ml.g5.2xlarge"}]
    answer = plane.client("pricing").get_products(ServiceCode="AmazonSageMaker", Filters=filters)
    (offer,) = map(json.loads, answer["PriceList"])
    assert offer["product"]["attributes"]["component"] == "Hosting"
    (term,) = offer["terms"]["OnDemand"].values()
    (dimension,) = term["priceDimensions"].values()
    assert (dimension["unit"], float(dimension["pricePerUnit"]["USD"])) == ("Hrs", 1.515)


def test_all_offers_come_in_pages(plane):
    pages = plane.client("pricing").get_paginator("get_products")
    found = pages.paginate(ServiceCode="AmazonSageMaker", PaginationConfig={"PageSize": 5})
    names = [json.loads(text)["product"]["attributes"]["instanceName"] for page in found for text in page["PriceList"]]
    assert names == list(USD_PER_HOUR)


def test_attributes_can_be_explored(plane):
    client = plane.client("pricing")
    (service,) = client.describe_services(ServiceCode="AmazonSageMaker")["Services"]
    assert {"regionCode", "component", "instanceName"} <= set(service["AttributeNames"])
    values = client.get_attribute_values(ServiceCode="AmazonSageMaker", AttributeName="component")["AttributeValues"]
    assert values == [{"Value": "Hosting"}]
    with pytest.raises(ClientError, match="AmazonEC2"):
        client.get_products(ServiceCode="AmazonEC2")
