"""When alarms went off, from CloudWatch's alarm history (kept for 30 days)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import islice
from typing import Any

from dgsm_helpers.aws.core.calls import pages
from dgsm_helpers.session import Workbook

_MOST_ROWS = 1000


def times_in_alarm(wb: Workbook, alarm_names: Iterable[str]) -> dict[str, tuple[float, ...]]:
    """When each alarm went into ALARM, in Unix seconds, ascending; of its newest 1,000 changes of state."""

    def rows(name: str) -> Iterable[Mapping[str, Any]]:
        changes = {"AlarmName": name, "HistoryItemType": "StateUpdate"}
        return islice(pages(wb, "cloudwatch", "DescribeAlarmHistory", "AlarmHistoryItems", **changes), _MOST_ROWS)

    return {name: alarm_times(rows(name)) for name in alarm_names}


def alarm_times(rows: Iterable[Mapping[str, Any]]) -> tuple[float, ...]:
    """When an alarm went into ALARM, in Unix seconds, ascending, from DescribeAlarmHistory's ``AlarmHistoryItems``."""
    changes = (row for row in rows if row.get("HistoryItemType") == "StateUpdate")
    return tuple(
        sorted(row["Timestamp"].timestamp() for row in changes if row.get("HistorySummary", "").endswith("to ALARM"))
    )
