"""A listing is a model package ARN of the workbook's region, or a sentence says what it is instead."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dgsm_helpers.errors import InvalidInput
from dgsm_helpers.rules.package_arn import in_region, partition_of, require_usable_arn

NAME = "deepgram-nova-3-0bf50631cbfc34c8aaef615865a57cc2"
ARN = f"arn:aws:sagemaker:us-east-1:865070037744:model-package/{NAME}"

CASES = {
    "prodview-abc123": "the id of a page of AWS Marketplace",
    "prod-tnv5pm6nlcm44": "the id of a product in AWS Marketplace",
    "offer-abc": "the id of an offer",
    "https://aws.amazon.com/marketplace/pp/prodview-abc123": "the address of a page",
    f" {ARN}": "a blank stands before or behind it",
    f"{ARN}\n": "a blank stands before or behind it",
    f"\u00a0{ARN}": "a blank stands before or behind it",
    f"'{ARN}'": "it stands in quotes",
    f"“{ARN}”": "it stands in quotes",
    f"{ARN[:50]}\n  {ARN[50:]}": "within it",
    "   ": "nothing stands in it",
    "arn:aws:sagemaker:us-east-1:123456789012:endpoint/deepgram": "the ARN of 'endpoint' of sagemaker",
    "arn:aws:sagemaker:us-east-1:123456789012:model/deepgram": "the ARN of 'model' of sagemaker",
    "arn:aws:sagemaker:us-east-1:123456789012:model-package-group/dg": "the ARN of 'model-package-group' of sagemaker",
    "arn:aws:iam::123456789012:role/Deepgram": "the ARN of 'role' of iam",
    "arn:aws:aws-marketplace::123456789012:agreement:agmt-1": "the ARN of 'agreement' of aws-marketplace",
    "arn:aws:sagemaker:us-east-1": "unfinished",
    "arn:aws:sagemaker:us-east-1:<account>:model-package/dg": "its account is '<account>'",
    "arn:aws:sagemaker:REGION:123456789012:model-package/dg": "its region is 'REGION'",
    "arn:aws:sagemaker:us-east-1:123456789012:model-package/": "the package's name in it is ''",
    "arn:aws:sagemaker:us-east-1:123456789012:model-package/dg/latest": "the package's name in it is 'dg/latest'",
    NAME: "it is a name",
    "speech": "a listing of the embedded AWS",
}


@pytest.mark.parametrize("given_text", CASES)
def test_case_of_a_listing_that_is_no_arn_says_what_it_is_and_what_is_needed(given_text):
    with pytest.raises(InvalidInput) as caught:
        require_usable_arn(given_text, "us-east-1")
    assert f"{given_text!r} is no model package ARN" in str(caught.value)
    assert CASES[given_text] in caught.value.message
    assert caught.value.hint in (
        f"Pass it without: {ARN}",
        "Needed is arn:aws:sagemaker:us-east-1:<account>:model-package/<name>, from the subscription (Configure > AWS "
        "command line interface): https://us-east-1.console.aws.amazon.com/marketplace/subscriptions",
    )


@pytest.mark.parametrize("arn", [ARN, f"{ARN}/1", "arn:aws:sagemaker:us-east-1:123456789012:model-package/dg"])
def test_model_package_arn_of_the_region_is_usable(arn):
    assert require_usable_arn(arn, "us-east-1") == arn


def test_case_of_a_listing_of_another_region_names_the_same_package_here():
    with pytest.raises(InvalidInput, match="of region us-east-1 and the workbook of eu-west-1") as caught:
        require_usable_arn(ARN, "eu-west-1")
    assert f"arn:aws:sagemaker:eu-west-1:985815980388:model-package/{NAME}" in caught.value.hint


def test_package_of_an_account_of_ones_own_is_not_looked_for_in_other_regions():
    assert in_region("arn:aws:sagemaker:us-east-1:123456789012:model-package/dg", "eu-west-1") is None
    assert in_region(ARN, "xx-nowhere-1") is None
    assert in_region(f"{ARN}/2", "us-east-2") == f"arn:aws:sagemaker:us-east-2:057799348421:model-package/{NAME}/2"


def test_case_of_a_listing_of_another_partition_is_told():
    assert [partition_of(r) for r in ("eu-west-1", "cn-north-1", "us-gov-west-1")] == ["aws", "aws-cn", "aws-us-gov"]
    with pytest.raises(InvalidInput, match="of partition aws, and cn-north-1 is of aws-cn"):
        require_usable_arn("arn:aws:sagemaker:cn-north-1:123456789012:model-package/dg", "cn-north-1")


@given(st.text())
def test_any_text_is_an_arn_or_refused_in_a_sentence(text):
    with pytest.raises(InvalidInput) as caught:
        require_usable_arn(text, "us-east-1")
    assert caught.value.hint
