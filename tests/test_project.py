"""Rules that hold for the project as a whole: who may import whom, one list of dependencies, nothing of a machine."""

from __future__ import annotations

import importlib
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "dgsm_helpers"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def tracked():
    """The repository's text files, as git knows them."""
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split(
        "\n"
    )
    for name in filter(None, listed):
        path = ROOT / name
        if path.suffix not in (".wav", ".png") and path.is_file():
            yield name, path.read_text(encoding="utf-8")


def part_of(path):
    relative = path.relative_to(PACKAGE)
    return relative.parts[0].removesuffix(".py")


MODULES = [path for path in sorted(PACKAGE.rglob("*.py")) if not part_of(path).startswith(("__init__", "cli"))]


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_nothing_but_the_session_knows_where_it_runs_or_reads_the_wall_clock(path):
    if part_of(path) == "session":
        return
    text = path.read_text(encoding="utf-8")
    assert not re.findall(r"where\s*[=!]=\s*[\"']|datetime\.(?:now|utcnow)\(", text)


def test_importing_the_package_takes_at_most_300_ms():
    probe = "import time; t = time.perf_counter(); import dgsm_helpers; print(time.perf_counter() - t)"
    runs = [subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True) for _ in range(3)]
    assert min(float(run.stdout) for run in runs) <= 0.3


@pytest.mark.parametrize("name", sorted({path.relative_to(ROOT).with_suffix("").as_posix() for path in MODULES}))
def test_every_module_says_what_it_is_for(name):
    module = name.replace("/", ".").removesuffix(".__init__")
    assert (importlib.import_module(module).__doc__ or "").strip()


def test_environment_yml_takes_python_from_conda_and_the_rest_from_pyproject():
    environment = yaml.safe_load((ROOT / "environment.yml").read_text())
    assert environment["channels"] == ["conda-forge", "nodefaults"]
    *conda, pip = environment["dependencies"]
    assert conda == ["python=3.12", "pip"]
    project, *named = pip["pip"]
    extras = re.fullmatch(r"-e \.\[(.+)\]", project)[1].split(",")
    assert set(extras) <= set(PROJECT["optional-dependencies"])
    declared = {Requirement(text).name: text for group in PROJECT["optional-dependencies"].values() for text in group}
    for text in named:
        assert declared[Requirement(text).name] == text
    assert Requirement(f"python{PROJECT['requires-python']}").specifier.contains("3.12")


def test_the_package_itself_does_not_need_the_whole_sagemaker_sdk():
    assert "sagemaker" not in {Requirement(text).name for text in PROJECT["dependencies"]}
    assert "sagemaker" in {Requirement(text).name for text in PROJECT["optional-dependencies"]["studio"]}


@pytest.mark.parametrize(
    ("distribution", "version"),
    [("plotly", "6.0.1"), ("ipywidgets", "8.1.0"), ("papermill", "2.7.0"), ("pandas", "2.3.3"), ("numpy", "1.26.4")],
)
def test_floors_admit_the_current_studio_image(distribution, version):
    floors = {Requirement(text).name: Requirement(text).specifier for text in PROJECT["dependencies"]}
    assert floors[distribution].contains(version)


def test_no_tracked_file_holds_a_path_of_a_machine_or_a_registry_host():
    pattern = re.compile(r"(?<![\w.:/-])/(?:tmp|root|home|work|Users)/[a-z]\w+|[\w-]+\.(?:jfrog\.io|pypi\.org/simple)")
    found = [
        (name, hit[0]) for name, text in tracked() for hit in pattern.finditer(text) if name != "tests/test_project.py"
    ]
    assert not found


def test_no_module_is_too_long_to_have_one_reason_to_exist():
    long = {str(path.relative_to(ROOT)): len(path.read_text().splitlines()) for path in PACKAGE.rglob("*.py")}
    assert not {name: lines for name, lines in long.items() if lines > 400}


def test_nothing_is_left_unfinished():
    pattern = re.compile(r"\b(?:TODO|FIXME|XXX|raise NotImplementedError)\b")
    assert not [name for name, text in tracked() if name.startswith("dgsm_helpers/") and pattern.search(text)]


def test_tests_mirror_the_package():
    parts = {part_of(path) for path in MODULES if path.parent != PACKAGE}
    assert parts <= {path.name for path in (ROOT / "tests").iterdir() if path.is_dir()}


def test_the_readme_names_every_notebook_of_the_series():
    readme = (ROOT / "README.md").read_text()
    assert not [path.stem for path in (ROOT / "notebooks").glob("*.ipynb") if path.stem not in readme]
