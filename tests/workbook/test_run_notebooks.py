"""Running notebooks: parameters are checked before anything runs, and a failure is an outcome that says where."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from kit.waiting import AT_MOST_S, until

from dgsm_helpers.errors import InvalidInput, NotFound, UnknownParameter
from dgsm_helpers.workbook.notebook_inputs import parameters_of
from dgsm_helpers.workbook.run_notebooks import SAVE_EVERY_S, _with_second_start, run_notebook, run_notebooks


def test_a_foreign_notebook_of_version_3_runs_as_it_is(tmp_path):
    cell = {"cell_type": "code", "language": "python", "input": ["print(6 * 7)"], "outputs": [], "metadata": {}}
    content = {"nbformat": 3, "nbformat_minor": 0, "metadata": {}, "worksheets": [{"cells": [cell], "metadata": {}}]}
    (tmp_path / "old.ipynb").write_text(json.dumps(content))
    outcome = run_notebook(tmp_path / "old.ipynb", output_dir=tmp_path / "out", progress_bar=False)
    assert outcome.ok and "42" in outcome.output.read_text()


def test_an_unknown_parameter_is_refused_and_the_known_ones_are_named(typed, tmp_path):
    with pytest.raises(UnknownParameter, match=r"no parameter 'cuont'.*name \(str\), count \(int\)"):
        run_notebook(typed, {"cuont": 2}, tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(("name", "error"), [("missing.ipynb", NotFound), ("broken.ipynb", InvalidInput)])
def test_what_is_no_notebook_is_refused(tmp_path, name, error):
    (tmp_path / "broken.ipynb").write_text("{}")
    with pytest.raises(error, match=name):
        run_notebook(tmp_path / name, {}, tmp_path / "out")


def test_a_run_gives_back_what_the_notebook_glued_and_leaves_the_notebook_alone(typed, tmp_path):
    before = typed.read_bytes()
    outcome = run_notebook(typed, {"count": "3", "really": "True"}, tmp_path / "out", progress_bar=False)
    assert outcome.ok
    assert outcome.values == {"name": "x", "count": 3, "share": 0.5, "really": True}
    assert outcome.output == tmp_path / "out" / "typed.ipynb"
    assert typed.read_bytes() == before
    assert "ran in" in str(outcome)


def test_a_path_in_a_parameter_is_the_callers(write_notebook, tmp_path, monkeypatch):
    elsewhere = tmp_path / "project"
    elsewhere.mkdir()
    (elsewhere / "traffic.json").write_text("[]")
    monkeypatch.chdir(elsewhere)
    cell = "from pathlib import Path\nassert Path(traffic).read_text() == '[]'\nPath('made').touch()"
    notebook = write_notebook("where.ipynb", 'traffic: str = ""  # a file', cell)
    outcome = run_notebook(notebook, {"traffic": "traffic.json"}, tmp_path / "out", progress_bar=False)
    assert outcome.ok, str(outcome)
    assert (elsewhere / "made").exists()


@pytest.mark.parametrize(
    "metadata",
    [
        {"kernelspec": {"name": "conda-env-base-py", "display_name": "conda", "language": "python"}},
        {"kernelspec": {"name": "conda_pytorch_p310", "display_name": "conda"}},
        {"kernelspec": {"name": "", "display_name": ""}},
        {"language_info": {"name": "python"}},
        {"language_info": {"name": "ipython"}, "kernelspec": {"name": "python2", "display_name": "Python 2"}},
        {},
    ],
    ids=str,
)
def test_whatever_kernel_it_names_a_notebook_runs_in_this_interpreter(write_notebook, tmp_path, metadata):
    cell = "import sys\nfrom dgsm_helpers import glue\nglue(count=count, interpreter=sys.executable)"
    notebook = write_notebook("foreign.ipynb", "count: int = 1  # how many", cell)
    content = json.loads(notebook.read_text())
    notebook.write_text(json.dumps({**content, "metadata": metadata}))
    assert parameters_of(notebook)["count"].type == "int"
    outcome = run_notebook(notebook, {"count": "2"}, tmp_path / "out", progress_bar=False)
    assert outcome.ok, str(outcome)
    assert outcome.values == {"count": 2, "interpreter": sys.executable}


def test_a_kernel_of_that_name_that_is_another_interpreter_does_not_count(write_notebook, tmp_path, monkeypatch):
    spec = {"argv": ["/bin/false", "{connection_file}"], "display_name": "Python 3", "language": "python"}
    folder = tmp_path / "jupyter" / "kernels" / "python3"
    folder.mkdir(parents=True)
    (folder / "kernel.json").write_text(json.dumps(spec))
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path / "jupyter"))
    notebook = write_notebook("foreign.ipynb", "count: int = 1  # how many", "count")
    assert run_notebook(notebook, {}, tmp_path / "out", progress_bar=False).ok


@pytest.mark.parametrize(
    "metadata",
    [
        {"kernelspec": {"name": "ir", "display_name": "R", "language": "R"}},
        {"language_info": {"name": "julia"}, "kernelspec": {"name": "python3", "display_name": "Python 3"}},
    ],
)
def test_a_notebook_of_another_language_is_refused(write_notebook, tmp_path, metadata):
    notebook = write_notebook("other.ipynb", "count: int = 1  # how many")
    notebook.write_text(json.dumps({**json.loads(notebook.read_text()), "metadata": metadata}))
    with pytest.raises(InvalidInput, match=r"is a notebook of (R|julia)"):
        run_notebook(notebook, {}, tmp_path / "out")


def test_an_output_that_is_no_folder_of_this_machine_is_refused(typed):
    with pytest.raises(InvalidInput, match="is no folder of this machine"):
        run_notebook(typed, {}, Path("s3://bucket/out"))
    assert not Path("s3:").exists()


def test_a_failing_cell_is_an_outcome_with_its_number_and_error(write_notebook, tmp_path):
    notebook = write_notebook("fails.ipynb", "x: int = 1  # unused", "'fine'", "1 / 0", "'never'")
    outcome = run_notebook(notebook, {}, tmp_path / "out", progress_bar=False)
    assert not outcome.ok
    assert (outcome.failed_cell, outcome.error) == (3, "ZeroDivisionError: division by zero")
    assert "failed in cell [3]" in str(outcome)
    cells = json.loads(outcome.output.read_text())["cells"]
    assert any("ZeroDivisionError" in json.dumps(cell) for cell in cells)


def test_a_cell_that_takes_too_long_is_interrupted(write_notebook, tmp_path):
    notebook = write_notebook("slow.ipynb", "x: int = 1  # unused", "import time\ntime.sleep(3600)")
    outcome = run_notebook(notebook, {}, tmp_path / "out", 1.0, progress_bar=False)
    assert not outcome.ok
    assert "longer than 1 s" in outcome.error


def test_a_dead_kernel_is_an_outcome(write_notebook, tmp_path):
    notebook = write_notebook("dies.ipynb", "x: int = 1  # unused", "import os\nos._exit(1)")
    outcome = run_notebook(notebook, {}, tmp_path / "out", 240.0, progress_bar=False)
    assert (outcome.ok, outcome.error) == (False, "its kernel died.")


def test_a_notebook_is_not_written_anew_for_each_of_its_cells(write_notebook, tmp_path, monkeypatch):
    written = []
    monkeypatch.setattr("papermill.engines.write_ipynb", lambda notebook, path: written.append(path))
    notebook = write_notebook("many.ipynb", "x: int = 1  # unused", *["x"] * 40)
    outcome = run_notebook(notebook, {}, tmp_path / "out", progress_bar=False)
    assert outcome.ok
    assert len(written) <= 2 + outcome.took_s / SAVE_EVERY_S


def test_of_an_interrupted_run_what_had_run_is_kept(write_notebook, tmp_path):
    flag = tmp_path / "flag"
    wait = f"import pathlib, time\npathlib.Path({str(flag)!r}).touch()\ntime.sleep(3600)"
    notebook = write_notebook("long.ipynb", "x: int = 1  # unused", "print('what had run')", wait)
    script = (
        "import pathlib, sys; from dgsm_helpers.workbook.run_notebooks import run_notebook as run;"
        "run(sys.argv[1], {}, pathlib.Path(sys.argv[2]), progress_bar=False)"
    )
    running = subprocess.Popen([sys.executable, "-c", script, notebook, tmp_path / "out"], stderr=subprocess.DEVNULL)
    until(flag.exists, "the last cell runs")
    running.send_signal(signal.SIGINT)
    assert running.wait(AT_MOST_S)
    cells = json.loads((tmp_path / "out/long.ipynb").read_text())["cells"]
    assert any("what had run" in json.dumps(cell["outputs"]) for cell in cells)


def test_the_notebook_itself_is_never_overwritten(typed):
    with pytest.raises(InvalidInput, match="is the notebook itself"):
        run_notebook(typed, {}, typed.parent)


def test_several_notebooks_each_get_the_parameters_they_declare(write_notebook, tmp_path, capsys):
    one = write_notebook("one.ipynb", "a: int = 1  # one", "assert a == 5")
    two = write_notebook("two.ipynb", "a: int = 1  # one\nb: int = 1  # two", "assert (a, b) == (5, 6)")
    assert run_notebooks([one, two], {"a": "5", "b": "6"}, tmp_path / "out")
    assert capsys.readouterr().out.count("ran in") == 2


def test_a_parameter_that_none_of_them_has_is_refused_before_the_first_runs(write_notebook, tmp_path):
    notebook = write_notebook("one.ipynb", "a: int = 1  # one", "a")
    with pytest.raises(UnknownParameter, match=r"'c'.*Known: a"):
        run_notebooks([notebook], {"c": "5"}, tmp_path / "out")
    with pytest.raises(InvalidInput, match="a='five'"):
        run_notebooks([notebook], {"a": "five"}, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_notebooks_after_one_that_failed_are_not_run(write_notebook, tmp_path):
    bad = write_notebook("bad.ipynb", "a: int = 1  # one", "1 / 0")
    good = write_notebook("good.ipynb", "a: int = 1  # one", "a")
    assert not run_notebooks([bad, good], {}, tmp_path / "out")
    assert not (tmp_path / "out" / "good.ipynb").exists()


def test_a_kernel_that_died_before_it_ran_anything_is_started_once_more():
    starts = iter([RuntimeError("Kernel died before replying to kernel_info"), None])

    def execute():
        if failure := next(starts):
            raise failure

    _with_second_start(execute)
    assert list(starts) == []


def test_a_kernel_that_cannot_start_is_said():
    def execute():
        raise RuntimeError("Kernel died before replying to kernel_info")

    with pytest.raises(RuntimeError, match="died before"):
        _with_second_start(execute)
