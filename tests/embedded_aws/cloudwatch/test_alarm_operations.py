"""Alarms, their tags and history, and dashboards through boto3."""

import json

import pytest
from botocore.exceptions import ClientError

NAME = "ConcurrentRequestsPerModel"
DIMENSIONS = [{"Name": "EndpointName", "Value": "e"}, {"Name": "VariantName", "Value": "v"}]
ALARM = {
    "AlarmName": "high",
    "Namespace": "AWS/SageMaker",
    "MetricName": NAME,
    "Dimensions": DIMENSIONS,
    "Statistic": "Average",
    "Period": 10,
    "EvaluationPeriods": 3,
    "Threshold": 5.0,
    "ComparisonOperator": "GreaterThanThreshold",
}
OF_METRIC = ("Namespace", "MetricName", "Dimensions", "Statistic", "Period")
MATH = {key: value for key, value in ALARM.items() if key not in OF_METRIC} | {
    "AlarmName": "math",
    "Metrics": [
        {
            "Id": "m1",
            "MetricStat": {
                "Metric": {"Namespace": "N", "MetricName": "m", "Dimensions": DIMENSIONS},
                "Period": 60,
                "Stat": "p99",
            },
            "ReturnData": False,
        },
        {"Id": "e1", "Expression": "FILL(m1, 0) / 20", "Label": "share", "ReturnData": True},
    ],
}


@pytest.fixture
def refused(client):
    def call(operation, **params):
        with pytest.raises(ClientError) as caught:
            getattr(client, operation)(**params)
        return caught.value.response["Error"]["Code"], caught.value.response["Error"]["Message"]

    return call


def names(answer):
    return [alarm["AlarmName"] for alarm in answer["MetricAlarms"]]


def test_an_alarm_is_described_as_it_was_put(client, clock):
    actions = {"AlarmActions": ["arn:aws:a"], "OKActions": ["arn:aws:b"], "InsufficientDataActions": ["arn:aws:c"]}
    given = ALARM | actions | {"AlarmDescription": "why", "DatapointsToAlarm": 2, "TreatMissingData": "ignore"}
    client.put_metric_alarm(**given, ActionsEnabled=False, Unit="Count")
    [alarm] = client.describe_alarms()["MetricAlarms"]
    assert alarm == given | {
        "AlarmArn": "arn:aws:cloudwatch:us-east-1:123456789012:alarm:high",
        "ActionsEnabled": False,
        "Unit": "Count",
        "StateValue": "INSUFFICIENT_DATA",
        "StateReason": "Unchecked: Initial alarm creation",
        "AlarmConfigurationUpdatedTimestamp": clock.at(0),
        "StateUpdatedTimestamp": clock.at(0),
        "StateTransitionedTimestamp": clock.at(0),
    }


def test_an_alarm_on_metric_math_is_described_as_it_was_put(client):
    client.put_metric_alarm(**MATH)
    [alarm] = client.describe_alarms()["MetricAlarms"]
    assert alarm["Metrics"] == MATH["Metrics"]
    assert "MetricName" not in alarm
    assert "Period" not in alarm


def test_an_evaluated_alarm_shows_when_and_why_on_local_time(client, here, clock):
    client.put_metric_alarm(**ALARM)
    for _ in range(3):
        here.store.put(
            "AWS/SageMaker",
            NAME,
            {"EndpointName": "e", "VariantName": "v"},
            timestamp_s=clock.time_s,
            values=[9],
            resolution_s=10,
        )
        clock.time_s += 10
        here.alarms.evaluate(clock.time_s)
    [alarm] = client.describe_alarms(StateValue="ALARM")["MetricAlarms"]
    assert alarm["StateTransitionedTimestamp"] == alarm["StateUpdatedTimestamp"] == clock.at(30)
    assert alarm["StateReason"].startswith("Threshold Crossed: 3 datapoints [9.0 (24/11/26 12:00:20)")
    assert json.loads(alarm["StateReasonData"])["recentDatapoints"] == [9, 9, 9]


