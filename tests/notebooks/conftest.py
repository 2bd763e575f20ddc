"""The embedded AWS for the committed notebooks."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from dgsm_helpers.aws.account import deletion
from dgsm_helpers.session import Workbook, open_workbook


@contextmanager
def found_by_kernels(embedded) -> Iterator[Workbook]:
    """Kernels that are started find the embedded AWS, on which the notebooks' default endpoint does not exist."""
    wb = open_workbook("local", home=embedded.home)
    deletion.delete(wb)
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("DGSM_HOME", str(embedded.home))
        yield wb
    deletion.delete(wb)
    assert not deletion.prove_empty(wb)


@pytest.fixture
def on_embedded(embedded):
    """The workbook of the notebooks' default endpoint, for one test."""
    with found_by_kernels(embedded) as wb:
        yield wb


@pytest.fixture(scope="module")
def on_embedded_together(embedded):
    """The same for a module whose tests look at what one notebook has done."""
    with found_by_kernels(embedded) as wb:
        yield wb


@pytest.fixture
def calls(tmp_path):
    """Two hours of calls of five minutes: one a minute, and from the first hour on four."""
    starts = [*range(0, 3600, 60), *range(3600, 7200, 15)]
    path = tmp_path / "calls.csv"
    path.write_text("start,duration_s\n" + "".join(f"{start},300\n" for start in starts))
    return path
