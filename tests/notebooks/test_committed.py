"""The committed notebooks run from nothing, each on its own: they show what they showed when they were committed, and
call what their policies allow.
"""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import nbclient
import nbformat
import pytest
from kit.endpoints import scaled
from kit.machine import require_measured
from kit.notebook_calls import CallRecorder
from kit.without_grammar import starting

from dgsm_helpers import local
from dgsm_helpers.aws.account.permissions import NOTEBOOK_CALLS, actions_of

COMMITTED = sorted((Path(__file__).resolve().parents[2] / "notebooks").glob("*.ipynb"))

SANITIZE = Path(__file__).parent / "sanitize.cfg"
ALWAYS_ALLOWED = {"sts:GetCallerIdentity"}
MORE_WHERE = {"05_plan": "nothing has been measured", "99_clean_up": "there is something to delete"}
"""Notebooks that call more there than in their fresh run."""


@pytest.mark.timeout(3000)
@pytest.mark.parametrize("notebook", COMMITTED, ids=lambda path: path.stem)
def test_a_fresh_run_shows_what_is_committed_and_calls_what_its_policy_allows(notebook, on_embedded, tmp_path):
    recorder = CallRecorder(tmp_path)
    # In a process of its own: nbval takes every notebook that pytest is given, and waits 2000 s for a dead kernel.
    run = subprocess.run(
        [
            *(
                *starting("import sys, pytest; sys.exit(pytest.main(sys.argv[1:]))"),
                str(notebook),
                "--nbval",
                "--nbval-cell-timeout=1200",
                "--color=no",
                "-qx",  # what follows a failed cell fails for want of it
            ),
            *("--nbval-kernel-startup-timeout=240", f"--nbval-sanitize-with={SANITIZE}", "-p", "no:cacheprovider"),
        ],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, **recorder.env},
    )
    if run.returncode:
        require_measured(run.stdout)
    assert run.returncode == 0, run.stdout[-6000:] + run.stderr[-2000:]
    called = recorder.actions()
    assert called - ALWAYS_ALLOWED <= set(actions_of(notebook.stem)), "the policy is less than it calls"
    if notebook.stem not in MORE_WHERE:
        assert set(NOTEBOOK_CALLS[notebook.stem]) <= called, "the policy is more than it calls"


def calls_of(name: str, folder: Path, monkeypatch) -> set[str]:
    """What the notebook calls with its defaults in this process's environment."""
    recorder = CallRecorder(folder)
    for variable, value in recorder.env.items():
        monkeypatch.setenv(variable, value)
    notebook = next(path for path in COMMITTED if path.stem == name)
    where = {"metadata": {"path": str(folder)}}
    nbclient.NotebookClient(nbformat.read(notebook, 4), timeout=600, resources=where).execute()
    return recorder.actions()


@pytest.mark.timeout(1800)
def test_cleaning_up_calls_what_its_policy_allows_where_there_is_something_to_delete(
    on_embedded, tmp_path, monkeypatch
):
    scaled(on_embedded)
    called = calls_of("99_clean_up", tmp_path, monkeypatch) - ALWAYS_ALLOWED
    assert set(NOTEBOOK_CALLS["99_clean_up"]) <= called <= set(actions_of("99_clean_up"))


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_planning_calls_what_its_policy_allows_where_nothing_has_been_measured(tmp_path, monkeypatch):
    monkeypatch.setenv("DGSM_HOME", str(tmp_path / "home"))
    local.up(tmp_path / "home", speed=120)
    try:
        called = calls_of("05_plan", tmp_path, monkeypatch) - ALWAYS_ALLOWED
    finally:
        local.down(tmp_path / "home")
    assert set(NOTEBOOK_CALLS["05_plan"]) <= called <= set(actions_of("05_plan"))
