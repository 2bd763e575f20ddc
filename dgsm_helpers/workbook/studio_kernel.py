"""SageMaker Studio: a kernel of the project's own over the image's packages, and what a notebook job needs to have it.

The image's environment is made anew whenever a space starts; the home folder stays. So the kernel is a virtual
environment under ``$DGSM_HOME`` that sees the image's packages and adds what they lack. Nothing of the image moves,
whatever pip thinks of its packages: where one does not do, the kernel alone gets another version.
"""

import hashlib
import json
import os
import shlex
import subprocess
import sys
from dataclasses import dataclass
from importlib.metadata import distributions
from importlib.resources import files
from pathlib import Path

from dgsm_helpers.errors import InvalidInput, NotFound, NotReady
from dgsm_helpers.local import home_folder, locked

KERNEL, DISPLAY_NAME = "dgsm", "Deepgram (dgsm)"
DEFAULT_KERNEL = "python3"
"""The kernel that notebooks name which were never opened with another: a notebook job asks for it."""

JOB_SCRIPT = "dgsm_job.sh"

PROJECT = Path(__file__).resolve().parents[2]
"""The clone this runs from; in a notebook job the wheel."""

_IMAGE = """import json, site, sys
print(json.dumps({"version": sys.version, "folders": site.getsitepackages()}))"""
_SEE_IMAGE = "import site; [site.addsitedir(folder) for folder in {folders!r}]\n"


@dataclass(frozen=True, kw_only=True)
class StudioKernel:
    """A kernel that is ready.

    Attributes:
        folder: its virtual environment.
        is_new: whether something had to be installed.
        replaced: packages that it has in another version than the image, as (name, its version, the image's).
    """

    folder: Path
    is_new: bool
    replaced: tuple[tuple[str, str, str], ...]

    def __str__(self) -> str:
        state = "is ready" if self.is_new else "was ready"
        lines = [f"The kernel {DISPLAY_NAME!r} {state}: choose it in the notebook's upper right corner."]
        if self.replaced:
            listed = ", ".join(f"{name} {own} (image {theirs})" for name, own, theirs in self.replaced)
            lines.append(f"The image stays as it is. In this kernel alone: {listed}.")
        lines.append(f"In a terminal: {self.folder / 'bin' / 'dgsm'}")
        return "\n".join(lines)


def set_up() -> StudioKernel:
    """Make the kernel, or bring it up to date; at once when neither the project nor the image has changed.

    Raises:
        NotFound: there is no project to install.
        NotReady: pip could not install it, or there is no pip; a kernel that was there before stays.
    """
    _require_project()
    folder = (home_folder() / "kernel").absolute()
    with locked(folder):  # a space's start and an impatient user
        made = _read(folder)
        is_inside = Path(sys.prefix).resolve() == folder.resolve()  # `dgsm` of the kernel brings itself up to date
        base = str(Path(sys.base_prefix, "bin", "python3"))
        image = _ask_image(made.get("python", base) if is_inside else sys.executable)
        wanted = {**image, "project": str(PROJECT), "contents": _digest(image["folders"])}
        is_new = made != wanted
        if is_new:
            _install(folder, image, is_fresh=made.get("version") != image["version"])
        _register(folder, KERNEL, "--user")
        # For a job, which finds it by its script's JUPYTER_PATH; nobody else looks for kernels there.
        _register(folder, DEFAULT_KERNEL, "--sys-prefix")
        # Last of all, so that what was interrupted is done again.
        (folder / "made.json").write_text(json.dumps(wanted))
    return StudioKernel(folder=folder, is_new=is_new, replaced=_replaced(folder, image["folders"]))


def lifecycle_script() -> str:
    """A lifecycle configuration for JupyterLab spaces, POSIX sh: sets the kernel up whenever a space starts.

    Raises:
        InvalidInput: the project is outside the home folder, which alone outlives a space.
    """
    home = Path.home().resolve()
    if not PROJECT.is_relative_to(home):
        raise InvalidInput(
            f"{PROJECT} is outside the home folder {home}, which alone outlives a space.", hint="Clone it there."
        )
    return _script("studio_lifecycle.sh", project=PROJECT.relative_to(home).as_posix())


