"""The dgsm command: what it prints and how it exits."""

from __future__ import annotations

import json
import shlex
import subprocess
import sys

import pytest

from dgsm_helpers.cli import main


def dgsm(embedded, *words: str, home: str | None = None) -> subprocess.CompletedProcess:
    env = {**embedded.env, **({"DGSM_HOME": home} if home else {})}
    command = [sys.executable, "-m", "dgsm_helpers.cli.main", *words]
    return subprocess.run(command, env=env, capture_output=True, text=True, timeout=60, check=False)


VERBS = (
    ("demo",),
    ("run",),
    ("local",),
    ("local", "up"),
    ("local", "env"),
    ("local", "fault"),
    ("clean-up",),
    ("export",),
    ("doctor",),
    ("watch",),
    ("report",),
)


@pytest.mark.parametrize("verb", VERBS, ids=" ".join)
def test_every_verb_explains_itself(verb, capsys):
    with pytest.raises(SystemExit) as left:
        main.main([*verb, "--help"])
    assert left.value.code == 0
    assert "usage: dgsm" in capsys.readouterr().out


def test_status_as_json_holds_what_a_client_needs(embedded):
    answer = json.loads(dgsm(embedded, "local", "status", "--json").stdout)
    assert {listing["name"] for listing in answer["listings"]} == {"metered", "speech"}
    assert all(":model-package/" in listing["model_package_arn"] for listing in answer["listings"])
    assert answer["execution_role_arn"].startswith("arn:aws:iam::")
    assert (answer["pid"], answer["urls"]["control"]) == (embedded.info.pid, embedded.info.control_url)
    assert "token" not in answer


def test_env_prints_exports_that_a_shell_can_evaluate(embedded):
    lines = dgsm(embedded, "local", "env").stdout.splitlines()
    exports = [line for line in lines if not line.startswith("unset AWS_")]
    assert all(line.startswith("export ") for line in exports)
    pairs = dict(shlex.split(line)[1].split("=", 1) for line in exports)
    assert pairs == embedded.info.env()


def test_status_and_env_answer_no_when_nothing_runs(embedded, tmp_path):
    assert dgsm(embedded, "local", "status", home=str(tmp_path)).returncode == main.NO
    assert dgsm(embedded, "local", "env", home=str(tmp_path)).returncode == main.NO
    assert json.loads(dgsm(embedded, "local", "status", "--json", home=str(tmp_path)).stdout) is None


def test_a_fault_on_nothing_that_runs_is_a_failed_call(embedded, tmp_path):
    answer = dgsm(embedded, "local", "fault", "shortage", "ml.g6.2xlarge", home=str(tmp_path))
    assert (answer.returncode, "dgsm local up" in answer.stderr) == (main.FAILED, True)


def test_faults_are_set_listed_and_cleared(embedded):
    assert "shortage" in dgsm(embedded, "local", "fault", "shortage", "ml.p4d.24xlarge").stdout
    assert "ml.p4d.24xlarge" in dgsm(embedded, "local", "fault", "list").stdout
    assert dgsm(embedded, "local", "fault", "clear", "shortage").stdout.strip() == "1 fault ended."
    assert dgsm(embedded, "local", "fault", "list").stdout == ""


def test_a_fault_with_a_bad_value_is_refused_with_the_reason(embedded):
    answer = dgsm(embedded, "local", "fault", "slow-metrics", "soon")
    assert (answer.returncode, "soon" in answer.stderr) == (main.FAILED, True)


@pytest.mark.parametrize("text", ["lanes=4", "lanes=x,service_ms=1", "lanes=4,service_ms=38,extra=1", "4,38"])
def test_a_malformed_metered_setting_is_refused_by_the_parser(text, capsys):
    with pytest.raises(SystemExit) as left:
        main.main(["local", "up", "--metered", text])
    assert (left.value.code, text.split(",")[0] in capsys.readouterr().err) == (2, True)


def test_clean_up_of_nothing_says_yes(embedded):
    answer = dgsm(embedded, "clean-up", "never-made", "--json")
    assert (answer.returncode, json.loads(answer.stdout)["found"]) == (main.YES, [])


def test_clean_up_lists_first_and_deletes_only_when_told(embedded, workbook):
    from dgsm_helpers.aws.endpoint import deployment

    wb = workbook(endpoint_name="dg-cli-clean-up")
    deployment.deploy(wb, deployment.plan(wb))
    listed = dgsm(embedded, "clean-up", wb.endpoint_name)
    assert (listed.returncode, wb.endpoint_name in listed.stdout) == (main.NEEDS_CONFIRMATION, True)
    assert deployment.status(wb).status == "InService"
    deleted = dgsm(embedded, "clean-up", wb.endpoint_name, "--yes", "--json")
    assert (deleted.returncode, json.loads(deleted.stdout)["billable"]) == (main.YES, [])
    assert json.loads(dgsm(embedded, "clean-up", wb.endpoint_name, "--json").stdout)["found"] == []


def test_a_reader_that_has_seen_enough_ends_the_command_quietly(embedded):
    plan = ["plan", "--traffic", "diurnal", "--knee", "10", "--json"]
    command = subprocess.Popen(
        [sys.executable, "-m", "dgsm_helpers.cli.main", *plan],
        env=embedded.env,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    command.stdout.close()
    assert b"Broken pipe" not in command.stderr.read() and command.wait(60) == 0
