"""GetMetricData, GetMetricStatistics, ListMetrics and PutMetricData through real clients."""

import json
import math
import os
import subprocess
import sys
from pathlib import Path

import pytest
from botocore.exceptions import ClientError

from embedded_aws.gateway.refusal import AwsRefusal
from embedded_aws.listings import ACCESS_KEY_ID, SECRET_ACCESS_KEY

NAME = "ConcurrentRequestsPerModel"
DIMENSIONS = [{"Name": "EndpointName", "Value": "e"}, {"Name": "VariantName", "Value": "v"}]
WHERE = {"EndpointName": "e", "VariantName": "v"}


def stat_query(name="m1", stat="Average", period=10, **more):
    metric = {"Namespace": "AWS/SageMaker", "MetricName": NAME, "Dimensions": DIMENSIONS}
    return {"Id": name, "MetricStat": {"Metric": metric, "Period": period, "Stat": stat}} | more


@pytest.fixture
def filled(here, clock):
    """Ten minutes of one sample an instance and ten seconds: 4 and 6 streams, and 60 s of latency in microseconds."""
    for tick in range(60):
        at_s = clock.time_s - 600 + 10 * tick
        here.store.put("AWS/SageMaker", NAME, WHERE, timestamp_s=at_s, values=[4, 6 + tick], resolution_s=10)
        latencies = [1000.0 * (tick + 1)]
        here.store.put(
            "AWS/SageMaker", "FirstChunkLatency", WHERE, timestamp_s=at_s, values=latencies, unit="Microseconds"
        )
    return here


@pytest.fixture
def refused(client):
    """Calls an operation and returns code and message of the refusal."""

    def call(operation, **params):
        with pytest.raises(ClientError) as caught:
            getattr(client, operation)(**params)
        return caught.value.response["Error"]["Code"], caught.value.response["Error"]["Message"]

    return call


def get(client, clock, *queries, start=-600, end=0, **more):
    return client.get_metric_data(
        MetricDataQueries=list(queries), StartTime=clock.at(start), EndTime=clock.at(end), **more
    )


def test_metrics_of_ten_seconds_and_a_minute(client, clock, filled):
    fine, coarse = get(client, clock, stat_query(), stat_query("m2", "Maximum", 60), ScanBy="TimestampAscending")[
        "MetricDataResults"
    ]
    assert fine["Timestamps"][0] == clock.at(-600)
    assert fine["Values"] == [(10 + tick) / 2 for tick in range(60)]
    assert (fine["Id"], fine["Label"], fine["StatusCode"]) == ("m1", f"{NAME} Average 10", "Complete")
    assert coarse["Timestamps"] == [clock.at(-600 + 60 * i) for i in range(10)]
    assert coarse["Values"] == [6 + 6 * i + 5 for i in range(10)]


def test_newest_come_first_unless_asked_otherwise(client, clock, filled):
    [result] = get(client, clock, stat_query())["MetricDataResults"]
    assert result["Timestamps"] == sorted(result["Timestamps"], reverse=True)


def test_dimensions_in_another_order_and_other_namespaces(client, clock, filled):
    filled.store.put("Other", NAME, WHERE, timestamp_s=clock.time_s - 5, values=[999.0], resolution_s=10)
    query = stat_query()
    query["MetricStat"]["Metric"]["Dimensions"] = DIMENSIONS[::-1]
    [result] = get(client, clock, query)["MetricDataResults"]
    assert max(result["Values"]) == (10 + 59) / 2


def test_percentiles_and_metric_math(client, clock, filled):
    latency = stat_query("p", "p90", 60, ReturnData=False)
    latency["MetricStat"]["Metric"]["MetricName"] = "FirstChunkLatency"
    expression = {"Id": "ms", "Expression": "p / 1000", "Label": "p90 in ms, last ${LAST}, most ${MAX}"}
    [result] = get(client, clock, latency, expression, ScanBy="TimestampAscending")["MetricDataResults"]
    assert result["Values"] == [6.0 * (i + 1) for i in range(10)]
    assert result["Label"] == "p90 in ms, last 60, most 60"


