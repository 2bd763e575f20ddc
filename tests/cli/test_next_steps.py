"""What messages tell a notebook to call, a shell is told to run: every call of every message, as a line that works."""

from __future__ import annotations

import ast
import json
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from kit import endpoints

import dgsm_helpers
from dgsm_helpers.aws.scaling import suspending
from dgsm_helpers.cli.main import dgsm
from dgsm_helpers.cli.next_steps import COMMANDS, in_commands
from dgsm_helpers.cli.options import FAILED, NO, YES, answer

PACKAGE = Path(dgsm_helpers.__file__).parent
STEPS = "cleanup|deploy|mixed|monitor|plan|register|start|tune"
A_CALL = re.compile(rf"\b(?:{STEPS})\.\w+\(|\bopen_workbook\(|\bconfirm_\w+=True")
A_LINE = re.compile(r"`(dgsm [^`]+)`")


def texts(tree: ast.Module) -> Iterator[str]:
    """Every text of a module but its documentation; what is filled in stands as a number."""
    said: set[int] = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            said |= {id(part) for part in node.values}
            yield "".join(str(part.value) if isinstance(part, ast.Constant) else "7" for part in node.values)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in said:
            yield node.value


MESSAGES = sorted(
    {
        text
        for path in PACKAGE.rglob("*.py")
        if "cli" not in path.parts and path.name != "template_values.py"
        for source in [path.read_text(encoding="utf-8")]
        if A_CALL.search(source)
        for text in texts(ast.parse(source))
        if A_CALL.search(text)
    }
)


def parsed(line: str) -> click.Context:
    """The line as click takes it; raises where it does not. What stands for a value is one."""
    _, verb, *words = shlex.split(re.sub(r"--(min|max|target) [A-Z]+", r"--\1 7", line))
    return dgsm.commands[verb].make_context(verb, words)


@pytest.mark.parametrize("message", MESSAGES)
def test_every_call_in_a_message_is_a_command_in_a_shell(message):
    told = in_commands(message, ["my-endpoint", "--where", "aws"])
    assert not A_CALL.search(told)
    for line in A_LINE.findall(told):
        if "my-endpoint" in line:
            parsed(line)


def test_calls_are_found_at_all():
    called = {call for message in MESSAGES for call in COMMANDS if f"{call}(wb" in message}
    assert called == set(COMMANDS)


@pytest.mark.parametrize(
    ("message", "told"),
    [
        ("register.register(wb, 2, 7) or more.", "`dgsm register x --min 2 --max 7` or more."),
        ("register.register(wb, …).", "`dgsm register x --min MIN --max MAX`."),
        ("register.register(wb), register.apply(wb, policy)", "`dgsm register x`"),
        ("register.apply(wb, ScalingPolicy(target_value=…)).", "`dgsm register x --target TARGET`."),
        ("register.apply(wb, ScalingPolicy(target_value=7.5)).", "`dgsm register x --target 7.5`."),
        ("what deploy.plan(wb) sets, `deploy.status(wb)`", "what `dgsm deploy x` sets, `dgsm status x`"),
        ("Set confirm_spend=True to go ahead.", "Give --confirm-spend to go ahead."),
        ('Pass role_arn="arn:x" to open_workbook();', "Pass --role-arn arn:x;"),
    ],
)
def test_arguments_become_options(message, told):
    assert in_commands(message, ["x"]) == told


def test_without_an_endpoint_in_the_line_none_is_named_by_chance():
    assert in_commands("cleanup.delete(wb)", None) == "`dgsm clean-up ENDPOINT --yes`"
    assert in_commands("cleanup.delete(wb)", []) == "`dgsm clean-up --yes`"
    assert in_commands("cleanup.delete(wb)", ["a b"]) == "`dgsm clean-up 'a b' --yes`"


def test_what_the_doctor_and_the_status_advise_can_be_run_as_it_stands(run, workbook):
    wb = endpoints.deployed(workbook())
    for verb in ("doctor", "status"):
        told = run(verb, wb.endpoint_name)
        assert told.exit_code == NO
        assert not A_CALL.search(told.stdout)
        assert f"`dgsm register {wb.endpoint_name}`" in told.stdout
    line = next(line for line in A_LINE.findall(told.stdout) if "register" in line)
    assert run(*shlex.split(line)[1:]).exit_code == YES
    assert run("status", wb.endpoint_name).exit_code == YES


def test_a_paused_endpoint_is_resumed_by_the_line_that_every_verb_names(run, workbook):
    wb = endpoints.scaled(workbook())
    assert run("pause", wb.endpoint_name, "--yes").exit_code == YES
    for verb in ("doctor", "status", "watch"):
        told = run(verb, wb.endpoint_name)
        assert told.exit_code == FAILED
        assert f"It is paused: `dgsm resume {wb.endpoint_name}` makes it again." in told.stderr, verb
    assert run("resume", wb.endpoint_name).exit_code == YES
    assert run("status", wb.endpoint_name).exit_code == YES


def test_what_a_program_reads_and_what_others_wrote_stays_as_it_is(run, workbook, capsys):
    wb = endpoints.deployed(workbook())
    told = json.loads(run("status", wb.endpoint_name, "--json").stdout)
    assert any("register.register(wb)" in problem for problem in told["problems"])
    answer("a container said deploy.status(wb)", as_is=True)
    assert capsys.readouterr().out == "a container said deploy.status(wb)\n"


def test_suspended_scaling_is_let_go_on_by_the_line_that_says_so(run, workbook):
    wb = endpoints.scaled(workbook())
    with pytest.warns(UserWarning, match="somebody changed what is suspended"), suspending.suspended(wb):
        told = run("status", wb.endpoint_name)
        assert f"`dgsm register {wb.endpoint_name} --resume`" in told.stdout
        assert run("register", wb.endpoint_name, "--resume").exit_code == YES
        assert run("status", wb.endpoint_name).exit_code == YES


def test_what_has_to_be_confirmed_names_the_option(run, billing):
    refused = run("deploy", "spends", "--listing", "metered")
    assert refused.exit_code != YES
    assert "--confirm-spend" in refused.stderr and "confirm_spend=True" not in refused.stderr


def test_the_place_of_a_line_is_in_the_lines_that_follow_it(run):
    refused = run("resume", "never-paused", "--where", "local", "--region", "eu-west-1")
    assert refused.exit_code == FAILED
    assert "`dgsm deploy never-paused --where local --region eu-west-1`" in refused.stderr
