"""Small notebooks made for a test."""

from __future__ import annotations

from pathlib import Path

import nbformat
from nbformat.v4 import new_code_cell, new_notebook

PARAMETERS = """name: str = "x"  # a name
count: int = 1  # how many
share: float = 0.5  # of the whole
really: bool = False  # sure?
"""
GLUE = "from dgsm_helpers.workbook.run_notebooks import glue\nglue(name=name, count=count, share=share, really=really)"
KERNELSPEC = {"display_name": "Python 3", "language": "python", "name": "python3"}


def write_small(path: Path, *sources: str) -> Path:
    """A notebook from the sources of its code cells, the first tagged ``parameters``; its folder is made."""
    cells = [new_code_cell(source, id=f"cell-{i}") for i, source in enumerate(sources)]
    cells[0].metadata["tags"] = ["parameters"]
    path.parent.mkdir(exist_ok=True)
    nbformat.write(new_notebook(cells=cells, metadata={"kernelspec": KERNELSPEC}), path)
    return path


def write_typed(folder: Path) -> Path:
    """A notebook of one parameter of each type, which it gives out again."""
    return write_small(folder / "typed.ipynb", PARAMETERS, GLUE)
