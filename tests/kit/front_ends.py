"""The two package sets in which notebooks must work: this environment's, and that of SageMaker Studio's image 4.4."""

from __future__ import annotations

import sys
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from kit.client_environments import NotInstalled, or_skip, python_with

ROOT = Path(__file__).resolve().parents[2]

STUDIO = {
    "jupyterlab": "4.5.10",
    "ipykernel": "7.3.0",
    "ipython": "8.37.0",
    "ipywidgets": "8.1.9",
    "jupyterlab-widgets": "3.0.17",
    "plotly": "6.0.1",
    "papermill": "2.7.0",
    "nbclient": "0.11.0",
    "pandas": "2.3.3",
    "numpy": "1.26.4",
}
"""SageMaker Distribution 4.4.1 (build_artifacts/v4/v4.4/v4.4.1/cpu.env.out), where it matters to a notebook's page."""

# The first test that needs the Studio set waits until it is installed.
SETS = ("current", pytest.param("studio", marks=[pytest.mark.slow, pytest.mark.timeout(3000)]))


def python_of(name: str, request: pytest.FixtureRequest) -> tuple[str, dict[str, str]]:
    """The interpreter of a set, and what it needs in its environment besides; skips what cannot be installed.

    The Studio set is the image's packages and, as after ``pip install`` there, whatever else the project needs.
    """
    if name == "current":
        return sys.executable, {}
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    others = [text for text in project["dependencies"] if Requirement(text).name not in STUDIO]
    wanted = [*(f"{package}=={version}" for package, version in STUDIO.items()), *others]
    try:
        made = python_with(wanted, Path(request.config.cache.mkdir("front-ends")) / name)
    except NotInstalled as error:
        made = error
    return str(or_skip(made)), {"PYTHONPATH": str(ROOT)}
