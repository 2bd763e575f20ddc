"""AWS's schedule expressions fire when AWS's user guide says they do."""

import re
from datetime import UTC, datetime

import pytest

from dgsm_helpers.rules.schedules import parse_schedule


def seconds(text: str) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


@pytest.mark.parametrize(
    ("expression", "timezone", "after", "expected"),
    [
        ("at(2026-03-01T08:00:00)", "UTC", "2026-02-28T00:00:00", "2026-03-01T08:00:00"),
        ("at(2026-03-01T08:00:00)", "Europe/Berlin", "2026-02-28T00:00:00", "2026-03-01T07:00:00"),
        ("rate(5 minutes)", "UTC", "2026-03-01T08:01:00", "2026-03-01T08:05:00"),
        ("cron(0 8 ? * MON-FRI *)", "UTC", "2026-03-06T08:00:00", "2026-03-09T08:00:00"),
        ("cron(0 8 ? * MON-FRI *)", "America/New_York", "2026-03-05T00:00:00", "2026-03-05T13:00:00"),
        ("cron(15 10 1 * ? 2027)", "UTC", "2026-03-06T08:00:00", "2027-01-01T10:15:00"),
        ("cron(0/20 * * * ? *)", "UTC", "2026-03-06T08:20:00", "2026-03-06T08:40:00"),
        ("cron(0 0 L * ? *)", "UTC", "2026-02-01T00:00:00", "2026-02-28T00:00:00"),
        ("cron(0 0 ? * 6#3 *)", "UTC", "2026-03-01T00:00:00", "2026-03-20T00:00:00"),
        ("cron(0 9 15W * ? *)", "UTC", "2026-08-01T00:00:00", "2026-08-14T09:00:00"),
        ("cron(0 9 1W * ? *)", "UTC", "2026-07-31T10:00:00", "2026-08-03T09:00:00"),
        ("cron(0 9 LW * ? *)", "UTC", "2026-10-01T00:00:00", "2026-10-30T09:00:00"),
        ("cron(0 9 ? * 6L *)", "UTC", "2026-10-01T00:00:00", "2026-10-30T09:00:00"),
        ("cron(0 9 ? * FRIL *)", "UTC", "2026-10-01T00:00:00", "2026-10-30T09:00:00"),
        ("cron(0 0 29 2 ? *)", "UTC", "2026-03-01T00:00:00", "2028-02-29T00:00:00"),
    ],
)
def test_fires_next_when_the_user_guide_says(expression, timezone, after, expected):
    assert parse_schedule(expression, timezone)(seconds(after)) == seconds(expected)


def test_a_past_at_never_fires_again():
    assert parse_schedule("at(2020-01-01T00:00:00)")(seconds("2026-01-01T00:00:00")) is None


def test_a_time_skipped_by_summer_time_does_not_fire_that_day():
    next_after = parse_schedule("cron(30 2 * * ? *)", "Europe/Berlin")
    assert next_after(seconds("2026-03-28T12:00:00")) == seconds("2026-03-30T00:30:00")


def test_a_time_skipped_by_half_an_hour_does_not_fire_that_day():
    next_after = parse_schedule("cron(15 2 * * ? *)", "Australia/Lord_Howe")
    assert next_after(seconds("2026-10-03T12:00:00")) == seconds("2026-10-04T15:15:00")


def test_a_time_repeated_when_summer_time_ends_fires_once():
    next_after = parse_schedule("cron(30 2 * * ? *)", "Europe/Berlin")
    first = next_after(seconds("2026-10-24T12:00:00"))
    assert first == seconds("2026-10-25T00:30:00")
    assert next_after(first) == seconds("2026-10-26T01:30:00")


def test_a_day_that_never_comes_never_fires():
    assert parse_schedule("cron(0 0 31 2 ? *)")(seconds("2026-01-01T00:00:00")) is None


@pytest.mark.parametrize(
    ("expression", "timezone", "names"),
    [
        ("cron(0 8 * * ?)", "UTC", "six"),
        ("cron(0 8 * * * *)", "UTC", "exactly one"),
        ("cron(0 24 * * ? *)", "UTC", "outside 0 to 23"),
        ("cron(0 8 ? * FUN *)", "UTC", "'FUN'"),
        ("cron(0 8 32W * ? *)", "UTC", "outside 1 to 31"),
        ("cron(0 8 ? * 8L *)", "UTC", "outside 1 to 7"),
        ("cron(0 8 ? * 9#2 *)", "UTC", "outside 1 to 7"),
        ("cron(0 8 ? * FRI#6 *)", "UTC", "FRI#6"),
        ("rate(0 minutes)", "UTC", "rate"),
        ("every day", "UTC", "at("),
        ("at(tomorrow)", "UTC", "at(yyyy"),
        ("rate(5 minutes)", "Mars/Olympus", "Mars/Olympus"),
    ],
)
def test_refuses_what_aws_refuses_and_says_why(expression, timezone, names):
    with pytest.raises(ValueError, match=re.escape(names)):
        parse_schedule(expression, timezone)
