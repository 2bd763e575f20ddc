"""The command in this process."""

from __future__ import annotations

from dataclasses import replace

import pytest
from kit.command_line import run_line

from dgsm_helpers import session
from dgsm_helpers.session import open_workbook


@pytest.fixture
def run(embedded):
    """Runs one line of ``dgsm`` on the test run's embedded AWS, or with the state folder ``home``."""
    return lambda *words, home=embedded.home: run_line(home, *words)


@pytest.fixture
def billing(monkeypatch, embedded):
    """Workbooks of the command are on an AWS that bills."""

    def open_one(where, *, profile, confirm_spend=False, **settings):
        wb = open_workbook("local", home=embedded.home, **settings)
        return replace(wb, bills=True, confirm_spend=confirm_spend)

    monkeypatch.setattr(session, "open_workbook", open_one)