def test_dynamic_labels(client, clock, filled):
    label = "${PROP('Dim.EndpointName')} ${PROP('Region')} ${PROP('Stat')} ${AVG} ${SUM}"
    [result] = get(client, clock, stat_query(stat="Minimum", Label=label), start=-30)["MetricDataResults"]
    assert result["Label"] == "e us-east-1 Minimum 4 12"


def test_pages_join_to_the_whole_whatever_their_size(client, clock, filled):
    queries = [stat_query(), stat_query("empty"), stat_query("m2", "Maximum"), {"Id": "e", "Expression": "m1 + m2"}]
    queries[1]["MetricStat"]["Metric"]["MetricName"] = "Nothing"
    whole = {r["Id"]: (r["Timestamps"], r["Values"]) for r in get(client, clock, *queries)["MetricDataResults"]}
    assert len(whole) == 4
    for size in (7, 60, 61):
        joined = {}
        pages = client.get_paginator("get_metric_data").paginate(
            MetricDataQueries=queries, StartTime=clock.at(-600), EndTime=clock.at(0), MaxDatapoints=size
        )
        for page in pages:
            assert sum(len(r["Values"]) for r in page["MetricDataResults"]) <= size
            for result in page["MetricDataResults"]:
                times, values = joined.setdefault(result["Id"], ([], []))
                times += result["Timestamps"]
                values += result["Values"]
                assert (result["StatusCode"] == "Complete") == (len(times) == len(whole[result["Id"]][0]))
        assert joined == whole


def test_what_is_too_old_for_its_period_is_left_out_with_a_remark(client, clock, here):
    here.store.put("AWS/SageMaker", NAME, WHERE, timestamp_s=clock.time_s - 4 * 3600, values=[1.0], resolution_s=10)
    fine, coarse = get(client, clock, stat_query(), stat_query("m2", period=60), start=-5 * 3600)["MetricDataResults"]
    assert (fine["Values"], fine["Messages"][0]["Code"]) == ([], "Retention")
    assert (coarse["Values"], coarse.get("Messages", [])) == ([1.0], [])


def test_get_metric_data_refusals(clock, refused):
    def code(*queries, start=-600, end=0, **more):
        return refused(
            "get_metric_data", MetricDataQueries=list(queries), StartTime=clock.at(start), EndTime=clock.at(end), **more
        )

    for query, problem in (
        (stat_query(period=7), "multiple of 60"),
        (stat_query(stat="p101"), "p101 is not supported"),
        (stat_query("M1"), "expected pattern"),
        (stat_query(Expression="m2"), "exactly one"),
        ({"Id": "e"}, "exactly one"),
        ({"Id": "e", "Expression": "STDDEV(METRICS())"}, "function STDDEV is not supported"),
        (stat_query(ReturnData=False), "must return data"),
        (stat_query(AccountId="999999999999"), "not this account"),
        (stat_query(Label="${MAX_TIME}"), "MAX_TIME"),
    ):
        found, message = code(query)
        assert found == "ValidationError"
        assert problem in message
    assert "unique" in code(stat_query(), stat_query())[1]
    assert "different periods" in code(stat_query(), stat_query("m2", period=60), {"Id": "e", "Expression": "m1+m2"})[1]
    assert "StartTime" in code(stat_query(), start=0)[1]
    assert "between 1 and 500" in code(*(stat_query(f"m{i}") for i in range(501)))[1]
    assert "MaxDatapoints" in code(stat_query(), MaxDatapoints=100_801)[1]
    assert code(stat_query(), NextToken="nonsense")[0] == "InvalidNextToken"


def test_get_metric_statistics(client, clock, filled):
    common = {
        "Namespace": "AWS/SageMaker",
        "Dimensions": DIMENSIONS,
        "StartTime": clock.at(-600),
        "EndTime": clock.at(0),
    }
    answer = client.get_metric_statistics(
        MetricName=NAME, Period=300, Statistics=["SampleCount", "Average", "Sum", "Minimum", "Maximum"], **common
    )
    assert answer["Label"] == NAME
    first = answer["Datapoints"][0]
    assert first["Timestamp"] == clock.at(-600)
    expected = {"SampleCount": 60, "Sum": 735, "Average": 12.25, "Minimum": 4, "Maximum": 35, "Unit": "None"}
    assert {key: first[key] for key in expected} == expected
    answer = client.get_metric_statistics(
        MetricName="FirstChunkLatency", Period=600, ExtendedStatistics=["p50", "p99.9"], **common
    )
    [point] = answer["Datapoints"]
    assert point["ExtendedStatistics"] == {"p50": 30_000, "p99.9": 60_000}
    assert point["Unit"] == "Microseconds"


