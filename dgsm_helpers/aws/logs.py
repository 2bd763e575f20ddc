"""The newest lines of the containers' log, for a deployment that waits or has failed."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from ..errors import DgsmError, NotFound
from .calls import call
from .log_lines import explain

if TYPE_CHECKING:
    from ..session import Workbook

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
        mine = [s for s in streams["logStreams"] if since is None or _written_ms(s) >= since.timestamp() * 1000]
        events = [event for stream in mine[:_STREAMS] for event in _events(wb, group, stream["logStreamName"])]
    except NotFound:
        return None
    except DgsmError:
        return ()
    if not mine:
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
