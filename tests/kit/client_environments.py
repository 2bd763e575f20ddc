"""Environments of their own for clients that cannot share the project's, made once and kept in pytest's cache."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn

import pytest

INSTALL_TIMEOUT_S = 900.0


class NotInstalled(Exception):
    """A client could not be installed, or what runs it is missing; the message says which and why."""


def python_with(requirements: Sequence[str], folder: Path, *, with_dependencies: bool = True) -> Path:
    """The interpreter of an environment that holds ``requirements`` and nothing of ours.

    Args:
        with_dependencies: also what they depend on.

    Raises:
        NotInstalled: no registry could be reached, or nothing there satisfies the requirements.
    """
    with _alone(folder):
        return _python_with(requirements, folder, () if with_dependencies else ("--no-deps",))


def _python_with(requirements: Sequence[str], folder: Path, how: Sequence[str]) -> Path:
    python = folder / "bin" / "python"
    asked = {"requirements": list(requirements), "python": sys.version}
    if _made(folder) == asked:
        return python
    shutil.rmtree(folder, ignore_errors=True)
    # A Python from uv or Debian may lack ensurepip; uv, where it is there, needs none.
    if uv := shutil.which("uv"):
        _run(requirements[0], uv, "venv", "-q", "--python", sys.executable, folder)
        _run(requirements[0], uv, "pip", "install", "-q", *how, "--python", python, *requirements)
    else:
        _run(requirements[0], sys.executable, "-m", "venv", folder)
        quiet = ("-q", "--disable-pip-version-check", "--no-compile")
        _run(requirements[0], python, "-m", "pip", "install", *quiet, *how, *requirements)
    (folder / "made.json").write_text(json.dumps(asked))
    return python


def javascript_with(packages: Sequence[str], folder: Path) -> Path:
    """A ``node_modules`` folder that holds ``packages``.

    Raises:
        NotInstalled: node or npm is missing, or no registry could be reached.
    """
    if absent := [name for name in ("node", "npm") if not shutil.which(name)]:
        raise NotInstalled(f"{' and '.join(absent)} not found on PATH")
    with _alone(folder):
        return _javascript_with(packages, folder)


def _javascript_with(packages: Sequence[str], folder: Path) -> Path:
    modules = folder / "node_modules"
    if _made(folder) == {"packages": list(packages)}:
        return modules
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    quiet = ("--no-save", "--no-package-lock", "--no-audit", "--no-fund", "--loglevel=error")
    _run(" ".join(packages), shutil.which("npm"), "install", *quiet, "--prefix", folder, *packages)
    (folder / "made.json").write_text(json.dumps({"packages": list(packages)}))
    return modules


def or_skip(made: Path | NotInstalled) -> Path:
    """What was made. A machine without a registry cannot run these tests; CI must."""
    if isinstance(made, Path):
        return made
    missing(str(made))


def missing(reason: str) -> NoReturn:
    """Skip a test whose client is not here; in CI everything must be."""
    if os.environ.get("CI", "").lower() in ("true", "1"):
        pytest.fail(f"{reason} (CI must have it)")
    pytest.skip(reason)


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Only one process makes an environment; the others find it made."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with open(f"{folder}.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _made(folder: Path) -> dict | None:
    """What a finished environment was made from; None for a missing or half-made one."""
    try:
        return json.loads((folder / "made.json").read_text())
    except (OSError, ValueError):
        return None


def _run(what: str, *command: str | Path) -> None:
    try:
        done = subprocess.run(
            [str(part) for part in command], capture_output=True, text=True, timeout=INSTALL_TIMEOUT_S, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise NotInstalled(f"{what}: no answer within {INSTALL_TIMEOUT_S:g} s") from error
    if done.returncode:
        lines = (done.stderr or done.stdout).strip().splitlines() or ["no message"]
        raise NotInstalled(f"{what}: {lines[-1]}")
