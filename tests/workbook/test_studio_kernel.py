"""SageMaker Studio: the kernel over the image's packages, the start of a space, and notebook jobs."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from kit.command_line import run_line
from kit.front_ends import ROOT, STUDIO_PINS, StudioSpace, studio_space
from kit.waiting import until
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from dgsm_helpers.aws.account import deletion
from dgsm_helpers.errors import InvalidInput, NotFound, NotReady
from dgsm_helpers.session import open_workbook
from dgsm_helpers.workbook import studio_kernel
from dgsm_helpers.workbook.studio_kernel import lifecycle_script, set_up, write_job_files

SHELLS = [shell for shell in ("sh", "dash", "bash", "bash --posix") if shutil.which(shell.split()[0])]
NOTEBOOKS = {"00_start_here": (), "01_deploy": (), "02_register": (), "03_tune": ("max_streams", "4"), "04_monitor": ()}
"""With what each is given; three rungs of the ladder show as much of this environment as eight."""


# ---- the start of a space -------------------------------------------------------------------------------------------


@pytest.fixture
def space_home(tmp_path, monkeypatch):
    """A home folder with a clone whose name needs quoting."""
    clone = tmp_path / "home" / "my deepgram's clone"
    clone.mkdir(parents=True)
    (clone / "pyproject.toml").touch()
    monkeypatch.setattr(studio_kernel, "PROJECT", clone)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def logged(space_home, text):
    """The log of the start, once it says ``text``."""
    log = space_home / ".dgsm" / "studio.log"
    return until(lambda: log.exists() and text in log.read_text() and log.read_text(), f"the log says {text}")


def start(space_home, shell, python):
    """A space's start by the lifecycle configuration, which finds ``python``; what it ended with."""
    tools = space_home.parent / "bin"
    tools.mkdir()
    (tools / "python").write_text(f"#!/bin/sh\n{python}\n")
    (tools / "python").chmod(0o755)
    path = f"{tools}{os.pathsep}{os.environ['PATH']}"
    command = [*shell.split(), "-c", lifecycle_script()]
    return subprocess.run(command, env={"HOME": str(space_home), "PATH": path}, check=False).returncode


@pytest.mark.parametrize("shell", SHELLS)
def test_the_environment_of_a_starting_space_gets_the_kernel_from_the_clone(space_home, shell):
    assert start(space_home, shell, 'echo "$PWD: $*"') == 0
    assert "my deepgram's clone: -m dgsm_helpers.cli.main studio setup\n" in logged(space_home, "ended with 0")


@pytest.mark.parametrize("shell", SHELLS)
def test_a_space_starts_in_an_environment_without_a_network(space_home, shell):
    assert start(space_home, shell, "echo no network >&2; exit 2") == 0
    assert "no network" in logged(space_home, "ended with 2")


def test_a_space_does_not_wait_for_the_kernel(space_home):
    gate = space_home / "gate"
    os.mkfifo(gate)
    assert start(space_home, "sh", f'read line <"{gate}"; echo "$line"') == 0  # while the work stands still
    gate.write_text("it went on\n")
    logged(space_home, "it went on")


def test_a_space_without_the_clone_starts_and_says_so(space_home):
    shutil.rmtree(studio_kernel.PROJECT)
    assert start(space_home, "sh", "exit 1") == 0
    logged(space_home, "There is no clone in")


def test_a_lifecycle_configuration_fits_into_what_sagemaker_takes(space_home):
    # CreateStudioLifecycleConfig: 16,384 characters of base64.
    assert len(lifecycle_script().encode()) * 4 / 3 < 16_384


def test_a_clone_that_would_not_outlive_the_space_is_refused(space_home, monkeypatch):
    monkeypatch.setattr(studio_kernel, "PROJECT", Path("/opt/deepgram"))
    with pytest.raises(InvalidInput, match="outside the home folder"):
        lifecycle_script()


# ---- what cannot be made --------------------------------------------------------------------------------------------


def test_what_pip_cannot_reach_is_said_in_a_line_with_the_next_step(tmp_path, monkeypatch):
    monkeypatch.setenv("DGSM_HOME", str(tmp_path))
    for name in ("PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL"):
        monkeypatch.setenv(name, "http://127.0.0.1:1/simple")
    for name, value in {"PIP_FIND_LINKS": "", "PIP_RETRIES": "0", "PIP_CONFIG_FILE": os.devnull}.items():
        monkeypatch.setenv(name, value)
    answer = run_line(tmp_path, "studio", "setup")
    assert answer.exit_code == 2
    assert answer.stderr.startswith("dgsm: Could not install the project: ")
    assert "studio.md" in answer.stderr and "Traceback" not in answer.output
    assert not (tmp_path / "kernel" / "made.json").exists()


@pytest.mark.parametrize("make", [set_up, lambda: write_job_files(ROOT / "notebooks")])
def test_without_a_clone_there_is_nothing_to_install(make, tmp_path, monkeypatch):
    monkeypatch.setattr(studio_kernel, "PROJECT", tmp_path)
    with pytest.raises(NotFound, match="not a clone"):
        make()
    assert list(tmp_path.iterdir()) == []


def test_job_files_go_where_notebooks_are(tmp_path):
    with pytest.raises(NotFound, match="has no notebooks"):
        write_job_files(tmp_path)


def test_what_a_python_cannot_do_is_said(monkeypatch, tmp_path):
    monkeypatch.setenv("DGSM_HOME", str(tmp_path))
    broken = tmp_path / "python"
    broken.write_text("#!/bin/sh\necho 'no such thing' >&2; exit 1\n")
    broken.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(broken))
    with pytest.raises(NotReady, match="no such thing"):
        set_up()


