"""AWS Marketplace's agreements: the account of the embedded AWS is subscribed to its own listings."""

from typing import Any

from embedded_aws.gateway.refusal import AwsRefusal
from embedded_aws.gateway.regions import Params
from embedded_aws.listings import ACCOUNT_ID, LISTINGS

_AS_BUYER = {("PartyType", "Acceptor"), ("AgreementType", "PurchaseAgreement")}
"""The filters that a buyer's search needs (API reference, SearchAgreements)."""


class Agreements:
    """What the Agreement API answers; its methods are the API's operations."""

    def search_agreements(self, p: Params) -> dict[str, Any]:
        """The purchases of this account, one for each listing."""
        filters = {(one.get("name"), value) for one in p.get("filters", ()) for value in one.get("values", ())}
        if not filters >= _AS_BUYER:
            raise AwsRefusal("Search needs the filters PartyType=Acceptor and AgreementType=PurchaseAgreement.")
        wanted = {value for name, value in filters if name == "ResourceIdentifier"}
        summaries = [
            {
                "agreementId": f"agmt-{listing.name}",
                "agreementType": "PurchaseAgreement",
                "acceptor": {"accountId": ACCOUNT_ID},
                "proposalSummary": {
                    "resources": [{"id": f"prod-{listing.name}", "type": "MachineLearningProduct"}],
                    "offerId": f"offer-{listing.name}",
                },
                "status": "ACTIVE",
            }
            for listing in LISTINGS
            if not wanted or f"prod-{listing.name}" in wanted
        ]
        return {"agreementViewSummaries": summaries}
