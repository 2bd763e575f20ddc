"""What botocore and AWS say becomes this package's errors."""

from __future__ import annotations

import boto3
import botocore.exceptions as boto
import pytest

from dgsm_helpers import errors
from dgsm_helpers.aws.core.calls import call, pages, translate


@pytest.mark.parametrize(
    ("code", "message", "kind"),
    [
        ("ExpiredToken", "The security token included in the request is expired", errors.CredentialsProblem),
        ("UnrecognizedClientException", "The security token included is invalid", errors.CredentialsProblem),
        (
            "AccessDeniedException",
            "User: x is not authorized to perform: sagemaker:DescribeEndpoint",
            errors.AccessDenied,
        ),
        ("ThrottlingException", "Rate exceeded", errors.Throttled),
        (
            "ResourceLimitExceeded",
            "The account-level service limit 'ml.g6.2xlarge for endpoint usage' is 0",
            errors.QuotaExceeded,
        ),
        ("ValidationException", 'Could not find endpoint "x".', errors.NotFound),
        ("ValidationException", "Cannot update in-progress endpoint", errors.NotReady),
        ("ValidationException", "1 validation error detected", errors.AwsCallFailed),
        ("InternalFailure", "oops", errors.AwsCallFailed),
    ],
)
def test_each_refusal_has_its_own_type(scripted, code, message, kind):
    s = scripted()
    s.refuses("sagemaker", "describe_endpoint", code, message)
    with pytest.raises(kind) as caught:
        call(s.wb, "sagemaker", "DescribeEndpoint", EndpointName="x")
    assert type(caught.value) is kind
    assert message in str(caught.value)
    assert caught.value.hint
    assert isinstance(caught.value.__cause__, boto.ClientError)


def test_a_refusal_keeps_code_operation_and_request_id(scripted):
    s = scripted()
    s.refuses("sagemaker", "describe_endpoint", "ThrottlingException", "Rate exceeded")
    with pytest.raises(errors.Throttled) as caught:
        call(s.wb, "sagemaker", "DescribeEndpoint", EndpointName="x")
    about = caught.value.code, caught.value.operation, caught.value.request_id
    assert about == ("ThrottlingException", "DescribeEndpoint", "req-1")


def test_denied_call_names_the_action_to_allow(scripted):
    s = scripted()
    s.refuses("service-quotas", "list_service_quotas", "AccessDeniedException", "no")
    with pytest.raises(errors.AccessDenied, match="servicequotas:ListServiceQuotas"):
        list(pages(s.wb, "service-quotas", "ListServiceQuotas", "Quotas", ServiceCode="sagemaker"))


def test_quota_refusal_names_the_quota(scripted):
    s = scripted()
    s.refuses("sagemaker", "create_endpoint", "ResourceLimitExceeded", "limit 'ml.g6.2xlarge for endpoint usage' is 0")
    with pytest.raises(errors.QuotaExceeded, match=r'increase of "ml.g6.2xlarge for endpoint usage"'):
        call(s.wb, "sagemaker", "CreateEndpoint", EndpointName="x", EndpointConfigName="c")


def test_a_request_outside_the_model_is_not_sent(scripted):
    s = scripted()
    s.stub("sagemaker")
    with pytest.raises(errors.InvalidRequest, match="endpointName"):
        call(s.wb, "sagemaker", "CreateEndpoint", EndpointName="under_score", EndpointConfigName="c")


def test_missing_credentials_are_a_credentials_problem(scripted, monkeypatch):
    session = boto3.Session(region_name="us-east-1")
    s = scripted(session=session)
    with pytest.raises(errors.CredentialsProblem, match="No AWS credentials were found for profile 'default'"):
        call(s.wb, "sts", "GetCallerIdentity")


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (boto.ParamValidationError(report="Unknown parameter"), errors.InvalidRequest),
        (boto.EndpointConnectionError(endpoint_url="https://x"), errors.AwsCallFailed),
        (boto.ReadTimeoutError(endpoint_url="https://x"), errors.AwsCallFailed),
        (boto.CredentialRetrievalError(provider="p", error_msg="e"), errors.CredentialsProblem),
        (boto.InvalidRetryModeError(provided_retry_mode="x", valid_modes="y"), errors.AwsCallFailed),
    ],
)
def test_problems_before_an_answer_are_translated_too(error, kind):
    told = translate(error, service="sagemaker", operation="DescribeEndpoint")
    assert type(told) is kind
    assert "sagemaker:DescribeEndpoint" in str(told)


def test_pages_are_read_to_the_end(scripted):
    s = scripted()
    first = {"ScalingPolicies": [], "NextToken": "t"}
    s.answers("application-autoscaling", "describe_scaling_policies", first)
    s.answers(
        "application-autoscaling",
        "describe_scaling_policies",
        {"ScalingPolicies": []},
        {"ServiceNamespace": "sagemaker", "NextToken": "t"},
    )
    found = pages(
        s.wb, "application-autoscaling", "DescribeScalingPolicies", "ScalingPolicies", ServiceNamespace="sagemaker"
    )
    assert list(found) == []


def test_case_of_a_role_that_sagemaker_may_not_assume_says_what_its_trust_policy_must_hold(scripted):
    s = scripted()
    text = (
        "Could not assume role arn:aws:iam::123456789012:role/x. Please ensure that the role exists and allows "
        "principal 'sagemaker.amazonaws.com' to assume the role."
    )
    s.refuses("sagemaker", "create_model", "ValidationException", text)
    with pytest.raises(errors.AwsCallFailed) as caught:
        call(s.wb, "sagemaker", "CreateModel", ModelName="dg")
    assert "dgsm role create" in caught.value.hint
