"""What the caller must be allowed to do: a least-privilege IAM policy for each notebook."""

import tomllib
from collections.abc import Iterable, Mapping
from importlib.resources import files
from typing import Any

from dgsm_helpers.aws.account.execution_role import execution_role_arn
from dgsm_helpers.aws.account.inventory import dashboard_prefix
from dgsm_helpers.aws.core.calls import call
from dgsm_helpers.aws.endpoint.deployment_plan import name_stem
from dgsm_helpers.aws.watch.logs import group_name
from dgsm_helpers.errors import InvalidInput
from dgsm_helpers.rules.names import alarm_prefix
from dgsm_helpers.rules.package_arn import require_usable_arn
from dgsm_helpers.session import Workbook

_TABLE = tomllib.loads((files("dgsm_helpers") / "data" / "iam_actions.toml").read_text(encoding="utf-8"))
_ACTIONS = _TABLE["actions"]

ACTIONS: Mapping[str, tuple[str, ...]] = {
    step: tuple(action["name"] for action in _ACTIONS if action["step"] == step)
    for step in dict.fromkeys(action["step"] for action in _ACTIONS if action["step"])
}
"""The actions of each step of the preflight."""

NOT_IN_FULL_ACCESS = frozenset(action["name"] for action in _ACTIONS if not action.get("managed", True))
"""What the managed policy ``AmazonSageMakerFullAccess`` does not allow."""

NOTEBOOK_CALLS: Mapping[str, tuple[str, ...]] = {
    notebook: tuple(sorted(action["name"] for action in _ACTIONS if notebook[:2] in action["notebooks"].split()))
    for notebook in _TABLE["notebooks"]
}
"""The actions that each notebook calls when it runs alone on a fresh endpoint (the caller's identity aside)."""

BEHIND: Mapping[str, list[str]] = _TABLE["behind"]
"""What AWS checks beside an action that is called, or what the same step calls in some runs only."""

SLR_SERVICE = "sagemaker.application-autoscaling.amazonaws.com"
"""The service whose own role changes the instance count."""


def with_those_behind(actions: Iterable[str]) -> set[str]:
    """The actions and what AWS checks beside them."""
    called = set(actions)
    return called | {other for action in called for other in BEHIND.get(action, ())}


def actions_of(notebook: str) -> tuple[str, ...]:
    """All actions that a notebook needs, sorted. Raises InvalidInput: there is no such notebook."""
    if notebook not in NOTEBOOK_CALLS:
        raise InvalidInput(f"There is no notebook {notebook!r}.", hint=f"Give one of {', '.join(NOTEBOOK_CALLS)}.")
    sometimes = {action["name"] for action in _ACTIONS if notebook[:2] in action.get("sometimes", "").split()}
    return tuple(sorted(with_those_behind({*NOTEBOOK_CALLS[notebook], *sometimes})))


def policy_document(wb: Workbook, notebook: str) -> dict[str, Any]:
    """The IAM policy under which the notebook runs for the workbook's endpoint, narrowed to that endpoint's resources.

    Raises:
        InvalidInput: there is no such notebook, or the workbook's listing is no model package ARN.
    """
    caller = call(wb, "sts", "GetCallerIdentity")
    return narrowed_policy(wb, notebook, partition=caller["Arn"].split(":")[1], account=caller["Account"])


def narrowed_policy(wb: Workbook, notebook: str, *, partition: str, account: str) -> dict[str, Any]:
    """`policy_document` for an account that is named, which nobody has to be asked for."""
    by_scope: dict[Scope, list[str]] = {}
    for action in actions_of(notebook):
        by_scope.setdefault(scope(wb, action, partition, account), []).append(action)
    return {"Version": "2012-10-17", "Statement": [_statement(a, *on) for on, a in sorted(by_scope.items())]}


# The resources of an action, and a condition's key and value where there is one.
type Scope = tuple[tuple[str, ...], tuple[str, ...]]


def _statement(actions: Iterable[str], resources: tuple[str, ...], condition: tuple[str, ...]) -> dict[str, Any]:
    statement: dict[str, Any] = {"Effect": "Allow", "Action": list(actions), "Resource": list(resources)}
    if condition:
        key, value = condition
        statement["Condition"] = {"StringEquals": {key: value}}
    return statement


def scope(wb: Workbook, action: str, partition: str, account: str) -> Scope:
    """What AWS can narrow an action to (Service Authorization Reference); "*" where it knows no resource for it."""
    service, _, name = action.partition(":")
    here = f"arn:{partition}:{service}:{wb.region}:{account}"
    if service == "iam":
        return _iam_scope(wb, name, partition, account)
    if service == "logs" and name != "DescribeLogGroups":
        return (f"{here}:log-group:{group_name(wb.endpoint_name)}*",), ()
    if service == "application-autoscaling" and not name.startswith("Describe"):
        # A target's ARN ends in an id that AWS makes up, so that only the namespace tells one from another.
        condition = () if name.endswith("Resource") else ("application-autoscaling:service-namespace", "sagemaker")
        return (f"{here}:scalable-target/*",), condition
    if service == "cloudwatch" and name in ("PutMetricAlarm", "DeleteAlarms", "DescribeAlarmHistory", "TagResource"):
        stems = (f"TargetTracking-endpoint/{wb.endpoint_name}/", alarm_prefix(wb.endpoint_name))
        return tuple(f"{here}:alarm:{stem}*" for stem in stems), ()
    if service == "cloudwatch" and name.endswith(("Dashboard", "DeleteDashboards")):
        return (f"arn:{partition}:cloudwatch::{account}:dashboard/{dashboard_prefix(wb)}*",), ()
    if service != "sagemaker" or name in ("ListEndpoints", "ListEndpointConfigs", "ListModels"):
        return ("*",), ()
    if name == "DescribeModelPackage":
        return (require_usable_arn(wb.model_package_arn, wb.region) if wb.model_package_arn else "*",), ()
    # SageMaker writes names in ARNs in lower case; the workbook's second endpoint of 01_deploy begins alike.
    stem = name_stem(wb.endpoint_name).lower()
    return tuple(f"{here}:{part}/{stem}*" for part in parts(name)), ()


def _iam_scope(wb: Workbook, name: str, partition: str, account: str) -> Scope:
    if name == "PassRole":
        return (execution_role_arn(wb),), ("iam:PassedToService", "sagemaker.amazonaws.com")
    if name == "CreateServiceLinkedRole":
        role = f"arn:{partition}:iam::{account}:role/aws-service-role/{SLR_SERVICE}/*"
        return (role,), ("iam:AWSServiceName", SLR_SERVICE)
    return ((execution_role_arn(wb),) if name == "GetRole" else ("*",)), ()


def parts(operation: str) -> tuple[str, ...]:
    """The kinds of resource, as ARNs name them, that a SageMaker operation is checked on."""
    if operation.endswith("Tags"):
        return ("endpoint", "endpoint-config", "model")
    if operation.endswith("EndpointConfig"):
        return ("endpoint-config",)
    if operation.endswith("Model"):
        return ("model",)
    return ("endpoint", "endpoint-config") if operation in ("CreateEndpoint", "UpdateEndpoint") else ("endpoint",)
