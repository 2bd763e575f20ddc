"""What the caller must be allowed: the table holds what the code calls, a notebook's policy what that notebook calls.

A policy also names what AWS checks behind those calls, and is narrowed to the notebook's endpoint. That it is neither
more nor less than what the notebook calls is tried where the notebooks run, in `tests/notebooks/test_committed.py`.
"""

from __future__ import annotations

import fnmatch
import json
import re
from dataclasses import replace
from pathlib import Path

import botocore.session
import pytest
from moto.iam.aws_managed_policies import aws_managed_policies_data

from dgsm_helpers import aws
from dgsm_helpers.aws.account import permissions
from dgsm_helpers.aws.account.execution_role import execution_role_arn
from dgsm_helpers.aws.account.permissions import (
    ACTIONS,
    BEHIND,
    NOT_IN_FULL_ACCESS,
    NOTEBOOK_CALLS,
    actions_of,
    policy_document,
)
from dgsm_helpers.errors import InvalidInput
from dgsm_helpers.rules.call_effects import IAM_PREFIX

NOTEBOOKS = Path(__file__).parents[3] / "notebooks"
PREFIX = {
    "sagemaker-runtime": "sagemaker",
    "service-quotas": "servicequotas",
    "resourcegroupstaggingapi": "tag",
    "marketplace-agreement": "aws-marketplace",
}
NEEDS_NO_LISTING = {"sts:GetCallerIdentity", "iam:SimulatePrincipalPolicy"}
LISTED = {action for step in ACTIONS.values() for action in step}
NO_OPERATION = {"PassRole", "InvokeEndpointWithBidirectionalStream", "QueryMetrics"}
"""A permission without a call; calls that boto3 does not have."""
ASKED_OF_IAM = {"iam:SimulatePrincipalPolicy"}
LOOKS = {
    "DescribeAlarms",
    "DescribeLogGroups",
    "DescribeScalableTargets",
    "DescribeScalingActivities",
    "DescribeScalingPolicies",
    "DescribeScheduledActions",
    "GetMetricData",
    "GetOTelEnrichment",
    "GetProducts",
    "GetResources",
    "ListDashboards",
    "ListEndpointConfigs",
    "ListEndpoints",
    "ListMetrics",
    "ListModels",
    "ListServiceQuotas",
    "QueryMetrics",
    "SimulatePrincipalPolicy",
}


def called() -> set[str]:
    """Every operation named in the package's calls, as an IAM action."""
    found = set()
    for file in Path(aws.__file__).parent.rglob("*.py"):
        source = re.sub(r"\bSERVICE\b(?! =)", '"application-autoscaling"', file.read_text())
        pattern = r'(?:call|pages|translated|_gone)\(\s*(?:wb,\s*)?"([a-z-]+)",\s*"([A-Z]\w+)"'
        found |= {f"{PREFIX.get(service, service)}:{operation}" for service, operation in re.findall(pattern, source)}
    return found


def test_every_call_is_in_the_lists():
    assert len(called()) > 20
    assert called() - NEEDS_NO_LISTING <= {action["name"] for action in permissions._ACTIONS}


@pytest.mark.parametrize("action", sorted(LISTED))
def test_what_the_managed_policy_lacks_is_known(action):
    document = json.loads(aws_managed_policies_data)["AmazonSageMakerFullAccess"]["Document"]
    allowed = [a for s in document["Statement"] if s["Effect"] == "Allow" for a in _as_list(s["Action"])]
    is_covered = any(fnmatch.fnmatch(action.lower(), pattern.lower()) for pattern in allowed)
    assert is_covered is (action not in NOT_IN_FULL_ACCESS)


def _as_list(value):
    return [value] if isinstance(value, str) else value


def test_every_notebook_has_a_policy():
    assert set(NOTEBOOK_CALLS) == {path.stem for path in NOTEBOOKS.glob("*.ipynb")}


@pytest.mark.parametrize("name", NOTEBOOK_CALLS)
def test_policy_names_only_actions_that_the_preflight_knows_and_each_once(name):
    actions = actions_of(name)
    known = {action for step in ACTIONS.values() for action in step} | ASKED_OF_IAM
    assert set(actions) <= known
    assert len(actions) == len(set(actions))
    assert list(NOTEBOOK_CALLS[name]) == sorted(set(NOTEBOOK_CALLS[name]))


@pytest.mark.parametrize("name", NOTEBOOK_CALLS)
def test_policy_document_is_narrowed_to_the_endpoint_and_complete(workbook, name):
    wb = replace(workbook(endpoint_name="Dg-Policy"), role_arn="arn:aws:iam::123456789012:role/Endpoint")
    document = policy_document(wb, name)
    granted = [action for statement in document["Statement"] for action in statement["Action"]]
    assert sorted(granted) == list(actions_of(name))
    assert not any("*" in action for action in granted)
    assert len(json.dumps(document)) < 6144  # IAM's limit of a managed policy
    for statement in document["Statement"]:
        if statement["Resource"] == ["*"]:
            # On all resources it may look, and no more.
            assert {action.partition(":")[2] for action in statement["Action"]} <= LOOKS
        else:
            assert all(arn.startswith("arn:aws:") for arn in statement["Resource"])
        if "iam:PassRole" in statement["Action"]:
            assert statement["Action"] == ["iam:PassRole"]
            assert statement["Condition"]["StringEquals"] == {"iam:PassedToService": "sagemaker.amazonaws.com"}
            assert statement["Resource"] == [execution_role_arn(wb)]
        if "application-autoscaling:RegisterScalableTarget" in statement["Action"]:
            assert statement["Condition"]["StringEquals"] == {"application-autoscaling:service-namespace": "sagemaker"}
        if "cloudwatch:DeleteAlarms" in statement["Action"]:
            assert (
                "arn:aws:cloudwatch:us-east-1:123456789012:alarm:TargetTracking-endpoint/Dg-Policy/*"
                in (statement["Resource"])
            )
        if "sagemaker:DeleteEndpoint" in statement["Action"]:
            assert statement["Resource"] == ["arn:aws:sagemaker:us-east-1:123456789012:endpoint/dg-policy*"]


@pytest.mark.parametrize("name", NOTEBOOK_CALLS)
def test_policy_names_operations_that_the_services_have(name):
    session = botocore.session.get_session()
    prefixes = {prefix: service for service, prefix in IAM_PREFIX.items() if service != "sagemaker-runtime"}
    for action in actions_of(name):
        prefix, _, operation = action.partition(":")
        names = set(session.get_service_model(prefixes.get(prefix, prefix)).operation_names)
        names |= set(session.get_service_model("sagemaker-runtime").operation_names) if prefix == "sagemaker" else set()
        assert operation in names | NO_OPERATION, action


def test_policy_of_an_unknown_notebook_is_refused(workbook):
    with pytest.raises(InvalidInput, match="01_deploy"):
        policy_document(workbook(), "07_dance")


def test_what_is_behind_an_action_belongs_to_an_action_that_is_called():
    called = {action for calls in NOTEBOOK_CALLS.values() for action in calls}
    assert set(BEHIND) <= called


def test_case_of_a_listing_that_is_no_arn_is_refused_by_the_policy(workbook):
    wb = replace(workbook(), model_package_arn="prodview-abc123")
    with pytest.raises(InvalidInput, match="'prodview-abc123' is no model package ARN"):
        policy_document(wb, "00_start_here")
