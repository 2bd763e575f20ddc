"""The embedded AWS for the committed notebooks."""

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
