"""The embedded AWS for the committed notebooks, and calls for those that plan."""

from __future__ import annotations

import os

import pytest

from dgsm_helpers.aws.account import deletion
from dgsm_helpers.session import open_workbook


@pytest.fixture
def on_embedded(embedded, monkeypatch):
    """Kernels that the test starts find the embedded AWS, on which the notebooks' default endpoint does not exist."""
    wb = open_workbook("local", home=embedded.home)
    deletion.delete(wb)
    monkeypatch.setitem(os.environ, "DGSM_HOME", str(embedded.home))
    yield wb
    deletion.delete(wb)
    assert not deletion.prove_empty(wb)


@pytest.fixture
def calls(tmp_path):
    """Two hours of calls of five minutes: one a minute, and from the first hour on four."""
    starts = [*range(0, 3600, 60), *range(3600, 7200, 15)]
    path = tmp_path / "calls.csv"
    path.write_text("start,duration_s\n" + "".join(f"{start},300\n" for start in starts))
    return path
