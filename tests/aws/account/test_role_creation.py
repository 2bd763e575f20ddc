"""An execution role is made whole or not at all, and what is there is taken or left alone."""

from __future__ import annotations

import itertools
import json
from dataclasses import replace

import pytest

from dgsm_helpers.aws.account import preflight
from dgsm_helpers.aws.account.role_creation import (
    FULL_ACCESS,
    POLICY_NAME,
    ROLE_NAME,
    create_role,
    permissions_policy,
    trust_policy,
)
from dgsm_helpers.cli.account_commands import role_create
from dgsm_helpers.errors import AccessDenied, InvalidInput, InvalidRequest

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
