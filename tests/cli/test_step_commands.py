"""The verbs that are the workbook's steps, from preflight to resume."""

from __future__ import annotations

import json

import nbformat
import pytest
from kit import endpoints

from dgsm_helpers.aws.endpoint import endpoint_state
from dgsm_helpers.aws.scaling import registration
from dgsm_helpers.cli.options import FAILED, NEEDS_CONFIRMATION, NO, YES
from dgsm_helpers.workbook.notebook_page import PLOTLY_MIME


def test_preflight_says_yes_where_everything_is_there(run):
    assert "Preflight: " in (answer := run("preflight")).stdout
    assert answer.exit_code == YES
    told = json.loads(run("preflight", "--json").stdout)
    assert told["ok"] and {"identity", "data path"} <= {row["name"] for row in told["checks"]}


def test_preflight_says_no_with_what_to_do_about_it(run):
    other = "arn:aws:sagemaker:eu-west-1:865070037744:model-package/deepgram-stt/1"
    answer = run("preflight", "--listing", other)
    assert (answer.exit_code, "us-east-1" in answer.stdout) == (NO, True)


def test_the_job_from_a_shell_deploys_registers_and_looks(run, workbook):
    wb = workbook()
    name = wb.endpoint_name
    made = run("deploy", name, "--json")
    assert made.exit_code == YES, made.stderr
    assert "per hour" in made.stderr, "the plan states its price before anything is made"
    assert "InService" in made.stderr, "each change is told"
    assert (json.loads(made.stdout)["endpoint"], json.loads(made.stdout)["reused"]) == (name, False)
    assert json.loads(run("deploy", name, "--json").stdout)["reused"]
    not_yet = run("status", name)
    assert (not_yet.exit_code, "not registered" in not_yet.stdout) == (NO, True)
    registered = run("register", name, "--max", "3", "--target", "8", "--json")
    assert registered.exit_code == YES, registered.stderr
    answer = json.loads(registered.stdout)
    assert (answer["min_capacity"], answer["max_capacity"], answer["TargetValue"]) == (1, 3, 8)
    assert len(answer["alarms"]) == 2
    status = run("status", name)
    assert status.exit_code == YES, status.stdout
    assert "per hour" in status.stdout and "1 to 3 instances" in status.stdout
    told = json.loads(run("status", name, "--json").stdout)
    assert (told["status"], told["bounds"], len(told["alarms"])) == ("InService", [1, 3], 2)
    assert told["usd_per_hour"] > 0


def test_register_holds_scale_ins_to_so_many_calls_until_told_otherwise(run, workbook):
    wb = endpoints.scaled(workbook())
    told = run("register", wb.endpoint_name, "--target", "8", "--most-cut", "3", "--json")
    assert told.exit_code == YES, told.stderr
    answer = json.loads(told.stdout)
    assert (answer["DisableScaleIn"], answer["most_cut"], len(answer["alarms"])) == (True, 3, 3)
    assert run("register", wb.endpoint_name, "--max", "3").exit_code == YES
    assert registration.verify(wb).policy().most_cut == 3
    refused = run("register", wb.endpoint_name, "--most-cut", "5")
    assert (refused.exit_code, "at most half the target" in refused.stderr) == (FAILED, True)
    assert run("register", wb.endpoint_name, "--most-cut", "0").exit_code == YES
    state = registration.verify(wb)
    assert (state.policy().most_cut, len(state.policies), len(state.alarms)) == (None, 1, 2)