def write_job_files(notebooks: Path) -> tuple[Path, Path]:
    """Put beside the notebooks what a notebook job needs: its initialisation script, and the project as a wheel.

    A job sees the folder of its notebook and nothing else of the project.

    Raises:
        NotFound: there is no such folder, or no project to build.
        NotReady: pip could not build the wheel.
    """
    _require_project()
    if not any(notebooks.glob("*.ipynb")):
        raise NotFound(f"{notebooks} has no notebooks.", hint="Give the folder of the notebooks.")
    for former in notebooks.glob("dgsm_helpers-*.whl"):
        former.unlink()
    _run("build the wheel", sys.executable, *_PIP, "wheel", "--no-deps", "--wheel-dir", notebooks, PROJECT)
    wheel = next(notebooks.glob("dgsm_helpers-*.whl"))
    script = notebooks / JOB_SCRIPT
    script.write_text(_script("studio_job.sh", wheel=wheel.name))
    return script, wheel


_PIP = ("-m", "pip", "--quiet", "--disable-pip-version-check", "--no-input")


def _install(folder: Path, image: dict, *, is_fresh: bool) -> None:
    python = folder / "bin" / "python"
    if is_fresh:
        _run("make the kernel's environment", image["python"], "-m", "venv", "--clear", "--without-pip", folder)
    packages = next(folder.glob("lib/python*/site-packages"))
    # A venv's own switch would not show the packages of another venv, which a custom image may have.
    (packages / "studio_image.pth").write_text(_SEE_IMAGE.format(folders=image["folders"]))
    wanted = [f"{PROJECT}[studio]"] if PROJECT.is_file() else ["--editable", f"{PROJECT}[studio]"]
    _run("install the project", python, *_PIP, "install", *wanted)


def _register(folder: Path, name: str, place: str) -> None:
    python, path = folder / "bin" / "python", f"{folder / 'bin'}:${{PATH}}"  # Jupyter fills the variable in
    settings = (place, "--name", name, "--display-name", DISPLAY_NAME, "--env", "PATH", path)
    _run("register the kernel", python, "-m", "ipykernel", "install", *settings)


def _ask_image(python: str) -> dict:
    return {"python": python, **json.loads(_run("ask the image's Python", python, "-c", _IMAGE))}


def _digest(folders: list[str]) -> str:
    """Changes with the project's requirements and with any package of the image."""
    source = PROJECT if PROJECT.is_file() else PROJECT / "pyproject.toml"
    names = sorted(path.name for folder in folders for path in Path(folder).glob("*-info"))
    return hashlib.sha256(source.read_bytes() + "\n".join(names).encode()).hexdigest()


def _replaced(folder: Path, image: list[str]) -> tuple[tuple[str, str, str], ...]:
    own = [str(path) for path in folder.glob("lib/python*/site-packages")]
    theirs = {found.name.lower(): found.version for found in distributions(path=image)}
    mine = sorted((found.name.lower(), found.version) for found in distributions(path=own))
    return tuple((name, version, theirs[name]) for name, version in mine if name in theirs and theirs[name] != version)


def _require_project() -> None:
    if not PROJECT.is_file() and not (PROJECT / "pyproject.toml").is_file():
        raise NotFound(f"{PROJECT} is not a clone of the repository.", hint="Run this from a clone.")


def _script(name: str, **values: str) -> str:
    text = (files("dgsm_helpers") / "data" / name).read_text()
    for placeholder, value in values.items():
        text = text.replace(f"@{placeholder}@", shlex.quote(value))
    return text


def _read(folder: Path) -> dict:
    try:
        return json.loads((folder / "made.json").read_text())
    except (OSError, ValueError):
        return {}


def _run(purpose: str, *command: str | Path) -> str:
    # A job's script finds this package by it; pip would take that for installed.
    env = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run([str(part) for part in command], env=env, capture_output=True, text=True, check=False)
    if done.returncode:
        lines = (done.stderr or done.stdout).strip().splitlines()[-3:]
        raise NotReady(
            f"Could not {purpose}: {' '.join(lines) or 'no message'}",
            hint="pip needs its package index: without internet access see docs/guides/studio.md.",
        )
    return done.stdout
