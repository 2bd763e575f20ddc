"""Watching the endpoint: metrics, the policy's alarms, scaling activities and the instances they made."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from itertools import islice
from typing import TYPE_CHECKING, Any

from dgsm_helpers.aws.core.calls import pages
from dgsm_helpers.aws.endpoint.endpoint_reading import EndpointReading
from dgsm_helpers.aws.endpoint.endpoint_state import EndpointState, VariantState
from dgsm_helpers.aws.scaling.scalable_target import SERVICE, AlarmState, read_alarms, triple
from dgsm_helpers.session import Workbook

if TYPE_CHECKING:
    import pandas as pd

_MOST_CHANGES = 1000
_TRIGGERS = {"monitor alarm": "alarm", "scheduled action": "schedule", "capacity was set": "bounds"}
"""What made an activity begin, by words of its cause."""
AT_THE_MINIMUM = "at the minimum, nothing to remove"
_NOT_SCALED = {
    "AlreadyAtDesiredCapacity": "not needed, as many are there or on their way",
    "AlreadyAtMaxCapacity": "at the maximum",
    "AlreadyAtMinCapacity": AT_THE_MINIMUM,
    "AutoScalingAnticipatedFlapping": "it would have had to turn back at once",
}
"""AWS's codes of what it decided against, in words (Application Auto Scaling user guide, not scaled reasons)."""
_ALARM_NAME = re.compile(r"TargetTracking-\S+-(Alarm(?:High|Low))-[\w-]+")


@dataclass(frozen=True)
class ScalingActivity:
    """One scaling activity, with what its texts say.

    ``desired_instances`` is read from the description (None where it names no count); ``trigger`` ("alarm", "bounds",
    "schedule" or ""), ``alarm_side`` and ``policy`` from the cause. ``not_scaled_reasons`` holds AWS's codes,
    ``message`` AWS's reason for a failure.
    """

    started: datetime
    ended: datetime | None
    duration_s: float | None
    status: str
    desired_instances: int | None
    trigger: str
    alarm_side: str
    policy: str
    not_scaled_reasons: tuple[str, ...]
    description: str
    cause: str
    message: str


def alarm_states(wb: Workbook) -> tuple[AlarmState, ...]:
    """The alarms that target tracking keeps on the variant, the high one first; found by their name's prefix."""
    return read_alarms(described_alarms(wb, f"TargetTracking-{wb.resource_id}-Alarm"))


def described_alarms(wb: Workbook, prefix: str) -> Iterator[dict[str, Any]]:
    """The alarms whose names begin with ``prefix``, as DescribeAlarms shows them."""
    return pages(wb, "cloudwatch", "DescribeAlarms", "MetricAlarms", AlarmNamePrefix=prefix)


def alarms(wb: Workbook) -> pd.DataFrame:
    """The policy's alarms, one row each.

    ``statistic``, ``period_s`` and the datapoints are AWS's own choice: AWS publishes it nowhere, so these columns are
    where to read whether the policy follows the hottest instance (Maximum) or the mean (Average).
    """
    frame = _table(AlarmState, alarm_states(wb))
    return frame.drop(columns="metric").rename(columns={"threshold": "threshold_streams"})


def times_in_alarm(wb: Workbook, alarm_names: Iterable[str]) -> dict[str, tuple[float, ...]]:
    """When each alarm went into ALARM, in Unix seconds, ascending; of its newest 1,000 changes of state."""
    times = {}
    for name in alarm_names:
        request = {"AlarmName": name, "HistoryItemType": "StateUpdate"}
        changes = islice(pages(wb, "cloudwatch", "DescribeAlarmHistory", "AlarmHistoryItems", **request), _MOST_CHANGES)
        into_alarm = (row for row in changes if row.get("HistorySummary", "").endswith("to ALARM"))
        times[name] = tuple(sorted(row["Timestamp"].timestamp() for row in into_alarm))
    return times


def read_activities(wb: Workbook, *, limit: int | None = None) -> tuple[ScalingActivity, ...]:
    """The variant's scaling activities, newest first, those decided against included.

    Application Auto Scaling keeps six weeks of them. While the fleet stays at a limit AWS adds one a minute.

    Args:
        limit: read only the newest so many.
    """
    described = pages(
        wb,
        SERVICE,
        "DescribeScalingActivities",
        "ScalingActivities",
        **triple(wb),
        IncludeNotScaledActivities=True,
    )
    return tuple(map(_activity, islice(described, limit)))


def activities(wb: Workbook, *, limit: int | None = None) -> pd.DataFrame:
    """`read_activities` as a frame, oldest first: a row for each activity, a column for each attribute."""
    return activity_frame(read_activities(wb, limit=limit))


def activity_frame(newest_first: Iterable[ScalingActivity]) -> pd.DataFrame:
    """:func:`activities` from activities at hand. Pure."""
    import pandas as pd

    frame = _table(ScalingActivity, newest_first)
    for column in ("started", "ended"):
        frame[column] = pd.to_datetime(frame[column], utc=True)
    frame["duration_s"] = frame["duration_s"].astype("float64")
    frame["desired_instances"] = frame["desired_instances"].astype("Int64")
    return frame.sort_values("started", kind="stable", ignore_index=True)


