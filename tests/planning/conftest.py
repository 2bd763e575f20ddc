"""A measurement as the tuning ladder leaves it, and short traffic."""

from __future__ import annotations

import json

import pytest

from dgsm_helpers.simulate.traffic import preset

EVIDENCE = {
    "schema": 1,
    "feasible_max": 10,
    "infeasible_min": 11,
    "effort": "quick",
    "measured_at": "2026-11-24T09:00:00+00:00",
    "problem": "",
    "rungs": [
        {"n": 11, "verdict": "FAIL", "lag_ms": {"p50": 400.0, "p95": 900.0}},
        {"n": 8, "verdict": "PASS", "lag_ms": {"p50": 90.0, "p95": 120.0}},
        {"n": 10, "verdict": "PASS", "lag_ms": {"p50": 110.0, "p95": 180.0}},
        {"n": 9, "verdict": "VOID", "lag_ms": {"p50": 90.0, "p95": 5000.0}},
        {"n": 16, "verdict": "FAIL", "lag_ms": {"p50": None, "p95": None}},
    ],
}


@pytest.fixture
def tuned():
    """Leaves a measurement (knee 10 on ml.g6.2xlarge) for the endpoint of a workbook."""

    def leave(wb, **changed):
        fingerprint = {
            "instance_type": "ml.g6.2xlarge",
            "region": wb.region,
            "model_package_arn": wb.model_package_arn,
            **changed,
        }
        path = wb.state_path(f"capacity/{wb.endpoint_name}/2026-11-24T090000Z.json")
        path.write_text(json.dumps({**EVIDENCE, "fingerprint": fingerprint}))

    return leave


@pytest.fixture(scope="session")
def day():
    """A day's wave of at most about 30 streams."""
    return preset("diurnal", peak=30, seed=0)
