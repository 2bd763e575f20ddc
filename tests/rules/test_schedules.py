"""AWS's schedule expressions fire when AWS's user guide says they do."""

import re
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dgsm_helpers.errors import InvalidInput
from dgsm_helpers.rules.policies import Bounds, ScheduledChange
from dgsm_helpers.rules.schedules import bounds_due, parse_schedule


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


@st.composite
def scheduled(draw):
    """A scheduled action, and whether it fires at a given minute after `SINCE`."""
    bounds = ("MinCapacity", "MaxCapacity")
    limits = {bound: draw(st.integers(1, 6)) for bound in draw(st.sets(st.sampled_from(bounds), min_size=1))}
    minute, kind = draw(st.integers(-90, 240)), draw(st.sampled_from(["at", "rate", "cron", "unreadable"]))
    action = {"ScalableTargetAction": limits}
    if kind == "at":
        at = SINCE + timedelta(minutes=minute)
        return {**action, "Schedule": f"at({at:%Y-%m-%dT%H:%M:%S})"}, lambda now: now == at
    if kind == "rate":
        every, made = draw(st.integers(2, 80)), SINCE - timedelta(minutes=draw(st.integers(0, 90)))
        fires = lambda now: (now - made) % timedelta(minutes=every) == timedelta(0)  # noqa: E731
        return {**action, "Schedule": f"rate({every} minutes)", "CreationTime": made}, fires
    if kind == "cron":
        zone = ZoneInfo(draw(st.sampled_from(["UTC", "Asia/Kolkata"])))
        cron = f"cron({minute % 60} {minute // 60 % 24} * * ? *)"
        fires = lambda now: divmod(minute % 1440, 60) == (now.astimezone(zone).hour, now.astimezone(zone).minute)  # noqa: E731
        return {**action, "Schedule": cron, "Timezone": str(zone)}, fires
    return {**action, "Schedule": "sometime"}, lambda now: False


SINCE = datetime(2026, 3, 5, 22, 30, tzinfo=UTC)


@given(st.lists(scheduled(), max_size=5), st.integers(0, 300), st.integers(1, 3), st.integers(3, 6))
def test_the_bounds_that_are_due_are_those_after_every_firing_in_turn(scheduled, minutes, low, high):
    played = Bounds(min_capacity=low, max_capacity=high)
    for now in (SINCE + timedelta(minutes=minute) for minute in range(1, minutes + 1)):
        for limits in (action["ScalableTargetAction"] for action, fires in scheduled if fires(now)):
            change = ScheduledChange(
                at_s=0, min_capacity=limits.get("MinCapacity"), max_capacity=limits.get("MaxCapacity")
            )
            with suppress(InvalidInput):
                played = played.after(change)
    bounds = {"MinCapacity": low, "MaxCapacity": high}
    due = bounds_due(bounds, [action for action, _ in scheduled], SINCE, SINCE + timedelta(minutes=minutes))
    assert due == {"MinCapacity": played.min_capacity, "MaxCapacity": played.max_capacity}


def test_a_bound_is_due_from_its_action_s_start_to_its_end():
    action = {"Schedule": "cron(0 * * * ? *)", "ScalableTargetAction": {"MinCapacity": 2}}
    bounds, until = {"MinCapacity": 1, "MaxCapacity": 4}, SINCE + timedelta(hours=2)
    assert bounds_due(bounds, [action], SINCE, until)["MinCapacity"] == 2
    assert bounds_due(bounds, [{**action, "StartTime": until + timedelta(hours=1)}], SINCE, until) == bounds
    assert bounds_due(bounds, [{**action, "EndTime": SINCE + timedelta(minutes=5)}], SINCE, until) == bounds
