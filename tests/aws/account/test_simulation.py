"""What is asked of IAM's simulator is what a deployment would touch, and what the product's own policies allow."""

from __future__ import annotations

import fnmatch
from dataclasses import replace

import pytest
from botocore.awsrequest import AWSResponse
from hypothesis import given
from hypothesis import strategies as st

from dgsm_helpers.aws.account import permissions, preflight, simulation
from dgsm_helpers.aws.account.execution_role import execution_role_arn
from dgsm_helpers.aws.account.permissions import ACTIONS
from dgsm_helpers.aws.core import money
from dgsm_helpers.aws.endpoint import deployment_plan
from dgsm_helpers.session import open_workbook

USER = "arn:aws:iam::123456789012:user/someone"
POOL = ("ml.g6.2xlarge", "ml.g5.2xlarge")
HERE = "arn:aws:sagemaker:us-east-1:123456789012"


@pytest.fixture
def asked(scripted, monkeypatch):
    """A workbook on ``MyEndpoint`` whose IAM simulates what ``decide(action)`` says, and what it was asked."""
    requests: list[dict] = []
    monkeypatch.setattr(money, "prices_of", lambda *_: ())

    def make(decide):
        s = scripted(endpoint_name="MyEndpoint")

        def answer(**_):
            results = [{"EvalActionName": action, **decide(action)} for action in requests[-1]["ActionNames"]]
            return AWSResponse("", 200, {}, None), {"EvaluationResults": results, "IsTruncated": False}

        events = s.wb.client("iam").meta.events
        events.register(
            "provide-client-params.iam.SimulatePrincipalPolicy", lambda params, **_: requests.append(params)
        )
        events.register("before-call.iam.SimulatePrincipalPolicy", answer)
        return s.wb

    make.requests = requests
    return make


def asked_of(requests, action):
    return [arn for request in requests if action in request["ActionNames"] for arn in request["ResourceArns"]]


def test_case_of_capitals_in_a_name_is_asked_as_aws_writes_it_and_for_the_names_really_made(asked):
    wb = asked(lambda _: {"EvalDecision": "allowed"})
    rows = preflight.permission_checks(wb, USER, POOL)
    assert {row.verdict for row in rows} == {"yes"}
    plan = deployment_plan.plan(wb, POOL)
    model, config = f"{HERE}:model/{plan.model_name.lower()}", f"{HERE}:endpoint-config/{plan.config_name.lower()}"
    assert asked_of(asked.requests, "sagemaker:CreateModel") == [model]
    assert asked_of(asked.requests, "sagemaker:CreateEndpointConfig") == [config]
    assert asked_of(asked.requests, "sagemaker:CreateEndpoint") == [config, f"{HERE}:endpoint/myendpoint"]
    assert asked_of(asked.requests, "iam:PassRole") == [execution_role_arn(wb)]
    assert asked_of(asked.requests, "cloudwatch:DescribeAlarms") == ["*"]


def test_permissions_that_are_missing_are_named_by_step(asked):
    wb = asked(
        lambda action: {
            "EvalDecision": "implicitDeny" if action in ("iam:PassRole", "sagemaker:CreateEndpoint") else "allowed"
        }
    )
    rows = {answer.name: (answer.verdict, answer.fix) for answer in preflight.permission_checks(wb, USER, POOL)}
    assert rows["permissions: deploy"] == (
        "no",
        "Allow sagemaker:CreateEndpoint, iam:PassRole for this identity. AmazonSageMakerFullAccess covers most of what "
        "an identity needs.",
    )
    assert rows["permissions: scaling"][0] == "yes"


def test_case_of_a_caller_in_an_sso_role_is_asked_about_everything_but_the_role_there_is_not(asked):
    name = "AWSReservedSSO_Admin_0123456789abcdef"
    wb = asked(lambda _: {"EvalDecision": "allowed"})
    wb = replace(wb, role_arn=f"arn:aws:iam::123456789012:role/aws-reserved/sso.amazonaws.com/{name}")
    rows = preflight.permission_checks(wb, USER, POOL)
    assert {row.verdict for row in rows} == {"yes"}
    assert asked_of(asked.requests, "iam:PassRole") == []
    assert f"{HERE}:endpoint/myendpoint" in asked_of(asked.requests, "sagemaker:CreateEndpoint")


def test_case_of_an_organisation_or_a_boundary_that_denies_is_told_by_the_preflight(asked):
    answers = {
        "sagemaker:CreateModel": {
            "EvalDecision": "explicitDeny",
            "OrganizationsDecisionDetail": {"AllowedByOrganizations": False},
        },
        "cloudwatch:PutMetricAlarm": {
            "EvalDecision": "implicitDeny",
            "PermissionsBoundaryDecisionDetail": {"AllowedByPermissionsBoundary": False},
        },
    }
    wb = asked(lambda action: answers.get(action, {"EvalDecision": "allowed"}))
    rows = {answer.name: answer.fix for answer in preflight.permission_checks(wb, USER, POOL)}
    assert rows["permissions: deploy"].startswith("Your organisation denies sagemaker:CreateModel")
    assert "Allow" not in rows["permissions: deploy"]
    assert "boundary of this identity leaves cloudwatch:PutMetricAlarm out" in rows["permissions: scaling"]


NAMES = st.from_regex(r"\A[a-zA-Z0-9](-*[a-zA-Z0-9]){0,62}\Z", fullmatch=True).filter(lambda name: len(name) <= 63)


@given(name=NAMES, variant=NAMES)
def test_case_of_any_name_is_allowed_by_the_products_own_policies(shared, name, variant):
    wb, plan = (replace(part, endpoint_name=name, variant_name=variant) for part in shared)
    made = {"model": plan.model_name.lower(), "endpoint-config": plan.config_name.lower(), "endpoint": name.lower()}
    for action in {action for step in ACTIONS.values() for action in step}:
        allowed, _ = permissions.scope(wb, action, "aws", "123456789012")
        for resource in simulation._touched(wb, action, USER, made):
            assert any(fnmatch.fnmatchcase(resource, pattern) for pattern in allowed), (action, resource)


@pytest.fixture(scope="module")
def shared(embedded):
    """A workbook and its plan, for many examples."""
    wb = open_workbook("local", home=embedded.home, endpoint_name="dg-simulated")
    return wb, deployment_plan.plan(wb)
