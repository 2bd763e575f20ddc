"""The verbs of ``dgsm`` read the settings that the notebooks read."""

from __future__ import annotations

import json

import pytest

from dgsm_helpers.cli.options import FAILED, NO, YES

ON_AN_ENDPOINT = [
    ("doctor",),
    ("tune",),
    ("plan", "--traffic", "constant"),
    ("watch", "--once"),
    ("show", "--no-open"),
    ("report",),
    ("export",),
    ("update", "--listing", "speech"),
    ("iam", "03_tune"),
    ("clean-up",),
]


@pytest.fixture
def settings(tmp_path, monkeypatch):
    """Writes ``dgsm.toml`` above the working folder."""
    monkeypatch.delenv("DGSM_SETTINGS")
    inner = tmp_path / "inner"
    inner.mkdir()
    monkeypatch.chdir(inner)
    return (tmp_path / "dgsm.toml").write_text


@pytest.mark.parametrize("words", ON_AN_ENDPOINT, ids=" ".join)
@pytest.mark.parametrize(
    ("text", "said"), [("endpont = 'x'", "endpont"), ("where = 'azure'", "azure"), ("[", "dgsm.toml")]
)
def test_settings_that_cannot_be_right_are_a_failed_call_in_one_line(run, settings, words, text, said):
    settings(text)
    answer = run(*words)
    assert (answer.exit_code, answer.stdout) == (FAILED, "")
    assert said in answer.stderr and len(answer.stderr.splitlines()) == 1


def test_a_verb_without_an_endpoint_works_on_that_of_the_settings(run, settings):
    settings("endpoint = 'never-made'")
    assert "never-made" in run("doctor").stderr
    assert "Nothing is left of never-made." in run("clean-up").stdout
    assert "also-never" in run("doctor", "also-never").stderr


@pytest.mark.parametrize("words", [("doctor",), ("clean-up", "--yes"), ("export",)], ids=" ".join)
def test_a_name_that_is_empty_stands_for_no_other_endpoint(run, words):
    answer = run(*words, "")
    assert (answer.exit_code, answer.stdout) == (FAILED, "")
    assert "'' cannot be the name of the endpoint" in answer.stderr


def test_a_variable_counts_before_the_file_and_an_option_before_both(run, settings, monkeypatch):
    settings("endpoint = 'mine'\nregion = 'eu-west-1'")
    monkeypatch.setenv("DGSM_REGION", "eu-central-1")

    def regions(*words):
        return {
            name for name in ("eu-west-1", "eu-central-1", "us-west-2") if name in run("iam", "03_tune", *words).stdout
        }

    assert regions() == {"eu-central-1"}
    assert regions("--region", "us-west-2") == {"us-west-2"}


def test_run_takes_parameters_as_papermill_does(run, tmp_path, monkeypatch):
    import nbformat
    from nbformat.v4 import new_code_cell, new_notebook

    monkeypatch.chdir(tmp_path)
    declared = "x = 0.5\nname: str = 'a'  # a name\nreally: bool = True  # sure?\ncount: int = 1  # how many"
    check = "assert (x, name, really, count) == (0.7, '7', False, 3), (x, name, really, count)"
    cells = [new_code_cell(declared, metadata={"tags": ["parameters"]}), new_code_cell(check)]
    nbformat.write(new_notebook(cells=cells), tmp_path / "n.ipynb")
    (tmp_path / "p.yaml").write_text("count: 2\nreally: true\n")
    ran = run(
        "run",
        "n.ipynb",
        "-f",
        "p.yaml",
        "-y",
        "{count: 3}",
        "-p",
        "x",
        "0.7",
        "-p",
        "name",
        "7",
        "-r",
        "really",
        "False",
    )
    assert ran.exit_code == YES, ran.output
    assert run("run", "n.ipynb", "-y", "{count: 4}").exit_code == NO
    for words in (("-f", "missing.yaml"), ("-y", "[1]"), ("-r", "really", "no"), ("-p", "y", "1"), ("-y", "{name: 7}")):
        refused = run("run", "n.ipynb", *words)
        assert (refused.exit_code, len(refused.stderr.splitlines())) == (FAILED, 1), refused.output


def test_planning_stays_within_the_bounds_of_the_settings(run, settings):
    settings("endpoint = 'never-made'\n[bounds]\nmin = 2\nmax = 3")
    planned = run("plan", "--traffic", "constant", "--knee", "10", "--peak", "15", "--hours", "2", "--json")
    bounds = json.loads(planned.stdout)["recommended"]["settings"]
    assert 2 <= bounds["min_capacity"] <= bounds["max_capacity"] <= 3, bounds
