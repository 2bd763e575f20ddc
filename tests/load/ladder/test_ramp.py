"""The ramp in virtual time, and with streams."""

from __future__ import annotations

import math

import pytest
from kit.virtual_endpoint import VirtualEndpoint

from dgsm_helpers.load.ladder.crew import Crew
from dgsm_helpers.load.ladder.criteria import STRICT
from dgsm_helpers.load.ladder.live_endpoint import LiveEndpoint
from dgsm_helpers.load.ladder.ramp import LEAD_S, LOOK_S, START, Ramp, openings_s, risen
from dgsm_helpers.load.ladder.rung import QUICK
from dgsm_helpers.load.ladder.share import LoadSpec

LEAD = (0.05,) * round(LEAD_S / LOOK_S)


@pytest.mark.parametrize(("knee", "within_s"), [(4, 10), (10, 14), (20, 17), (60, 22), (200, 28)])
def test_it_finds_the_capacity_of_a_queue_within_two_percent_in_seconds(knee, within_s):
    for seed in range(4):
        ramp = VirtualEndpoint(knee + 0.5, STRICT, seed=seed, hiccup_s=0.0).ramp(1000)
        assert ramp.knee == pytest.approx(knee + 0.5, abs=max(0.4, 0.02 * knee))
        assert ramp.wall_s < within_s


def test_the_container_that_takes_no_more_is_known_to_the_stream():
    ramp = VirtualEndpoint(9.5, STRICT, refuses=True).ramp(100)
    assert (ramp.refused, ramp.knee) == (True, 9.0)


def test_where_nothing_rises_as_many_are_sustained_as_were_open():
    ramp = VirtualEndpoint(500.5, STRICT).ramp(40)
    assert (ramp.streams[-1], ramp.knee) == (40, 40.0)


@pytest.mark.parametrize("streams", [(), (0, 0, 0), (1, 2, 0)])
@pytest.mark.filterwarnings("error")
def test_a_ramp_whose_streams_have_all_ended_shows_nothing(streams):
    assert Ramp(streams, (math.nan,) * len(streams), 1.0).knee == 0.0


def test_streams_open_one_by_one_and_faster_the_more_there_are():
    opens = openings_s(100)
    assert len(opens) == 100 and opens == sorted(opens)
    assert sum(at_s < LEAD_S for at_s in opens) == START
    assert opens[3] - opens[2] == 1.0 and opens[-1] - opens[-2] == pytest.approx(1 / (0.25 * 99), rel=0.02)
    assert openings_s(1) == [0.0]


def test_a_hiccup_that_drains_is_no_rise_and_one_that_lasts_is():
    second = round(1 / LOOK_S)
    assert not risen([*LEAD, *(0.9,) * (second - 1), 0.05, *(0.9,) * 5], 0.5)
    assert risen([*LEAD, *(0.05,) * 5, *(0.3,) * second], 0.5)
    assert not risen([*LEAD, *(0.2,) * 2 * second], 0.5), "less than 40 % of the bound"
    assert not risen([*LEAD, *(math.nan,) * 2 * second], 0.5), "nothing is known"
    assert not risen([0.9] * second, 0.5), "too early"


def test_the_evidence_has_a_look_each_second():
    kept = Ramp((2,) * 25, (math.nan,) * 10 + (0.05,) * 15, 3.0).to_dict()
    assert kept["streams"] == [2, 2, 2] and kept["lag_ms"] == [None, 50.0, 50.0]
    assert kept["knee"] == 2.0


def test_real_streams_are_added_up_to_the_most_and_end(peer):
    spec = LoadSpec(transport="lean")
    with Crew(size=1) as crew:
        live = LiveEndpoint(peer.target(), crew, spec, criteria=STRICT, effort=QUICK)
        ramp = live.ramp(4)
    assert ramp.streams == tuple(sorted(ramp.streams)) and not ramp.refused
    assert 1 <= ramp.streams[-1] <= 4 and any(math.isfinite(lag) for lag in ramp.lags_s)
    assert peer.open_streams == 0
