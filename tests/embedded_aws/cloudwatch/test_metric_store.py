"""What is kept of metrics, for how long, and what statistics make of it."""

import math
import threading

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from embedded_aws.cloudwatch import point_table
from embedded_aws.cloudwatch.metric_store import Metric, MetricStore, is_period
from embedded_aws.cloudwatch.statistics import EXACT_VALUES, Aggregate, StatisticSet, statistic
from embedded_aws.gateway.refusal import AwsRefusal

NOW = 1_700_000_000.0 // 3600 * 3600
WHERE = {"EndpointName": "e", "VariantName": "v"}


def store(now_s=NOW):
    return MetricStore(lambda: now_s)


def read(kept, *, stat="Average", period_s=60, start_s=NOW - 3600, end_s=NOW, where=WHERE, unit=None):
    return kept.series("N", "m", where, stat=stat, period_s=period_s, start_s=start_s, end_s=end_s, unit=unit)


def put(kept, at_s, *values, resolution_s=60, **more):
    kept.put("N", "m", WHERE, timestamp_s=at_s, values=values, resolution_s=resolution_s, **more)


def test_dimensions_are_a_set_and_the_namespace_counts():
    kept = store()
    put(kept, NOW - 60, 1.0)
    kept.put("Other", "m", WHERE, timestamp_s=NOW - 60, values=[100.0])
    kept.put("N", "m", {"EndpointName": "e"}, timestamp_s=NOW - 60, values=[200.0])
    assert read(kept, where=dict(reversed(WHERE.items()))) == [(NOW - 60, 1.0)]


points = st.lists(
    st.tuples(
        st.integers(min_value=0, max_value=1799),
        st.integers(min_value=0, max_value=20).map(float),
        st.integers(min_value=1, max_value=4).map(float),
    ),
    min_size=1,
    max_size=60,
)


