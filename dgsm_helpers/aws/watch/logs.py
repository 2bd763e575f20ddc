"""The lines of a container's log that are known with what they mean, and the newest lines of a deployment's log."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from dgsm_helpers.aws.core.calls import call
from dgsm_helpers.aws.core.tables import Table
from dgsm_helpers.errors import DgsmError, NotFound
from dgsm_helpers.session import Workbook


@dataclass(frozen=True)
class Pattern:
    """A line that is known: an ``example`` of what it contains, what it means, what to do (empty: nothing), and whether
    it is a ``problem``."""

    example: str
    regex: str
    meaning: str
    action: str = ""
    problem: bool = False


PATTERNS: tuple[Pattern, ...] = (
    Pattern(
        "[cuda-preflight]",
        r"\[cuda-preflight\]",
        "the host's GPU driver is too old for the container",
        "Deploy with the AMI that deploy.plan(wb) pins.",
        problem=True,
    ),
    Pattern(
        "composite health check failed",
        r"composite health check failed",
        "the engine is unhealthy",
        "Send the log to Deepgram's support.",
        problem=True,
    ),
    Pattern(
        "panicked at",
        r"panicked at",
        "the engine crashed",
        "Send the lines around it to Deepgram's support.",
        problem=True,
    ),
    Pattern(
        "unsupported_parameter",
        r"unsupported_parameter|[Uu]nsupported parameter",
        "a caller asked for a parameter that this model does not know: on a stream it sees only a 424",
        "Take the parameter out of the query string.",
        problem=True,
    ),
    Pattern("ERROR", r"\bERROR\b", "the container logged an error", "Read the line and those before it.", problem=True),
    Pattern(
        "WARNING … skipped",
        r"WARNING .*skipped",
        "a setting was skipped",
        "Compare the endpoint's Environment with Deepgram's manual.",
    ),
    Pattern("Deepgram Engine is ready", r"Deepgram Engine is ready", "the engine is ready and serves from here on"),
    Pattern("/ping returning 503", r"/ping returning 503", "still starting: normal until the engine is ready"),
)


@dataclass(frozen=True)
class Known(Table):
    """The lines that are known, as a table: what each looks like, what it means, what to do."""

    patterns: tuple[Pattern, ...] = PATTERNS

    _columns = ("line contains", "kind", "means", "what to do")

    def _caption(self) -> str:
        return "Lines that are known, the gravest first"

    def _rows(self) -> list[tuple[object, ...]]:
        return [(p.example, "problem" if p.problem else "normal", p.meaning, p.action or "-") for p in self.patterns]


def explain(message: str) -> Pattern | None:
    """The known pattern that a line matches, the gravest first. Pure."""
    return next((pattern for pattern in PATTERNS if re.search(pattern.regex, message)), None)


_LINES = 200
_STREAMS = 3


def group_name(endpoint_name: str) -> str:
    """The log group SageMaker makes when the container first starts."""
    return f"/aws/sagemaker/Endpoints/{endpoint_name}"


def recent(wb: Workbook, *, since: datetime | None) -> tuple[str, ...] | None:
    """The newest lines of the streams written since ``since``, oldest first.

    None means that no container has written since: SageMaker makes the group and a stream per instance when a container
    starts, and keeps those of earlier endpoints of the same name. An empty tuple means that the log could not be read:
    it must never be the reason why a deployment's own error is lost.
    """
    group = group_name(wb.endpoint_name)
    try:
        streams = call(wb, "logs", "DescribeLogStreams", logGroupName=group, orderBy="LastEventTime", descending=True)
        written = [s for s in streams["logStreams"] if since is None or _written_ms(s) >= since.timestamp() * 1000]
        events = [event for stream in written[:_STREAMS] for event in _events(wb, group, stream["logStreamName"])]
    except NotFound:
        return None
    except DgsmError:
        return ()
    if not written:
        return None
    return tuple(message.rstrip() for _, message in sorted(events))


def _events(wb: Workbook, group: str, stream: str) -> list[tuple[int, str]]:
    answer = call(
        wb, "logs", "GetLogEvents", logGroupName=group, logStreamName=stream, limit=_LINES, startFromHead=False
    )
    return [(event["timestamp"], event["message"]) for event in answer["events"]]


def _written_ms(stream: dict[str, Any]) -> float:
    # lastEventTimestamp alone may lag by up to an hour on AWS, by which time the instance has long been starting.
    return max(stream.get(key, 0) for key in ("creationTime", "firstEventTimestamp", "lastEventTimestamp"))


def hint(lines: Sequence[str] | None) -> str:
    """What the newest known line of the log says, in words; empty when there is none."""
    if lines is None:
        return "no log group yet: the container has not started"
    for line in reversed(lines):
        if known := explain(line):
            return known.meaning
    return ""