def test_get_metric_statistics_refusals(clock, refused):
    def code(start=-600, **more):
        times = {"StartTime": clock.at(start), "EndTime": clock.at(0)}
        return refused("get_metric_statistics", **{"Namespace": "N", "MetricName": "m", "Period": 60} | times | more)

    assert code() == ("InvalidParameterCombination", "Must specify either Statistics or ExtendedStatistics")
    assert code(Statistics=["Sum"], ExtendedStatistics=["p50"])[0] == "InvalidParameterCombination"
    assert code(ExtendedStatistics=["p500"])[0] == "InvalidParameterValue"
    assert code(Statistics=["Sum"], Period=45)[0] == "InvalidParameterValue"
    found, message = code(Statistics=["Sum"], Period=10, start=-4 * 3600 - 10)
    assert found == "InvalidParameterCombination"
    assert message.startswith("You have requested up to 1441 datapoints, which exceeds the limit of 1440.")


def test_list_metrics_is_unique_filtered_and_paged(client, clock, here):
    for i in range(1200):
        for age_s in (60, 120):
            here.store.put("N", "m", {"I": f"{i:04}", "V": "v"}, timestamp_s=clock.time_s - age_s, values=[1.0])
    here.store.put("N", "old", {}, timestamp_s=clock.time_s - 4 * 3600, values=[1.0])
    pages = list(client.get_paginator("list_metrics").paginate(Namespace="N", MetricName="m"))
    assert [len(page["Metrics"]) for page in pages] == [500, 500, 200]
    listed = [json.dumps(metric) for page in pages for metric in page["Metrics"]]
    assert len(set(listed)) == 1200
    one = client.list_metrics(Dimensions=[{"Name": "V"}, {"Name": "I", "Value": "0007"}])["Metrics"]
    assert one == [
        {
            "Namespace": "N",
            "MetricName": "m",
            "Dimensions": [{"Name": "I", "Value": "0007"}, {"Name": "V", "Value": "v"}],
        }
    ]
    assert [m["MetricName"] for m in client.list_metrics(MetricName="old")["Metrics"]] == ["old"]
    assert client.list_metrics(MetricName="old", RecentlyActive="PT3H")["Metrics"] == []


def test_put_metric_data_in_every_form(client, clock):
    client.put_metric_data(
        Namespace="DGSM/Workbook",
        MetricData=[
            {"MetricName": "lag", "Value": 10, "StorageResolution": 1, "Unit": "Milliseconds"},
            {
                "MetricName": "lag",
                "Values": [20, 30],
                "Counts": [2, 1],
                "Timestamp": clock.at(-60),
                "Unit": "Milliseconds",
            },
            {
                "MetricName": "lag",
                "StatisticValues": {"SampleCount": 2, "Sum": 10, "Minimum": 4, "Maximum": 6},
                "Timestamp": clock.at(-120),
                "Dimensions": [{"Name": "a", "Value": "b"}],
            },
        ],
    )
    metric = {"Namespace": "DGSM/Workbook", "MetricName": "lag"}
    queries = [
        {"Id": "plain", "MetricStat": {"Metric": metric, "Period": 60, "Stat": "Sum"}},
        {
            "Id": "set",
            "MetricStat": {
                "Metric": metric | {"Dimensions": [{"Name": "a", "Value": "b"}]},
                "Period": 60,
                "Stat": "Average",
            },
        },
    ]
    plain, average = get(client, clock, *queries, end=1, ScanBy="TimestampAscending")["MetricDataResults"]
    assert (plain["Timestamps"], plain["Values"]) == ([clock.at(-60), clock.at(0)], [70, 10])
    assert average["Values"] == [5]


def test_regions_do_not_share_metrics(client, clock, service):
    client.put_metric_data(Namespace="N", MetricData=[{"MetricName": "m", "Value": 1}])
    assert len(client.list_metrics()["Metrics"]) == 1
    assert service.client("eu-central-1").list_metrics()["Metrics"] == []


