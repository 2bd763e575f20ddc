"""No process of ours compiles the grammar that JupyterLab brings along."""

from __future__ import annotations

import importlib.util
import subprocess
import sys

import pytest

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("rfc3987_syntax") is None, reason="rfc3987_syntax is not installed"
)

PARAMETERS = "from dgsm_helpers.workbook.notebook_inputs import parameters_of; parameters_of(notebook)"
READ = "from dgsm_helpers.workbook.notebook_inputs import read_notebook; read_notebook(notebook)"
RUN = (
    "from dgsm_helpers.workbook.run_notebooks import run_notebook; assert run_notebook(notebook, progress_bar=False).ok"
)
PAGE = "from dgsm_helpers.workbook.notebook_page import write_html; write_html(notebook, notebook.with_suffix('.html'))"
SDK = (
    "from dgsm_helpers.workbook.schema_import import import_without_grammar as f; f(); import sagemaker.core.resources"
)


def loaded_after(code: str, notebook, folder) -> set[str]:
    script = f"import sys, pathlib; notebook = pathlib.Path({str(notebook)!r}); {code}; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=folder)
    return set(done.stdout.split())


@pytest.mark.parametrize("code", [PARAMETERS, READ, RUN, PAGE, SDK], ids=["parameters", "read", "run", "page", "sdk"])
def test_notebooks_are_read_run_and_shown_without_the_grammar(code, typed, tmp_path):
    loaded = loaded_after(code, typed, tmp_path)
    assert "jsonschema" in loaded
    assert not {name for name in loaded if name.startswith("rfc3987_syntax")}


def test_whoever_wants_the_grammar_afterwards_still_gets_it(typed, tmp_path):
    assert "rfc3987_syntax" in loaded_after(f"{READ}; import rfc3987_syntax", typed, tmp_path)


def test_a_grammar_that_is_there_already_stays(typed, tmp_path):
    assert "rfc3987_syntax" in loaded_after(f"import rfc3987_syntax; {READ}", typed, tmp_path)


def test_without_jsonschema_nothing_is_asked_for(tmp_path):
    script = (
        "import sys; from dgsm_helpers.workbook import schema_import as s; s.find_spec = lambda name: None;"
        "s.import_without_grammar(); assert 'jsonschema' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", script], check=True, cwd=tmp_path)
