"""What the package shows: few names, each documented, and nothing else in a notebook."""

from __future__ import annotations

import ast
import inspect
import json
from importlib import import_module
from pathlib import Path

import pytest
from kit.imports import our_imports

import dgsm_helpers

NOTEBOOKS = sorted((Path(__file__).resolve().parents[1] / "notebooks").glob("*.ipynb"))
NAMES = [("dgsm_helpers", name) for name in dgsm_helpers.__all__] + [
    (f"dgsm_helpers.{step}", name)
    for step in dgsm_helpers.STEPS
    for name in import_module(f"dgsm_helpers.{step}").__all__
]


def test_there_are_at_most_sixty_public_names():
    assert len(NAMES) <= 60


def test_the_package_lists_its_names_and_steps_and_nothing_else():
    assert dir(dgsm_helpers) == sorted([*dgsm_helpers.__all__, *dgsm_helpers.STEPS])
    with pytest.raises(AttributeError, match="nothing_of_the_kind"):
        _ = dgsm_helpers.nothing_of_the_kind


@pytest.mark.parametrize(("module", "name"), NAMES, ids=lambda part: part)
def test_a_public_name_exists_and_says_what_it_is(module, name):
    named = getattr(import_module(module), name)
    assert (inspect.getdoc(named) or "").strip()


@pytest.mark.parametrize("step", dgsm_helpers.STEPS)
def test_the_docstring_of_a_step_is_its_table_of_contents(step):
    module = import_module(f"dgsm_helpers.{step}")
    assert module.__all__ == sorted(module.__all__)
    assert [name for name in module.__all__ if f"`{name}`" not in module.__doc__] == []


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_imports_from_the_top_level_and_uses_public_names_only(path):
    cells = [cell for cell in json.loads(path.read_text())["cells"] if cell["cell_type"] == "code"]
    source = "\n".join("".join(cell["source"]) for cell in cells)
    imported = [name for name, _ in our_imports(source, "notebook")]
    assert imported
    assert {name.removeprefix("dgsm_helpers.") for name in imported} <= set(dir(dgsm_helpers))
    steps = {name.removeprefix("dgsm_helpers.") for name in imported} & set(dgsm_helpers.STEPS)
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in steps:
            assert node.attr in import_module(f"dgsm_helpers.{node.value.id}").__all__


def test_the_top_level_stays_thin():
    folder = Path(dgsm_helpers.__file__).parent
    assert sum(len(path.read_text().splitlines()) for path in folder.glob("*.py")) < 2000
