"""Traffic by name or from a file."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import numpy as np
import pytest
import yaml

from dgsm_helpers.errors import InvalidInput, NotFound
from dgsm_helpers.planning.sources import load_traffic, traffic_from
from dgsm_helpers.planning.spreadsheets import documents_of

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


@pytest.mark.parametrize("dated", [False, True], ids=["times in quotes", "bare times"])
def test_a_foreign_answer_as_yaml_is_read_like_json(dated):
    document = json.loads(cloudwatch(StatusCode="Complete", Label="ConcurrentRequestsPerModel", Messages=[]))
    if dated:
        [result] = document["MetricDataResults"]
        result["Timestamps"] = [datetime.fromisoformat(time) for time in result["Timestamps"]]
    traffic = traffic_from(yaml.safe_dump(document).encode(), name="recorded", mean_s=3600)
    assert [int(n) for n in traffic.concurrency(60.0)[:3]] == [2, 5, 3]


@pytest.mark.parametrize("pages", ["one answer", "appended", "an array", "backwards"])
def test_foreign_pages_of_one_metric_are_joined(pages):
    first = {"Id": "m1", "Timestamps": stamps(0, 60), "Values": [12.0] * 60, "StatusCode": "PartialData"}
    second = {"Id": "m1", "Timestamps": stamps(60, 120), "Values": [30.0] * 60, "StatusCode": "Complete"}
    match pages:
        case "one answer":
            text = json.dumps({"MetricDataResults": [first, second], "Messages": []})
        case "backwards":
            later = [{**second, "StatusCode": "PartialData"}, {**first, "StatusCode": "Complete"}]
            text = json.dumps({"MetricDataResults": later})
        case _:
            both = [{"MetricDataResults": [first], "NextToken": "x"}, {"MetricDataResults": [second]}]
            text = "\n".join(map(json.dumps, both)) if pages == "appended" else json.dumps(both)
    traffic = traffic_from(text.encode(), name="two pages", mean_s=1e9)
    assert traffic.concurrency(60.0).tolist() == [2] * 60 + [5] * 60


def stamps(first, after):
    return [f"2026-11-24T{9 + minute // 60:02d}:{minute % 60:02d}:00+00:00" for minute in range(first, after)]


def test_a_foreign_answer_of_get_metric_statistics_is_in_no_order():
    points = [{"Timestamp": time, "Sum": 6.0 * n, "Unit": "None"} for n, time in enumerate(stamps(0, 5))]
    content = json.dumps({"Label": "ConcurrentRequestsPerModel", "Datapoints": [*points[3:], *points[:3]]})
    traffic = traffic_from(content.encode(), name="s", mean_s=3600)
    assert traffic.concurrency(60.0).tolist() == [0, 1, 2, 3, 4]


CONSOLE = """Id,m1
StatusCode,Complete
Messages,
Full label,us-east-1:AWS/SageMaker EndpointName:dg VariantName:AllTraffic ConcurrentRequestsPerModel Sum 60
Label,ConcurrentRequestsPerModel
2026/11/24 10:02:00,18
2026/11/24 10:00:00,12
2026/11/24 10:01:00,30
"""


def test_a_foreign_download_of_cloudwatchs_console_is_read_and_its_zone_told():
    traffic = traffic_from(CONSOLE.encode(), name="metrics.csv", mean_s=3600)
    assert traffic.concurrency(60.0).tolist() == [2, 5, 3]
    assert any("taken as UTC" in note for note in traffic.notes)
    there = traffic_from(CONSOLE.encode(), name="metrics.csv", mean_s=3600, columns="zone=Asia/Tokyo")
    assert (there.midnight_utc_s, there.notes) == (3600, ())


def test_concurrency_in_any_order_and_with_names_of_ones_own():
    rows = b"Zeit;Anrufe\n24.11.2026 10:02;3,0\n24.11.2026 10:00;2,0\n24.11.2026 10:01;5,0\n"
    traffic = traffic_from(rows, name="s", mean_s=3600, columns="time=Zeit,streams=Anrufe,zone=UTC")
    assert traffic.concurrency(60.0).tolist() == [2, 5, 3]


@pytest.mark.parametrize("form", ["20261124100{}00", "20261124100{}", "20261124100{}00.5"])
def test_concurrency_at_times_without_separators_is_that_of_these_minutes(form):
    rows = "".join(f"{form.format(minute)},{value}\n" for minute, value in enumerate((2, 5, 3)))
    traffic = traffic_from(f"time,streams\n{rows}".encode(), name="s", mean_s=3600)
    assert traffic.concurrency(60.0).tolist() == [2, 5, 3]
    assert int(traffic.begin_s) == datetime(2026, 11, 24, 10, tzinfo=UTC).timestamp()


def answer(**changed):
    return cloudwatch(**changed).encode()


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"time,streams\n0,1\n60,2\n180,3\n", "gap of 120 s"),
        (b"time,streams\n0,1\n0,2\n", "Point 2"),
        (b"time,streams\n0,1\n", "at least two"),
        (b"time,streams\n0,1\n60,-2\n", "Line 3 of mine: streams must not be -2"),
        (b"time,streams\n0,1\n60,\n", "Line 3 of mine has no streams"),
        (b"time,streams\n0,900\n60,1.200\n", "Line 3 of mine: streams '1.200' may be a thousand or a fraction"),
        (CONSOLE.replace(",30", ",3.000").encode(), "Line 8 of mine: value '3.000' may be a thousand"),
        (b"streams\n0\n", "no column time"),
        (b"time,streams,streams\n0,1,1\n", "2 columns 'streams'"),
        (b"{}", "get-metric-data"),
        (b"{not json", "get-metric-data"),
        (b"MetricDataResults:\n- [", "no YAML"),
        (b"MetricDataResults: 5", "get-metric-data"),
        (b"METRICDATARESULTS\tm1\tx\tComplete\n", "--output json"),
        (b"-" * 60 + b"\n| GetMetricData |", "--output json"),
        (answer(Values=[1.0]), "get-metric-data"),
        (answer(Timestamps=["soon"] * 3), "Value 1 of mine: timestamp 'soon'"),
        (answer(Values=[-1.0, 5.0, 2.0]), "negative"),
        (answer(StatusCode="PartialData"), "not complete: after 3 values it says PartialData.*--max-datapoints"),
        (answer(StatusCode="Forbidden"), "CloudWatch answered Forbidden"),
        (json.dumps({**json.loads(cloudwatch()), "NextToken": "x"}).encode(), "a NextToken.*--starting-token"),
        (json.dumps({"MetricDataResults": []}).encode(), "0 results"),
        (
            json.dumps({"MetricDataResults": [{"Id": i, "Timestamps": [], "Values": []} for i in "ab"]}).encode(),
            "2 results, not one: a, b",
        ),
        (
            json.dumps({"Datapoints": [{"Timestamp": stamps(0, 1)[0], "Average": 1.0}]}).encode(),
            "Average .* not the Sum",
        ),
        (CONSOLE.replace("Sum 60", "Average 60").encode(), "the Average of ConcurrentRequestsPerModel, not the Sum"),
        (
            CONSOLE.replace("ConcurrentRequestsPerModel Sum", "CPUUtilization Sum").encode(),
            "holds CPUUtilization, not",
        ),
        (
            CONSOLE.replace("Full label,us", "Statistic,Maximum\nFoo,us").encode(),
            "the Maximum of Concurrent",
        ),
        (answer(Label="InvocationsPerInstance"), "holds InvocationsPerInstance, not ConcurrentRequestsPerModel"),
        (answer(Label="ConcurrentRequestsPerModel p99"), "the p99 of ConcurrentRequestsPerModel, not the Sum"),
        (
            json.dumps({"Label": "Invocations", "Datapoints": [{"Timestamp": stamps(0, 1)[0], "Sum": 1.0}]}).encode(),
            "holds Invocations, not",
        ),
        (CONSOLE.replace("Complete", "PartialData").encode(), "not complete"),
        (CONSOLE.replace(",18", ",18,4").encode(), "2 metrics"),
        (CONSOLE.replace(",18", ",").encode(), "Line 6 of mine has no value"),
    ],
)
def test_a_wrong_or_foreign_file_is_refused_with_what_is_wrong(content, says):
    with pytest.raises(InvalidInput, match=f"(?s){says}"):
        traffic_from(content, name="mine")


@pytest.mark.parametrize("columns", ["start=a,duration_s=b", "time=a,streams=b"])
def test_columns_are_refused_where_there_are_none(columns):
    with pytest.raises(InvalidInput, match="no columns"):
        traffic_from(cloudwatch().encode(), name="mine", columns=columns)
    with pytest.raises(InvalidInput, match="no columns"):
        load_traffic("diurnal", peak=10, columns=columns)


BOMB = """- Label: x
  a0: &a0 [lol, lol, lol, lol, lol, lol, lol, lol, lol, lol]
