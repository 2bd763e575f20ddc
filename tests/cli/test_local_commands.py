"""``dgsm local``: the embedded AWS found, shown to shells and scripts, and its faults."""

from __future__ import annotations

import json
import shlex

import pytest

from dgsm_helpers.cli.options import FAILED, NO, YES
from embedded_aws.listings import LISTINGS


def test_status_as_json_holds_what_a_client_needs(run, embedded):
    answer = json.loads(run("local", "status", "--json").stdout)
    assert {listing["name"] for listing in answer["listings"]} == {listing.name for listing in LISTINGS}
    assert all(":model-package/" in listing["model_package_arn"] for listing in answer["listings"])
    assert answer["execution_role_arn"].startswith("arn:aws:iam::")
    assert (answer["pid"], answer["urls"]["control"]) == (embedded.info.pid, embedded.info.control_url)
    assert "token" not in answer


def test_status_says_where_it_runs_and_how_to_reach_it(run, embedded):
    text = run("local", "status").stdout
    assert f"(pid {embedded.info.pid}), local time 120x" in text
    assert "metered: 4 lanes, 38 ms per 100 ms of audio: 10 streams per instance" in text


def test_env_prints_exports_that_a_shell_can_evaluate(run, embedded):
    lines = run("local", "env").stdout.splitlines()
    exports = [line for line in lines if not line.startswith("unset AWS_")]
    assert all(line.startswith("export ") for line in exports)
    pairs = dict(shlex.split(line)[1].split("=", 1) for line in exports)
    assert pairs == embedded.info.env()


def test_status_and_env_answer_no_when_nothing_runs(run, tmp_path):
    assert run("local", "status", home=tmp_path).exit_code == NO
    assert run("local", "env", home=tmp_path).exit_code == NO
    assert json.loads(run("local", "status", "--json", home=tmp_path).stdout) is None
    assert run("local", "down", home=tmp_path).stdout == "The embedded AWS was not running.\n"


def test_up_finds_the_one_that_runs(run, embedded):
    answer = run("local", "up", "--json")
    assert (answer.exit_code, json.loads(answer.stdout)["pid"]) == (YES, embedded.info.pid)


@pytest.mark.parametrize("text", ["lanes=4", "lanes=x,service_ms=1", "lanes=4,service_ms=38,extra=1", "4,38"])
def test_a_malformed_metered_setting_is_refused_by_the_parser(run, text):
    answer = run("local", "up", "--metered", text)
    assert (answer.exit_code, text in answer.stderr) == (FAILED, True)


def test_faults_that_the_server_knows_are_commands_with_help(run):
    listed = run("local", "fault", "--help").stdout
    assert "shortage             no capacity of an instance type" in listed
    explained = run("local", "fault", "slow-metrics", "--help").stdout
    assert "Usage: dgsm local fault slow-metrics [OPTIONS] SECONDS" in explained
    assert "how late, in local seconds" in explained
    assert "driver" in run("local", "fault", "failed-start", "--help").stdout


def test_help_on_faults_without_a_server_says_to_start_one(run, tmp_path):
    answer = run("local", "fault", "--help", home=tmp_path)
    assert (answer.exit_code, "dgsm local up" in answer.stdout) == (YES, True)


def test_a_fault_on_nothing_that_runs_is_a_failed_call(run, tmp_path):
    for words in (("shortage", "ml.g6.2xlarge"), ("list",), ("clear",)):
        answer = run("local", "fault", *words, home=tmp_path)
        assert (answer.exit_code, "dgsm local up" in answer.stderr) == (FAILED, True)


def test_faults_are_set_listed_and_cleared(run):
    assert "shortage instance_type=ml.p4d.24xlarge" in run("local", "fault", "shortage", "ml.p4d.24xlarge").stdout
    assert run("local", "fault", "crash", "--endpoint", "none", "--count", "2").stdout.endswith(
        "endpoint=none count=2\n"
    )
    assert "ml.p4d.24xlarge" in run("local", "fault", "list").stdout
    assert run("local", "fault", "clear", "shortage").stdout == "1 fault ended.\n"
    assert run("local", "fault", "clear", "crash").stdout == "1 fault ended.\n"
    assert run("local", "fault", "list").stdout == ""


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (("slow-metrics", "soon"), "soon"),
        (("slow-metrics",), "SECONDS"),
        (("no-such-fault",), "no-such-fault"),
        (("clear", "no-such-fault"), "no-such-fault"),
    ],
)
def test_a_fault_that_cannot_be_is_refused_with_the_reason(run, words, text):
    answer = run("local", "fault", *words)
    assert (answer.exit_code, text in answer.stderr) == (FAILED, True)