def test_filters_of_describe_alarms(client):
    client.put_metric_alarm(**ALARM | {"AlarmName": "a-high", "AlarmActions": ["arn:aws:autoscaling:us-east-1:x"]})
    client.put_metric_alarm(**ALARM | {"AlarmName": "a-low", "OKActions": ["arn:aws:sns:us-east-1:y"]})
    client.put_metric_alarm(**MATH)
    client.set_alarm_state(AlarmName="a-low", StateValue="OK", StateReason="by hand")
    assert names(client.describe_alarms()) == ["a-high", "a-low", "math"]
    assert names(client.describe_alarms(AlarmNamePrefix="a-")) == ["a-high", "a-low"]
    assert names(client.describe_alarms(AlarmNames=["math", "a-low", "none"])) == ["a-low", "math"]
    assert names(client.describe_alarms(StateValue="OK")) == ["a-low"]
    assert names(client.describe_alarms(ActionPrefix="arn:aws:autoscaling")) == ["a-high"]
    assert names(client.describe_alarms(AlarmTypes=["CompositeAlarm"])) == []
    metric = {"Namespace": "AWS/SageMaker", "MetricName": NAME}
    assert names(client.describe_alarms_for_metric(**metric, Dimensions=DIMENSIONS[::-1])) == ["a-high", "a-low"]
    assert names(client.describe_alarms_for_metric(**metric)) == []
    assert names(client.describe_alarms_for_metric(**metric, Dimensions=DIMENSIONS, Period=60)) == []


def test_alarms_come_in_pages(client):
    for i in range(130):
        client.put_metric_alarm(**ALARM | {"AlarmName": f"alarm-{i:03}"})
    pages = list(client.get_paginator("describe_alarms").paginate(MaxRecords=60))
    assert [len(page["MetricAlarms"]) for page in pages] == [60, 60, 10]
    assert len({name for page in pages for name in names(page)}) == 130
    assert len(client.describe_alarms()["MetricAlarms"]) == 50


def test_percentile_alarms(client):
    given = {key: value for key, value in ALARM.items() if key != "Statistic"} | {"ExtendedStatistic": "p99.9"}
    client.put_metric_alarm(**given)
    [alarm] = client.describe_alarms()["MetricAlarms"]
    assert alarm["ExtendedStatistic"] == "p99.9"
    assert "Statistic" not in alarm


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"Period": 15}, "10, 20, 30 or a multiple of 60"),
        ({"Period": 1}, "10, 20, 30 or a multiple of 60"),
        ({"Period": None}, "Period is required"),
        ({"Namespace": None}, "Namespace is required"),
        ({"Threshold": None}, "Threshold is required"),
        ({"EvaluationPeriods": None}, "EvaluationPeriods is required"),
        ({"Statistic": None}, "Exactly one of the parameters Statistic and ExtendedStatistic"),
        ({"ExtendedStatistic": "p99"}, "Exactly one of the parameters Statistic and ExtendedStatistic"),
        ({"Statistic": None, "ExtendedStatistic": "p999"}, "p999 is not supported"),
        ({"DatapointsToAlarm": 4}, "4 of 3"),
        ({"Period": 60, "EvaluationPeriods": 1441}, "EvaluationPeriods * Period must be <= 86400"),
        ({"TreatMissingData": "zero"}, "not a valid TreatMissingData"),
        ({"AlarmActions": ["nonsense"]}, "Invalid arn syntax: nonsense"),
        ({"ComparisonOperator": "GreaterThanUpperThreshold"}, "Anomaly detection"),
        ({"ThresholdMetricId": "ad1"}, "ThresholdMetricId is not supported"),
        ({"EvaluationInterval": 60}, "EvaluationInterval is not supported"),
        ({"Metrics": MATH["Metrics"]}, "cannot be used together"),
        ({"Dimensions": [DIMENSIONS[0], DIMENSIONS[0]]}, "must be unique"),
    ],
)
def test_an_alarm_that_aws_refuses_is_refused_and_not_kept(client, refused, changes, problem):
    given = {key: value for key, value in (ALARM | changes).items() if value is not None}
    code, message = refused("put_metric_alarm", **given)
    assert code in ("ValidationError", "InvalidParameterCombination")
    assert problem in message
    assert names(client.describe_alarms()) == []


