"""The dgsm command: what it prints and how it exits."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import version
from itertools import product

import click
import pytest
from click.testing import CliRunner

from dgsm_helpers.cli.main import Verbs, dgsm, main
from dgsm_helpers.cli.options import FAILED, NEEDS_CONFIRMATION, NO, YES
from dgsm_helpers.errors import NotFound, SpendNotConfirmed

HEAVY = {"boto3", "botocore", "pandas", "numpy", "scipy", "plotly", "papermill", "IPython", "urllib.request"}


def words_of(group: click.Group, words: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    """The words of every command below a group, itself included."""
    lines = [words]
    for name, command in group.commands.items():
        line = (*words, name)
        lines += words_of(command, line) if isinstance(command, click.Group) else [line]
    return lines


@pytest.mark.parametrize("words", words_of(dgsm), ids=lambda words: " ".join(words) or "dgsm")
def test_every_verb_explains_itself(words, tmp_path):
    answer = CliRunner(env={"DGSM_HOME": str(tmp_path)}).invoke(dgsm, [*words, "--help"], prog_name="dgsm")
    assert answer.exit_code == YES
    assert answer.stdout.startswith(f"Usage: {' '.join(('dgsm', *words))}")
    assert len(answer.stdout.splitlines()) > 4


def test_verbs_are_those_of_the_readme_and_listed_in_the_order_of_the_work():
    names = [
        "demo",
        "run",
        "html",
        "local",
        "preflight",
        "listing",
        "role",
        "quota",
        "iam",
        "deploy",
        "register",
        "status",
        "doctor",
        "tune",
        "size",
        "plan",
        "forecast",
        "record",
        "watch",
        "show",
        "logs",
        "report",
        "export",
        "update",
        "restore",
        "pause",
        "resume",
        "clean-up",
        "studio",
    ]
    assert list(dgsm.commands) == names
    listed = [
        line.split()[0]
        for line in CliRunner().invoke(dgsm, ["--help"]).stdout.split("Commands:")[1].splitlines()[1:]
        if line.startswith("  ") and line.strip()
    ]
    assert listed[: len(names)] == names


def test_help_imports_nothing_that_takes_long():
    code = "import sys; from dgsm_helpers.cli.main import main; main(['--help']); print(*sys.modules, file=sys.stderr)"
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert answer.stdout.startswith("Usage: dgsm")
    assert not HEAVY & set(answer.stderr.split())


def test_version_is_the_distributions():
    assert version("dgsm-helpers") in CliRunner().invoke(dgsm, ["--version"], prog_name="dgsm").stdout


def test_a_shell_can_complete_verbs():
    asked = {"_DGSM_COMPLETE": "bash_complete", "COMP_WORDS": "dgsm cl", "COMP_CWORD": "1"}
    assert CliRunner(env=asked).invoke(dgsm, prog_name="dgsm").stdout.strip() == "plain,clean-up"


def raising(error: BaseException) -> click.Group:
    """A group of one verb, ``fail``, that raises."""

    def fail() -> None:
        raise error

    return Verbs(commands=[click.Command("fail", callback=fail)])


@pytest.mark.parametrize(
    ("error", "code", "text"),
    [
        (NotFound("No such thing.", hint="Look again."), FAILED, "dgsm: No such thing. Look again."),
        (SpendNotConfirmed("It costs $1.22 per hour."), NEEDS_CONFIRMATION, "dgsm: It costs $1.22 per hour."),
        (PermissionError(13, "Permission denied", "page.html"), FAILED, "Permission denied: 'page.html'"),
        (KeyboardInterrupt(), FAILED, "dgsm: interrupted"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_a_verb_raises_becomes_one_line_and_an_exit_code(error, code, text):
    answer = CliRunner().invoke(raising(error), ["fail"])
    assert (answer.exit_code, answer.stdout) == (code, "")
    assert text in answer.stderr and len(answer.stderr.splitlines()) == 1


def test_what_was_left_behind_is_said_with_the_error():
    error = NotFound("No such thing.")
    error.add_note("Scaling is on again.")
    assert CliRunner().invoke(raising(error), ["fail"]).stderr == "dgsm: No such thing.\nScaling is on again.\n"


def test_the_traceback_of_what_nobody_foresaw_is_shown_only_when_asked_for(monkeypatch):
    monkeypatch.setattr("dgsm_helpers.local.find", lambda home: 1 / 0)
    line, shown = (
        CliRunner().invoke(dgsm, ["local", "status"]),
        CliRunner().invoke(dgsm, ["--debug", "local", "status"]),
    )
    assert line.exit_code == shown.exit_code == FAILED
    assert len(line.stderr.splitlines()) == 1 and "ZeroDivisionError" in line.stderr
    assert "Traceback" in shown.stderr and shown.stderr.endswith(line.stderr)


@pytest.mark.parametrize(
    "words",
    [
        (),
        ("no-such-verb",),
        ("plan",),
        ("doctor", "--where", "elsewhere"),
        ("tune", "--instances", "many"),
        ("show", "--port", "99999"),
        ("show", "--port", "-1"),
    ],
)
def test_a_line_that_cannot_be_read_is_a_failed_call(words):
    answer = CliRunner().invoke(dgsm, words, prog_name="dgsm")
    assert (answer.exit_code, answer.stdout) == (FAILED, "")
    assert "Usage: dgsm" in answer.stderr


@pytest.mark.parametrize(
    "words",
    [
        ("tune", "e", "--audio", ""),
        ("tune", "--query", "", "e"),
        ("status", "e", "--region="),
        ("doctor", "e", "--profile", "", "--json"),
        ("plan", "--traffic", "diurnal", "--columns", ""),
        ("local", "up", "--speed", ""),
        ("run", "nb.ipynb", "--out", ""),
        ("run", "nb.ipynb", "-f", ""),
    ],
)
def test_a_variable_of_the_environment_that_is_not_set_is_not_taken_for_an_option_left_out(words):
    ended = CliRunner().invoke(dgsm, words, prog_name="dgsm")
    option = words[words.index("") - 1] if "" in words else words[-1].rstrip("=")
    assert (ended.exit_code, f"Nothing stands after {option}" in ended.stderr) == (2, True), ended.output


def test_a_number_that_is_none_or_endless_is_a_line_that_cannot_be_read():
    """Case: ``--growth-per-min nan`` was measured for, and gave a TargetValue beside nothing but nan."""
    for words in words_of(dgsm):
        command = dgsm
        for word in words:
            command = command.commands[word]
        numbers = [p.opts[0] for p in command.params if isinstance(p.type, click.types.FloatParamType)]
        for option, value in product(numbers, ("nan", "inf", "-inf", "1e999")):
            ended = CliRunner().invoke(dgsm, [*words, option, value], prog_name="dgsm")
            assert (ended.exit_code, "is not a finite number" in ended.stderr) == (2, True), (words, option, value)


def test_main_returns_the_exit_code(embedded, monkeypatch, capsys):
    monkeypatch.setenv("DGSM_HOME", str(embedded.home))
    assert main(["local", "status"]) == YES
    assert main(["doctor", "never-made"]) == FAILED
    assert main(["doctor", "--nonsense"]) == FAILED
    monkeypatch.setenv("DGSM_HOME", "/nowhere")
    assert main(["local", "status"]) == NO


def test_a_reader_that_has_seen_enough_ends_the_command_quietly(embedded):
    plan = ["plan", "--traffic", "diurnal", "--knee", "10", "--json"]
    command = subprocess.Popen(
        [sys.executable, "-m", "dgsm_helpers.cli.main", *plan],
        env=embedded.env,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    command.stdout.close()
    assert b"Broken pipe" not in command.stderr.read() and command.wait(240) == 0
