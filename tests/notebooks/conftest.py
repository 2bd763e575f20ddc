"""Small notebooks made for a test, and the embedded AWS for the committed ones."""

from __future__ import annotations

import os
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook

from dgsm_helpers.aws.account import deletion
from dgsm_helpers.session import open_workbook

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
def on_embedded(embedded, monkeypatch):
    """Kernels that the test starts find the embedded AWS, on which the notebooks' default endpoint does not exist."""
    wb = open_workbook("local", home=embedded.home)
    deletion.delete(wb)
    monkeypatch.setitem(os.environ, "DGSM_HOME", str(embedded.home))
    yield wb
    deletion.delete(wb)
    assert not deletion.prove_empty(wb)