@pytest.mark.parametrize(
    ("metrics", "problem"),
    [
        ([MATH["Metrics"][0] | {"ReturnData": True}, MATH["Metrics"][1]], "Exactly one"),
        ([MATH["Metrics"][0], MATH["Metrics"][1] | {"Expression": "FILL(m2, 0)"}], "undefined id m2"),
        ([MATH["Metrics"][0], MATH["Metrics"][1] | {"Expression": "STDDEV(m1)"}], "STDDEV is not supported"),
        ([MATH["Metrics"][0], MATH["Metrics"][1] | {"Expression": "AVG(m1)"}], "result is a number"),
        ([MATH["Metrics"][1] | {"Expression": "5"}], "one Period"),
    ],
)
def test_metric_math_that_an_alarm_cannot_watch_is_refused(refused, metrics, problem):
    code, message = refused("put_metric_alarm", **MATH | {"Metrics": metrics})
    assert code == "ValidationError"
    assert problem in message


@pytest.mark.parametrize("published", [False, True])
@pytest.mark.parametrize(
    "expression", ["[m1]", "REMOVE_EMPTY([m1])", 'METRICS("m1")', "SLICE(SORT(METRICS(), AVG, DESC), 0, 1)", "[m1] * 2"]
)
def test_an_array_is_nothing_that_an_alarm_can_watch_whatever_is_in_it_now(client, refused, expression, published):
    if published:
        client.put_metric_data(Namespace="N", MetricData=[{"MetricName": "m", "Value": 1, "Dimensions": DIMENSIONS}])
    metrics = [MATH["Metrics"][0], MATH["Metrics"][1] | {"Expression": expression}]
    code, message = refused("put_metric_alarm", **MATH | {"Metrics": metrics})
    assert code == "ValidationError"
    assert "must return a single time series" in message
    assert names(client.describe_alarms()) == []
    series = [metrics[0], metrics[1] | {"Expression": f"FIRST({expression})"}]
    client.put_metric_alarm(**MATH | {"Metrics": series})
    assert names(client.describe_alarms()) == ["math"]


def test_states_set_by_hand(client, clock, refused):
    client.put_metric_alarm(**ALARM)
    clock.time_s += 5
    client.set_alarm_state(AlarmName="high", StateValue="ALARM", StateReason="a drill", StateReasonData='{"a": 1}')
    [alarm] = client.describe_alarms()["MetricAlarms"]
    assert (alarm["StateValue"], alarm["StateReason"]) == ("ALARM", "a drill")
    assert alarm["StateTransitionedTimestamp"] == clock.at(5)
    missing = refused("set_alarm_state", AlarmName="none", StateValue="OK", StateReason="x")
    assert missing[0] == "ResourceNotFound"
    bad = refused("set_alarm_state", AlarmName="high", StateValue="OK", StateReason="x", StateReasonData="{")
    assert bad[0] == "InvalidFormat"


def test_actions_are_switched_off_and_on(client):
    client.put_metric_alarm(**ALARM)
    client.disable_alarm_actions(AlarmNames=["high"])
    assert client.describe_alarms()["MetricAlarms"][0]["ActionsEnabled"] is False
    client.enable_alarm_actions(AlarmNames=["high", "none"])
    assert client.describe_alarms()["MetricAlarms"][0]["ActionsEnabled"] is True


def test_history_in_pages_and_either_order(client, clock):
    client.put_metric_alarm(**ALARM)
    for i in range(6):
        clock.time_s += 60
        client.set_alarm_state(AlarmName="high", StateValue=("OK", "ALARM")[i % 2], StateReason="by hand")
    client.delete_alarms(AlarmNames=["high", "none"])
    pages = list(client.get_paginator("describe_alarm_history").paginate(AlarmName="high", MaxRecords=5))
    items = [item for page in pages for item in page["AlarmHistoryItems"]]
    assert [len(page["AlarmHistoryItems"]) for page in pages] == [5, 3]
    assert items[0]["HistorySummary"] == 'Alarm "high" deleted'
    assert items[-1]["HistorySummary"] == 'Alarm "high" created'
    ascending = client.describe_alarm_history(
        HistoryItemType="StateUpdate", ScanBy="TimestampAscending", StartDate=clock.at(60), EndDate=clock.at(120)
    )["AlarmHistoryItems"]
    assert [item["HistorySummary"] for item in ascending] == [
        "Alarm updated from INSUFFICIENT_DATA to OK",
        "Alarm updated from OK to ALARM",
    ]
    assert ascending[0]["Timestamp"] == clock.at(60)
    assert json.loads(ascending[0]["HistoryData"])["newState"]["stateReason"] == "by hand"


