"""Why an endpoint failed, told from SageMaker's reason and the container's log.

Source: the failure table of Deepgram's deployment manual (``data/deployment_failures.json``); what the texts do not
decide stays ``unknown``.
"""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files


@dataclass(frozen=True)
class Failure:
    """``kind`` is one of those of ``errors.DeployFailed``; ``next_step`` is what to do about it.

    ``reason`` is a pattern in SageMaker's reason that tells it, "" for what only the log tells.
    """

    kind: str
    next_step: str
    reason: str = ""


_TABLE = json.loads((files("dgsm_helpers") / "data" / "deployment_failures.json").read_text())
_FAILURES = {entry["kind"]: Failure(**entry) for entry in _TABLE["failures"]}


def classify(reason: str, lines: Sequence[str] | None) -> Failure:
    """The kind of failure and its next step.

    Args:
        reason: SageMaker's FailureReason, or the message of a refused call.
        lines: the container's log; None when no log group exists.
    """
    log = "\n".join(lines or ())
    if re.search(r"\[cuda-preflight\]", log):
        return _FAILURES["driver"]
    for failure in _FAILURES.values():
        if failure.reason and re.search(failure.reason, reason, re.IGNORECASE | re.DOTALL):
            # "did not pass the health check" without any log means that there was nothing to ask.
            never_started = failure.kind == "container-failed" and lines is None
            return _FAILURES["container-never-started"] if never_started else failure
    if lines is None:
        # The manual: "Request to service failed" with no log group is a lack of capacity.
        return _FAILURES["capacity" if "request to service failed" in reason.lower() else "container-never-started"]
    return _FAILURES["container-failed" if log else "unknown"]
