"""Who may import whom, held for every way there is to write an import."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
STEPS = {"start", "deploy", "register", "tune", "monitor", "plan", "mixed", "cleanup"}
GROUND = {"errors", "wire", "rules"}
BASE = GROUND | {"families", "prices", "state", "kernel", "local", "session"}

ALLOWED: dict[str, set[str]] = {
    "errors": set(),
    "wire": {"errors"},
    "rules": {"errors"},
    "families": GROUND,
    "prices": GROUND,
    "state": GROUND,
    "kernel": GROUND,
    "local": GROUND,
    "session": BASE,
    "simulate": GROUND,
    "aws": BASE,
    "load": BASE,
    "planning": BASE | {"simulate", "aws", "load"},
    "views": BASE | {"simulate", "aws", "load", "planning"},
    "workbook": BASE | {"aws"},
    **{step: BASE | {"simulate", "aws", "load", "planning", "views", "workbook"} for step in STEPS},
    "cli": BASE | STEPS | {"simulate", "aws", "load", "planning", "views", "workbook"},
    "embedded_aws": GROUND,
}
"""What each room may import of ours besides itself: a folder or a module of ``dgsm_helpers``, or ``embedded_aws``."""

MODULES = sorted([*ROOT.glob("dgsm_helpers/**/*.py"), *ROOT.glob("embedded_aws/**/*.py")])


def name_of(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def is_package(path: Path) -> bool:
    return path.stem == "__init__"


def room_of(module: str) -> str:
    first, *rest = module.split(".")
    return "embedded_aws" if first == "embedded_aws" else rest[0] if rest else "top"


def our_imports(source: str, module: str, *, is_package: bool = False) -> Iterator[tuple[str, int]]:
    """Our modules that a source names: imported at the top, in a function, for types only, relatively, or by name."""
    package = module.split(".") if is_package else module.split(".")[:-1]
    for node in ast.walk(ast.parse(source)):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            stem = ".".join([*base, *([node.module] if node.module else [])])
            names = [f"{stem}.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.Call) and _called(node) in ("import_module", "__import__"):
            # What is imported by a computed name cannot be followed: only the package's own lazy names may do it.
            first = node.args[0] if node.args else None
            names = [first.value] if isinstance(first, ast.Constant) else [f"dgsm_helpers.{_COMPUTED}"]
        for name in names:
            if name.split(".")[0] in ("dgsm_helpers", "embedded_aws"):
                yield name, node.lineno


_COMPUTED = "a-computed-name"


def _called(node: ast.Call) -> str:
    return getattr(node.func, "attr", getattr(node.func, "id", ""))


def wrong_imports(source: str, module: str, *, is_package: bool = False) -> list[tuple[str, int]]:
    room = room_of(module)
    if module == "dgsm_helpers":
        return [(n, line) for n, line in our_imports(source, module, is_package=True) if room_of(n) == "embedded_aws"]
    allowed = ALLOWED[room] | {room}
    rooms = ((name, line) for name, line in our_imports(source, module, is_package=is_package))
    return [(name, line) for name, line in rooms if room_of(name) not in allowed]


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_imports_point_one_way(path):
    wrong = wrong_imports(path.read_text(encoding="utf-8"), name_of(path), is_package=is_package(path))
    assert not wrong, f"{room_of(name_of(path))} may import {sorted(ALLOWED.get(room_of(name_of(path)), ()))}"


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("dgsm_helpers.cli.local_commands", "from embedded_aws.gateway.faults import KINDS"),
        ("dgsm_helpers.local", "import embedded_aws.server"),
        ("dgsm_helpers.aws.core.calls", "def f():\n    from dgsm_helpers.load.ladder import rung"),
        ("dgsm_helpers.load.ladder.crew", "if TYPE_CHECKING:\n    from dgsm_helpers.aws.watch import metrics"),
        ("dgsm_helpers.rules.model", "from ..session import Workbook"),
        ("dgsm_helpers.rules.model", "from .. import session"),
        ("dgsm_helpers.session", "importlib.import_module('dgsm_helpers.aws.core.calls')"),
        ("dgsm_helpers.session", "__import__('embedded_aws')"),
        ("dgsm_helpers.views.feed", "import_module(f'dgsm_helpers.{name}')"),
        ("embedded_aws.server", "from dgsm_helpers import local"),
    ],
)
def test_every_way_to_break_the_arrows_is_seen(module, source):
    assert wrong_imports(source, module)


def test_there_is_no_circle_of_modules():
    known = {name_of(path) for path in MODULES}

    def target(name: str) -> str | None:
        return name if name in known else name.rpartition(".")[0] if name.rpartition(".")[0] in known else None

    graph = {
        name_of(path): {
            found
            for name, _ in our_imports(path.read_text(encoding="utf-8"), name_of(path), is_package=is_package(path))
            if (found := target(name)) and found != name_of(path)
        }
        for path in MODULES
    }
    done: set[str] = set()

    def visit(module: str, trail: tuple[str, ...]) -> None:
        assert module not in trail, " -> ".join([*trail[trail.index(module) :], module])
        if module not in done:
            for other in graph[module]:
                visit(other, (*trail, module))
            done.add(module)

    for module in graph:
        visit(module, ())
