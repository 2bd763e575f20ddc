"""A denial is told by the policy that denies, and each says who can lift it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dgsm_helpers.aws.core.calls import call
from dgsm_helpers.aws.core.denials import next_step, read_denial
from dgsm_helpers.errors import AccessDenied

USER = "User: arn:aws:sts::123456789012:assumed-role/AWSReservedSSO_Admin_0123456789abcdef/someone@example.com"
MODEL = "arn:aws:sagemaker:us-east-1:123456789012:model/dg-0a1b2c3d"
REFUSED = f"{USER} is not authorized to perform: sagemaker:CreateModel"

# AWS's own words (IAM user guide, "Troubleshoot access denied error messages"), and what must and must not be said.
CASES = {
    "an organisation's explicit deny": (
        f"{REFUSED} with an explicit deny in a service control policy",
        "Your organisation denies sagemaker:CreateModel",
    ),
    "an organisation's explicit deny, named": (
        f"{REFUSED} on resource: {MODEL} with an explicit deny in a service control policy: "
        "arn:aws:organizations::111122223333:policy/o-abc/service_control_policy/p-def",
        "arn:aws:organizations::111122223333:policy/o-abc/service_control_policy/p-def",
    ),
    "an organisation that allows too little": (
        f"{REFUSED} because no service control policy allows the sagemaker:CreateModel action",
        "Your organisation does not allow sagemaker:CreateModel",
    ),
    "an organisation's rule about resources": (
        f"{REFUSED} on resource: {MODEL} with an explicit deny in a resource control policy",
        "resource control policy",
    ),
    "a boundary that leaves it out": (
        f"{REFUSED} on resource: {MODEL} because no permissions boundary allows the sagemaker:CreateModel action",
        "The permissions boundary of this identity leaves sagemaker:CreateModel",
    ),
    "a boundary that denies": (f"{REFUSED} with an explicit deny in a permissions boundary", "boundary of this"),
    "a VPC endpoint that leaves it out": (
        f"{REFUSED} because no VPC endpoint policy allows the sagemaker:CreateModel action",
        "The policy of the VPC endpoint",
    ),
    "a VPC endpoint that denies": (f"{REFUSED} with an explicit deny in a VPC endpoint policy", "VPC endpoint"),
    "a session that leaves it out": (
        f"{REFUSED} because no session policy allows the sagemaker:CreateModel action",
        "sign in again",
    ),
    "a session that denies, as AWS's page writes it": (
        f"{REFUSED} with an explicit deny in a sessions policy",
        "sign in again",
    ),
    "a resource's own policy": (
        f"{REFUSED} because no resource-based policy allows the sagemaker:CreateModel action",
        "its owner must",
    ),
    "a role's trust": (
        f"{USER} is not authorized to perform: sts:AssumeRole with an explicit deny in the role trust policy",
        "trust policy denies this identity",
    ),
    "the identity's own deny": (
        f"{REFUSED} with an explicit deny in an identity-based policy: arn:aws:iam::123456789012:policy/team/NoModels",
        "outweighs",
    ),
    "a deny of no named kind": (f"{REFUSED} with an explicit deny", "AWS does not say by which policy"),
}
PERMITTING = "Allow sagemaker:CreateModel"


@pytest.mark.parametrize("case", CASES)
def test_case_of_a_denial_names_the_policy_and_not_a_permission_that_would_not_help(case):
    text, said = CASES[case]
    assert said in next_step(text, "sagemaker:CreateModel")
    assert PERMITTING not in next_step(text, "sagemaker:CreateModel")
    assert next_step(text.replace(" ", "\n   "), "sagemaker:CreateModel") == next_step(text, "sagemaker:CreateModel")


@pytest.mark.parametrize(
    "text",
    [
        REFUSED,
        f"{REFUSED} on resource: {MODEL} because no identity-based policy allows the sagemaker:CreateModel action",
        "Access denied",
    ],
)
def test_case_of_a_missing_permission_names_the_action_to_allow(text):
    step = next_step(text, "sagemaker:CreateModel")
    assert step.startswith(PERMITTING)
    assert (MODEL in step) is (MODEL in text)


def test_case_of_a_missing_pass_role_names_the_role_and_the_action_behind_the_call():
    text = (
        f"{USER} is not authorized to perform: iam:PassRole on resource: arn:aws:iam::123456789012:role/path/Deepgram "
        "because no identity-based policy allows the iam:PassRole action"
    )
    assert next_step(text, "sagemaker:CreateModel") == (
        "Allow iam:PassRole on arn:aws:iam::123456789012:role/path/Deepgram for this identity."
    )


def test_case_of_an_encoded_denial_says_how_to_read_it():
    text = "You are not authorized to perform this operation. Encoded authorization failure message: 0aBcD_-9"
    assert "aws sts decode-authorization-message" in next_step(text, "ec2:DescribeSubnets")


def test_case_of_a_missing_subscription_is_no_matter_of_permissions():
    text = "User: arn:aws:iam::123456789012:user/x Caller is not subscribed to the marketplace offering."
    assert next_step(text, "sagemaker:CreateModel").startswith("Subscribe to the listing")


@given(st.text())
def test_any_text_of_a_denial_is_told_in_a_sentence(text):
    assert next_step(text, "sagemaker:CreateModel").endswith((".", "…"))
    assert read_denial(text, "sagemaker:CreateModel").action


@pytest.mark.parametrize("code", ["AccessDeniedException", "UnauthorizedOperation", "ValidationException"])
def test_case_of_an_organisations_denial_reaches_the_caller_whatever_its_code(scripted, code):
    s = scripted()
    s.refuses("sagemaker", "create_model", code, CASES["an organisation's explicit deny"][0])
    with pytest.raises(AccessDenied) as caught:
        call(s.wb, "sagemaker", "CreateModel", ModelName="dg")
    assert caught.value.hint.startswith("Your organisation denies sagemaker:CreateModel")