@settings(deadline=None)
@given(
    points=points,
    period_s=st.sampled_from([1, 5, 10, 20, 30, 60, 120, 300, 900, 3600]),
    resolution_s=st.sampled_from([1, 10, 60]),
    stat=st.sampled_from(
        ["SampleCount", "Average", "Sum", "Minimum", "Maximum", "p50", "p99", "p99.9", "tm90", "tc75"]
    ),
    span=st.tuples(st.integers(min_value=-100, max_value=1900), st.integers(min_value=0, max_value=2000)),
)
def test_series_equal_brute_force(points, period_s, resolution_s, stat, span):
    start, length = span
    kept, origin = store(), NOW - 1800
    for offset, value, count in points:
        put(kept, origin + offset, value, counts=[count], resolution_s=resolution_s)
    # A sample is stamped with the beginning of its resolution, so that is where a shorter period finds it.
    stamped = [((origin + o) // resolution_s * resolution_s, v, c) for o, v, c in points]
    first, end = (origin + start) // period_s * period_s, origin + start + length
    expected = []
    for begin in sorted({at // period_s * period_s for at, _, _ in stamped}):
        samples = sorted(v for at, v, c in stamped if begin <= at < begin + period_s for _ in range(int(c)))
        if first <= begin < end:
            expected.append((begin, pytest.approx(_brute(stat, samples))))
    got = read(kept, stat=stat, period_s=period_s, start_s=origin + start, end_s=end)
    assert got == expected


def _brute(stat, samples):
    if stat[0] in "pt":
        percent = float(stat.lstrip("ptmc"))
        limit = samples[max(0, math.ceil(percent / 100 * len(samples) - 1e-9) - 1)]
        below = [s for s in samples if s <= limit]
        return {"p": limit, "tm": sum(below) / len(below), "tc": len(below)}[stat.rstrip("0123456789.")]
    return {
        "SampleCount": len(samples),
        "Average": sum(samples) / len(samples),
        "Sum": sum(samples),
        "Minimum": samples[0],
        "Maximum": samples[-1],
    }[stat]


def test_a_period_that_began_before_the_start_is_whole():
    kept = store()
    put(kept, NOW - 300, 1.0)
    put(kept, NOW - 60, 3.0)
    assert read(kept, stat="Sum", period_s=300, start_s=NOW - 100) == [(NOW - 300, 4.0)]


def test_statistic_sets_and_values_add_up():
    kept = store()
    put(kept, NOW - 60, 10.0)
    kept.put("N", "m", WHERE, timestamp_s=NOW - 60, statistics=StatisticSet(4, 8, 1, 3))
    stats = ("SampleCount", "Sum", "Average", "Minimum", "Maximum")
    assert [read(kept, stat=s)[0][1] for s in stats] == [5, 18, 3.6, 1, 10]


def test_percentiles_need_samples_that_are_known_and_not_negative():
    kept = store()
    kept.put("N", "m", WHERE, timestamp_s=NOW - 60, statistics=StatisticSet(4, 8, 1, 3))
    kept.put("N", "m", WHERE, timestamp_s=NOW - 120, statistics=StatisticSet(4, 8, 2, 2))
    put(kept, NOW - 180, -1.0, 5.0)
    assert read(kept, stat="p99") == [(NOW - 120, 2.0)]


@pytest.mark.parametrize("name", ["p101", "p-1", "P99", "Mean", "TM(10%:90%)", "p", "IQM", "average"])
def test_unknown_statistics_are_refused_by_name(name):
    with pytest.raises(AwsRefusal, match="not supported") as refused:
        read(store(), stat=name)
    assert name in refused.value.message


def test_many_different_samples_keep_memory_bounded_and_percentiles_close():
    aggregate = Aggregate()
    for i in range(20_000):
        aggregate.add(1000.0 + i)
    assert len(aggregate.counts) <= 2 * EXACT_VALUES
    assert aggregate.count == 20_000
    assert statistic("p90")(aggregate) == pytest.approx(19_000, rel=0.005)


def test_a_unit_selects_its_own_samples_and_without_one_the_first_by_name_counts():
    kept = store()
    put(kept, NOW - 60, 1.0, unit="Seconds")
    put(kept, NOW - 60, 3.0, unit="Count")
    assert read(kept, unit="Seconds") == [(NOW - 60, 1.0)]
    assert read(kept) == [(NOW - 60, 3.0)]
    assert read(kept, unit="Percent") == []


@pytest.mark.parametrize(
    ("age_s", "seen_with"),
    [
        (2 * 3600, {10, 60, 300, 3600}),
        (4 * 3600, {60, 300, 3600}),
        (20 * 86400, {300, 3600}),
        (100 * 86400, {3600}),
        (500 * 86400, set()),
    ],
)
def test_points_are_seen_with_coarser_periods_only_as_they_age(age_s, seen_with):
    time_s = [NOW - age_s]
    kept = MetricStore(lambda: time_s[0])
    put(kept, NOW - age_s, 7.0, resolution_s=10)
    time_s[0] = NOW
    seen = {p for p in (10, 60, 300, 3600) if read(kept, period_s=p, start_s=NOW - age_s - 3600, end_s=NOW)}
    assert seen == seen_with


def held_bytes(kept) -> tuple[int, int]:
    """What the points of a store take: how many there are that are not packed, and bytes of those that are."""
    tables = [table for points in kept._metrics.values() for unit in points.by_unit.values() for table in unit]
    unpacked = sum(len(points) for table in tables for points in table._open.values())
    return unpacked, sum(len(packed) for table in tables for packed in table._packed.values())


def minute_of(number):
    """Samples of a minute as a variant's are: of a few requests, or of none."""
    return [1000.0 * (number % 7 + sample / 8) for sample in range(number % 5)] or [0.0]


def test_memory_is_bounded_by_retention():
    """Seventeen days of minutes, twice over: the second takes nothing but its coarser points."""
    time_s = [NOW]
    kept = MetricStore(lambda: time_s[0])
    held = []
    for _ in range(2):
        for number in range(17 * 1440):
            time_s[0] += 60
            put(kept, time_s[0], *minute_of(number))
        held.append(held_bytes(kept))
    (first, first_bytes), (second, second_bytes) = held
    assert max(first, second) <= 3 * point_table.OPEN_BLOCKS * point_table.BLOCK_STEPS
    assert second_bytes - first_bytes < 17 * 1440 * 8
    assert len(read(kept, start_s=0, end_s=time_s[0] + 1)) == pytest.approx(15 * 1440, abs=2)


@pytest.mark.parametrize("resolution_s", [1, 10])
def test_points_of_high_resolution_are_kept_for_three_hours(resolution_s):
    time_s = [NOW]
    kept = MetricStore(lambda: time_s[0])
    for _ in range(6 * 3600 // resolution_s):
        time_s[0] += resolution_s
        put(kept, time_s[0], 0.0, resolution_s=resolution_s)
    fine = kept._metrics[Metric("N", "m", frozenset(WHERE.items()))].by_unit["None"][0]
    steps = 3 * 3600 // resolution_s
    assert len(fine.slice(0, math.inf)) <= steps + 2 * point_table.BLOCK_STEPS
    assert len(read(kept, period_s=resolution_s, start_s=0, end_s=time_s[0] + 1)) == pytest.approx(steps, abs=2)


def test_a_minute_of_a_day_of_one_endpoint_takes_few_bytes_and_answers_as_before():
    """What is packed is what was put, percentiles and samples that are not known included."""
    time_s = [NOW]
    kept, told = MetricStore(lambda: time_s[0]), {}
    for number in range(1440):
        time_s[0] = NOW + 60 * (number + 1)
        put(kept, time_s[0] - 60, *minute_of(number))
        if number % 11 == 0:
            kept.put("N", "m", WHERE, timestamp_s=time_s[0] - 60, statistics=StatisticSet(4, 8, 1, 3))
        else:
            told[time_s[0] - 60] = sorted(minute_of(number))
    _, packed_bytes = held_bytes(kept)
    assert packed_bytes < 1440 * 60
    for stat in ("SampleCount", "Sum", "Maximum", "p50", "p99", "tm90"):
        got = dict(read(kept, stat=stat, start_s=NOW, end_s=time_s[0]))
        assert {at: got[at] for at in told} == {
            at: pytest.approx(_brute(stat, samples)) for at, samples in told.items()
        }
    assert len(read(kept, stat="p50", start_s=NOW, end_s=time_s[0])) == len(told)


@settings(deadline=None, max_examples=25)
@given(order=st.permutations(range(40)), resolutions=st.lists(st.sampled_from([1, 10, 60]), min_size=40, max_size=40))
def test_points_that_come_in_any_order_and_resolution_are_all_there(order, resolutions):
    """Half an hour apart, so that each belongs to another packed block of those that keep them."""
    kept = MetricStore(lambda: NOW + 60)
    for number in order:
        put(kept, NOW - 1800 * number, float(number), resolution_s=resolutions[number])
        put(kept, NOW - 1800 * number, 0.5, resolution_s=60)
    for period_s in (60, 300, 1800):
        got = read(kept, stat="Sum", period_s=period_s, start_s=NOW - 1800 * 40, end_s=NOW + 60)
        assert got == [(NOW - 1800 * number, number + 0.5) for number in reversed(range(40))]
    got = read(kept, stat="Sum", period_s=10, start_s=NOW - 1800 * 5, end_s=NOW + 60)
    if min(resolutions) < 60:
        assert got == [(NOW - 1800 * number, number + 0.5) for number in reversed(range(6))]


def test_metrics_are_listed_once_and_filtered():
    kept = store()
    for i in range(5):
        put(kept, NOW - 60 * i, 1.0)
    kept.put("N", "m", {"EndpointName": "f"}, timestamp_s=NOW - 5 * 3600, values=[1.0])
    kept.put("M", "x", {}, timestamp_s=NOW - 15 * 86400, values=[1.0])
    assert [dict(m.dimensions) for m in kept.metrics()] == [
        {"EndpointName": "e", "VariantName": "v"},
        {"EndpointName": "f"},
    ]
    assert len(kept.metrics(dimensions=[("EndpointName", None)])) == 2
    assert len(kept.metrics(dimensions=[("EndpointName", "f")])) == 1
    assert len(kept.metrics(dimensions=[("VariantName", None)])) == 1
    assert len(kept.metrics(within_s=3 * 3600)) == 1


def test_writers_and_readers_do_not_disturb_each_other():
    kept = store()

    def write():
        for i in range(2000):
            put(kept, NOW - i % 600, 1.0, resolution_s=1)

    writers = [threading.Thread(target=write) for _ in range(3)]
    for writer in writers:
        writer.start()
    while any(writer.is_alive() for writer in writers):
        read(kept, period_s=10)
        kept.metrics()
    assert sum(v for _, v in read(kept, stat="SampleCount", end_s=NOW + 1)) == 6000


@given(st.integers(min_value=-100, max_value=10_000))
def test_periods_are_those_of_cloudwatch(period_s):
    assert is_period(period_s) == (period_s in (1, 5, 10, 20, 30) or (period_s > 0 and period_s % 60 == 0))
