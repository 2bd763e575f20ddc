"""Rules that hold for the project as a whole: who may import whom, one list of dependencies, nothing of a machine."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
from collections import Counter
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement

MOST_LINES = 300
BESIDE_THE_PACKAGES = {".", "browser", "clients", "faults", "fuzz", "notebooks", "recorded", "security"}
"""Folders of tests that belong to no room: of the whole, of other programs, of what the packages show."""

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
        if path.suffix not in (".wav", ".png", ".gif") and path.is_file():
            yield name, path.read_text(encoding="utf-8")


PACKAGES = (PACKAGE, ROOT / "embedded_aws")
MODULES = sorted(path for package in PACKAGES for path in package.rglob("*.py"))


def name_of(path):
    return path.relative_to(ROOT).with_suffix("").as_posix()


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_nothing_reads_the_machines_calendar_past_the_workbooks_clock(path):
    assert not re.findall(r"datetime\.(?:now|utcnow|today)\(|date\.today\(", path.read_text(encoding="utf-8"))


@pytest.mark.parametrize(
    ("code", "allowed"),
    [
        ("import dgsm_helpers", set()),
        ("import dgsm_helpers.cli.main", {"click"}),
    ],
)
def test_an_import_brings_nothing_that_is_used_later_or_never(code, allowed):
    """How long it takes is in benchmarks/footprint.py."""
    probe = f"{code}; import sys; print(*{{name.partition('.')[0] for name in sys.modules}})"
    run = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True)
    ours = {"dgsm_helpers", "__main__", *sys.stdlib_module_names}
    brought = {name for name in run.stdout.split() if not name.startswith(("__editable__", "_distutils"))}
    assert brought - ours <= allowed


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_every_module_says_what_it_is_for(path):
    assert (ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or "").strip()


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


def test_nothing_here_needs_the_whole_sagemaker_sdk():
    """It brings a gigabyte; its core has what the notebooks show."""
    groups = [PROJECT["dependencies"], *PROJECT["optional-dependencies"].values()]
    assert "sagemaker" not in {Requirement(text).name for group in groups for text in group}


def test_no_tracked_file_holds_a_path_of_a_machine_or_a_registry_host():
    pattern = re.compile(r"(?<![\w.:/-])/(?:tmp|root|home|work|Users)/[a-z]\w+|[\w-]+\.(?:jfrog\.io|pypi\.org/simple)")
    found = [
        (name, hit[0]) for name, text in tracked() for hit in pattern.finditer(text) if name != "tests/test_project.py"
    ]
    assert not found


def test_no_module_is_too_long_to_have_one_reason_to_exist():
    lengths = {name_of(path): len(path.read_text(encoding="utf-8").splitlines()) for path in MODULES}
    assert not {name: lines for name, lines in lengths.items() if lines > MOST_LINES}


def test_no_name_of_a_class_or_a_file_stands_twice():
    files = Counter(path.stem for path in MODULES if not path.stem.startswith("__"))
    classes = Counter(
        node.name
        for path in MODULES
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.ClassDef)
    )
    assert [name for name, count in (files + classes).items() if count > 1] == []


def test_nothing_is_left_unfinished():
    pattern = re.compile(r"\b(?:TODO|FIXME|XXX|raise NotImplementedError)\b")
    assert not [name_of(path) for path in MODULES if pattern.search(path.read_text(encoding="utf-8"))]


def test_tests_stand_in_the_folder_of_what_they_test():
    rooms = {path.parent.relative_to(ROOT).as_posix().removeprefix("dgsm_helpers/") for path in MODULES}
    tests = {path.parent.relative_to(ROOT / "tests").as_posix() for path in (ROOT / "tests").rglob("test_*.py")}
    assert tests - rooms <= BESIDE_THE_PACKAGES
    halls = {room.split("/")[0] for room in rooms} - {"dgsm_helpers"}
    assert halls <= {folder.split("/")[0] for folder in tests}


def clocks_of(source):
    """The lines of a test that wait for a time or measure one."""
    timing = {"sleep", "monotonic", "perf_counter", "process_time", "Timer"}
    called = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call)]
    return [
        node.lineno
        for node in called
        if getattr(node.func, "attr", getattr(node.func, "id", "")) in timing
        and getattr(getattr(node.func, "value", None), "id", "time") in ("time", "threading")
    ]


@pytest.mark.parametrize("path", sorted((ROOT / "tests").rglob("test_*.py")), ids=name_of)
def test_no_test_depends_on_how_fast_the_machine_is(path):
    """What must come is waited for with `kit.waiting`; speed is judged in benchmarks."""
    assert not clocks_of(path.read_text(encoding="utf-8"))


@pytest.mark.parametrize(
    "source",
    [
        "time.sleep(1)",
        "assert time.monotonic() - began < 2",
        "threading.Timer(0.3, kill)",
        "from time import sleep\nsleep(1)",
    ],
)
def test_every_way_to_watch_the_clock_is_seen(source):
    assert clocks_of(source)


def test_the_readme_names_every_notebook_of_the_series():
    readme = (ROOT / "README.md").read_text()
    assert not [path.stem for path in (ROOT / "notebooks").glob("*.ipynb") if path.stem not in readme]
