"""Why an endpoint failed, told from SageMaker's reason and the container's log.

Source: the failure table of Deepgram's deployment manual; what the texts do not decide stays ``unknown``.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Failure:
    """``kind`` is one of those of ``errors.DeployFailed``; ``next_step`` is what to do about it."""

    kind: str
    next_step: str


_BY_REASON: tuple[tuple[str, str], ...] = (
    (r"not subscribed", "not-subscribed"),
    (r"environment variable map cannot be specified", "environment-not-allowed"),
    (r"insufficientinstancecapacity|insufficient capacity|unable to provision|capacity error", "capacity"),
    (r"resourcelimitexceeded|service limit|for endpoint usage|quota", "quota"),
    (r"cuda-preflight|driver version|cuda driver", "driver"),
    (r"(instance ?type|instancetype).{0,80}(not supported|unsupported|not available|invalid)", "type-not-supported"),
    (r"(not supported|unsupported).{0,40}instance ?type", "type-not-supported"),
    (r"(download|model data).{0,60}(time|exceed)", "download-timeout"),
    (r"ping health check|health check|container.{0,60}(exited|failed|crash|did not pass)", "container-failed"),
)

_NEXT_STEP = {
    "quota": 'Request "<type> for endpoint usage" in Service Quotas, or drop it: deploy.choose_pool(wb).',
    "capacity": "Add further instance types to the pool, or try another region or a later time.",
    "driver": "Pin InferenceAmiVersion al2023-ami-sagemaker-inference-gpu-4-1, as the plan's default does.",
    "not-subscribed": "Subscribe to the listing in AWS Marketplace with this account, then deploy again.",
    "environment-not-allowed": "Leave environment= out: this listing does not let the buyer set variables.",
    "type-not-supported": "Leave that instance type out of the pool: the listing does not support it.",
    "container-never-started": "No log group was made, so no container ran: check capacity, quota and role.",
    "download-timeout": "Raise download_timeout_s (1800 for large multilingual bundles) and deploy again.",
    "container-failed": "Read the container's log (group /aws/sagemaker/Endpoints/<endpoint>) and send it to Deepgram.",
    "unknown": "Read FailureReason and the log; AWS Support needs the endpoint's ARN.",
}


def classify(reason: str, lines: Sequence[str] | None) -> Failure:
    """The kind of failure and its next step.

    Args:
        reason: SageMaker's FailureReason, or the message of a refused call.
        lines: the container's log; None when no log group exists.
    """
    log = "\n".join(lines or ())
    if re.search(r"\[cuda-preflight\]", log):
        return _failure("driver")
    for pattern, kind in _BY_REASON:
        if re.search(pattern, reason, re.IGNORECASE | re.DOTALL):
            # "did not pass the health check" without any log means that there was nothing to ask.
            return _failure("container-never-started" if kind == "container-failed" and lines is None else kind)
    if lines is None:
        # The manual: "Request to service failed" with no log group is a lack of capacity.
        return _failure("capacity" if "request to service failed" in reason.lower() else "container-never-started")
    return _failure("container-failed" if log else "unknown")


def _failure(kind: str) -> Failure:
    return Failure(kind, _NEXT_STEP[kind])