def test_put_metric_data_refusals_leave_nothing_behind(client, clock, refused):
    good = {"MetricName": "m", "Value": 1}
    assert refused("put_metric_data", Namespace="AWS/SageMaker", MetricData=[good]) == (
        "InvalidParameterValue",
        "The value AWS/ for parameter Namespace is invalid.",
    )
    for bad, code in (
        ({"Value": None}, "MissingParameter"),
        ({"Values": [1]}, "InvalidParameterCombination"),
        ({"StorageResolution": 10}, "InvalidParameterValue"),
        ({"Value": 2.0**361}, "InvalidParameterValue"),
        ({"Value": None, "Values": [1, 2], "Counts": [1]}, "InvalidParameterValue"),
        ({"Value": None, "Values": [1] * 151}, "InvalidParameterValue"),
        ({"Timestamp": clock.at(3 * 3600)}, "InvalidParameterValue"),
        ({"Timestamp": clock.at(-15 * 86400)}, "InvalidParameterValue"),
        ({"Dimensions": [{"Name": "a", "Value": "1"}, {"Name": "a", "Value": "2"}]}, "InvalidParameterValue"),
    ):
        datum = {key: value for key, value in (good | bad).items() if value is not None}
        assert refused("put_metric_data", Namespace="N", MetricData=[good, datum])[0] == code, bad
    assert refused("put_metric_data", Namespace="N", MetricData=[good] * 1001)[0] == "InvalidParameterValue"
    assert client.list_metrics()["Metrics"] == []


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_values_that_are_no_numbers_are_refused(service, value):
    with pytest.raises(AwsRefusal, match="invalid"):
        service.regions("us-east-1").put_metric_data(
            {"Namespace": "N", "MetricData": [{"MetricName": "m", "Value": value}]}
        )


@pytest.mark.parametrize("operation", ["describe_anomaly_detectors", "list_metric_streams", "describe_insight_rules"])
def test_operations_beyond_the_embedded_aws_are_refused(refused, operation):
    code, message = refused(operation)
    assert code == "InvalidAction"
    assert "does not implement cloudwatch:" in message


