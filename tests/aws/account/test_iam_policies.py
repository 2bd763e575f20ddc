"""The policy of each notebook: exactly what it calls and what AWS checks behind that, narrowed to its endpoint."""

from __future__ import annotations

import json
from dataclasses import replace

import botocore.session
import pytest
from kit.notebook_calls import NOTEBOOKS, actions_called_by

from dgsm_helpers import local
from dgsm_helpers.aws.account.execution_role import execution_role_arn
from dgsm_helpers.aws.account.iam_actions import ACTIONS, BEHIND, NOTEBOOK_CALLS
from dgsm_helpers.aws.account.iam_policies import actions_of, policy_document
from dgsm_helpers.aws.core.calls import IAM_PREFIX
from dgsm_helpers.errors import InvalidInput

ALWAYS_ALLOWED = {"sts:GetCallerIdentity"}
NO_OPERATION = {"PassRole", "InvokeEndpointWithBidirectionalStream"}
"""A permission without a call; a call that boto3 does not have."""
ASKED_OF_IAM = {"iam:SimulatePrincipalPolicy"}
LOOKS = {
    "DescribeAlarms",
    "DescribeLogGroups",
    "DescribeScalableTargets",
    "DescribeScalingActivities",
    "DescribeScalingPolicies",
    "DescribeScheduledActions",
    "GetMetricData",
    "GetProducts",
    "GetResources",
    "ListDashboards",
    "ListEndpointConfigs",
    "ListMetrics",
    "ListModels",
    "ListServiceQuotas",
    "SimulatePrincipalPolicy",
}


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


@pytest.fixture(scope="module")
def fast(tmp_path_factory):
    """A fresh embedded AWS for the notebooks, so that each makes what it needs itself."""
    home = tmp_path_factory.mktemp("notebooks")
    local.up(home, speed=120)
    yield home
    local.down(home)


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("name", NOTEBOOK_CALLS)
def test_policy_is_neither_more_nor_less_than_what_the_notebook_calls(fast, name):
    # Clean-up has something to clean up: what the one before it left.
    endpoint = "dg-06" if name == "99_clean_up" else f"dg-{name[:2]}"
    called = actions_called_by(name, fast, endpoint_name=endpoint) - ALWAYS_ALLOWED
    assert called <= set(actions_of(name)), "less than it calls"
    assert set(NOTEBOOK_CALLS[name]) <= called, "more than it calls"
