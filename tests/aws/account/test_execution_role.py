"""Which role SageMaker assumes: the one given, the caller's own, and never one that it cannot assume."""

from __future__ import annotations

import pytest

from dgsm_helpers.aws.account import preflight
from dgsm_helpers.aws.account.execution_role import execution_role_arn, trusts_sagemaker
from dgsm_helpers.errors import AccessDenied, InvalidInput

ACCOUNT = "123456789012"
SSO_NAME = "AWSReservedSSO_Admin_0123456789abcdef"
SSO_SESSION = f"arn:aws:sts::{ACCOUNT}:assumed-role/{SSO_NAME}/user@example.com"
SSO_ROLE = f"arn:aws:iam::{ACCOUNT}:role/aws-reserved/sso.amazonaws.com/eu-west-1/{SSO_NAME}"


def as_caller(scripted, arn, **given):
    s = scripted(role_arn=None, **given)
    s.answers("sts", "get_caller_identity", {"Arn": arn, "Account": ACCOUNT, "UserId": "x"})
    return s


def role_row(name, arn, trust="%7B%7D"):
    return {
        "Role": {
            "Path": "/",
            "RoleName": name,
            "RoleId": "AROA12345678901234567",
            "Arn": arn,
            "CreateDate": "2026-01-01T00:00:00Z",
            "AssumeRolePolicyDocument": trust,
        }
    }


def test_case_of_a_caller_in_an_sso_role_is_told_that_it_cannot_be_an_execution_role(scripted):
    s = as_caller(scripted, SSO_SESSION)
    with pytest.raises(InvalidInput, match="an SSO role cannot be an execution role") as caught:
        execution_role_arn(s.wb)
    assert "role_arn=" in caught.value.hint
    assert "dgsm role create" in caught.value.hint


@pytest.mark.parametrize("arn", [SSO_SESSION, SSO_ROLE, SSO_ROLE.replace("arn:aws:", "arn:aws-cn:")])
def test_case_of_an_sso_role_that_is_given_is_refused_without_a_call(scripted, arn):
    with pytest.raises(InvalidInput, match="an SSO role cannot be an execution role"):
        execution_role_arn(scripted(role_arn=arn).wb)


def test_case_of_the_preflight_in_an_sso_role_says_no_and_does_not_ask_for_a_trust_policy(scripted):
    s = as_caller(scripted, SSO_SESSION)
    found = preflight._role(s.wb)
    assert found.verdict == "no"
    assert "an SSO role cannot be an execution role" in found.detail
    assert "assume it" not in found.fix


@pytest.mark.parametrize(
    "given", ["arn:aws:iam::999999999999:role/service-role/Deepgram", f"arn:aws:iam::{ACCOUNT}:role/Deepgram"]
)
def test_case_of_a_role_of_another_account_or_path_is_not_taken_for_its_namesake(scripted, given):
    s = scripted(role_arn=given)
    here = f"arn:aws:iam::{ACCOUNT}:role/service-role/Deepgram"
    s.answers("iam", "get_role", role_row("Deepgram", here), {"RoleName": "Deepgram"})
    found = preflight._role(s.wb)
    assert (found.verdict, here in found.detail) == ("no", True)


@pytest.mark.parametrize(
    "arn",
    [
        f"arn:aws:iam::{ACCOUNT}:role/Deepgram",
        f"arn:aws:iam::{ACCOUNT}:role/service-role/AmazonSageMaker-ExecutionRole-20260101T000000",
        f"arn:aws-us-gov:iam::{ACCOUNT}:role/team/speech/Deepgram",
    ],
)
def test_role_that_is_given_is_taken_with_its_path(scripted, arn):
    assert execution_role_arn(scripted(role_arn=arn).wb) == arn


@pytest.mark.parametrize("is_given", [True, False])
def test_case_of_a_session_of_a_role_with_a_path_becomes_the_role(scripted, is_given):
    session = f"arn:aws:sts::{ACCOUNT}:assumed-role/Deepgram/SageMaker"
    arn = f"arn:aws:iam::{ACCOUNT}:role/service-role/Deepgram"
    s = scripted(role_arn=session) if is_given else as_caller(scripted, session)
    s.answers("iam", "get_role", role_row("Deepgram", arn), {"RoleName": "Deepgram"})
    assert execution_role_arn(s.wb) == arn


@pytest.mark.parametrize(
    "caller",
    [
        f"arn:aws:iam::{ACCOUNT}:user/team/someone",
        f"arn:aws:iam::{ACCOUNT}:root",
        f"arn:aws:sts::{ACCOUNT}:federated-user/someone",
    ],
)
def test_case_of_a_caller_that_is_no_role_is_told_what_to_pass(scripted, caller):
    with pytest.raises(InvalidInput, match="is no role") as caught:
        execution_role_arn(as_caller(scripted, caller).wb)
    assert "role_arn=" in caught.value.hint


@pytest.mark.parametrize(
    "given",
    [
        "Deepgram",
        f" arn:aws:iam::{ACCOUNT}:role/Deepgram",
        f"arn:aws:iam::{ACCOUNT}:user/Deepgram",
        f"arn:aws:iam::{ACCOUNT}:instance-profile/Deepgram",
        "arn:aws:iam::aws:policy/AmazonSageMakerFullAccess",
    ],
)
def test_case_of_a_role_that_is_no_roles_arn_is_refused(scripted, given):
    with pytest.raises(InvalidInput, match="is not the ARN of a role"):
        execution_role_arn(scripted(role_arn=given).wb)


def test_role_of_the_caller_that_may_not_be_read_is_a_denial(scripted):
    s = as_caller(scripted, f"arn:aws:sts::{ACCOUNT}:assumed-role/Deepgram/x")
    s.refuses("iam", "get_role", "AccessDenied", "User: x is not authorized to perform: iam:GetRole")
    with pytest.raises(AccessDenied, match="iam:GetRole"):
        execution_role_arn(s.wb)


ALLOW = {"Effect": "Allow", "Principal": {"Service": "sagemaker.amazonaws.com"}, "Action": "sts:AssumeRole"}


@pytest.mark.parametrize(
    ("statements", "trusts"),
    [
        (ALLOW, True),
        ([{**ALLOW, "Principal": {"Service": ["ec2.amazonaws.com", "sagemaker.amazonaws.com"]}}], True),
        ([{**ALLOW, "Action": ["sts:AssumeRole", "sts:TagSession"]}], True),
        ([{**ALLOW, "Action": "sts:TagSession"}], False),
        ([{**ALLOW, "Principal": {"Service": "ec2.amazonaws.com"}}], False),
        ([{**ALLOW, "Principal": {"Federated": "arn:aws:iam::123456789012:saml-provider/AWSSSO"}}], False),
        ([ALLOW, {**ALLOW, "Effect": "Deny"}], False),
        ([], False),
    ],
)
def test_trust_in_sagemaker_is_read_from_the_statements(statements, trusts):
    assert trusts_sagemaker({"Statement": statements}) is trusts
