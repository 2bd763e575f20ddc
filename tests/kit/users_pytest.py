"""A pytest of a user's own project, with this package's plugin and none of this project's settings."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PLUGIN = "dgsm_helpers.testing.pytest_plugin"


def run_tests(project: Path, temp: Path, **env: str) -> str:
    """What it prints of the project's tests, all of which have to pass; ``env`` comes on top of this machine's."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "DGSM_", "PYTEST_"))}
    kept |= {"PYTHONPATH": str(ROOT), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", **env}
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:nbval", "-p", PLUGIN]
    command += ["--basetemp", str(temp), str(project)]
    run = subprocess.run(command, env=kept, cwd=project, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout + run.stderr
    return run.stdout
