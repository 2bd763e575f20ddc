"""The same answers in each of CloudWatch's protocols: JSON, query and CBOR, as clients of different age speak them."""

import json
import urllib.error
import urllib.parse
import urllib.request
from xml.etree import ElementTree

import cbor2
import pytest

AUTHORIZATION = "AWS4-HMAC-SHA256 Credential=local/20261124/us-east-1/monitoring/aws4_request"


def send(service, path, body, headers):
    request = urllib.request.Request(
        service.url + path, data=body, headers=headers | {"Authorization": AUTHORIZATION}, method="POST"
    )
    with urllib.request.urlopen(request) as answer:
        return answer.read()


@pytest.fixture
def params(here, clock):
    """A request for a percentile of two minutes, times in Unix seconds."""
    for age_s, values in ((120, [1, 2, 3]), (60, [4, 5, 6.5])):
        here.store.put("N", "m", {"a": "b"}, timestamp_s=clock.time_s - age_s, values=values)
    metric = {"Namespace": "N", "MetricName": "m", "Dimensions": [{"Name": "a", "Value": "b"}]}
    return {
        "MetricDataQueries": [{"Id": "q", "MetricStat": {"Metric": metric, "Period": 60, "Stat": "p99"}}],
        "StartTime": clock.time_s - 600,
        "EndTime": clock.time_s,
    }


def test_json(service, params, clock):
    headers = {
        "Content-Type": "application/x-amz-json-1.0",
        "X-Amz-Target": "GraniteServiceVersion20100801.GetMetricData",
    }
    [result] = json.loads(send(service, "/", json.dumps(params).encode(), headers))["MetricDataResults"]
    assert result["Values"] == [6.5, 3]
    assert result["Timestamps"] == [clock.time_s - 60, clock.time_s - 120]


def test_cbor(service, params, clock):
    params |= {"StartTime": clock.at(-600), "EndTime": clock.at(0)}
    headers = {"Content-Type": "application/cbor", "smithy-protocol": "rpc-v2-cbor"}
    path = "/service/GraniteServiceVersion20100801/operation/GetMetricData"
    [result] = cbor2.loads(send(service, path, cbor2.dumps(params, datetime_as_timestamp=True), headers))[
        "MetricDataResults"
    ]
    assert result["Values"] == [6.5, 3]
    assert result["StatusCode"] == "Complete"


def test_query(service, params, clock):
    stat = "MetricDataQueries.member.1.MetricStat"
    form = {
        "Action": "GetMetricData",
        "Version": "2010-08-01",
        "MetricDataQueries.member.1.Id": "q",
        f"{stat}.Metric.Namespace": "N",
        f"{stat}.Metric.MetricName": "m",
        f"{stat}.Metric.Dimensions.member.1.Name": "a",
        f"{stat}.Metric.Dimensions.member.1.Value": "b",
        f"{stat}.Period": "60",
        f"{stat}.Stat": "p99",
        "StartTime": clock.at(-600).isoformat(),
        "EndTime": clock.at(0).isoformat(),
    }
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    answer = ElementTree.fromstring(send(service, "/", urllib.parse.urlencode(form).encode(), headers))
    values = [float(e.text) for e in answer.iterfind(".//{*}Values/{*}member")]
    times = [e.text for e in answer.iterfind(".//{*}Timestamps/{*}member")]
    assert values == [6.5, 3]
    assert times[0].startswith("2026-11-24T11:59:00")


@pytest.mark.parametrize(
    ("operation", "given", "shape"),
    [
        ("SetAlarmState", {"AlarmName": "none", "StateValue": "OK", "StateReason": "x"}, "ResourceNotFound"),
        ("GetDashboard", {"DashboardName": "none"}, "DashboardNotFoundError"),
        ("DeleteDashboards", {"DashboardNames": ["none"]}, "DashboardNotFoundError"),
    ],
)
@pytest.mark.parametrize("protocol", ["json", "cbor"])
def test_an_error_has_the_name_that_its_operation_gives_it(service, operation, given, shape, protocol):
    path, body = "/", json.dumps(given).encode()
    target = f"GraniteServiceVersion20100801.{operation}"
    headers = {"Content-Type": "application/x-amz-json-1.0", "X-Amz-Target": target}
    if protocol == "cbor":
        path, body = f"/service/GraniteServiceVersion20100801/operation/{operation}", cbor2.dumps(given)
        headers = {"Content-Type": "application/cbor", "smithy-protocol": "rpc-v2-cbor"}
    with pytest.raises(urllib.error.HTTPError) as caught:
        send(service, path, body, headers)
    told = caught.value.read()
    kind = (cbor2.loads(told) if protocol == "cbor" else json.loads(told))["__type"]
    assert kind.rpartition("#")[2] == shape
    assert caught.value.headers["x-amzn-query-error"] == "ResourceNotFound;Sender"
