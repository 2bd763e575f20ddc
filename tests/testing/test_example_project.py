"""The project under examples/, run as its reader would: by a pytest of its own, in a folder of its own."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PLUGIN = "dgsm_helpers.testing.pytest_plugin"


@pytest.mark.timeout(1800)
def test_the_example_project_proves_that_its_client_survives_scaling(tmp_path):
    project = shutil.copytree(ROOT / "examples" / "my_client", tmp_path / "my_client")
    env = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "DGSM_", "PYTEST_"))}
    env |= {"PYTHONPATH": str(ROOT), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:nbval",
        "-p",
        PLUGIN,
        "--basetemp",
        str(tmp_path / "temp"),
        str(project),
    ]
    run = subprocess.run(command, env=env, cwd=project, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout + run.stderr
    assert "1 passed" in run.stdout
