"""Whether the caller has the actions that each step of the workbook needs, as far as AWS will say."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from dgsm_helpers.aws.account.execution_role import execution_role_arn
from dgsm_helpers.aws.account.iam_actions import ACTIONS, NOT_IN_FULL_ACCESS
from dgsm_helpers.aws.account.preflight_report import Check
from dgsm_helpers.aws.core.calls import call, pages
from dgsm_helpers.aws.watch.logs import group_name
from dgsm_helpers.errors import DgsmError

if TYPE_CHECKING:
    from dgsm_helpers.session import Workbook


def ask(wb: Workbook, caller_arn: str) -> list[Check]:
    """One answer per step; one for all where AWS would not say.

    AWS answers for the identity's own policies and boundary; policies of the organisation may still deny, so a yes is
    only as good as that. The simulation itself must be allowed (``iam:SimulatePrincipalPolicy``), else all is unknown.
    """
    if caller_arn.endswith(":root"):
        return [Check("permissions", "yes", "the account's root user may do anything")]
    try:
        denied = _denied(wb, _principal(wb, caller_arn))
    except DgsmError as error:
        fix = "Allow iam:SimulatePrincipalPolicy, or go on: a missing action is named when it is first refused."
        return [Check("permissions", "unknown", f"AWS would not say: {error.message}", fix)]
    return [_answer(step, actions, denied) for step, actions in ACTIONS.items()]


def _answer(step: str, actions: tuple[str, ...], denied: frozenset[str]) -> Check:
    missing = [action for action in actions if action in denied]
    if not missing:
        return Check(f"permissions: {step}", "yes", f"{len(actions)} actions allowed")
    managed = "" if set(missing) <= NOT_IN_FULL_ACCESS else " (AmazonSageMakerFullAccess covers most of them)"
    listed = ", ".join(missing)
    return Check(f"permissions: {step}", "no", f"not allowed: {listed}", f"Allow {listed}{managed}.")


def _principal(wb: Workbook, caller_arn: str) -> str:
    """The ARN that can be simulated: a session's role instead of the session (which drops the role's path)."""
    session = re.fullmatch(r"arn:(aws[a-z-]*):sts::\d{12}:assumed-role/([^/]+)/.+", caller_arn)
    return call(wb, "iam", "GetRole", RoleName=session[2])["Role"]["Arn"] if session else caller_arn


def _denied(wb: Workbook, principal_arn: str) -> frozenset[str]:
    by_resource: dict[str, set[str]] = {}
    for action in {action for step in ACTIONS.values() for action in step}:
        by_resource.setdefault(_resource(wb, action, principal_arn), set()).add(action)
    # PassRole and the service-linked role are usually allowed for one service only; without this they read as denied.
    context = [
        {"ContextKeyName": key, "ContextKeyValues": [service], "ContextKeyType": "string"}
        for key, service in (
            ("iam:PassedToService", "sagemaker.amazonaws.com"),
            ("iam:AWSServiceName", "sagemaker.application-autoscaling.amazonaws.com"),
        )
    ]
    results = [
        result
        for resource, actions in sorted(by_resource.items())
        for result in pages(
            wb,
            "iam",
            "SimulatePrincipalPolicy",
            "EvaluationResults",
            PolicySourceArn=principal_arn,
            ActionNames=sorted(actions),
            ResourceArns=[resource],
            ContextEntries=context,
        )
    ]
    return frozenset(r["EvalActionName"] for r in results if r["EvalDecision"] != "allowed")


def _resource(wb: Workbook, action: str, principal_arn: str) -> str:
    """The resource the action would touch: a policy scoped to it reads as denied when "*" is asked for instead."""
    service, name = action.split(":")
    partition, account = principal_arn.split(":")[1], principal_arn.split(":")[4]
    here = f"arn:{partition}:{service}:{wb.region}:{account}"
    if action == "iam:PassRole":
        return execution_role_arn(wb)
    if action == "iam:CreateServiceLinkedRole":
        folder = "aws-service-role/sagemaker.application-autoscaling.amazonaws.com"
        role = "AWSServiceRoleForApplicationAutoScaling_SageMakerEndpoint"
        return f"arn:{partition}:iam::{account}:role/{folder}/{role}"
    if service == "logs":
        return f"{here}:log-group:{group_name(wb.endpoint_name)}:*"
    if service != "sagemaker" or name.startswith("List"):
        return "*"
    if "ModelPackage" in name:
        return wb.model_package_arn or "*"
    if "EndpointConfig" in name:
        return f"{here}:endpoint-config/{wb.endpoint_name}"
    return f"{here}:model/{wb.endpoint_name}" if name.endswith("Model") else f"{here}:endpoint/{wb.endpoint_name}"
