"""The verbs that change an endpoint, or say who may: clean-up, update, iam."""

from __future__ import annotations

import json

import pytest

from dgsm_helpers.aws.account.permissions import NOTEBOOK_CALLS, policy_document
from dgsm_helpers.aws.endpoint import deployment, deployment_plan, endpoint_state
from dgsm_helpers.aws.scaling import registration
from dgsm_helpers.cli.options import FAILED, NEEDS_CONFIRMATION, YES

OTHER = ("--instance-type", "ml.g6e.2xlarge", "--instance-type", "ml.g5.2xlarge")


@pytest.fixture
def deployed(workbook):
    """An endpoint whose plan differs from the default one in everything that an update keeps."""
    wb = workbook()
    plan = deployment_plan.plan(wb, download_timeout_s=900, health_check_timeout_s=600, metric_publish_s=10)
    deployment.deploy(wb, plan)
    return wb


def test_clean_up_of_nothing_says_yes(run):
    answer = run("clean-up", "never-made", "--json")
    assert (answer.exit_code, json.loads(answer.stdout)["found"]) == (YES, [])


def test_clean_up_lists_first_and_deletes_only_when_confirmed(run, deployed):
    listed = run("clean-up", deployed.endpoint_name)
    assert (listed.exit_code, deployed.endpoint_name in listed.stdout) == (NEEDS_CONFIRMATION, True)
    assert endpoint_state.status(deployed).status == "InService"
    deleted = run("clean-up", deployed.endpoint_name, "--yes", "--json")
    assert (deleted.exit_code, json.loads(deleted.stdout)["billable"]) == (YES, [])
    assert json.loads(run("clean-up", deployed.endpoint_name, "--json").stdout)["found"] == []


def test_update_changes_what_is_named_under_scaling_and_rolls_back(run, deployed):
    registration.register(deployed, 1, 3)
    registration.apply(deployed)
    former = endpoint_state.status(deployed).config_name
    updated = run("update", deployed.endpoint_name, *OTHER, "--json")
    assert updated.exit_code == YES, updated.stderr
    answer = json.loads(updated.stdout)
    assert (answer["endpoint"], answer["former_config_name"]) == (deployed.endpoint_name, former)
    assert "ml.g6e.2xlarge" in updated.stderr and "Updating" in updated.stderr
    assert endpoint_state.status(deployed).instances_by_type == {"ml.g6e.2xlarge": 1, "ml.g5.2xlarge": 0}
    assert registration.verify(deployed, min_capacity=1, max_capacity=3).ok
    sagemaker = deployed.client("sagemaker")
    config = sagemaker.describe_endpoint_config(EndpointConfigName=answer["config_name"])
    (variant,) = config["ProductionVariants"]
    assert variant["ModelDataDownloadTimeoutInSeconds"] == 900
    assert variant["ContainerStartupHealthCheckTimeoutInSeconds"] == 600
    assert config["MetricsConfig"]["MetricPublishFrequencyInSeconds"] == 10
    back = run("update", deployed.endpoint_name, "--roll-back", former)
    assert (back.exit_code, former in back.stdout) == (YES, True)
    assert endpoint_state.status(deployed).config_name == former
    assert registration.verify(deployed).ok


def test_update_to_what_the_endpoint_is_already_changes_nothing(run, deployed):
    former = endpoint_state.status(deployed).config_name
    answer = run("update", deployed.endpoint_name, "--listing", "metered", "--json")
    assert (answer.exit_code, json.loads(answer.stdout)["former_config_name"]) == (YES, None)
    assert endpoint_state.status(deployed).config_name == former


def test_update_brings_another_model_package(run, deployed):
    answer = run("update", deployed.endpoint_name, "--listing", "speech", "--json")
    assert answer.exit_code == YES, answer.stderr
    sagemaker = deployed.client("sagemaker")
    config = sagemaker.describe_endpoint_config(EndpointConfigName=json.loads(answer.stdout)["config_name"])
    model = sagemaker.describe_model(ModelName=config["ProductionVariants"][0]["ModelName"])
    assert model["PrimaryContainer"]["ModelPackageName"].endswith("deepgram-stt-speech/1")
    assert model["ExecutionRoleArn"] == deployed.role_arn


def test_update_needs_confirmed_spending_and_states_the_price(run, deployed, billing):
    former = endpoint_state.status(deployed).config_name
    refused = run("update", deployed.endpoint_name, *OTHER)
    assert (refused.exit_code, "per hour" in refused.stderr) == (NEEDS_CONFIRMATION, True)
    assert endpoint_state.status(deployed).config_name == former
    agreed = run("update", deployed.endpoint_name, *OTHER, "--confirm-spend")
    assert (agreed.exit_code, former in agreed.stdout) == (YES, True)


@pytest.mark.parametrize(
    ("words", "text"),
    [
        ((), "--roll-back"),
        (("--roll-back", "x", "--listing", "speech"), "--roll-back"),
        (("--listing", "no-such-listing"), "no-such-listing"),
        (("--instance-type", "ml.g6e.2xlarge"), "There is no endpoint"),
        (("--roll-back", "x"), "There is no endpoint"),
    ],
)
def test_update_that_cannot_be_is_a_failed_call(run, words, text):
    answer = run("update", "never-made", *words)
    assert (answer.exit_code, text in answer.stderr) == (FAILED, True)


def test_iam_prints_the_policy_of_one_notebook(run, workbook):
    wb = workbook(endpoint_name="dg-iam")
    for words in ("03_tune", "notebooks/03_tune.ipynb"):
        assert json.loads(run("iam", words, "--endpoint", "dg-iam").stdout) == policy_document(wb, "03_tune")


def test_iam_prints_the_policies_of_all_notebooks_by_name(run):
    policies = json.loads(run("iam", "--all").stdout)
    assert list(policies) == list(NOTEBOOK_CALLS)
    assert all(policy["Version"] == "2012-10-17" for policy in policies.values())


def test_iam_narrows_passing_a_role_to_the_one_given(run):
    role = "arn:aws:iam::123456789012:role/Endpoint"
    statements = json.loads(run("iam", "01_deploy", "--role-arn", role).stdout)["Statement"]
    assert [s["Resource"] for s in statements if s["Action"] == ["iam:PassRole"]] == [[role]]


@pytest.mark.parametrize("words", [(), ("03_tune", "--all"), ("no-such-notebook",)])
def test_iam_without_one_known_notebook_names_those_there_are(run, words):
    answer = run("iam", *words)
    assert (answer.exit_code, "05_plan" in answer.stderr) == (FAILED, True)


def test_clean_up_of_an_account_deletes_only_when_confirmed(run, deployed, billing):
    assert run("clean-up", deployed.endpoint_name).exit_code == NEEDS_CONFIRMATION
    assert endpoint_state.status(deployed).status == "InService"
    assert run("clean-up", deployed.endpoint_name, "--yes").exit_code == YES
    assert endpoint_state.find(deployed) is None
