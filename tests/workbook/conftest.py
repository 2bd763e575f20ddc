"""Small notebooks made for a test."""

from __future__ import annotations

from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook

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
