"""The committed notebooks run from nothing, each on its own, and show what they showed when they were committed."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from kit.machine import require_measured
from kit.without_grammar import starting

COMMITTED = sorted((Path(__file__).resolve().parents[2] / "notebooks").glob("*.ipynb"))

SANITIZE = Path(__file__).parent / "sanitize.cfg"


@pytest.mark.timeout(3000)
@pytest.mark.parametrize("notebook", COMMITTED, ids=lambda path: path.stem)
def test_a_fresh_run_shows_what_is_committed(notebook, on_embedded):
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
    )
    if run.returncode:
        require_measured(run.stdout)
    assert run.returncode == 0, run.stdout[-6000:] + run.stderr[-2000:]
