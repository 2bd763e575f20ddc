"""The two package sets in which notebooks must work: this environment's, and SageMaker Studio's with our kernel in it.

The Studio set is made as a user makes it: the image's own packages, and `dgsm studio setup` run in them.
"""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from kit.client_environments import NotInstalled, or_skip, python_with

ROOT = Path(__file__).resolve().parents[2]

STUDIO = Path(__file__).with_name("sagemaker_distribution_4.4.1.txt").read_text().split("\n")
STUDIO_PINS = tuple(line for line in STUDIO if "==" in line and not line.startswith("#"))
"""The image's packages that meet the project, JupyterLab and the AWS clients, ``name==version``."""

# The first test that needs the Studio set waits until it is installed.
SETS = ("current", pytest.param("studio", marks=[pytest.mark.slow, pytest.mark.timeout(3000)]))


@dataclass(frozen=True)
class StudioSpace:
    """A space on the image: its Python, and the folders that outlive it."""

    python: Path
    home: Path

    @property
    def env(self) -> dict[str, str]:
        """The space's environment; the kernel is in its home."""
        places = {"DGSM_HOME": str(self.home), "JUPYTER_DATA_DIR": str(self.home / "jupyter")}
        return os.environ | places

    @property
    def kernel(self) -> Path:
        """The interpreter of the kernel."""
        return self.home / "kernel" / "bin" / "python"

    def dgsm(self, *words: str, **env: str) -> subprocess.CompletedProcess[str]:
        """The command as it is run in a terminal of the space, from the clone."""
        command = [str(self.python), "-m", "dgsm_helpers.cli.main", *words]
        return subprocess.run(command, env=self.env | env, cwd=ROOT, capture_output=True, text=True, check=False)


def studio_space(request: pytest.FixtureRequest) -> StudioSpace:
    """A space whose kernel is ready; skips where the image's packages cannot be installed."""
    folder = Path(request.config.cache.mkdir("front-ends"))
    try:
        # The image is what conda made of it, and not what pip would: cryptography stands beside an older cffi.
        made = python_with(STUDIO_PINS, folder / "studio-image", with_dependencies=False)
    except NotInstalled as error:
        made = error
    space = StudioSpace(or_skip(made), folder / "studio-home")
    done = space.dgsm("studio", "setup")
    assert done.returncode == 0, done.stderr
    return space


def python_of(name: str, request: pytest.FixtureRequest) -> str:
    """The interpreter of a set; skips what cannot be installed."""
    return sys.executable if name == "current" else str(studio_space(request).kernel)
