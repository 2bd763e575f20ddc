"""The committed notebooks run from nothing, each on its own: they show what they showed when they were committed, and
call what their policies allow.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import nbclient
import nbformat
import pytest
from kit.endpoints import scaled
from kit.machine import require_measured
from kit.notebook_calls import CallRecorder
from kit.without_grammar import starting

from dgsm_helpers.aws.account.permissions import NOTEBOOK_CALLS, actions_of

COMMITTED = sorted((Path(__file__).resolve().parents[2] / "notebooks").glob("*.ipynb"))

SANITIZE = Path(__file__).parent / "sanitize.cfg"
ALWAYS_ALLOWED = {"sts:GetCallerIdentity"}
CLEAN_UP = "99_clean_up"


@pytest.mark.timeout(3000)
@pytest.mark.parametrize("notebook", COMMITTED, ids=lambda path: path.stem)
def test_a_fresh_run_shows_what_is_committed_and_calls_what_its_policy_allows(notebook, on_embedded, tmp_path):
    # Nor has another notebook measured for it.
    shutil.rmtree(on_embedded.state_path("capacity/x").parent, ignore_errors=True)
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
    if notebook.stem != CLEAN_UP:  # it finds nothing to delete
        assert set(NOTEBOOK_CALLS[notebook.stem]) <= called, "the policy is more than it calls"


@pytest.mark.timeout(1800)
def test_cleaning_up_calls_what_its_policy_allows_where_there_is_something_to_delete(
    on_embedded, tmp_path, monkeypatch
):
    scaled(on_embedded)
    recorder = CallRecorder(tmp_path)
    for variable, value in recorder.env.items():
        monkeypatch.setenv(variable, value)
    notebook = next(path for path in COMMITTED if path.stem == CLEAN_UP)
    where = {"metadata": {"path": str(tmp_path)}}
    nbclient.NotebookClient(nbformat.read(notebook, 4), timeout=600, resources=where).execute()
    called = recorder.actions() - ALWAYS_ALLOWED
    assert set(NOTEBOOK_CALLS[CLEAN_UP]) <= called <= set(actions_of(CLEAN_UP))
