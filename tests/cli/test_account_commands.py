"""`dgsm role` and `dgsm quota`: nothing is made or asked for without a yes."""

from __future__ import annotations

import json

from dgsm_helpers.cli.options import FAILED, NEEDS_CONFIRMATION, NO, YES
from embedded_aws.listings import LISTINGS


def test_role_is_shown_before_it_is_made_and_made_with_a_yes(run, workbook):
    iam = workbook().client("iam")
    asked = run("role", "create", "dgsm-cli-role")
    assert (asked.exit_code, asked.stdout) == (NEEDS_CONFIRMATION, "")
    assert "sagemaker.amazonaws.com" in asked.stderr
    assert "dgsm-cli-role" not in {role["RoleName"] for role in iam.list_roles(MaxItems=1000)["Roles"]}
    made = run("role", "create", "dgsm-cli-role", "--yes", "--json")
    assert (made.exit_code, json.loads(made.stdout)["made"]) == (YES, True)
    for words in (("--yes",), ()):
        there = run("role", "create", "dgsm-cli-role", "--json", *words)
        assert (there.exit_code, json.loads(there.stdout)["made"]) == (YES, False)


def test_case_of_a_role_that_differs_is_a_failed_call_that_says_in_what(run, workbook):
    trust = '{"Version":"2012-10-17","Statement":[]}'
    workbook().client("iam").create_role(RoleName="dgsm-cli-half", AssumeRolePolicyDocument=trust)
    for words in (("--yes",), ()):
        answer = run("role", "create", "dgsm-cli-half", *words)
        assert answer.exit_code == FAILED
        assert "does not let sagemaker.amazonaws.com assume it" in answer.stderr


def test_quota_of_zero_is_a_negative_answer_and_is_requested_with_a_yes(run, workbook, operator):
    wb = workbook(region="eu-north-1")
    operator.quota(wb, "ml.g5.8xlarge", 0)
    words = ("quota", "ml.g5.8xlarge", "--region", "eu-north-1")
    assert run(*words).exit_code == NO
    asked = run(*words, "--request", "2")
    assert (asked.exit_code, "2 instances of ml.g5.8xlarge" in asked.stderr) == (NEEDS_CONFIRMATION, True)
    assert "PENDING" not in run(*words).stdout
    done = run(*words, "--request", "2", "--yes", "--json")
    assert done.exit_code == YES
    assert json.loads(done.stdout)["rows"][0]["request_status"] == "PENDING"
    assert "PENDING" in run(*words).stdout


def test_case_of_a_quota_of_no_type_is_a_failed_call(run):
    answer = run("quota", "ml.g9.huge", "--request", "2", "--yes")
    assert (answer.exit_code, "ml.g9.huge" in answer.stderr) == (FAILED, True)
    assert run("quota", "ml.g9.huge").exit_code == NO


def test_listing_finds_what_may_be_deployed_and_says_no_where_nothing_may(run):
    found = run("listing", "--json")
    assert found.exit_code == YES
    assert [row["usable"] for row in json.loads(found.stdout)["rows"]] == [True] * len(LISTINGS)
    other = "arn:aws:sagemaker:us-east-1:123456789012:model-package/other/1"
    answer = run("listing", other, "--json")
    assert [row["usable"] for row in json.loads(answer.stdout)["rows"] if row["arn"] == other] == [False]


def test_case_of_a_listing_of_another_region_is_a_failed_call_that_says_which(run):
    arn = "arn:aws:sagemaker:eu-west-1:123456789012:model-package/deepgram-stt-metered/1"
    answer = run("listing", arn)
    assert (answer.exit_code, "of region eu-west-1" in answer.stderr) == (FAILED, True)
