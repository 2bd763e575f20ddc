"""Making an execution role: SageMaker may assume it, and it may do what SageMaker needs of it and no more.

Sources: SageMaker guide, "CreateModel API: Execution Role Permissions"; Deepgram's deployment kit for the name. The
guide's list without S3: a Marketplace package's data lie with AWS Marketplace, where no role of a buyer's may read
(assumed).
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from dgsm_helpers.aws.account.execution_role import SAGEMAKER, trusts_sagemaker
from dgsm_helpers.aws.core.calls import call, call_or_none, pages
from dgsm_helpers.errors import DgsmError, InvalidInput
from dgsm_helpers.rules.package_arn import partition_of
from dgsm_helpers.session import Workbook

ROLE_NAME = "deepgram-sagemaker-execution"
"""The name that Deepgram's own scripts give it; one such role serves all endpoints of an account."""
POLICY_NAME = "deepgram-endpoint"
FULL_ACCESS = "AmazonSageMakerFullAccess"
"""The managed policy that Deepgram's manual attaches instead; it allows more."""


@dataclass(frozen=True)
class ExecutionRole:
    """A role that SageMaker may assume. ``made`` says whether it is new."""

    arn: str
    made: bool

    def __str__(self) -> str:
        new = "A role made just now is known to SageMaker after about ten seconds." if self.made else "It was there."
        return f"Execution role {self.arn}. {new}\nPass it as role_arn= to open_workbook()."


def trust_policy() -> dict[str, Any]:
    """Who may assume the role: SageMaker."""
    statement = {"Effect": "Allow", "Principal": {"Service": SAGEMAKER}, "Action": "sts:AssumeRole"}
    return {"Version": "2012-10-17", "Statement": [statement]}


def permissions_policy(region: str) -> dict[str, Any]:
    """What the role may do: write the endpoint's logs and metrics, and fetch the package's image."""
    logs = f"arn:{partition_of(region)}:logs:*:*:log-group:/aws/sagemaker/*"
    pull = ["ecr:BatchCheckLayerAvailability", "ecr:GetDownloadUrlForLayer", "ecr:BatchGetImage"]
    statements = [
        {
            "Effect": "Allow",
            "Action": ["logs:CreateLogGroup", "logs:CreateLogStream", "logs:PutLogEvents", "logs:DescribeLogStreams"],
            "Resource": logs,
        },
        {
            "Effect": "Allow",
            "Action": ["cloudwatch:PutMetricData", "ecr:GetAuthorizationToken", *pull],
            "Resource": "*",
        },
    ]
    return {"Version": "2012-10-17", "Statement": statements}


def described(wb: Workbook, name: str = ROLE_NAME) -> str:
    """What `create_role` would make, to be agreed to."""
    content = {"trust policy": trust_policy(), f"policy {POLICY_NAME}": permissions_policy(wb.region)}
    return f"Role {name} in {wb.place}:\n{json.dumps(content, indent=2)}"


def find_role(wb: Workbook, name: str = ROLE_NAME) -> ExecutionRole | None:
    """The role of that name, when it is there and does; None when there is none.

    Raises:
        InvalidInput: it is there and differs; the message says in what.
        InvalidRequest: it is no name of a role.
    """
    found = call_or_none(wb, "iam", "GetRole", RoleName=name)
    if found is None:
        return None
    if differing := list(_differing(wb, found["Role"])):
        raise InvalidInput(
            f"Role {found['Role']['Arn']} is there and {'; '.join(differing)}.",
            hint="Mend that in IAM, delete the role, or give another name: what others made is not changed here.",
        )
    return ExecutionRole(found["Role"]["Arn"], made=False)


def create_role(wb: Workbook, name: str = ROLE_NAME) -> ExecutionRole:
    """Make the role; one that is there and does is taken as it is.

    Raises:
        InvalidInput, InvalidRequest: as `find_role`; nothing is changed.
        DgsmError: AWS's refusal; a role without its policy is not left behind.
    """
    if (found := find_role(wb, name)) is not None:
        return found
    role = call(
        wb,
        "iam",
        "CreateRole",
        RoleName=name,
        AssumeRolePolicyDocument=json.dumps(trust_policy()),
        Description="SageMaker assumes it for endpoints of Deepgram models. Made by dgsm.",
    )["Role"]
    document = json.dumps(permissions_policy(wb.region))
    try:
        call(wb, "iam", "PutRolePolicy", RoleName=name, PolicyName=POLICY_NAME, PolicyDocument=document)
    except BaseException as error:
        try:
            call(wb, "iam", "DeleteRole", RoleName=name)
        except DgsmError as left:
            error.add_note(f"Role {name} is left behind without its policy ({left.message}).")
        raise
    return ExecutionRole(role["Arn"], made=True)


def _differing(wb: Workbook, role: Mapping[str, Any]) -> Iterator[str]:
    """What keeps a role that is there from being the one wanted."""
    name = role["RoleName"]
    if not trusts_sagemaker(role.get("AssumeRolePolicyDocument") or {}):
        yield f"does not let {SAGEMAKER} assume it"
    attached = pages(wb, "iam", "ListAttachedRolePolicies", "AttachedPolicies", RoleName=name)
    if FULL_ACCESS in {policy["PolicyName"] for policy in attached}:
        return
    own = call_or_none(wb, "iam", "GetRolePolicy", RoleName=name, PolicyName=POLICY_NAME)
    if own is None:
        yield f"has neither the policy {POLICY_NAME} nor {FULL_ACCESS}"
    elif own["PolicyDocument"] != permissions_policy(wb.region):
        yield f"its policy {POLICY_NAME} says something else"
