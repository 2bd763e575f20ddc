"""Which role SageMaker assumes: the one given, the caller's own, and never one that it cannot assume."""

from __future__ import annotations

import itertools
import json
from dataclasses import replace

import pytest

from dgsm_helpers.aws.account import preflight
from dgsm_helpers.aws.account.execution_role import (
    FULL_ACCESS,
    POLICY_NAME,
    ROLE_NAME,
    create_role,
    execution_role_arn,
    permissions_policy,
    trust_policy,
    trusts_sagemaker,
)
from dgsm_helpers.cli.account_commands import role_create
from dgsm_helpers.errors import AccessDenied, InvalidInput, InvalidRequest

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


OTHER = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": ["s3:GetObject"], "Resource": "*"}]}
_numbers = itertools.count(1)


@pytest.fixture
def name():
    return f"dgsm-role-{next(_numbers)}"


def roles(wb):
    return {role["RoleName"] for role in wb.client("iam").list_roles(MaxItems=1000)["Roles"]}


def test_role_that_is_made_trusts_sagemaker_and_may_log_count_and_pull_and_no_more(workbook, name):
    wb = workbook()
    made = create_role(wb, name)
    assert made.made
    role = wb.client("iam").get_role(RoleName=name)["Role"]
    assert role["AssumeRolePolicyDocument"] == trust_policy()
    policy = wb.client("iam").get_role_policy(RoleName=name, PolicyName=POLICY_NAME)["PolicyDocument"]
    actions = {action for statement in policy["Statement"] for action in statement["Action"]}
    assert not [action for action in actions if "*" in action]
    assert {action.partition(":")[0] for action in actions} == {"logs", "cloudwatch", "ecr"}
    checked = preflight._role(replace(wb, role_arn=made.arn))
    assert checked.verdict == "yes"


def test_role_is_made_once_and_then_taken_as_it_is(workbook, name):
    wb = workbook()
    first = create_role(wb, name)
    again = create_role(wb, name)
    assert (again.arn, again.made) == (first.arn, False)


def test_role_with_the_manuals_managed_policy_is_taken_as_it_is(workbook, name):
    wb = workbook()
    iam = wb.client("iam")
    iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(trust_policy()))
    arn = iam.create_policy(PolicyName=FULL_ACCESS, PolicyDocument=json.dumps(permissions_policy(wb.region)))
    iam.attach_role_policy(RoleName=name, PolicyArn=arn["Policy"]["Arn"])
    assert not create_role(wb, name).made


@pytest.mark.parametrize(
    ("trust", "policy", "said"),
    [
        ("ec2.amazonaws.com", None, "does not let sagemaker.amazonaws.com assume it"),
        ("sagemaker.amazonaws.com", None, f"has neither the policy {POLICY_NAME}"),
        ("sagemaker.amazonaws.com", OTHER, "says something else"),
    ],
)
def test_case_of_a_role_that_is_half_there_is_refused_with_what_differs_and_left_alone(
    workbook, name, trust, policy, said
):
    wb = workbook()
    iam = wb.client("iam")
    iam.create_role(
        RoleName=name, AssumeRolePolicyDocument=json.dumps(trust_policy()).replace("sagemaker.amazonaws.com", trust)
    )
    if policy:
        iam.put_role_policy(RoleName=name, PolicyName=POLICY_NAME, PolicyDocument=json.dumps(policy))
    with pytest.raises(InvalidInput, match=said):
        create_role(wb, name)
    kept = iam.list_role_policies(RoleName=name)["PolicyNames"]
    assert kept == ([POLICY_NAME] if policy else [])


def test_case_of_a_role_whose_policy_is_denied_leaves_no_role_behind(workbook, operator, name):
    wb = workbook()
    operator.fault("denied", service="iam", operation="PutRolePolicy")
    with pytest.raises(AccessDenied, match="iam:PutRolePolicy"):
        create_role(wb, name)
    assert name not in roles(wb)


def test_case_of_a_role_whose_policy_and_removal_are_denied_says_what_is_left(workbook, operator, name):
    wb = workbook()
    operator.fault("denied", service="iam", operation="PutRolePolicy")
    operator.fault("denied", service="iam", operation="DeleteRole")
    with pytest.raises(AccessDenied) as caught:
        create_role(wb, name)
    assert f"Role {name} is left behind" in caught.value.__notes__[0]


def test_name_that_no_role_can_have_is_refused(workbook):
    with pytest.raises(InvalidRequest):
        create_role(workbook(), "a name with blanks")


def test_logs_of_another_partition_are_named_there():
    assert permissions_policy("cn-north-1")["Statement"][0]["Resource"].startswith("arn:aws-cn:logs:")


def test_the_verb_offers_the_name_of_deepgrams_own_scripts():
    assert next(p for p in role_create.params if p.name == "name").default == ROLE_NAME