# ---- the image's own packages ---------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def space(request) -> StudioSpace:
    return studio_space(request)


def packages_of(python) -> dict[str, str]:
    listed = subprocess.run(
        [str(python), "-m", "pip", "list", "--format=json"], capture_output=True, text=True, check=True
    ).stdout
    return {canonicalize_name(row["name"]): row["version"] for row in json.loads(listed)}


PINS = {canonicalize_name(name): version for name, version in (pin.split("==") for pin in STUDIO_PINS)}


@pytest.mark.parametrize("group", ["dependencies", "local", "studio"])
def test_every_floor_is_at_or_below_what_the_studio_environment_ships(group):
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = map(Requirement, project.get(group) or project["optional-dependencies"][group])
    met = [one for one in wanted if canonicalize_name(one.name) in PINS]
    assert met
    assert [str(one) for one in met if not one.specifier.contains(PINS[canonicalize_name(one.name)])] == []


@pytest.mark.slow
@pytest.mark.timeout(1500)
def test_the_studio_environment_keeps_the_images_packages_and_the_kernel_is_whole(space):
    assert packages_of(space.python) == PINS
    checked = subprocess.run([str(space.kernel), "-m", "pip", "check"], capture_output=True, text=True, check=False)
    assert (checked.returncode, checked.stdout.strip()) == (0, "No broken requirements found.")
    # What pip would have moved of the image, had it been let: nothing that anyone there works with.
    kernel = packages_of(space.kernel)
    assert {name for name, version in PINS.items() if kernel[name] != version} == {"cffi"}
    assert {"moto", "moonshine-voice", "aws-sdk-sagemaker-runtime-http2"} <= kernel.keys() - PINS.keys()


@pytest.mark.slow
@pytest.mark.timeout(1500)
def test_setting_the_environment_up_again_does_nothing_from_the_kernel_itself_and_without_a_network(space):
    nowhere = {"PIP_INDEX_URL": "http://127.0.0.1:1/simple", "PIP_CONFIG_FILE": os.devnull, "PIP_RETRIES": "0"}
    answer = space.dgsm("studio", "setup", **nowhere)
    assert (answer.returncode, answer.stderr) == (0, "")
    assert "was ready" in answer.stdout and "cffi" in answer.stdout
    own = StudioSpace(space.kernel, space.home).dgsm("studio", "setup", **nowhere)
    assert (own.returncode, own.stdout) == (0, answer.stdout)


@pytest.mark.slow
@pytest.mark.timeout(1500)
def test_the_notebooks_run_in_order_in_the_studio_environment(space, embedded, tmp_path, request):
    """The image's papermill runs them in the kernel, as Studio does; nothing of ours is in its own environment."""
    env = space.env | {"DGSM_HOME": str(embedded.home)}
    made = open_workbook("local", home=embedded.home, endpoint_name="dg-studio")
    request.addfinalizer(lambda: deletion.delete(made))
    for name, given in NOTEBOOKS.items():
        command = [str(space.python), "-m", "papermill", "--kernel", "dgsm", "--no-progress-bar"]
        parameters = ["-p", "endpoint_name", "dg-studio", *(("-p", *given) if given else ())]
        done = subprocess.run(
            [*command, f"{name}.ipynb", str(tmp_path / f"{name}.ipynb"), *parameters],
            cwd=ROOT / "notebooks",
            env=env,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"{name}: {done.stderr[-3000:]}"


@pytest.mark.slow
@pytest.mark.timeout(1500)
def test_a_notebook_job_runs_in_its_own_environment_with_parameters_as_text(space, tmp_path):
    """AWS's own driver of notebook jobs, with the files it would find in its container."""
    inputs, config, output = (tmp_path / "ml" / name for name in ("input/data/job", "input/config", "output"))
    for folder in (inputs, config, output, tmp_path / "tmp"):
        folder.mkdir(parents=True)
    for notebook in (ROOT / "notebooks").glob("*.ipynb"):
        shutil.copy(notebook, inputs)
    written = space.dgsm("studio", "job", str(inputs))
    assert written.returncode == 0, written.stderr
    (config / "hyperparameters.json").write_text(json.dumps({"endpoint_name": "dg-job", "region": "eu-west-1"}))
    driver = next(space.python.parent.parent.glob("lib/*/site-packages/sagemaker_headless_execution_driver/scripts"))
    script = (driver / "headless_execution.sh").read_text()
    for theirs, ours in {"/opt/ml": "ml", "/home/": "home-of-", '"/tmp"': "tmp"}.items():
        script = script.replace(theirs, str(tmp_path / ours))
    job = {
        "SM_JOB_DEF_VERSION": "1.0",
        "SM_INPUT_NOTEBOOK_NAME": "00_start_here.ipynb",
        "SM_OUTPUT_NOTEBOOK_NAME": "done.ipynb",
        "SM_KERNEL_NAME": "python3",  # what the committed notebooks name
        "SM_EXECUTION_INPUT_PATH": str(inputs),
        "SM_SKIP_EFS_SIMULATION": "true",
        "SM_INIT_SCRIPT": "dgsm_job.sh",
        "PATH": f"{space.python.parent}{os.pathsep}{os.environ['PATH']}",
        "HOME": str(tmp_path),
    }
    env = {name: value for name, value in os.environ.items() if not name.startswith(("DGSM_", "JUPYTER_"))} | job
    try:
        done = subprocess.run(["bash", "-c", script], env=env, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout[-3000:]
        assert "eu-west-1: endpoint/dg-job/variant/AllTraffic" in (output / "data" / "done.ipynb").read_text()
    finally:
        subprocess.run([str(tmp_path / ".dgsm/kernel/bin/dgsm"), "local", "down"], env=env, check=False)
    assert packages_of(space.python) == PINS
