"""The project under examples/, run as its reader would: by a pytest of its own, in a folder of its own."""

from __future__ import annotations

import shutil
import subprocess
import sys

import pytest
from kit.users_pytest import ROOT, run_tests


@pytest.mark.timeout(1800)
def test_the_example_project_proves_that_its_client_survives_scaling(tmp_path):
    project = shutil.copytree(ROOT / "examples" / "my_client", tmp_path / "my_client")
    assert "1 passed" in run_tests(project, tmp_path / "temp")


def test_it_is_found_from_the_clone_as_the_docs_start_it():
    command = [sys.executable, "-P", "-m", "pytest", "--collect-only", "-q", "examples/my_client"]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300, check=False)
    assert "1 test collected" in ended.stdout and ended.returncode == 0, ended.stdout