""" + "".join(f"  a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 9))
DAMAGED = {
    "aliases of aliases": BOMB + "- *a8\n",
    "aliases of aliases in a value": BOMB.replace("Label: x", "Label: &a [x]") + "  MetricDataResults: [*a8]\n",
    "a record that is a number": '{"Contacts": [1]}',
    "a record that is a list": '{"calls": [["id", "1"]]}',
    "a record that is nothing": '{"conversations": [null]}',
    "a count in quotes": '{"conversations": [{"a": 1}], "totalHits": "5"}',
    "a count that is a list": '{"conversations": [{"a": 1}], "totalHits": [5]}',
    "a value of 401 digits": cloudwatch(Values=[10**400, 1, 1]),
    "a time of 401 digits": cloudwatch(Timestamps=[10**400, 1, 1]),
    "a value of 5000 digits": cloudwatch().replace("18.0", "9" * 5000),
    "an Id that is a list": cloudwatch(Id=["m"]),
    "a sum of 401 digits": json.dumps({"Datapoints": [{"Timestamp": "2026-11-24T10:00:00Z", "Sum": 10**400}]}),
    "a number in base 60": f"Label: x\nstart: {'1:' * 3000}1\n",
    "a number in base 60 as a value": f"MetricDataResults:\n- Id: m\n  Timestamps: [a]\n  Values: [{'1:' * 3000}1]\n",
    "a fraction in base 60": f"Label: x\nstart: {'1:' * 3000}1.5\n",
    "a number in base 16": f"Label: x\nstart: 0x{'f' * 9000}\n",
    "a key that is a number": "Label: x\n7: 8\n",
    "a truth that is none": "Label: !!bool perhaps\n",
    "a time that is none": "Label: !!timestamp soon\n",
    "a number that is none": "Label: !!int ''\n",
    "a text of a megabyte": json.dumps([{"start": "x" * 1_000_000, "duration_s": 1}]),
    "a value of a megabyte": cloudwatch(Values=["x" * 1_000_000, 1, 1]),
    "no record, of a megabyte": json.dumps(["x" * 1_000_000]),
}


@pytest.mark.parametrize("kind", DAMAGED)
def test_a_damaged_file_is_refused_in_one_sentence_that_names_it(kind):
    with pytest.raises(InvalidInput, match=r"\bmine\b") as refused:
        traffic_from(DAMAGED[kind].encode(), name="mine")
    assert len(str(refused.value)) < 1000


def test_json_lines_are_read_without_a_copy_of_the_rest_for_each():
    class Whole(str):
        def __getitem__(self, part):
            raise AssertionError(f"{part} is copied")

    lines = "".join(f'{{"start": {n}}}{blank}' for n, blank in enumerate(("\n", "", ", \t\r\n", "\n\n")))
    assert [document["start"] for document in documents_of(Whole(lines), "mine")] == [0, 1, 2, 3]


def test_what_is_neither_shape_nor_file_is_not_found():
    with pytest.raises(NotFound, match="diurnal"):
        load_traffic("weekly", peak=10)


def test_a_file_cannot_be_given_a_height_or_a_length(tmp_path):
    (tmp_path / "calls.csv").write_text(CALLS)
    for given in ({"peak": 10}, {"horizon_s": 60}):
        with pytest.raises(InvalidInput, match="own height"):
            load_traffic(str(tmp_path / "calls.csv"), **given)
