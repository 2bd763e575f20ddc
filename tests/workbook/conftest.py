"""Small notebooks made for a test."""

from __future__ import annotations

from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook

PARAMETERS = """name: str = "x"  # a name
count: int = 1  # how many
share: float = 0.5  # of the whole
really: bool = False  # sure?
"""
GLUE = "from dgsm_helpers.workbook.run_notebooks import glue\nglue(name=name, count=count, share=share, really=really)"
KERNELSPEC = {"display_name": "Python 3", "language": "python", "name": "python3"}


@pytest.fixture
def write_notebook(tmp_path):
    """Writes a notebook from the sources of its code cells, the first tagged ``parameters``."""

    def write(name: str, *sources: str) -> Path:
        cells = [new_code_cell(source, id=f"cell-{i}") for i, source in enumerate(sources)]
        cells[0].metadata["tags"] = ["parameters"]
        path = tmp_path / "notebooks" / name
        path.parent.mkdir(exist_ok=True)
        nbformat.write(new_notebook(cells=cells, metadata={"kernelspec": KERNELSPEC}), path)
        return path

    return write


@pytest.fixture
def typed(write_notebook):
    """A notebook of one parameter of each type, which it gives out again."""
    return write_notebook("typed.ipynb", PARAMETERS, GLUE)
