"""What AWS denies the caller now, asked of IAM's simulator on the very resources that a deployment would make."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from dgsm_helpers.aws.account import permissions
from dgsm_helpers.aws.core.calls import call, pages
from dgsm_helpers.aws.core.denials import Denial
from dgsm_helpers.aws.endpoint import deployment_plan
from dgsm_helpers.errors import DgsmError
from dgsm_helpers.session import Workbook

_CONTEXT = {
    "iam:PassedToService": "sagemaker.amazonaws.com",
    "iam:AWSServiceName": permissions.SLR_SERVICE,
    "application-autoscaling:service-namespace": "sagemaker",
    "application-autoscaling:scalable-dimension": "sagemaker:variant:DesiredInstanceCount",
}
"""What the calls bring along; without it, what is allowed for one service only reads as denied."""

_SLR = "AWSServiceRoleForApplicationAutoScaling_SageMakerEndpoint"
_ENDINGS = {
    "logs": ":log-stream:AllTraffic/i-0",
    "cloudwatch": "1",
    "application-autoscaling": "1a2b3c4d5e6f",
    "iam": _SLR,
}
"""What stands where a pattern of `permissions.scope` ends in a star."""


def denied_actions(wb: Workbook, caller_arn: str, instance_types: Sequence[str]) -> Mapping[str, Denial]:
    """Those of `permissions.ACTIONS` that the caller may not do, each with what denies it, as far as AWS will say.

    AWS judges the identity's policies, its permissions boundary and the organisation's service control policies; VPC
    endpoints, session policies and resources' own policies may still deny.

    Raises:
        DgsmError: AWS would not say; the simulation itself must be allowed (``iam:SimulatePrincipalPolicy``).
    """
    principal_arn = _principal(wb, caller_arn)
    names = _names_made(wb, instance_types)
    by_resource: dict[str, set[str]] = {}
    for action in {action for step in permissions.ACTIONS.values() for action in step}:
        for resource in _touched(wb, action, principal_arn, names):
            by_resource.setdefault(resource, set()).add(action)
    context = [
        {"ContextKeyName": key, "ContextKeyValues": [value], "ContextKeyType": "string"}
        for key, value in _CONTEXT.items()
    ]
    denied: dict[str, Denial] = {}
    for resource, actions in sorted(by_resource.items()):
        request = {"ActionNames": sorted(actions), "ResourceArns": [resource], "ContextEntries": context}
        results = pages(
            wb, "iam", "SimulatePrincipalPolicy", "EvaluationResults", PolicySourceArn=principal_arn, **request
        )
        for result in results:
            if result["EvalDecision"] != "allowed":
                denied.setdefault(result["EvalActionName"], _denial(result, resource))
    return denied


def _denial(result: Mapping[str, Any], resource: str) -> Denial:
    details = [result, *result.get("ResourceSpecificResults", [])]
    organisation = [d.get("OrganizationsDecisionDetail", {}).get("AllowedByOrganizations", True) for d in details]
    boundary = [
        d.get("PermissionsBoundaryDecisionDetail", {}).get("AllowedByPermissionsBoundary", True) for d in details
    ]
    by_boundary = "identity-based" if all(boundary) else "permissions"
    kind = by_boundary if all(organisation) else "service control"
    explicit = result["EvalDecision"] == "explicitDeny"
    return Denial(result["EvalActionName"], "" if resource == "*" else resource, kind, explicit)


def _names_made(wb: Workbook, instance_types: Sequence[str]) -> Mapping[str, str]:
    """The names that a deployment would make, by the kind of resource, as ARNs have them: in lower case."""
    try:
        plan = deployment_plan.plan(wb, instance_types, single_type_reason="it is what is asked about")
        made = {"model": plan.model_name, "endpoint-config": plan.config_name}
    except DgsmError:
        # What is wrong has a line of its own in the preflight. Names end in eight characters of a hash.
        made = dict.fromkeys(("model", "endpoint-config"), f"{deployment_plan.name_stem(wb.endpoint_name)}-00000000")
    return {kind: name.lower() for kind, name in {**made, "endpoint": wb.endpoint_name}.items()}


def _touched(wb: Workbook, action: str, principal_arn: str, names: Mapping[str, str]) -> list[str]:
    """The resources that the action would touch: a policy narrowed to them denies every other, "*" too.

    None where there is no execution role yet, which has a line of its own in the preflight.
    """
    service, _, operation = action.partition(":")
    if operation == "DescribeModelPackage":
        return [wb.model_package_arn or "*"]
    _, partition, _, _, account, _ = principal_arn.split(":", 5)
    try:
        patterns, _ = permissions.scope(wb, action, partition, account)
    except DgsmError:
        return []
    if patterns == ("*",):
        return ["*"]
    if service == "sagemaker":
        here = patterns[0].rpartition(":")[0]
        return [f"{here}:{kind}/{names[kind]}" for kind in permissions.parts(operation)]
    return [f"{p[:-1]}{_ENDINGS[service]}" if p.endswith("*") else p for p in patterns]


def _principal(wb: Workbook, caller_arn: str) -> str:
    """The ARN that can be simulated: a session's role instead of the session (which drops the role's path)."""
    session = re.fullmatch(r"arn:(aws[a-z-]*):sts::\d{12}:assumed-role/([^/]+)/.+", caller_arn)
    return call(wb, "iam", "GetRole", RoleName=session[2])["Role"]["Arn"] if session else caller_arn
