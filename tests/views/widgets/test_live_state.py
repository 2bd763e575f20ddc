"""Alarms, activities and errors as the live view tells them."""

from __future__ import annotations

from datetime import UTC, datetime
from math import nan
from types import SimpleNamespace

import pytest

from dgsm_helpers.aws.scaling.scalable_target import AlarmState
from dgsm_helpers.errors import AccessDenied, CredentialsProblem, NotFound, Throttled
from dgsm_helpers.views.live_state import Alarm, activity_mark, drawn_alarm, error_sentence, waiting_for

NOW_S = 1_800_000_000.0
NOW = datetime.fromtimestamp(NOW_S, UTC)
HIGH = AlarmState(
    name="TargetTracking-x-AlarmHigh-1",
    side="high",
    state="OK",
    comparison=">",
    threshold=5.0,
    statistic="Average",
    period_s=10,
    datapoints_to_alarm=3,
    evaluation_periods=3,
    missing_data="missing",
    updated=None,
    reason="",
    metric="ConcurrentRequestsPerModel",
)


def alarm(**changes):
    return AlarmState(**{**vars(HIGH), **changes})


def points(*means, every_s=10, newest_s=NOW_S):
    """(time, min, mean, max) up to ``newest_s``; the largest is twice the mean."""
    begin = newest_s - (len(means) - 1) * every_s
    return [(begin + i * every_s, 0.0, mean, 2 * mean) for i, mean in enumerate(means)]


@pytest.mark.parametrize(
    ("given", "means", "expected"),
    [
        ({}, [1, 6, 6, 0], 2),  # the newest is still being filled
        ({}, [6, 6, 6, 6, 0], 3),
        ({}, [6, nan, 6, 0], 1),
        ({"statistic": "Maximum"}, [1, 3, 3, 0], 2),
        ({"statistic": "Minimum"}, [6, 6, 6, 0], 0),
        ({"comparison": "<", "threshold": 4.5}, [6, 1, 1, 9], 2),
        ({}, [], 0),
    ],
)
def test_datapoints_towards_breach_are_those_of_the_alarms_own_statistic(given, means, expected):
    drawn = drawn_alarm(alarm(**given), points(*means), period_s=10, now=NOW)
    assert drawn.breaching == expected


def test_a_longer_period_is_put_together_from_shorter_ones():
    means = [*[4.0] * 6, *[4.0, 8.0] * 6, *[0.0] * 6]
    drawn = drawn_alarm(alarm(period_s=60), points(*means, newest_s=NOW_S + 50), period_s=10, now=NOW)
    assert drawn.breaching == 2


def test_a_metric_that_has_stopped_is_on_its_way_to_no_breach():
    assert drawn_alarm(HIGH, points(6, 6, 6, 6, newest_s=NOW_S - 60), period_s=10, now=NOW).breaching == 3
    assert drawn_alarm(HIGH, points(6, 6, 6, 6, newest_s=NOW_S - 600), period_s=10, now=NOW).breaching == 0


@pytest.mark.parametrize(
    "given", [{"metric": "InvocationsPerInstance"}, {"metric": "", "statistic": "MAX([m1, m2])"}, {"period_s": 10}]
)
def test_no_datapoints_are_claimed_of_what_is_not_shown(given):
    drawn = drawn_alarm(alarm(**given), points(6, 6, 6, 6, every_s=60), period_s=60, now=NOW)
    assert drawn.breaching is None and drawn.needed == 3


def activity(**changes):
    given = {
        "not_scaled_reasons": (),
        "alarm_side": "high",
        "trigger": "alarm",
        "description": "Setting desired instance count to 2.",
        "status": "Successful",
        "duration_s": 200.0,
        "started": NOW,
        "cause": "an alarm",
        "message": "",
    }
    return SimpleNamespace(**{**given, **changes})


def test_a_failed_activity_says_why_it_failed():
    told_of = activity_mark(
        activity(status="Failed", message="ResourceLimitExceeded: 0 of ml.g6.2xlarge.", duration_s=0.0)
    )
    assert told_of.text.endswith("Failed: ResourceLimitExceeded: 0 of ml.g6.2xlarge.") and told_of.scaled
    against = activity_mark(activity(status="Failed", message="m", not_scaled_reasons=("AlreadyAtMaxCapacity",)))
    assert against.text.endswith("high alarm: not scaled: at the maximum (AlreadyAtMaxCapacity) after 200 s")
    assert not against.scaled


def test_errors_tell_what_to_do_and_a_view_asks_nobody_to_rerun_a_cell():
    rerun = {"hint": "wait a minute and rerun."}
    assert error_sentence(Throttled("Rate exceeded", **rerun)) == "Rate exceeded. It goes on by itself."
    assert (
        error_sentence(CredentialsProblem("Expired.", **rerun)) == "Expired. Sign in again; the view goes on by itself."
    )
    assert error_sentence(AccessDenied("No.", hint="Allow x:Y.")) == "No. Allow x:Y."
    assert error_sentence(NotFound("None.")) == "None."
    assert error_sentence(OSError("no route")) == "OSError: no route"


@pytest.mark.parametrize(
    ("counts", "alarms", "told", "least_s"),
    [
        ((3, 1, 1), [Alarm("high", "OK", "", 1, 3, 120.0)], "1 of 3 instances running, high alarm 1 of 3", 120),
        ((3, 1, 3), [], "1 of 3 instances running, the others are starting", 0),
        ((1, 3, 3), [Alarm("low", "OK", "", 41, 90, 490.0)], "3 running, 1 wanted, low alarm 41 of 90", 490),
        (
            (1, 3, 3),
            [Alarm("low", "OK", "", None, 90)],
            "3 running, 1 wanted, the low alarm is waited for",
            0,
        ),
        ((1, 3, 1), [], "3 running, 1 wanted, the others are stopping", 0),
    ],
)
def test_who_waits_for_instances_is_told_how_far_they_are_and_how_long_that_takes(counts, alarms, told, least_s):
    text, left_s = waiting_for(*counts, alarms)
    assert text == told
    assert least_s < left_s < least_s + 600


def test_an_alarm_tells_how_long_the_rest_of_its_datapoints_take():
    means = [6, 6, 0]
    assert drawn_alarm(alarm(), points(*means), period_s=10, now=NOW).left_s == 10
