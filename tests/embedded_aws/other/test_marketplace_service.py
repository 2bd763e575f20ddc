"""The account of the embedded AWS is subscribed to its own listings, as a buyer's search shows it."""

from __future__ import annotations

import pytest
from botocore.exceptions import ClientError

AS_BUYER = [
    {"name": "PartyType", "values": ["Acceptor"]},
    {"name": "AgreementType", "values": ["PurchaseAgreement"]},
]


def test_agreements_of_a_buyer_name_the_products(workbook):
    client = workbook().client("marketplace-agreement")
    found = client.search_agreements(catalog="AWSMarketplace", filters=AS_BUYER)["agreementViewSummaries"]
    assert {row["status"] for row in found} == {"ACTIVE"}
    wanted = [*AS_BUYER, {"name": "ResourceIdentifier", "values": ["prod-metered"]}]
    (one,) = client.search_agreements(catalog="AWSMarketplace", filters=wanted)["agreementViewSummaries"]
    assert one["proposalSummary"]["resources"] == [{"id": "prod-metered", "type": "MachineLearningProduct"}]


def test_search_without_the_side_that_one_is_on_is_refused_and_what_is_not_here_says_so(workbook):
    client = workbook().client("marketplace-agreement")
    with pytest.raises(ClientError, match="PartyType=Acceptor"):
        client.search_agreements(catalog="AWSMarketplace", filters=AS_BUYER[:1])
    with pytest.raises(ClientError, match="does not implement marketplace-agreement:DescribeAgreement"):
        client.describe_agreement(agreementId="agmt-metered")
