"""Watching the endpoint: metrics, the policy's alarms, scaling activities and the instances they made."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import datetime
from itertools import islice
from typing import TYPE_CHECKING, Any

from dgsm_helpers.aws.core.calls import call, pages
from dgsm_helpers.aws.endpoint import endpoint_state
from dgsm_helpers.aws.scaling.scaling_state import AlarmState, read_alarms
from dgsm_helpers.aws.watch.metrics import Metrics, Query, metrics

if TYPE_CHECKING:
    import pandas as pd

    from dgsm_helpers.session import Workbook

__all__ = [
    "Metrics",
    "Query",
    "activities",
    "alarm_states",
    "alarms",
    "history",
    "initial_count",
    "initial_count_of",
    "instances",
    "metrics",
    "story",
]

_ALARM_COLUMNS = (
    "name",
    "side",
    "state",
    "comparison",
    "threshold_streams",
    "statistic",
    "period_s",
    "datapoints_to_alarm",
    "evaluation_periods",
    "missing_data",
    "updated",
    "reason",
)
_ACTIVITY_COLUMNS = (
    "started",
    "ended",
    "duration_s",
    "status",
    "desired_instances",
    "trigger",
    "alarm_side",
    "policy",
    "not_scaled_reasons",
    "description",
    "cause",
    "message",
)


def alarm_states(wb: Workbook) -> tuple[AlarmState, ...]:
    """The alarms that target tracking keeps on the variant, the high one first; found by their name's prefix."""
    prefix = f"TargetTracking-{wb.resource_id}-Alarm"
    return read_alarms(pages(wb, "cloudwatch", "DescribeAlarms", "MetricAlarms", AlarmNamePrefix=prefix))


def alarms(wb: Workbook) -> pd.DataFrame:
    """The policy's alarms, one row each.

    ``statistic``, ``period_s`` and the datapoints are AWS's own choice: AWS publishes it nowhere, so these columns are
    where to read whether the policy follows the hottest instance (Maximum) or the mean (Average).
    """
    import pandas as pd

    rows = [
        (
            a.name,
            a.side,
            a.state,
            a.comparison,
            a.threshold,
            a.statistic,
            a.period_s,
            a.datapoints_to_alarm,
            a.evaluation_periods,
            a.missing_data,
            a.updated,
            a.reason,
        )
        for a in alarm_states(wb)
    ]
    return pd.DataFrame(rows, columns=list(_ALARM_COLUMNS))


def activities(wb: Workbook, *, limit: int | None = None) -> pd.DataFrame:
    """Scaling activities, oldest first, those decided against included (Application Auto Scaling keeps six weeks).

    ``desired_instances`` is read from the description, ``trigger`` (alarm, bounds, schedule), ``alarm_side`` and
    ``policy`` from the cause; ``not_scaled_reasons`` holds AWS's codes.

    Args:
        limit: read only the newest so many.
    """
    import pandas as pd

    found = pages(
        wb,
        "application-autoscaling",
        "DescribeScalingActivities",
        "ScalingActivities",
        ServiceNamespace="sagemaker",
        ResourceId=wb.resource_id,
        ScalableDimension="sagemaker:variant:DesiredInstanceCount",
        IncludeNotScaledActivities=True,
    )
    frame = pd.DataFrame(map(_activity, islice(found, limit)), columns=list(_ACTIVITY_COLUMNS))
    for column in ("started", "ended"):
        frame[column] = pd.to_datetime(frame[column], utc=True)
    frame["duration_s"] = (frame["ended"] - frame["started"]).dt.total_seconds()
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
    state = endpoint_state.status(wb)
    return history(activities(wb), state, state.variant(wb.variant_name), initial_count(wb, state), now=wb.now())


def history(
    frame: pd.DataFrame,
    state: endpoint_state.EndpointState,
    variant: endpoint_state.VariantState,
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


def since_created(frame: pd.DataFrame, state: endpoint_state.EndpointState) -> pd.DataFrame:
    """Those of the activities that are this endpoint's: earlier ones are of another one that had its name."""
    import pandas as pd

    return frame if state.created is None else frame[frame["started"] >= pd.Timestamp(state.created)]


def story(wb: Workbook) -> str:
    """The activities as one line each, in AWS's own words; a failed one with its reason."""
    lines = []
    for row in activities(wb).itertuples(index=False):
        when = row.started.strftime("%H:%M:%S")
        took = f" ({row.duration_s:.0f} s)" if row.duration_s == row.duration_s else ""
        why = f" [{', '.join(row.not_scaled_reasons)}]" if row.not_scaled_reasons else ""
        failed = f" {row.message}" if row.status == "Failed" and row.message else ""
        lines.append(f"{when}  {row.status}{took}: {row.description} {row.cause}{why}{failed}")
    return "\n".join(lines) or "No scaling activity yet."


def _changes(frame: pd.DataFrame) -> Iterator[tuple[Any, int | None, int | None, str]]:
    import pandas as pd

    for row in frame.itertuples(index=False):
        if pd.isna(row.desired_instances) or row.status in ("Failed", "Overridden"):
            continue
        count = int(row.desired_instances)
        why = f"{row.trigger} {row.alarm_side}".strip() or "activity"
        yield row.started, count, None, f"{why}: desired {count}"
        if row.status == "Successful" and not pd.isna(row.ended):
            yield row.ended, None, count, f"{why}: {count} running"


def initial_count(wb: Workbook, state: endpoint_state.EndpointState) -> int | None:
    """How many instances the endpoint config says to begin with; None when it says nothing of the variant."""
    config = call(wb, "sagemaker", "DescribeEndpointConfig", EndpointConfigName=state.config_name)
    return initial_count_of(config, wb.variant_name)


def initial_count_of(config: Mapping[str, Any], variant_name: str) -> int | None:
    """:func:`initial_count` of an endpoint config as DescribeEndpointConfig shows it."""
    variants = (v for v in config["ProductionVariants"] if v["VariantName"] == variant_name)
    return next((variant.get("InitialInstanceCount") for variant in variants), None)


def _activity(raw: Mapping[str, Any]) -> tuple[Any, ...]:
    cause, description = raw.get("Cause", ""), raw.get("Description", "")
    count = re.search(r"desired instance count to (\d+)", description)
    alarm = re.search(r"monitor alarm (\S+) in state \w+ triggered policy (.+?)\.?$", cause)
    side = re.search(r"-Alarm(High|Low)-", alarm[1]) if alarm else None
    return (
        raw.get("StartTime"),
        raw.get("EndTime"),
        None,
        raw["StatusCode"],
        int(count[1]) if count else None,
        _trigger(cause),
        side[1].lower() if side else "",
        alarm[2] if alarm else "",
        tuple(reason["Code"] for reason in raw.get("NotScaledReasons") or ()),
        description,
        cause,
        raw.get("StatusMessage", ""),
    )


def _trigger(cause: str) -> str:
    for pattern, trigger in (
        ("monitor alarm", "alarm"),
        ("scheduled action", "schedule"),
        ("capacity was set", "bounds"),
    ):
        if pattern in cause.lower():
            return trigger
    return ""