def test_register_leaves_what_is_not_given_as_it_is(run, workbook):
    wb = endpoints.scaled(workbook(), 1, 5)
    run("register", wb.endpoint_name, "--target", "9", "--scale-in-cooldown", "600")
    assert run("register", wb.endpoint_name, "--max", "2").exit_code == YES
    state = registration.verify(wb)
    policy = state.policy()
    assert (state.target.min_capacity, state.target.max_capacity) == (1, 2)
    assert (policy.target_value, policy.scale_in_cooldown_s, policy.scale_out_cooldown_s) == (9, 600, 60)


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (("--min", "0"), "min"),
        (("--max", "0"), "max"),
        (("--target", "-1"), "target"),
        (("--min", "3", "--max", "2"), "min"),
    ],
)
def test_register_refuses_what_cannot_be_and_leaves_everything(run, workbook, words, text):
    wb = endpoints.scaled(workbook(), 1, 4)
    before = registration.verify(wb)
    refused = run("register", wb.endpoint_name, *words)
    assert (refused.exit_code, text in refused.stderr.lower()) == (FAILED, True)
    after = registration.verify(wb)
    assert (after.target, after.policies) == (before.target, before.policies)


def test_what_bills_waits_for_an_agreement_and_states_the_price(run, workbook, billing):
    wb = workbook()
    refused = run("deploy", wb.endpoint_name)
    assert (refused.exit_code, "per hour" in refused.stderr) == (NEEDS_CONFIRMATION, True)
    assert endpoint_state.find(wb) is None
    endpoints.deployed(wb)
    refused = run("register", wb.endpoint_name)
    assert (refused.exit_code, "per hour" in refused.stderr) == (NEEDS_CONFIRMATION, True)
    assert registration.verify(wb).target is None


def test_pause_deletes_only_when_confirmed_and_resume_makes_it_again_with_its_scaling(run, workbook, billing):
    wb = endpoints.scaled(workbook(), 1, 3)
    refused = run("pause", wb.endpoint_name)
    assert (refused.exit_code, "would be deleted" in refused.stderr) == (NEEDS_CONFIRMATION, True)
    assert endpoint_state.status(wb).status == "InService"
    paused = run("pause", wb.endpoint_name, "--yes", "--json")
    assert (paused.exit_code, endpoint_state.find(wb)) == (YES, None), paused.stderr
    assert json.loads(paused.stdout)["usd_per_hour"] > 0
    assert run("resume", wb.endpoint_name).exit_code == NEEDS_CONFIRMATION
    back = run("resume", wb.endpoint_name, "--confirm-spend", "--json")
    assert back.exit_code == YES, back.stderr
    assert registration.verify(wb, min_capacity=1, max_capacity=3).ok


def test_logs_are_printed_with_what_they_mean(run, workbook):
    wb = endpoints.deployed(workbook())
    days = ("--minutes", str(14 * 24 * 60))
    log = run("logs", wb.endpoint_name, *days)
    assert (log.exit_code, f"/aws/sagemaker/Endpoints/{wb.endpoint_name}" in log.stdout) == (YES, True), log.stderr
    lines = json.loads(run("logs", wb.endpoint_name, *days, "--lines", "2", "--json").stdout)["lines"]
    assert lines and set(lines[0]) == {"time", "instance", "message", "meaning", "problem"}


def test_a_notebook_becomes_a_page_with_its_figures(run, tmp_path):
    figure = {PLOTLY_MIME: {"data": [{"type": "scatter", "y": [1, 3, 1]}], "layout": {}}}
    cell = nbformat.v4.new_code_cell("show(figure)", outputs=[nbformat.v4.new_output("display_data", figure)])
    notebook = tmp_path / "04_monitor.ipynb"
    nbformat.write(nbformat.v4.new_notebook(cells=[cell]), notebook)
    answer = run("html", str(notebook), "--out", str(tmp_path / "pages"))
    page = tmp_path / "pages" / "04_monitor.html"
    assert (answer.exit_code, answer.stdout.strip()) == (YES, str(page)), answer.stderr
    assert "Plotly.newPlot" in page.read_text() and 'src="http' not in page.read_text()


@pytest.mark.parametrize("content", [None, "", "{}", "no JSON"])
def test_what_is_no_notebook_becomes_no_page(run, tmp_path, content):
    path = tmp_path / "x.ipynb"
    if content is not None:
        path.write_text(content)
    answer = run("html", str(path))
    assert (answer.exit_code, "x.ipynb" in answer.stderr) == (FAILED, True)
    assert not (tmp_path / "x.html").exists()
