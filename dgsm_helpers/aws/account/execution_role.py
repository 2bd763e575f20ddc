"""The role that SageMaker assumes for the endpoint: which one it is, and whether SageMaker may assume it."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from dgsm_helpers.aws.core.calls import call
from dgsm_helpers.errors import AccessDenied, InvalidInput, NotFound
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
