"""The preflight of the first notebook: what AWS says, and whether streams could leave from here."""

from __future__ import annotations

from dataclasses import replace

import pytest
from kit import barred_ways

from dgsm_helpers import start
from dgsm_helpers.errors import NotReady


def data_path(report):
    return next(row for row in report.rows if row.name == "data path")


def test_the_preflight_looks_at_the_data_path_and_needs_no_endpoint_for_it(workbook):
    assert data_path(start.check(workbook())).verdict == "yes"


def test_the_preflight_names_a_closed_port_before_anything_hangs_on_the_data_path_environment(workbook):
    with barred_ways.closed_port() as port:
        report = start.check(replace(workbook(), stream_url=f"https://127.0.0.1:{port}"))
    assert (data_path(report).verdict, "port: " in data_path(report).detail) == ("no", True)
    with pytest.raises(NotReady, match="data path"):
        report.require()
