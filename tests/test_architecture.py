"""Who may import whom, held for every way there is to write an import."""

from __future__ import annotations

import ast
from importlib.util import module_from_spec, spec_from_file_location

import pytest
from kit.imports import (
    ALLOWED,
    COMPUTED,
    MODULES,
    ROOT,
    called_name,
    imported_modules,
    is_package,
    name_of,
    our_imports,
    room_of,
)


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


PLACE = {"where"}
"""What a workbook holds about the place it runs in."""


def looks_at_the_place(source: str) -> list[int]:
    """The lines that read where a workbook runs, as an attribute or by its name; numpy's ``where`` is another thing."""
    lines = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Attribute) and node.attr in PLACE:
            if getattr(node.value, "id", "") != "np":
                lines.append(node.lineno)
        elif isinstance(node, ast.Call) and called_name(node) in ("getattr", "attrgetter"):
            lines += [node.lineno for word in node.args if isinstance(word, ast.Constant) and word.value in PLACE]
    return lines


@pytest.mark.parametrize(
    "path", [p for p in MODULES if name_of(p) != "dgsm_helpers.session" and "embedded_aws" not in p.parts], ids=name_of
)
def test_nothing_outside_the_session_looks_at_where_it_runs(path):
    assert not looks_at_the_place(path.read_text(encoding="utf-8"))


@pytest.mark.parametrize(
    "source",
    [
        "{'local': 'quick', 'aws': 'standard'}[wb.where]",
        "f'idle/{self.wb.where}.json'",
        "getattr(wb, 'where')",
        "operator.attrgetter('where')(wb)",
    ],
)
def test_every_look_at_where_it_runs_is_seen(source):
    assert looks_at_the_place(source)


CALLS_AWS_STILL: set[str] = {
    "dgsm_helpers.views.feed",
    "dgsm_helpers.views.pages.report",
}
"""Modules outside ``aws`` that still call AWS themselves. May only become fewer."""


def calls_aws(source: str, module: str) -> list[int]:
    """The lines that make a boto3 client or go through the door that AWS is called by."""
    lines = [line for name, line in our_imports(source, module) if name.startswith("dgsm_helpers.aws.core.calls")]
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call) and called_name(node) in ("client", "resource"):
            lines.append(node.lineno)
    return lines


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_only_aws_calls_aws(path):
    module = name_of(path)
    if room_of(module) not in ("aws", "places", "session", "embedded_aws"):
        assert module in CALLS_AWS_STILL or not calls_aws(path.read_text(encoding="utf-8"), module)


@pytest.mark.parametrize(
    "source",
    [
        "wb.client('sagemaker').describe_endpoint()",
        "self.wb.session.client('sagemaker-runtime')",
        "boto3.client('sts')",
        "from dgsm_helpers.aws.core.calls import call",
        "from dgsm_helpers.aws.core import calls",
    ],
)
def test_every_call_of_aws_is_seen(source):
    assert calls_aws(source, "dgsm_helpers.views.feed")


def test_the_picture_of_the_imports_is_drawn_from_them():
    docs = ROOT / "docs"
    spec = spec_from_file_location("import_picture", docs / "import_picture.py")
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    arrows = module.without_implied(module.room_imports())
    assert {("cli", "workbook"), ("workbook", "views")} <= set(arrows)
    assert not [arrow for arrow in arrows if arrow[0] == "embedded_aws" and arrow[1] != module.GROUND_ROOM]
    assert module.picture().count("<path d=") >= len([a for a in arrows if a[1] != module.GROUND_ROOM])
