"""The project under examples/, run as its reader would: by a pytest of its own, in a folder of its own."""

from __future__ import annotations

import shutil

import pytest
from kit.users_pytest import ROOT, run_tests


@pytest.mark.timeout(1800)
def test_the_example_project_proves_that_its_client_survives_scaling(tmp_path):
    project = shutil.copytree(ROOT / "examples" / "my_client", tmp_path / "my_client")
    assert "1 passed" in run_tests(project, tmp_path / "temp")
