"""The role that SageMaker assumes for the endpoint."""

from dgsm_helpers.aws.core.calls import call
from dgsm_helpers.errors import AccessDenied, InvalidInput, NotFound
from dgsm_helpers.session import Workbook


def execution_role_arn(wb: Workbook) -> str:
    """The role that the workbook was opened with, else the caller's own role.

    Raises:
        InvalidInput: the caller is a user, not a role, and none was given.
        AccessDenied: the caller's role may not be read.
        DgsmError: the caller cannot be asked for (`aws.core.calls.call`).
    """
    if wb.role_arn:
        return wb.role_arn
    caller_arn: str = call(wb, "sts", "GetCallerIdentity")["Arn"]
    if ":assumed-role/" not in caller_arn:
        raise InvalidInput(f"The caller {caller_arn} is not a role.", hint='Pass role_arn="arn:aws:iam::…:role/…".')
    name = caller_arn.split("/")[1]
    try:
        role_arn: str = call(wb, "iam", "GetRole", RoleName=name)["Role"]["Arn"]
    except (AccessDenied, NotFound) as error:
        raise AccessDenied(
            f"The role {name} cannot be read (iam:GetRole).", hint="Pass role_arn=… or allow the action."
        ) from error
    return role_arn
