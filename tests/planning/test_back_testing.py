"""What an endpoint recorded, where its record has gaps."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from dgsm_helpers.errors import InvalidInput
from dgsm_helpers.planning import back_testing
from dgsm_helpers.planning.back_testing import recorded_traffic

BEGIN = datetime(2026, 11, 24, 9, tzinfo=UTC)
HOUR = 360
"""Ten-second periods in one."""


@pytest.fixture
def recorded(monkeypatch):
    """Gives a workbook whose endpoint recorded so many streams and was created so long after that began."""

    def make(streams, *, created_s):
        index = pd.date_range(BEGIN, periods=len(streams), freq="10s")
        series = pd.Series(streams, index, dtype=float).loc[index[0] : index[-1]]
        there = None if created_s is None else SimpleNamespace(created=BEGIN + timedelta(seconds=created_s))
        monkeypatch.setattr(back_testing, "recorded_concurrency", lambda *given: series)
        monkeypatch.setattr(back_testing.endpoint_state, "find", lambda wb: there)
        now = index[-1].to_pydatetime() + timedelta(minutes=1)
        return SimpleNamespace(endpoint_name="dg", resource_id="endpoint/dg/variant/AllTraffic", now=lambda: now)

    return make


def gaps(streams, *stretches):
    values = np.array(streams, float)
    for begin, end in stretches:
        values[begin:end] = np.nan
    return values


@pytest.mark.parametrize(
    "created_s",
    [
        pytest.param(10 * 700, id="made again within the gap"),
        pytest.param(10 * 1000, id="an earlier life of the endpoint"),
        pytest.param(None, id="paused now"),
    ],
)
def test_a_gap_while_the_endpoint_did_not_exist_is_no_streams_and_is_said(recorded, created_s):
    wb = recorded(gaps(np.full(3 * HOUR, 7), (HOUR, 2 * HOUR)), created_s=created_s)
    traffic, begin = recorded_traffic(wb)
    assert begin == BEGIN
    streams = traffic.concurrency()
    assert [part.max() for part in np.split(streams, [HOUR, 2 * HOUR])] == [7, 0, 7]
    (note,) = traffic.notes
    assert "did not exist (paused or deleted) for 60 of 180 minutes" in note and "until 2026-11-24 11:00:00 UTC" in note


def test_several_pauses_are_told_in_one_sentence(recorded):
    wb = recorded(gaps(np.full(HOUR, 3), (10, 40), (60, 61), (100, 220)), created_s=None)
    traffic, _ = recorded_traffic(wb)
    (note,) = traffic.notes
    assert "3 times" in note
    assert traffic.concurrency().min() == 0


def test_a_gap_while_the_endpoint_existed_is_refused_with_a_period_that_can_be_read(recorded):
    wb = recorded(gaps(np.full(2 * HOUR, 3), (100, 200), (400, 430)), created_s=10 * 150)
    with pytest.raises(InvalidInput, match=r"30 of 720 periods, at first 2026-11-24 10:06:40.*existed") as refusal:
        recorded_traffic(wb)
    assert "from 2026-11-24 10:11:40 on" in str(refusal.value.hint)


def test_a_record_without_gaps_is_read_as_it_is(recorded):
    traffic, _ = recorded_traffic(recorded(np.arange(HOUR) % 9, created_s=-60))
    assert traffic.notes == ()
    assert traffic.concurrency().max() == 8
