"""CBOR as AWS's rpc-v2-cbor protocol has it: the odd forms a client may send, and answers that botocore reads."""

import json
from datetime import UTC, datetime

import pytest
from botocore.parsers import RpcV2CBORParser
from werkzeug import Response

from dgsm_helpers.rules.request_checks import service_model
from embedded_aws.gateway.answers import as_cbor
from embedded_aws.gateway.aws_call import AwsCall, read_cbor


@pytest.mark.parametrize(
    ("data", "value"),
    [
        (bytes.fromhex("9f0102ff"), [1, 2]),
        (bytes.fromhex("bf616101ff"), {"a": 1}),
        (bytes.fromhex("7f61616162ff"), "ab"),
        (bytes.fromhex("5f41014102ff"), b"\x01\x02"),
        (bytes.fromhex("f93c00"), 1.0),
        (bytes.fromhex("fa3fc00000"), 1.5),
        (bytes.fromhex("c11a6955b900"), 1767225600),
        (bytes.fromhex("a16161c1fb41da557e40200000"), {"a": 1767241984.5}),
        (bytes.fromhex("a16161f7"), {"a": None}),
    ],
    ids=["list", "map", "text", "bytes", "half", "single", "whole seconds", "timestamp", "undefined"],
)
def test_every_form_of_the_protocol_is_read_as_json_would_hold_it(data, value):
    assert read_cbor(data) == value


@pytest.mark.parametrize("data", [b"", b"\x18", b"\x62a", b"\x82\x01", b"\xff", b"\x9f\x01", b"\x1c", b"\xf8"])
def test_broken_bytes_are_refused(data):
    with pytest.raises(ValueError, match="CBOR"):
        read_cbor(data)


def test_botocore_reads_timestamps_and_whole_floats_of_an_answer():
    noon = datetime(2026, 11, 24, 12, tzinfo=UTC)
    call = AwsCall(
        service="cloudwatch",
        region="us-east-1",
        access_key_id="",
        protocol="cbor",
        asked="GetMetricStatistics",
        operation="GetMetricStatistics",
    )
    body = {"Label": "m", "Datapoints": [{"Timestamp": noon.timestamp(), "Sum": 3, "Unit": "None"}]}
    answer = as_cbor(call, Response(json.dumps(body)))
    shape = service_model("cloudwatch").operation_model("GetMetricStatistics").output_shape
    parsed = RpcV2CBORParser().parse(
        {"headers": dict(answer.headers), "body": answer.get_data(), "status_code": 200}, shape
    )
    [point] = parsed["Datapoints"]
    assert point["Timestamp"] == noon
    assert (point["Sum"], type(point["Sum"])) == (3.0, float)
