"""How long a search is said to take, against the search itself in virtual time."""

from __future__ import annotations

from dataclasses import replace

import pytest
from kit.virtual_endpoint import VirtualEndpoint

from dgsm_helpers.load.ladder.criteria import STRICT
from dgsm_helpers.load.ladder.rung import QUICK, STANDARD, THOROUGH
from dgsm_helpers.load.ladder.search import Search
from dgsm_helpers.load.ladder.search_length import minutes_after_ramp, minutes_from


def quiet(effort, knee):
    return VirtualEndpoint(knee + 0.5, STRICT, settle_s=effort.settle_s, error_rate=0.0, hiccup_s=0.0)


def never_late(endpoint):
    """Its measure with no lag at all below the knee, as of calls that a model speaks in: nothing but counting tells."""

    def measured(n, hold_s):
        hold = endpoint(n, hold_s)
        return hold if n > endpoint.knee else replace(hold, streams=[replace(s, lag_p95_s=0.0) for s in hold.streams])

    return measured


@pytest.mark.parametrize(
    ("effort", "knee"),
    [(QUICK, knee) for knee in (1, 2, 4, 8, 10, 20, 40, 100, 300)]
    + [(STANDARD, 4), (STANDARD, 10), (STANDARD, 40), (THOROUGH, 10)],
)
def test_forecast_after_a_ramp_is_within_a_factor_of_two(effort, knee):
    endpoint = quiet(effort, knee)
    around = endpoint.ramp(1000).knee
    Search(endpoint, criteria=STRICT, effort=effort, max_streams=1000, around=around).run()
    took = endpoint.now_s / 60
    assert took / 2 < minutes_after_ramp(effort, knee) < 2 * took


@pytest.mark.parametrize("effort", [QUICK, STANDARD, THOROUGH], ids=lambda effort: effort.name)
@pytest.mark.parametrize(("begin_at", "knee"), [(4, 2), (4, 4), (4, 10), (10, 24), (4, 24), (13, 40), (4, 100)])
def test_forecast_of_a_walk_is_within_a_factor_of_two(effort, begin_at, knee):
    endpoint = quiet(effort, knee)
    Search(never_late(endpoint), criteria=STRICT, effort=effort, max_streams=1000, begin_at=begin_at).run()
    took = endpoint.now_s / 60
    assert took / 2 < minutes_from(begin_at, effort, knee) < 2 * took
