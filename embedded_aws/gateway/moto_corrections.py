"""Where moto's answers are known to differ from AWS's, in what its users meet here: refusals and corrections.

Source: answers of real AWS that a public emulator recorded (STS, CloudWatch Logs).
"""

import json
import re
from collections.abc import Callable, Mapping
from typing import Any

from werkzeug import Response

from embedded_aws.gateway import moto_inside
from embedded_aws.gateway.aws_call import AwsCall
from embedded_aws.gateway.refusal import AwsRefusal

_ROLE_ARN = re.compile(r"arn:[\w-]+:iam::\d{12}:role/.+")
_PACKED = re.compile(rb"\s*<PackedPolicySize>\d+</PackedPolicySize>")
_LONGEST_LOG_NAME = 512
_EXCLUSIVE = (
    (
        ("logGroupNamePrefix", "logGroupNamePattern"),
        "InvalidParameterException",
        "LogGroup name prefix and LogGroup name pattern are mutually exclusive parameters.",
    ),
    (
        ("logGroupName", "logGroupIdentifier"),
        "ValidationException",
        "LogGroup name and LogGroup ARN are mutually exclusive parameters.",
    ),
)


def refusal(call: AwsCall) -> AwsRefusal | None:
    """What AWS refuses of a call that moto takes, or refuses in other words."""
    wire = call.wire or {}
    if call.service == "sts" and call.operation.startswith("AssumeRole"):
        return _of_a_role(wire)
    return _of_a_log(call, wire) if call.service == "logs" else None


def _of_a_role(wire: Mapping[str, Any]) -> AwsRefusal | None:
    arn = str(wire.get("RoleArn", ""))
    if arn and not _ROLE_ARN.fullmatch(arn):
        return AwsRefusal(f"{arn} is invalid")
    keys = [str(tag.get("Key")) for tag in wire.get("Tags") or ()]
    if len({key.lower() for key in keys}) < len(keys):
        text = "Duplicate tag keys found. Please note that Tag keys are case insensitive."
        return AwsRefusal(text, "InvalidParameterValue")
    if not {*map(str.lower, wire.get("TransitiveTagKeys") or ())} <= {*map(str.lower, keys)}:
        text = "The specified transitive tag key must be included in the requested tags."
        return AwsRefusal(text, "InvalidParameterValue")
    return None


def _of_a_log(call: AwsCall, wire: Mapping[str, Any]) -> AwsRefusal | None:
    group, stream = str(wire.get("logGroupName") or ""), str(wire.get("logStreamName") or "")
    if call.operation.startswith("Create") and max(len(group), len(stream)) > _LONGEST_LOG_NAME:
        text = "Invalid LogGroup or LogStream, both must have length less than or equal to 512."
        return AwsRefusal(text, "InvalidParameterException")
    for both, code, text in _EXCLUSIVE:
        if all(wire.get(member) for member in both):
            return AwsRefusal(text, code)
    if call.operation == "GetLogEvents" and stream not in (moto_inside.log_streams(call.region, group) or {stream}):
        return AwsRefusal("The specified log stream does not exist.", "ResourceNotFoundException")
    return None


def correct(call: AwsCall, response: Response) -> None:
    """Make an answer of moto what AWS's is."""
    if call.service == "sts" and not {"Policy", "PolicyArns", "Tags"} & set(call.wire or ()):
        # Nothing was packed; moto names a size all the same.
        response.set_data(_PACKED.sub(b"", response.get_data()))
    change = _CHANGES.get((call.service, call.operation))
    if change is None:
        return
    body = json.loads(response.get_data() or b"{}")
    response.set_data(json.dumps(change(body)))


def _of_a_stream(body: Mapping[str, Any]) -> Mapping[str, Any]:
    if "AlreadyExists" not in body.get("__type", ""):
        return body
    return {**body, "message": "The specified log stream already exists"}


def _with_newer_members(body: Mapping[str, Any]) -> Mapping[str, Any]:
    also = {"logGroupClass": "STANDARD", "deletionProtectionEnabled": False}
    groups = [{**also, **group} for group in body.get("logGroups", ())]
    return {**body, "logGroups": groups} if "logGroups" in body else body


_CHANGES: Mapping[tuple[str, str], Callable[[Mapping[str, Any]], Mapping[str, Any]]] = {
    ("logs", "CreateLogStream"): _of_a_stream,
    ("logs", "DescribeLogGroups"): _with_newer_members,
}
