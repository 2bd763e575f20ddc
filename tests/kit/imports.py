"""Which of our modules import which, read from the source: for the rule that holds the arrows and for their picture."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("dgsm_helpers", "embedded_aws")
MODULES = sorted(path for package in PACKAGES for path in ROOT.glob(f"{package}/**/*.py"))
STEPS = frozenset({"start", "deploy", "register", "tune", "monitor", "plan", "mixed", "cleanup"})

GROUND = frozenset({"errors", "wire", "rules"})
BASE = GROUND | {
    "processes",
    "families",
    "prices",
    "state",
    "progress",
    "places",
    "local",
    "session",
    "settings",
}
ROOMS = frozenset({"simulate", "aws", "load", "planning", "recording", "views", "workbook"})

ALLOWED: dict[str, frozenset[str]] = {
    "errors": frozenset(),
    "wire": frozenset({"errors"}),
    "rules": frozenset({"errors"}),
    "processes": frozenset(),
    "families": GROUND,
    "prices": GROUND,
    "state": GROUND | {"session"},
    "progress": GROUND,
    "settings": GROUND,
    "places": GROUND | {"processes"},
    "local": GROUND | {"places", "processes"},
    "session": BASE - {"state"},
    "simulate": GROUND | {"processes"},
    "aws": BASE,
    "load": BASE,
    "planning": BASE | {"simulate", "aws", "load"},
    "recording": BASE | {"aws", "load", "planning"},
    "views": BASE | {"simulate", "aws", "load", "planning"},
    "workbook": BASE | {"aws", "views"},
    **dict.fromkeys(STEPS, BASE | ROOMS | STEPS),
    "cli": BASE | ROOMS | STEPS,
    "testing": BASE | {"aws"} | STEPS,
    "embedded_aws": GROUND,
}
"""What each room may import of ours besides itself: a folder or a module of ``dgsm_helpers``, or ``embedded_aws``."""

COMPUTED = "dgsm_helpers.a-computed-name"
"""Stands for what is imported by a name that the source does not spell out."""


def name_of(path: Path) -> str:
    """A module's dotted name."""
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def is_package(path: Path) -> bool:
    """Whether a file is a folder's ``__init__``."""
    return path.stem == "__init__"


def room_of(module: str) -> str:
    """The room of a dotted name: the first folder or module of ``dgsm_helpers``, or ``embedded_aws``.

    ``python -m dgsm_helpers`` is the command.
    """
    first, *rest = module.split(".")
    if first == "embedded_aws":
        return first
    return {"__main__": "cli"}.get(rest[0], rest[0]) if rest else "top"


def our_imports(source: str, module: str, *, package: bool = False) -> Iterator[tuple[str, int]]:
    """Our names that a source imports, with the line: at the top, in a function, for types, relatively, by name."""
    parents = module.split(".") if package else module.split(".")[:-1]
    for node in ast.walk(ast.parse(source)):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = parents[: len(parents) - node.level + 1] if node.level else []
            stem = ".".join([*base, *([node.module] if node.module else [])])
            names = [f"{stem}.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.Call) and called_name(node) in ("import_module", "__import__"):
            first = node.args[0] if node.args else None
            names = [str(first.value)] if isinstance(first, ast.Constant) else [COMPUTED]
        for name in names:
            if name.split(".")[0] in PACKAGES:
                yield name, node.lineno


def module_of(imported: str, known: set[str]) -> str | None:
    """The module behind an imported name, which may be a module or something in one; None for a bare package."""
    parent = imported.rpartition(".")[0]
    return imported if imported in known else parent if parent in known else None


def imported_modules() -> dict[str, set[str]]:
    """Every module of ours with the modules it imports."""
    known = {name_of(path) for path in MODULES}
    return {
        name: {
            target
            for imported, _ in our_imports(path.read_text(encoding="utf-8"), name, package=is_package(path))
            if (target := module_of(imported, known)) and target != name
        }
        for path in MODULES
        for name in [name_of(path)]
    }


def called_name(node: ast.Call) -> str:
    """The last name of what is called: ``client`` for ``wb.session.client(...)``."""
    return str(getattr(node.func, "attr", getattr(node.func, "id", "")))
