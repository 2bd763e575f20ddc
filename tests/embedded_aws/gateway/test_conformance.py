"""Every operation answered, against botocore's models: what they admit is never a server error, what they refuse is
refused where the constraint is, and rules between members that the models hold only in prose are kept."""

from __future__ import annotations

import json
import random
from importlib.util import module_from_spec, spec_from_file_location
from urllib.parse import urlencode

import pytest
from kit.cross_field_rules import RULES
from kit.imports import ROOT
from kit.model_requests import ANSWERING, operations, valid_request, violations
from kit.moved_aws import MovedAws

from dgsm_helpers.rules.request_checks import service_model

SIGNING = {"cloudwatch": "monitoring", "service-quotas": "servicequotas", "resourcegroupstaggingapi": "tagging"}
EVERYTHING = [(service, operation) for service in ANSWERING for operation in operations(service)]
REFUSED = ("ValidationError", "ValidationException", "InvalidParameterException", "SerializationException")
MONITORING = "AWS4-HMAC-SHA256 Credential=local/20261124/us-east-1/monitoring/aws4_request, Signature=x"
EXAMPLES = 60


class Sender:
    """Sends requests past the checks of an SDK, as any client can form them."""

    def __init__(self):
        self.aws = MovedAws()

    def __call__(self, service, operation, request):
        meta = service_model(service).metadata
        name = SIGNING.get(service, service)
        headers = {
            "Content-Type": f"application/x-amz-json-{meta.get('jsonVersion', '1.0')}",
            "X-Amz-Target": f"{meta['targetPrefix']}.{operation}",
            "Authorization": MONITORING.replace("monitoring", name),
        }
        status, answered, body = self.aws.send(
            "POST", "/", headers, request if isinstance(request, bytes) else json.dumps(request).encode()
        )
        told = json.loads(body or b"{}")
        code = answered.get("x-amzn-query-error", told.get("__type", "")).partition(";")[0]
        return status, code, told.get("message", told.get("Message", ""))


@pytest.fixture(scope="module")
def send():
    return Sender()


@pytest.mark.parametrize(("service", "operation"), EVERYTHING)
def test_conformance_nothing_that_the_model_admits_is_a_server_error(send, service, operation):
    rng = random.Random(f"{service}.{operation}")
    for _ in range(EXAMPLES):
        request = valid_request(service, operation, rng)
        status, code, message = send(service, operation, request)
        assert status < 500, (request, code, message)
        assert code != "UnknownOperationException"


@pytest.mark.parametrize(("service", "operation"), EVERYTHING)
def test_conformance_each_constraint_of_the_model_is_refused_where_it_is(send, service, operation):
    for violation in violations(service, operation):
        status, code, message = send(service, operation, violation.request)
        assert (status, code in REFUSED) == (400, True), (str(violation), code, message)
        assert "validation error" in message, (str(violation), message)
        assert f"'{violation.path}'" in message, (str(violation), message)


@pytest.mark.parametrize("rule", RULES, ids=str)
def test_conformance_rules_between_members_are_kept(rule):
    send = Sender()
    for before in rule.before:
        status, code, message = send(*before)
        assert status == 200, (code, message)
    status, code, message = send(rule.service, rule.operation, rule.good)
    assert status == 200, (code, message)
    for request in rule.bad():
        status, code, message = send(rule.service, rule.operation, request)
        assert (status, code) == (400, rule.code), (request, message)
        assert message


WINDOW = {"MetricDataQueries": [{"Id": "m1", "Expression": "1"}], "EndTime": 1_800_000_000}
UNREADABLE = [
    *(b"null", b"[]", b'"text"', b'{"a":', b"\xff\xfe", b'{"":null}', b"[" * 5000 + b"]" * 5000),
    *(json.dumps({**WINDOW, "StartTime": when}).encode() for when in (1e300, 1e12, -1e18, "yesterday", "NaN", "")),
]


@pytest.mark.parametrize("body", UNREADABLE, ids=range(len(UNREADABLE)))
def test_conformance_what_cannot_be_read_is_refused_in_json_and_cbor(send, body):
    status, code, message = send("cloudwatch", "GetMetricData", body)
    assert (status, bool(code), bool(message)) == (400, True, True)
    headers = {"Content-Type": "application/cbor", "smithy-protocol": "rpc-v2-cbor", "Authorization": MONITORING}
    path = "/service/GraniteServiceVersion20100801/operation/GetMetricData"
    assert send.aws.send("POST", path, headers, body)[0] == 400


@pytest.mark.parametrize(
    ("member", "value"),
    [
        ("EndDate", "1e999"),
        ("StartDate", "yesterday"),
        ("MaxRecords", "many"),
        ("MaxRecords", "1e3"),
        ("AlarmTypes.member.x", "MetricAlarm"),
        ("AlarmTypes", "MetricAlarm"),
        ("AlarmTypes.member.1.more", "MetricAlarm"),
        ("..", "x"),
    ],
)
def test_conformance_a_form_that_cannot_be_read_is_no_server_error(send, member, value):
    form = urlencode({"Action": "DescribeAlarmHistory", "Version": "2010-08-01", member: value}).encode()
    headers = {"Content-Type": "application/x-www-form-urlencoded", "Authorization": MONITORING}
    assert send.aws.send("POST", "/", headers, form)[0] < 500


def test_conformance_page_is_that_of_the_source():
    spec = spec_from_file_location("coverage_table", ROOT / "docs" / "coverage_table.py")
    table = module_from_spec(spec)
    spec.loader.exec_module(table)
    assert table.PAGE.read_text(encoding="utf-8") == table.page(), "run docs/coverage_table.py"
