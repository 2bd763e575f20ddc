"""The forecast of a search's length, against a ramp and the search itself in virtual time."""

from __future__ import annotations

import pytest
from kit.virtual_endpoint import VirtualEndpoint

from dgsm_helpers.load.ladder.criteria import STRICT
from dgsm_helpers.load.ladder.rung import QUICK, STANDARD, THOROUGH
from dgsm_helpers.load.ladder.search import Search, expected_minutes


@pytest.mark.parametrize(
    ("effort", "knee"),
    [(QUICK, knee) for knee in (1, 2, 4, 8, 10, 20, 40, 100, 300)]
    + [(STANDARD, 4), (STANDARD, 10), (STANDARD, 40), (THOROUGH, 10)],
)
def test_forecast_is_within_a_factor_of_two(effort, knee):
    quiet = VirtualEndpoint(knee + 0.5, STRICT, settle_s=effort.settle_s, error_rate=0.0, hiccup_s=0.0)
    around = quiet.ramp(1000).knee
    Search(quiet, criteria=STRICT, effort=effort, max_streams=1000, around=around).run()
    took = quiet.now_s / 60
    assert took / 2 < expected_minutes(effort, knee) < 2 * took
