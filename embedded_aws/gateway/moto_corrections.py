"""Where moto's answers are known to differ from AWS's, in what its users meet here: refusals and corrections.

Source: answers of real AWS that a public emulator recorded (STS, CloudWatch Logs).
"""

import json
import re
from collections.abc import Callable, Mapping
from typing import Any

from werkzeug import Response

from embedded_aws.gateway.aws_call import AwsCall

_ROLE_ARN = re.compile(r"arn:[\w-]+:iam::\d{12}:role/.+")


def refusal(call: AwsCall) -> str:
    """Why AWS would refuse a call that moto takes; empty when it would not."""
    if call.service == "sts" and call.operation.startswith("AssumeRole"):
        arn = str((call.wire or {}).get("RoleArn", ""))
        return "" if _ROLE_ARN.fullmatch(arn) else f"{arn} is invalid"
    return ""


def correct(call: AwsCall, response: Response) -> None:
    """Make an answer of moto what AWS's is."""
    change = _CHANGES.get((call.service, call.operation))
    if change is None:
        return
    body = json.loads(response.get_data() or b"{}")
    response.set_data(json.dumps(change(body)))


def _of_a_stream(body: Mapping[str, Any]) -> Mapping[str, Any]:
    if "AlreadyExists" not in body.get("__type", ""):
        return body
    return {**body, "message": "The specified log stream already exists"}


def _with_a_class(body: Mapping[str, Any]) -> Mapping[str, Any]:
    groups = [{"logGroupClass": "STANDARD", **group} for group in body.get("logGroups", ())]
    return {**body, "logGroups": groups} if "logGroups" in body else body


_CHANGES: Mapping[tuple[str, str], Callable[[Mapping[str, Any]], Mapping[str, Any]]] = {
    ("logs", "CreateLogStream"): _of_a_stream,
    ("logs", "DescribeLogGroups"): _with_a_class,
}
