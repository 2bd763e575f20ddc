"""The package to deploy is looked for where AWS can be asked, and the way to it is said where it cannot."""

from __future__ import annotations

import pytest

from dgsm_helpers.aws.account.package_search import search_packages
from dgsm_helpers.errors import InvalidInput
from embedded_aws.listings import LISTINGS

NAME = "deepgram-nova-3-0bf50631cbfc34c8aaef615865a57cc2"
HERE = f"arn:aws:sagemaker:us-east-1:865070037744:model-package/{NAME}"
AT_HOME = f"arn:aws:sagemaker:eu-west-1:985815980388:model-package/{NAME}"


def agreement(product, status="ACTIVE", kind="MachineLearningProduct"):
    return {"status": status, "proposalSummary": {"resources": [{"id": product, "type": kind}]}}


def described(arn):
    return {
        "ModelPackageName": NAME,
        "ModelPackageArn": arn,
        "CreationTime": "2026-01-01T00:00:00Z",
        "ModelPackageStatus": "Completed",
        "ModelPackageStatusDetails": {"ValidationStatuses": []},
    }


def test_packages_of_the_embedded_aws_are_found_with_their_subscriptions(workbook):
    found = search_packages(workbook())
    assert found.ok
    assert {row.arn for row in found.rows} == {listing.arn("us-east-1") for listing in LISTINGS}
    assert set(found.subscriptions) == {f"prod-{listing.name}" for listing in LISTINGS}
    assert f"Subscribed to {', '.join(found.subscriptions)}." in str(found)


def test_case_of_an_arn_of_another_region_becomes_the_packages_in_this_one(scripted):
    s = scripted(model_package_arn=AT_HOME)
    s.answers("sagemaker", "list_model_packages", {"ModelPackageSummaryList": []})
    s.answers("sagemaker", "describe_model_package", described(HERE), {"ModelPackageName": HERE})
    ended = [agreement("prod-old", status="CANCELLED"), agreement("prod-app", kind="SaaSProduct"), agreement("prod-1")]
    s.answers("marketplace-agreement", "search_agreements", {"agreementViewSummaries": ended})
    found = search_packages(s.wb)
    assert [(row.arn, row.source, row.usable) for row in found.rows] == [(HERE, "your ARN of another region", True)]
    assert found.subscriptions == ("prod-1",)
    assert "Subscribe:" not in str(found)


def test_case_of_an_account_that_is_not_subscribed_is_told_where_to_subscribe(scripted):
    s = scripted(model_package_arn=HERE)
    s.refuses("sagemaker", "list_model_packages", "AccessDeniedException", "not authorized")
    s.refuses("sagemaker", "describe_model_package", "ValidationException", f"ModelPackage {HERE} does not exist.")
    s.refuses("marketplace-agreement", "search_agreements", "AccessDeniedException", "not authorized")
    found = search_packages(s.wb)
    assert not found.ok
    assert "https://aws.amazon.com/marketplace/search" in str(found)
    assert "https://us-east-1.console.aws.amazon.com/marketplace/subscriptions" in str(found)
    assert "Allow aws-marketplace:SearchAgreements" in str(found)


def test_case_of_a_product_page_is_no_arn_to_look_for(scripted):
    with pytest.raises(InvalidInput, match="the id of a page of AWS Marketplace"):
        search_packages(scripted(model_package_arn="prodview-abc123").wb)
