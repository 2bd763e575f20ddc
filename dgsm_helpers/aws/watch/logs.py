"""The containers' logs: the newest lines by instance, with those that Deepgram's manual knows explained.

SageMaker writes one stream per instance, ``VARIANT/INSTANCE-ID``, into the endpoint's log group.
"""

import json
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from heapq import nlargest
from importlib.resources import files
from itertools import islice
from typing import Any

from dgsm_helpers.aws.core.calls import call, pages
from dgsm_helpers.aws.core.tables import Table, folded, html_table
from dgsm_helpers.aws.watch.retention import looked_back
from dgsm_helpers.errors import DgsmError, InvalidInput, NotFound
from dgsm_helpers.rules.foreign_text import in_terminal
from dgsm_helpers.session import Workbook

_MAX_LINES = 10_000
_LAST_LINES = 200
_LAST_STREAMS = 3


@dataclass(frozen=True)
class Pattern:
    """A line that is known: an ``example`` of what it contains, what it means, what to do (empty: nothing), and whether
    it is a ``problem``."""

    example: str
    regex: str
    meaning: str
    action: str = ""
    problem: bool = False


_TABLE = json.loads((files("dgsm_helpers") / "data" / "log_patterns.json").read_bytes())
PATTERNS = tuple(Pattern(**row) for row in _TABLE["patterns"])
"""The lines that Deepgram's manual explains, the gravest first."""


@dataclass(frozen=True)
class Known(Table):
    """The lines that are known, as a table: what each looks like, what it means, what to do."""

    patterns: tuple[Pattern, ...] = PATTERNS

    _columns = ("line contains", "kind", "means", "what to do")

    def _caption(self) -> str:
        return f"{len(self.patterns)} kinds of lines are known, the gravest first"

    def _repr_html_(self) -> str:
        """How many there are; they can be opened."""
        return folded(self._caption(), html_table("", self._columns, self._rows()))

    def _rows(self) -> list[tuple[object, ...]]:
        return [(p.example, "problem" if p.problem else "normal", p.meaning, p.action or "-") for p in self.patterns]


def explain(message: str) -> Pattern | None:
    """The known pattern that a line matches, the gravest first. Pure."""
    return next((pattern for pattern in PATTERNS if re.search(pattern.regex, message)), None)


def group_name(endpoint_name: str) -> str:
    """The log group SageMaker makes when the container first starts."""
    return f"/aws/sagemaker/Endpoints/{endpoint_name}"


@dataclass(frozen=True)
class LogLine:
    """One line; ``pattern`` is the first of ``PATTERNS`` that it matches, None for an unknown line."""

    time: datetime
    instance: str
    message: str
    pattern: Pattern | None

    def __str__(self) -> str:
        known = f"   ← {self.pattern.meaning}" if self.pattern else ""
        return f"{self.time:%H:%M:%S} {self.instance}  {in_terminal(self.message)}{known}"


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
        InvalidInput: ``lines`` or ``last_s`` is out of range.
    """
    if not 1 <= lines <= _MAX_LINES:
        raise InvalidInput(f"lines is {lines}.", hint=f"Give 1 to {_MAX_LINES}.")
    group = group_name(wb.endpoint_name)
    start_ms = int((wb.now() - looked_back(last_s)).timestamp() * 1000)
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
        events = [event for stream in written[:_LAST_STREAMS] for event in _events(wb, group, stream["logStreamName"])]
    except NotFound:
        return None
    except DgsmError:
        return ()
    if not written:
        return None
    return tuple(message.rstrip() for _, message in sorted(events))


def _events(wb: Workbook, group: str, stream: str) -> list[tuple[int, str]]:
    answer = call(
        wb, "logs", "GetLogEvents", logGroupName=group, logStreamName=stream, limit=_LAST_LINES, startFromHead=False
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
