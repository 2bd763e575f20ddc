"""What the live view shows, however it is drawn: as SVG (`live_svg`) or in a terminal (`terminal`)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from math import isfinite

type Rows = Sequence[tuple[float, ...]]
"""A time in Unix seconds, and the values of that time."""


@dataclass(frozen=True)
class Alarm:
    """One of the policy's alarms: ``side`` is high or low, ``breaching`` of ``needed`` datapoints in a row are over.

    ``breaching`` is None where the datapoints are not known, as for an alarm on another metric than the one shown.
    """

    side: str
    state: str
    rule: str
    breaching: int | None
    needed: int


@dataclass(frozen=True)
class Mark:
    """A scaling activity: when (``time_s`` on the view's clock), what in few words, and AWS's own ``detail``.

    ``scaled`` is False for an activity that AWS decided against.
    """

    time_s: float
    text: str
    detail: str = ""
    scaled: bool = True


@dataclass(frozen=True, kw_only=True)
class LiveState:
    """All that one picture shows. Times are Unix seconds of the workbook's clock.

    ``concurrency`` holds (time, min, mean, max) of the streams per instance; ``instances`` (time, desired, running),
    each valid until the next; ``latency`` (time, p50 ms, p99 ms) of what ``latency_of`` names; values may be NaN.
    ``target_value`` is in streams per instance, None where the policy follows something else or there is none;
    ``alarms`` is None while they are not known. ``instances_by_type`` counts what runs now; ``origin`` says where all
    this comes from; ``cost`` what it cost so far; ``trouble`` is an error to show, "" when all is well.
    """

    endpoint_name: str
    status: str
    now: datetime
    window_s: float
    origin: str
    target_value: float | None
    concurrency: Rows
    instances: Rows
    latency: Rows = ()
    latency_of: str = "first chunk"
    alarms: Sequence[Alarm] | None = ()
    marks: Sequence[Mark] = ()
    instances_by_type: Sequence[tuple[str, int]] = ()
    errors_count: int = 0
    streams: str = ""
    cost: str = ""
    trouble: str = ""


def breach_progress(values: Sequence[float], *, above: bool, threshold: float, needed: int) -> int:
    """How many of the newest datapoints in a row are over (or under) ``threshold``, at most ``needed``.

    A missing datapoint (NaN) ends the row: target tracking's alarms treat it as missing, not as breaching.
    """
    count = 0
    for value in reversed(values):
        if count == needed or not isfinite(value) or not (value > threshold if above else value < threshold):
            break
        count += 1
    return count
