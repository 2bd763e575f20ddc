"""Traffic by name or from a file."""

from __future__ import annotations

import json

import numpy as np
import pytest

from dgsm_helpers.errors import InvalidInput, NotFound
from dgsm_helpers.planning.sources import load_traffic, traffic_from

CALLS = "start,duration_s\n0,600\n60,300\n"
SERIES = "time,streams\n0,2\n60,5\n120,3\n"


def cloudwatch(**changed):
    result = {
        "Id": "m0",
        "Timestamps": ["2026-11-24T10:02:00+00:00", "2026-11-24T10:01:00+00:00", "2026-11-24T10:00:00+00:00"],
        "Values": [18.0, 30.0, 12.0],
        **changed,
    }
    return json.dumps({"MetricDataResults": [result]})


@pytest.mark.parametrize("shape", ["constant", "step", "ramp", "diurnal", "bursty"])
def test_a_shape_has_the_peak_asked_for(shape):
    traffic = load_traffic(shape, peak=40, horizon_s=2 * 86_400.0)
    assert traffic.horizon_s == 2 * 86_400
    # Nearly always below the peak and its chance, and there at times: a burst fills a twelfth of the time.
    assert 34 <= np.quantile(traffic.concurrency(), 0.99) <= 60


@pytest.mark.parametrize("peak", [None, 0, -3, float("nan")])
def test_a_shape_without_a_peak_is_refused(peak):
    with pytest.raises(InvalidInput, match="peak above zero"):
        load_traffic("diurnal", peak=peak)


def test_a_shape_of_no_length_is_refused_instead_of_made_a_day():
    with pytest.raises(InvalidInput, match="longer than 0"):
        load_traffic("diurnal", peak=10, horizon_s=0)


def test_a_file_of_calls_is_read_as_calls(tmp_path):
    (tmp_path / "calls.csv").write_text(CALLS)
    traffic = load_traffic(str(tmp_path / "calls.csv"))
    assert (traffic.name, traffic.sessions, traffic.durations_s.tolist()) == ("calls.csv", 2, [600.0, 300.0])


@pytest.mark.parametrize(
    "content",
    [
        SERIES.encode(),
        b'"time","streams"\n0,2\n60,5\n120,3\n',
        SERIES.encode("utf-16"),
        cloudwatch().encode(),
        cloudwatch().encode("utf-8-sig"),
        cloudwatch().replace("+00:00", "").encode(),
    ],
    ids=["csv", "quoted csv", "csv of PowerShell", "aws cli", "with a byte-order mark", "without a zone"],
)
def test_a_recorded_series_keeps_its_concurrency(content):
    traffic = traffic_from(content, name="recorded", mean_s=3600)
    assert [int(n) for n in traffic.concurrency(60.0)[:3]] == [2, 5, 3]


def test_the_sum_of_a_longer_period_counts_every_stream_once():
    """Instances publish every ten seconds, so a minute's sum holds each stream six times, ten seconds' sum once."""
    ten = [f"2026-11-24T10:00:{s:02d}+00:00" for s in (0, 10, 20)]
    traffic = traffic_from(cloudwatch(Timestamps=ten, Values=[2.0, 5.0, 3.0]).encode(), name="ten", mean_s=3600)
    assert traffic.concurrency().tolist() == [2, 5, 3]
    assert traffic.midnight_utc_s == 36_000


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "no column start"),
        ("when,what\n1,2\n", "no column start"),
        ("start,duration_s\n1,-5\n", "Line 2"),
        ("start,duration_s\n9,5\n3,5\n", "before the line above"),
        ("time,streams\n0,1\n60,2\n180,3\n", "gap of 120 s"),
        ("{}", "get-metric-data"),
        ("{not json", "get-metric-data"),
        (cloudwatch(Values=[1.0]), "get-metric-data"),
        (cloudwatch(Timestamps=["soon"] * 3), "get-metric-data"),
        (json.dumps({"MetricDataResults": [{"Timestamps": [1, 2], "Values": [1, 2]}] * 2}), "2 results"),
        (cloudwatch(Values=[-1.0, 5.0, 2.0]), "negative"),
    ],
)
def test_a_wrong_file_is_refused_with_what_is_wrong(text, says):
    with pytest.raises(InvalidInput, match=says):
        traffic_from(text.encode(), name="mine")


def test_what_is_neither_shape_nor_file_is_not_found():
    with pytest.raises(NotFound, match="diurnal"):
        load_traffic("weekly", peak=10)


def test_a_file_cannot_be_given_a_height_or_a_length(tmp_path):
    (tmp_path / "calls.csv").write_text(CALLS)
    for given in ({"peak": 10}, {"horizon_s": 60}):
        with pytest.raises(InvalidInput, match="own height"):
            load_traffic(str(tmp_path / "calls.csv"), **given)


def test_a_file_that_is_not_text_is_refused(tmp_path):
    (tmp_path / "calls.csv").write_bytes(b"start,duration_s,g\xe4st\n")
    with pytest.raises(InvalidInput, match="cannot be read as text"):
        load_traffic(str(tmp_path / "calls.csv"))
