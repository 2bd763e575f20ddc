"""Run notebooks, each from nothing, and store their outputs in the committed files: ``make notebooks``.

An embedded AWS of its own is started for each and stopped afterwards, and the user's settings have no say: a notebook
reads what those before it left, and the committed outputs are compared with a fresh run. Only outputs and execution
counts change; what names the machine, the moment or papermill is left out.
"""

from __future__ import annotations

import contextlib
import os
import sys
import tempfile
from pathlib import Path

import nbformat

from dgsm_helpers import local
from dgsm_helpers.settings import settings_file
from dgsm_helpers.workbook.run_notebooks import run_notebook

ROOT = Path(__file__).resolve().parents[1]


def fill(notebook: Path, folder: Path) -> None:
    """Run one notebook and take over what it showed; stop at the first that fails."""
    outcome = run_notebook(notebook, {}, folder, 900)
    print(outcome, flush=True)
    if not outcome.ok:
        sys.exit(1)
    committed = nbformat.read(notebook, as_version=4)
    executed = {cell.id: cell for cell in nbformat.read(outcome.output, as_version=4).cells if cell.cell_type == "code"}
    for cell in committed.cells:
        if cell.cell_type == "code":
            cell.execution_count = executed[cell.id].execution_count
            # Where a clock ran while the cell waited, an empty place is left.
            cell.outputs = [o for o in executed[cell.id].outputs if o.get("data") != {"text/plain": ""}]
            for output in cell.outputs:
                # Without its kernel a widget's view shows an error; the HTML beside it is what a reader sees.
                output.get("data", {}).pop("application/vnd.jupyter.widget-view+json", None)
                if "execution_count" in output:
                    output.execution_count = cell.execution_count
    notebook.write_text(nbformat.writes(committed, indent=1).rstrip() + "\n", encoding="utf-8")


def main() -> None:
    """Fill the notebooks named on the command line, or all."""
    notebooks = [Path(name).resolve() for name in sys.argv[1:]] or sorted((ROOT / "notebooks").glob("*.ipynb"))
    for notebook in notebooks:
        with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder), settings_file.left_out():
            os.environ["DGSM_HOME"] = folder
            try:
                fill(notebook, Path(folder) / "executed")
            finally:
                local.down(Path(folder))


if __name__ == "__main__":
    main()
