"""Preflight answers yes, no or unknown, with what to do, and changes nothing."""

from __future__ import annotations

import pytest

from dgsm_helpers.aws.account import preflight
from dgsm_helpers.aws.account.preflight import Check, PreflightReport
from dgsm_helpers.aws.account.quotas import without_zero_quota
from dgsm_helpers.errors import NotReady, QuotaExceeded


def row(report, name):
    return next(r for r in report.rows if r.name == name)


def test_fresh_embedded_aws_is_ready(workbook):
    report = preflight.check(workbook())
    assert report.ok
    assert report.require() is report
    for name in (
        "identity",
        "region",
        "model package ARN",
        "subscription",
        "execution role",
        "boto3",
        "sagemaker-core",
    ):
        assert row(report, name).verdict == "yes", row(report, name)
    assert {r.name for r in report.rows if r.name.startswith("quota")} == {
        "quota ml.g6.2xlarge",
        "quota ml.g6e.2xlarge",
        "quota ml.g5.2xlarge",
    }


def test_arn_of_another_region_is_a_no_and_the_subscription_unknown(workbook):
    wb = workbook(listing="arn:aws:sagemaker:eu-west-1:123456789012:model-package/deepgram-stt-metered/1")
    report = preflight.check(wb)
    assert not report.ok
    assert row(report, "model package ARN").verdict == "no"
    assert row(report, "subscription").verdict == "unknown"
    with pytest.raises(NotReady, match="of region eu-west-1"):
        report.require()


def test_unknown_listing_is_not_subscribed(workbook):
    wb = workbook(listing="arn:aws:sagemaker:us-east-1:123456789012:model-package/deepgram-stt-other/1")
    assert row(preflight.check(wb), "subscription").verdict == "no"


def test_zero_quota_is_a_no_with_the_quotas_name(workbook, operator):
    wb = workbook()
    operator.quota(wb, "ml.g5.2xlarge", 0)
    found = row(preflight.check(wb), "quota ml.g5.2xlarge")
    assert found.verdict == "no"
    assert "ml.g5.2xlarge for endpoint usage" in found.fix


def test_unknown_type_is_an_unknown_quota(workbook):
    assert row(preflight.check(workbook(), ["ml.g9.huge"]), "quota ml.g9.huge").verdict == "unknown"


def test_zero_quota_types_are_dropped_and_said(workbook, operator):
    wb = workbook()
    operator.quota(wb, "ml.g6.2xlarge", 0)
    choice = without_zero_quota(wb)
    assert choice.kept == ("ml.g6e.2xlarge", "ml.g5.2xlarge")
    assert choice.dropped == ("ml.g6.2xlarge",)
    assert "ml.g6.2xlarge" in str(choice)
    with pytest.raises(QuotaExceeded):
        without_zero_quota(wb, ["ml.g6.2xlarge"])


def test_what_may_not_be_asked_is_unknown(workbook, operator):
    operator.fault("denied", service="service-quotas", operation="*")
    operator.fault("denied", service="iam", operation="*")
    report = preflight.check(workbook())
    assert row(report, "execution role").verdict == "unknown"
    assert row(report, "quota ml.g6.2xlarge").verdict == "unknown"
    assert "servicequotas:ListServiceQuotas" in row(report, "quota ml.g6.2xlarge").fix
    assert row(report, "permissions").verdict == "unknown"
    assert report.ok


def test_expired_credentials_leave_the_rest_unasked(workbook, operator):
    operator.fault("expired-credentials")
    report = preflight.check(workbook())
    assert row(report, "identity").verdict == "no"
    assert row(report, "quotas").verdict == "unknown"


def test_role_that_does_not_exist_or_trusts_another_service_is_a_no(workbook):
    missing = workbook(role_arn="arn:aws:iam::123456789012:role/Missing")
    assert "does not exist" in row(preflight.check(missing), "execution role").detail
    policy = (
        '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"ec2.amazonaws.com"},'
        '"Action":"sts:AssumeRole"}]}'
    )
    arn = missing.client("iam").create_role(RoleName="ForMachines", AssumeRolePolicyDocument=policy)["Role"]["Arn"]
    found = row(preflight.check(workbook(role_arn=arn)), "execution role")
    assert (found.verdict, "does not trust" in found.detail) == ("no", True)


def test_report_is_escaped_and_readable_as_text_and_table():
    report = PreflightReport((Check("a", "no", "<script>", "fix & go"), Check("b", "yes", "fine", "never shown")))
    html = report._repr_html_()
    assert "&lt;script&gt;" in html
    assert "<script>" not in html
    assert "fix &amp; go" in html
    assert "never shown" not in html
    assert "✗ no" in str(report)