def test_tags_of_alarms(client, refused):
    client.put_metric_alarm(**ALARM, Tags=[{"Key": "dgsm:endpoint", "Value": "e"}])
    arn = client.describe_alarms()["MetricAlarms"][0]["AlarmArn"]
    client.tag_resource(ResourceARN=arn, Tags=[{"Key": "x", "Value": "y"}])
    assert len(client.list_tags_for_resource(ResourceARN=arn)["Tags"]) == 2
    client.untag_resource(ResourceARN=arn, TagKeys=["x", "z"])
    assert client.list_tags_for_resource(ResourceARN=arn)["Tags"] == [{"Key": "dgsm:endpoint", "Value": "e"}]
    assert refused("tag_resource", ResourceARN=arn + "x", Tags=[])[0] == "ResourceNotFoundException"
    client.delete_alarms(AlarmNames=[ALARM["AlarmName"]])
    assert client.list_tags_for_resource(ResourceARN=arn)["Tags"] == []
    assert refused("list_tags_for_resource", ResourceARN="arn:aws:s3:::bucket")[0] == "ResourceNotFoundException"


def test_how_missing_data_is_treated_is_shown_when_it_was_named(client):
    client.put_metric_alarm(**{k: v for k, v in ALARM.items() if k != "TreatMissingData"})
    assert "TreatMissingData" not in client.describe_alarms()["MetricAlarms"][0]
    client.put_metric_alarm(**ALARM | {"TreatMissingData": "missing"})
    assert client.describe_alarms()["MetricAlarms"][0]["TreatMissingData"] == "missing"


@pytest.mark.parametrize("member", ["ComparisonOperator", "EvaluationPeriods", "Threshold", "MetricName", "Period"])
def test_an_alarm_without_what_it_needs_is_refused(client, refused, member):
    code, message = refused("put_metric_alarm", **{k: v for k, v in ALARM.items() if k != member})
    assert (code, member in message) == ("ValidationError", True)


def test_dashboards(client, clock, refused):
    body = json.dumps({"widgets": []})
    assert client.put_dashboard(DashboardName="dgsm-e", DashboardBody=body)["DashboardValidationMessages"] == []
    client.put_dashboard(DashboardName="other", DashboardBody=body)
    assert client.get_dashboard(DashboardName="dgsm-e")["DashboardBody"] == body
    [entry] = client.list_dashboards(DashboardNamePrefix="dgsm-")["DashboardEntries"]
    assert (entry["DashboardName"], entry["Size"], entry["LastModified"]) == ("dgsm-e", len(body), clock.at(0))
    assert refused("delete_dashboards", DashboardNames=["dgsm-e", "none"])[0] == "ResourceNotFound"
    client.delete_dashboards(DashboardNames=["dgsm-e", "other"])
    assert client.list_dashboards()["DashboardEntries"] == []
    assert refused("get_dashboard", DashboardName="dgsm-e")[0] == "ResourceNotFound"
    assert refused("put_dashboard", DashboardName="a b", DashboardBody=body)[0] == "InvalidParameterValue"
    for bad in ("{", "[]"):
        assert refused("put_dashboard", DashboardName="a", DashboardBody=bad)[0] == "InvalidParameterInput"


@pytest.mark.parametrize("scan", ["TimestampDescending", "TimestampAscending"])
def test_a_new_line_of_history_shifts_none_on_the_next_page(client, scan):
    for number in range(5):
        client.put_metric_alarm(**ALARM | {"AlarmName": f"a{number}"})
    first = client.describe_alarm_history(MaxRecords=2, ScanBy=scan)
    client.put_metric_alarm(**ALARM | {"AlarmName": "late"})
    rest = client.describe_alarm_history(NextToken=first["NextToken"], ScanBy=scan)
    shown = [item["AlarmName"] for page in (first, rest) for item in page["AlarmHistoryItems"]]
    made = [f"a{number}" for number in range(5)]
    assert shown == (made[::-1] if scan == "TimestampDescending" else [*made, "late"])
