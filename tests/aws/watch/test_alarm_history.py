"""When alarms went off, from the rows of DescribeAlarmHistory."""

from __future__ import annotations

from datetime import UTC, datetime

from dgsm_helpers.aws.watch.alarm_history import alarm_times


def row(second, summary, kind="StateUpdate"):
    return {
        "AlarmName": "high",
        "Timestamp": datetime.fromtimestamp(second, UTC),
        "HistoryItemType": kind,
        "HistorySummary": summary,
    }


def test_alarm_history_tells_when_an_alarm_went_off():
    rows = [
        row(30, "Alarm updated from OK to ALARM"),
        row(20, "Alarm updated from ALARM to OK"),
        row(10, "Alarm updated from INSUFFICIENT_DATA to ALARM"),
        row(40, "Successfully executed action x to ALARM", kind="Action"),
    ]
    assert alarm_times(rows) == (10.0, 30.0)
