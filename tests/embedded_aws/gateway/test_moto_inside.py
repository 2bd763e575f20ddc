"""A canary: what the embedded AWS takes from inside moto and botocore still does what it did.

When one of these fails after an update, mend ``embedded_aws/gateway/moto_inside.py`` and set its ``SEEN_WITH``.
"""

from datetime import UTC, datetime
from importlib.metadata import version

import pytest
from botocore.utils import parse_timestamp
from moto.logs.models import logs_backends
from werkzeug import Request
from werkzeug.test import EnvironBuilder, run_wsgi_app

from embedded_aws.gateway import moto_inside
from embedded_aws.listings import ACCOUNT_ID

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)


def test_moto_is_of_the_series_it_was_seen_with():
    installed, seen = version("moto"), moto_inside.SEEN_WITH
    assert installed.split(".")[:2] == seen.split(".")[:2], (
        f"moto {installed} is installed; embedded_aws/gateway/moto_inside.py was written against {seen}. Run this "
        "file's other tests, mend what they show, then set SEEN_WITH."
    )


def test_json_parameters_are_read_with_aware_times():
    wire = {"CreationTimeAfter": NOON.timestamp(), "MaxResults": 5}
    assert moto_inside.params_of_json("sagemaker", "ListEndpoints", wire) == {
        "CreationTimeAfter": NOON,
        "MaxResults": 5,
    }


def test_form_parameters_are_read_as_lists_and_aware_times():
    form = {
        "Action": "DescribeAlarmHistory",
        "Version": "2010-08-01",
        "AlarmTypes.member.1": "MetricAlarm",
        "StartDate": "2026-11-24T12:00:00Z",
    }
    params = moto_inside.params_of_form("cloudwatch", "DescribeAlarmHistory", form)
    assert params == {"AlarmTypes": ["MetricAlarm"], "StartDate": NOON}


@pytest.mark.parametrize(
    ("path", "operation"), [("/endpoints/demo/invocations", "InvokeEndpoint"), ("/nothing/here", None)]
)
def test_rest_operations_are_found_by_path(path, operation):
    request = Request(EnvironBuilder(path=path, method="POST").get_environ())
    assert moto_inside.operation_of_path("sagemaker-runtime", request) == operation


@pytest.mark.parametrize(("protocol", "part"), [("json", b'"Label": "m"'), ("query", b"<Label>m</Label>")])
def test_answers_are_written_in_both_protocols_without_unknown_members(protocol, part):
    value = {"Label": "m", "NoSuchMember": 1}
    response = moto_inside.serialized("cloudwatch", "GetMetricStatistics", protocol, value)
    body = response.get_data()
    assert (response.status_code, part in body, b"NoSuchMember" in body) == (200, True, False)


def test_a_user_has_the_key_pair_it_is_given_and_is_the_caller_with_it():
    arn = moto_inside.create_user("canary", "AKIACANARY0000000000", "secret")
    assert arn == f"arn:aws:iam::{ACCOUNT_ID}:user/canary"
    assert moto_inside.caller_arn("AKIACANARY0000000000", "us-east-1").startswith("arn:aws:")


def test_a_role_is_made_with_its_trust():
    assert moto_inside.create_role("canary", "{}", "a canary") == f"arn:aws:iam::{ACCOUNT_ID}:role/canary"


def test_container_logs_may_lie_hours_ahead_of_the_wall():
    ahead_s = datetime.now(UTC).timestamp() + 86400
    moto_inside.write_container_log("us-east-1", "canary", "AllTraffic/i-1", "hello", ahead_s)
    group = logs_backends[ACCOUNT_ID]["us-east-1"].groups["/aws/sagemaker/Endpoints/canary"]
    assert [event.message for event in group.streams["AllTraffic/i-1"].events] == ["hello"]


def test_a_log_keeps_its_newest_lines(monkeypatch):
    monkeypatch.setattr(moto_inside, "LOG_EVENTS_KEPT", 3)
    for number in range(8):
        moto_inside.write_container_log("us-east-1", "flooded", "AllTraffic/i-1", f"line {number}", number)
    stream = logs_backends[ACCOUNT_ID]["us-east-1"].groups["/aws/sagemaker/Endpoints/flooded"].streams["AllTraffic/i-1"]
    assert [event.message for event in stream.events] == ["line 5", "line 6", "line 7"]


def test_the_application_answers_for_moto_services():
    scope = "AWS4-HMAC-SHA256 Credential=local/20261124/us-east-1/sts/aws4_request"
    environ = EnvironBuilder(
        method="POST",
        data=b"Action=GetCallerIdentity&Version=2011-06-15",
        content_type="application/x-www-form-urlencoded",
        headers={"Authorization": scope},
    ).get_environ()
    answer, status, _ = run_wsgi_app(moto_inside.application(), environ, buffered=True)
    assert (status[:3], ACCOUNT_ID.encode() in b"".join(answer)) == ("200", True)


@pytest.mark.parametrize("written", [NOON.timestamp(), "2026-11-24T12:00:00Z", "Tue, 24 Nov 2026 12:00:00 GMT"])
def test_botocore_reads_every_way_to_write_a_time(written):
    assert parse_timestamp(written) == NOON