def instances(wb: Workbook) -> pd.DataFrame:
    """Instance counts over time, put together from the activities and what runs now.

    Index: UTC time of each change; columns ``desired_instances``, ``running_instances``, ``reason``. An activity
    changes the desired count when it starts and the running count when it ends. The first row is the creation with the
    initial count, although those instances took some minutes to come up; the last is now.

    Raises:
        NotFound: there is no endpoint.
    """
    endpoint = EndpointReading(wb)
    initial = endpoint.configured.initial_count
    return history(activities(wb), endpoint.state, endpoint.variant, initial, now=wb.now())


def counts_at(instances: pd.DataFrame, times: pd.DatetimeIndex) -> pd.Series:
    """Running instances at each change (`instances`) and at ``times`` between them: a count is valid until the next."""
    running = instances["running_instances"].groupby(level=0).last()
    return running.reindex(running.index.union(times)).ffill().bfill()


def history(
    frame: pd.DataFrame,
    state: EndpointState,
    variant: VariantState,
    initial: int | None,
    *,
    now: datetime,
) -> pd.DataFrame:
    """:func:`instances` from answers at hand: activities, endpoint, and the count it was made with. Pure."""
    import pandas as pd

    changes = list(_changes(since_created(frame, state)))
    desired = running = initial or variant.desired
    rows: list[tuple[Any, int, int, str]] = [(state.created, desired, running, "created")]
    for time, new_desired, new_running, reason in sorted(changes, key=lambda change: change[0]):
        desired = desired if new_desired is None else new_desired
        running = running if new_running is None else new_running
        rows.append((time, desired, running, reason))
    rows.append((now, variant.desired, variant.running, "now"))
    made = pd.DataFrame(rows, columns=["time", "desired_instances", "running_instances", "reason"])
    made["time"] = pd.to_datetime(made["time"], utc=True)
    return made.set_index("time")


def since_created(frame: pd.DataFrame, state: EndpointState) -> pd.DataFrame:
    """Those of the activities that are this endpoint's: earlier ones are of another one that had its name."""
    import pandas as pd

    return frame if state.created is None else frame[frame["started"] >= pd.Timestamp(state.created)]


def story(wb: Workbook) -> str:
    """The activities as one line each, oldest first, in AWS's own words; a failed one with its reason.

    Names of alarms are left out but for which it was. What AWS decided against is no failure, whatever its status.
    """
    lines = []
    for activity in sorted(read_activities(wb), key=lambda activity: activity.started):
        took = "" if activity.duration_s is None else f" ({activity.duration_s:.0f} s)"
        message = f" {activity.message}" if activity.status == "Failed" and activity.message else ""
        words = f"{activity.status}{took}: {activity.description} {activity.cause}{message}"
        if activity.not_scaled_reasons:
            words = f"Not scaled: {reasons_in_words(activity.not_scaled_reasons)}. {activity.cause}"
        lines.append(f"{activity.started.astimezone(UTC):%H:%M:%S}  {_ALARM_NAME.sub(r'\1', words)}")
    return "\n".join(lines) or "No scaling activity yet."


def reasons_in_words(codes: Iterable[str]) -> str:
    """Why AWS did not scale: in words, with its codes."""
    return ", ".join(f"{_NOT_SCALED[code]} ({code})" if code in _NOT_SCALED else code for code in codes)


def _changes(frame: pd.DataFrame) -> Iterator[tuple[Any, int | None, int | None, str]]:
    import pandas as pd

    for row in frame.itertuples(index=False):
        if pd.isna(row.desired_instances) or row.status in ("Failed", "Overridden"):
            continue
        count = int(row.desired_instances)
        reason = f"{row.trigger} {row.alarm_side}".strip() or "activity"
        yield row.started, count, None, f"{reason}: desired {count}"
        if row.status == "Successful" and not pd.isna(row.ended):
            yield row.ended, None, count, f"{reason}: {count} running"


def _table(kind: type, rows: Iterable[Any]) -> pd.DataFrame:
    """Instances of a dataclass as a frame with a column for each field."""
    import pandas as pd

    names = [field.name for field in fields(kind)]
    return pd.DataFrame([[getattr(row, name) for name in names] for row in rows], columns=names)


def _activity(raw: Mapping[str, Any]) -> ScalingActivity:
    cause, description = raw.get("Cause", ""), raw.get("Description", "")
    count = re.search(r"desired instance count to (\d+)", description)
    alarm = re.search(r"monitor alarm (\S+) in state \w+ triggered policy (.+?)\.?$", cause)
    side = re.search(r"-Alarm(High|Low)-", alarm[1]) if alarm else None
    ended = raw.get("EndTime")
    return ScalingActivity(
        started=raw["StartTime"],
        ended=ended,
        duration_s=None if ended is None else (ended - raw["StartTime"]).total_seconds(),
        status=raw["StatusCode"],
        desired_instances=int(count[1]) if count else None,
        trigger=next((trigger for words, trigger in _TRIGGERS.items() if words in cause.lower()), ""),
        alarm_side=side[1].lower() if side else "",
        policy=alarm[2] if alarm else "",
        not_scaled_reasons=tuple(reason["Code"] for reason in raw.get("NotScaledReasons") or ()),
        description=description,
        cause=cause,
        message=raw.get("StatusMessage", ""),
    )
