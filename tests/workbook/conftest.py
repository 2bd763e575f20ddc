"""Small notebooks made for a test."""

from __future__ import annotations

from pathlib import Path

import pytest
from kit.small_notebooks import write_small, write_typed


@pytest.fixture
def write_notebook(tmp_path):
    """Writes a notebook from the sources of its code cells, the first tagged ``parameters``."""

    def write(name: str, *sources: str) -> Path:
        return write_small(tmp_path / "notebooks" / name, *sources)

    return write


@pytest.fixture
def typed(tmp_path):
    """A notebook of one parameter of each type, which it gives out again."""
    return write_typed(tmp_path / "notebooks")