def test_the_aws_cli_reads_what_boto3_wrote(client, clock, service):
    client.put_metric_data(Namespace="N", MetricData=[{"MetricName": "m", "Value": 5, "Timestamp": clock.at(-60)}])
    environment = os.environ | {
        "AWS_ACCESS_KEY_ID": ACCESS_KEY_ID,
        "AWS_SECRET_ACCESS_KEY": SECRET_ACCESS_KEY,
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ENDPOINT_URL": service.url,
    }
    span = ["--start-time", clock.at(-600).isoformat(), "--end-time", clock.at(0).isoformat()]
    words = ["get-metric-statistics", "--namespace=N", "--metric-name=m", "--period=60", "--statistics=Sum"]
    aws = [Path(sys.executable).with_name("aws"), "cloudwatch", *words, *span, "--output=json"]
    ran = subprocess.run(aws, env=environment, check=False, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
    assert [point["Sum"] for point in json.loads(ran.stdout)["Datapoints"]] == [5.0]


def own(name="m1", metric="Load", stat="Sum", period=60, **more):
    return {
        "Id": name,
        "MetricStat": {"Metric": {"Namespace": "Own", "MetricName": metric}, "Period": period, "Stat": stat} | more,
    }


@pytest.mark.parametrize(
    ("queries", "labels"),
    [
        ([own(), own("m2", stat="Minimum")], ["Load Sum", "Load Minimum"]),
        ([own(), own("m2", period=300)], ["Load 60", "Load 300"]),
        ([own(), own("m2", stat="Minimum", period=300)], ["Load Sum 60", "Load Minimum 300"]),
        ([own(), own("m2", metric="Other")], ["Load", "Other"]),
        ([own(), own("m2", Unit="Count")], ["Load", "Load"]),
        ([own(), own("m2", stat="Minimum") | {"Label": "mine"}], ["Load", "mine"]),
    ],
)
def test_labels_of_one_metrics_queries_say_in_what_they_differ(client, clock, here, queries, labels):
    assert [r["Label"] for r in get(client, clock, *queries)["MetricDataResults"]] == labels


def test_without_a_unit_the_first_by_name_is_read_and_a_message_names_all(client, clock, here):
    for unit, value in (("Seconds", 60.0), ("Milliseconds", 60_000.0)):
        here.store.put("Own", "Load", {}, timestamp_s=clock.time_s - 60, values=[value], unit=unit)
    [mixed] = get(client, clock, own())["MetricDataResults"]
    assert mixed["Values"] == [60_000.0]
    assert mixed["Messages"] == [
        {"Code": "MultipleUnits", "Value": "Multiple units returned: '[Milliseconds, Seconds]'"}
    ]
    [seconds] = get(client, clock, own(Unit="Seconds"))["MetricDataResults"]
    assert (seconds["Values"], seconds.get("Messages", [])) == ([60.0], [])
    here.store.put("Own", "Load", {}, timestamp_s=clock.time_s - 120, values=[5.0], unit="Count")
    assert get(client, clock, own())["MetricDataResults"][0]["Values"] == [5.0]
    [later] = get(client, clock, own(), start=-60)["MetricDataResults"]
    assert later["Values"] == [60_000.0], "units that have no samples in that time do not count"


@pytest.mark.parametrize(("start", "minute"), [(0, 0), (18 * 60, 18), (18 * 60 + 42, 18)])
def test_statistics_begin_where_the_request_does(client, clock, here, start, minute):
    begin = -6 * 3600
    for minutes in range(240):
        here.store.put("Own", "Load", {}, timestamp_s=clock.time_s + begin + 60 * minutes, values=[1.0])
    points = client.get_metric_statistics(
        Namespace="Own",
        MetricName="Load",
        StartTime=clock.at(begin + start),
        EndTime=clock.at(begin + start // 60 * 60 + 7200),
        Period=3600,
        Statistics=["Sum"],
    )["Datapoints"]
    assert [(p["Timestamp"].minute, p["Sum"]) for p in points] == [(minute, 60.0), (minute, 60.0)]


def test_statistics_of_old_points_begin_at_whole_five_minutes_and_hours(client, clock, here):
    day = 24 * 3600
    put_at = clock.time_s
    here.store.put("Own", "Load", {}, timestamp_s=put_at, values=[1.0])

    def first(age_s):
        clock.time_s = put_at + age_s
        [point] = client.get_metric_statistics(
            Namespace="Own",
            MetricName="Load",
            StartTime=clock.at(-8 * 60),
            EndTime=clock.at(7200),
            Period=7200,
            Statistics=["Sum"],
        )["Datapoints"]
        return (put_at - point["Timestamp"].timestamp()) / 60

    assert [first(days * day) for days in (1, 20, 70)] == [8, 10, 60]


def test_values_and_a_statistic_set_are_taken_together(client, clock, refused):
    both = {"Values": [1.0, 2.0], "StatisticValues": {"SampleCount": 2, "Sum": 10, "Minimum": 4, "Maximum": 6}}
    client.put_metric_data(Namespace="Own", MetricData=[{"MetricName": "Load", "Timestamp": clock.at(-60), **both}])
    [total] = get(client, clock, own())["MetricDataResults"]
    assert total["Values"] == [13.0]
    for member, value in both.items():
        data = [{"MetricName": "Load", "Value": 1.0, member: value}]
        code, message = refused("put_metric_data", Namespace="Own", MetricData=data)
        assert code == "InvalidParameterCombination"
        assert message.endswith(f"MetricData.member.1.{member} are mutually exclusive and you have specified both.")


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf])
def test_what_is_no_number_is_an_invalid_value(refused, number):
    data = [{"MetricName": "Load", "Value": number}]
    assert refused("put_metric_data", Namespace="Own", MetricData=data)[0] == "InvalidParameterValue"


def test_older_operations_have_their_own_code_for_values_that_do_not_fit(clock, refused):
    assert refused("list_metrics", NextToken="nonsense") == (
        "InvalidParameterValue",
        "Request parameter NextToken is invalid",
    )
    times = {"StartTime": clock.at(0), "EndTime": clock.at(0)}
    request = {"Namespace": "Own", "MetricName": "Load", "Period": 60, "Statistics": ["Sum"], **times}
    assert refused("get_metric_statistics", **request)[0] == "InvalidParameterValue"
