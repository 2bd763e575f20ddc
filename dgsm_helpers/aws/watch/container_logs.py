"""The containers' logs by instance, with the lines that Deepgram's manual knows explained.

SageMaker writes one stream per instance, ``VARIANT/INSTANCE-ID``, into the endpoint's log group.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from heapq import nlargest
from itertools import islice

from dgsm_helpers.aws.core.calls import call, pages
from dgsm_helpers.aws.core.tables import Table
from dgsm_helpers.aws.watch.logs import Known, Pattern, explain, group_name
from dgsm_helpers.errors import InvalidInput, NotFound
from dgsm_helpers.session import Workbook

__all__ = ["Known", "LogLine", "Tail", "explain", "instances", "tail"]

_MAX_LINES = 10_000


@dataclass(frozen=True)
class LogLine:
    """One line; ``pattern`` is the first of ``log_lines.PATTERNS`` that it matches, None for an unknown line."""

    time: datetime
    instance: str
    message: str
    pattern: Pattern | None

    def __str__(self) -> str:
        known = f"   ← {self.pattern.meaning}" if self.pattern else ""
        return f"{self.time:%H:%M:%S} {self.instance}  {self.message}{known}"


@dataclass(frozen=True)
class Tail(Table):
    """The newest lines, oldest first, over the instances that wrote them."""

    group: str
    lines: tuple[LogLine, ...]

    @property
    def known(self) -> Known:
        """The table of lines that are worth knowing, whether they are here or not."""
        return Known()

    @property
    def instances(self) -> tuple[str, ...]:
        """The instances that wrote, in order of their first line."""
        return tuple(dict.fromkeys(line.instance for line in self.lines))

    @property
    def problems(self) -> tuple[LogLine, ...]:
        """The lines that mean trouble."""
        return tuple(line for line in self.lines if line.pattern and line.pattern.problem)

    _columns = ("UTC", "instance", "line", "means")

    def __str__(self) -> str:
        return "\n".join([self._caption(), *map(str, self.lines), *self._notes()])

    def _rows(self) -> list[tuple[str, ...]]:
        return [
            (f"{line.time:%H:%M:%S}", line.instance, line.message, line.pattern.meaning if line.pattern else "")
            for line in self.lines
        ]

    def _caption(self) -> str:
        lines, many = len(self.lines), len(self.instances)
        return f"{self.group}: {lines} line{'s' * (lines != 1)} of {many} instance{'s' * (many != 1)}"

    def _notes(self) -> list[str]:
        counts = Counter(line.pattern for line in self.lines if line.pattern and line.pattern.action)
        return [f"{count} × {known.meaning}. {known.action}" for known, count in counts.most_common()]


def instances(wb: Workbook) -> tuple[str, ...]:
    """Instances of the variant that have a log stream, the one that wrote last first; gone ones included.

    Raises:
        NotFound: there is no log group: no container of the endpoint has started.
    """
    prefix = f"{wb.variant_name}/"
    of_variant = {"logGroupName": group_name(wb.endpoint_name), "logStreamNamePrefix": prefix}
    with _missing_group_explained(wb):
        streams = list(pages(wb, "logs", "DescribeLogStreams", "logStreams", **of_variant))
    streams.sort(key=lambda stream: stream.get("lastEventTimestamp", stream.get("creationTime", 0)), reverse=True)
    return tuple(stream["logStreamName"].removeprefix(prefix) for stream in streams)


def tail(
    wb: Workbook,
    *,
    instance: str | None = None,
    lines: int = 100,
    last_s: float = 3600.0,
    containing: str = "",
) -> Tail:
    """The newest lines of one instance, or of all instances of the variant together.

    One instance is read backwards from its end; all together are read over the window ``last_s``, every page.

    Args:
        instance: its id (:func:`instances`); None: all.
        lines: how many at most, up to 10,000.
        last_s: seconds of the workbook's time to look back.
        containing: only lines with this text in them (matched as it stands).

    Raises:
        NotFound: no container has started, or there is no such instance; the message names those there are.
        InvalidInput: ``lines`` is out of range.
    """
    if not 1 <= lines <= _MAX_LINES:
        raise InvalidInput(f"lines is {lines}.", hint=f"Give 1 to {_MAX_LINES}.")
    group = group_name(wb.endpoint_name)
    start_ms = int((wb.now() - timedelta(seconds=last_s)).timestamp() * 1000)
    if instance is not None and instance not in (known := instances(wb)):
        raise NotFound(f"No instance {instance!r} has a log.", hint=f"There are: {', '.join(known) or 'none'}.")
    source = _of_all(wb, group, start_ms) if instance is None else _of_one(wb, group, instance, start_ms)
    with _missing_group_explained(wb):
        matching = (event for event in source if containing in event[2])
        newest = nlargest(lines, matching) if instance is None else list(islice(matching, lines))
    return Tail(group, tuple(_line(*event) for event in sorted(newest)))


type _Event = tuple[int, str, str]
"""Milliseconds, instance, message."""


def _of_all(wb: Workbook, group: str, start_ms: int) -> Iterator[_Event]:
    prefix = f"{wb.variant_name}/"
    request = {"logGroupName": group, "logStreamNamePrefix": prefix, "startTime": start_ms}
    for event in pages(wb, "logs", "FilterLogEvents", "events", **request):
        yield event["timestamp"], event["logStreamName"].removeprefix(prefix), event["message"].rstrip()


def _of_one(wb: Workbook, group: str, instance: str, start_ms: int) -> Iterator[_Event]:
    """Newest first. GetLogEvents has no paginator: the end is reached when a token comes back unchanged."""
    token: dict[str, str] = {}
    while True:
        answer = call(
            wb,
            "logs",
            "GetLogEvents",
            logGroupName=group,
            logStreamName=f"{wb.variant_name}/{instance}",
            startTime=start_ms,
            startFromHead=False,
            **token,
        )
        for event in reversed(answer["events"]):
            yield event["timestamp"], instance, event["message"].rstrip()
        if token.get("nextToken") == answer["nextBackwardToken"]:
            return
        token = {"nextToken": answer["nextBackwardToken"]}


def _line(time_ms: int, instance: str, message: str) -> LogLine:
    return LogLine(datetime.fromtimestamp(time_ms / 1000, UTC), instance, message, explain(message))


@contextmanager
def _missing_group_explained(wb: Workbook) -> Iterator[None]:
    """Within it a missing log group is an error that says what it means."""
    try:
        yield
    except NotFound as error:
        raise NotFound(
            f"There is no log group {group_name(wb.endpoint_name)}.",
            hint="SageMaker makes it when the first container starts: look at deploy.status(wb).",
        ) from error
