"""The role that SageMaker assumes for the endpoint: which one it is, whether SageMaker may assume it, and making one.

A role made here may do what SageMaker needs of it and no more. Sources: SageMaker guide, "CreateModel API: Execution
Role Permissions"; Deepgram's deployment kit for the name. The guide's list without S3: a Marketplace package's data lie
with AWS Marketplace, where no role of a buyer's may read (assumed).
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from dgsm_helpers.aws.core.calls import call, call_or_none, pages
from dgsm_helpers.errors import AccessDenied, DgsmError, InvalidInput, NotFound
from dgsm_helpers.rules.package_arn import partition_of
from dgsm_helpers.session import Workbook

SAGEMAKER = "sagemaker.amazonaws.com"
"""The service that assumes it, in every partition."""

_ROLE = re.compile(r"arn:aws[a-z-]*:iam::\d{12}:role/(?:[!-~]+/)?(?P<name>[\w+=,.@-]{1,64})", re.ASCII)
_SESSION = re.compile(r"arn:aws[a-z-]*:sts::\d{12}:assumed-role/(?P<name>[\w+=,.@-]{1,64})/.+", re.ASCII)
_SSO = "AWSReservedSSO_"
"""How IAM Identity Center names the roles it makes; their trust policy cannot be changed (its user guide)."""
_GIVE = (
    'Pass role_arn="arn:aws:iam::<account>:role/<name>" to open_workbook(); `dgsm role create` makes such a role where '
    "there is none."
)


def execution_role_arn(wb: Workbook) -> str:
    """The role that the workbook was opened with, else the caller's own role; of a session, the role behind it.

    Raises:
        InvalidInput: what was given is not a role's ARN; none was given and the caller is no role; or it is a role of
            IAM Identity Center (SSO), which SageMaker cannot assume.
        AccessDenied: the caller's role may not be read.
        DgsmError: the caller cannot be asked for (`aws.core.calls.call`).
    """
    arn: str = wb.role_arn or call(wb, "sts", "GetCallerIdentity")["Arn"]
    role, session = _ROLE.fullmatch(arn), _SESSION.fullmatch(arn)
    named = role or session
    if not named:
        said = f"role_arn is {arn!r}, which is not the ARN of a role" if wb.role_arn else f"The caller {arn} is no role"
        raise InvalidInput(f"{said}.", hint=_GIVE)
    if named["name"].startswith(_SSO):
        raise InvalidInput(
            f"{named['name']} is a role of IAM Identity Center (SSO): an SSO role cannot be an execution role, since "
            f"SageMaker may not assume it and its trust policy cannot be changed.",
            hint=_GIVE,
        )
    return arn if role else _role_of_session(wb, named["name"])


def role_name(arn: str) -> str:
    """The name in a role's ARN, without its path."""
    return arn.rpartition("/")[2]


def _role_of_session(wb: Workbook, name: str) -> str:
    """The ARN of a session's role, whose path the session's own ARN leaves out."""
    try:
        return str(call(wb, "iam", "GetRole", RoleName=name)["Role"]["Arn"])
    except (AccessDenied, NotFound) as error:
        raise AccessDenied(
            f"The role {name} cannot be read (iam:GetRole).", hint="Pass role_arn=… or allow the action."
        ) from error


def trusts_sagemaker(document: Mapping[str, Any]) -> bool:
    """Whether a trust policy lets SageMaker assume the role: a statement allows it and none denies it.

    Conditions are not judged.
    """
    effects = {statement["Effect"] for statement in _about_sagemaker(document)}
    return effects == {"Allow"}


def _about_sagemaker(document: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    for statement in _as_list(document.get("Statement", [])):
        principal = statement.get("Principal", {})
        services = ["*"] if principal == "*" else _as_list(principal.get("Service", []))
        actions = {str(action).lower() for action in _as_list(statement.get("Action", []))}
        if {SAGEMAKER, "*"} & set(services) and actions & {"sts:assumerole", "sts:*", "*"}:
            yield statement


def _as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


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
