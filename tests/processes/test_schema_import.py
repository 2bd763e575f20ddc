"""No process of ours compiles the grammar that JupyterLab brings along."""

from __future__ import annotations

import ast
import importlib.util
import subprocess
import sys

import pytest
from kit.imports import MODULES, name_of
from kit.small_notebooks import write_typed

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("rfc3987_syntax") is None, reason="rfc3987_syntax is not installed"
)

PARAMETERS = "from dgsm_helpers.workbook.notebook_inputs import parameters_of; parameters_of(notebook)"
VALUES = "from dgsm_helpers.workbook.notebook_inputs import read_parameters; read_parameters(texts=['{a: 1}'])"
READ = "from dgsm_helpers.workbook.notebook_inputs import read_notebook; read_notebook(notebook)"
RUN = (
    "from dgsm_helpers.workbook.run_notebooks import run_notebook; assert run_notebook(notebook, progress_bar=False).ok"
)
PAGE = "from dgsm_helpers.workbook.notebook_page import write_html; write_html(notebook, notebook.with_suffix('.html'))"
SDK = (
    "from dgsm_helpers.processes.schema_import import import_without_grammar as f; f(); import sagemaker.core.resources"
)
SHOW = "from dgsm_helpers import show; import plotly.graph_objects as go; show(go.Figure())"


@pytest.fixture
def typed(tmp_path):
    return write_typed(tmp_path / "notebooks")


def loaded_after(code: str, notebook, folder) -> set[str]:
    script = f"import sys, pathlib; notebook = pathlib.Path({str(notebook)!r}); {code}; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=folder)
    return set(done.stdout.split())


BRING_IT = frozenset({"papermill", "nbformat", "nbconvert", "nbclient", "jsonschema"})


def imported(node: ast.AST) -> set[str]:
    """The packages that a statement imports."""
    names = (
        [alias.name for alias in node.names] if isinstance(node, ast.Import) else [getattr(node, "module", "") or ""]
    )
    return {name.partition(".")[0] for name in names} if isinstance(node, ast.Import | ast.ImportFrom) else set()


def brings_it(node: ast.AST) -> bool:
    """Whether a node imports the grammar: plotly's renderers do when they are first asked for."""
    return bool(imported(node) & BRING_IT) or (isinstance(node, ast.Attribute) and node.attr == "renderers")


def first_lines(tree: ast.Module) -> list[tuple[int, int]]:
    """Of each function with such a node: its line, and that of the call which leaves the grammar out."""
    found = []
    for function in (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)):
        lines = [node.lineno for node in ast.walk(function) if brings_it(node)]
        calls = [
            node.lineno
            for node in ast.walk(function)
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "import_without_grammar"
        ]
        found += [(min(lines), min(calls, default=sys.maxsize))] if lines else []
    return found


def test_whatever_imports_what_brings_the_grammar_leaves_it_out_first():
    seen = 0
    for path in MODULES:
        tree = ast.parse(path.read_text(encoding="utf-8"))
        assert not [node for node in tree.body if brings_it(node)], path
        if name_of(path) == "dgsm_helpers.processes.schema_import":
            continue
        for brought, left_out in first_lines(tree):
            assert left_out < brought, f"{path}:{brought}"
            seen += 1
    assert seen >= 7


CODES = {"parameters": PARAMETERS, "values": VALUES, "read": READ, "run": RUN, "page": PAGE, "sdk": SDK, "figure": SHOW}


@pytest.mark.parametrize("code", CODES.values(), ids=CODES)
def test_notebooks_are_read_run_and_shown_and_figures_drawn_without_the_grammar(code, typed, tmp_path):
    loaded = loaded_after(code, typed, tmp_path)
    assert "jsonschema" in loaded
    assert not {name for name in loaded if name.startswith("rfc3987_syntax")}


def test_whoever_wants_the_grammar_afterwards_still_gets_it(typed, tmp_path):
    assert "rfc3987_syntax" in loaded_after(f"{READ}; import rfc3987_syntax", typed, tmp_path)


def test_a_grammar_that_is_there_already_stays(typed, tmp_path):
    assert "rfc3987_syntax" in loaded_after(f"import rfc3987_syntax; {READ}", typed, tmp_path)


def test_without_jsonschema_nothing_is_asked_for(tmp_path):
    script = (
        "import sys; from dgsm_helpers.processes import schema_import as s; s.find_spec = lambda name: None;"
        "s.import_without_grammar(); assert 'jsonschema' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", script], check=True, cwd=tmp_path)
