"""The command in this process, as `click.testing.CliRunner` runs it."""

from __future__ import annotations

from dataclasses import replace

import pytest
from click.testing import CliRunner, Result

from dgsm_helpers import session
from dgsm_helpers.cli.main import dgsm
from dgsm_helpers.session import open_workbook


@pytest.fixture
def run(embedded):
    """Runs one line of ``dgsm`` on the test run's embedded AWS, or on the state folder ``home``."""

    def run_line(*words: str, home: object = None) -> Result:
        return CliRunner(env={"DGSM_HOME": str(home or embedded.home)}).invoke(dgsm, words, prog_name="dgsm")

    return run_line


@pytest.fixture
def billing(monkeypatch, embedded):
    """Workbooks of the command are on an AWS that bills."""

    def open_one(where, *, profile, confirm_spend=False, **settings):
        wb = open_workbook("local", home=embedded.home, **settings)
        return replace(wb, site=replace(wb.site, bills=True), confirm_spend=confirm_spend)

    monkeypatch.setattr(session, "open_workbook", open_one)
