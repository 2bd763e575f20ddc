"""Who may import whom, held for every way there is to write an import."""

from __future__ import annotations

import pytest
from kit.imports import ALLOWED, COMPUTED, MODULES, imported_modules, is_package, name_of, our_imports, room_of


def wrong_imports(source: str, module: str, *, package: bool = False) -> list[tuple[str, int]]:
    """What a module imports against the arrows; the package itself only hands out names, and never the emulator's."""
    if module == "dgsm_helpers":
        rooms = set(ALLOWED) - {"embedded_aws"} | {room_of(COMPUTED)}
    else:
        rooms = ALLOWED[room_of(module)] | {room_of(module)}
    imports = our_imports(source, module, package=package)
    return [(name, line) for name, line in imports if room_of(name) not in rooms]


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_imports_point_one_way(path):
    wrong = wrong_imports(path.read_text(encoding="utf-8"), name_of(path), package=is_package(path))
    assert not wrong, f"{room_of(name_of(path))} may import {sorted(ALLOWED.get(room_of(name_of(path)), ()))}"


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("dgsm_helpers", "from embedded_aws.server import main"),
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
    assert wrong_imports(source, module, package=module == "dgsm_helpers")


def test_there_is_no_circle_of_modules():
    graph = imported_modules()
    done: set[str] = set()

    def visit(module: str, trail: tuple[str, ...]) -> None:
        assert module not in trail, " -> ".join([*trail[trail.index(module) :], module])
        if module not in done:
            for other in graph[module]:
                visit(other, (*trail, module))
            done.add(module)

    for module in graph:
        visit(module, ())
