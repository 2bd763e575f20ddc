"""What scaling did, told in a sentence and a table."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dgsm_helpers.views.scaling_story import Moment, ScalingStory

BEGIN = datetime(2026, 11, 29, 12, 0, tzinfo=UTC)


def concurrency(*means):
    """A datapoint each minute: calls per instance."""
    index = pd.DatetimeIndex([BEGIN + timedelta(minutes=n) for n in range(len(means))])
    return pd.DataFrame({"concurrency_mean_streams": means}, index=index)


def running(*changes):
    """(minute, count) pairs."""
    index = pd.DatetimeIndex([BEGIN + timedelta(minutes=minute) for minute, _ in changes])
    return pd.DataFrame({"running_instances": [count for _, count in changes]}, index=index)


def lags(*pairs):
    return [(BEGIN + timedelta(minutes=minute), ms) for minute, ms in pairs]


RUSH = concurrency(4, 4, 14, 14, 14 / 3, 14 / 3, 4 / 3, 4 / 3, 4)
FLEET = running((-5, 1), (4, 3), (8, 1))
LAG = lags((2, 900), (3, 2900), (4, 2000), (5, 120), (7, 60))


def told(**others):
    given = {"target_value": 5.0, "lag_p95_ms": LAG, "lag_before_ms": 40.0, "usd_per_hour": 1.2, **others}
    return ScalingStory.of(RUSH, FLEET, **given)


def test_the_moments_are_those_before_the_rise_of_most_load_of_all_instances_and_the_end():
    story = told(knee=10)
    assert (story.before, story.peak) == (
        Moment(calls=4, instances=1, lag_ms=40),
        Moment(calls=14, instances=1, lag_ms=2900),
    )
    assert (story.after, story.end) == (
        Moment(calls=14, instances=3, lag_ms=120),
        Moment(calls=4, instances=1, lag_ms=60),
    )
    assert story.instance_hours == pytest.approx((4 * 1 + 4 * 3) / 60) and story.hours == pytest.approx(8 / 60)


def test_the_sentence_says_what_scaling_did_and_what_it_cost_beside_instances_that_are_always_on():
    assert told().sentence == (
        "When calls rose from 4 to 14 at once, the endpoint grew from 1 instance to 3 by itself: the text fell 2.9 s "
        "behind the voice, and was 0.12 s behind again once they served; with the calls the instances went, down to 1. "
        "In this time that cost $0.32, where 3 instances always on cost $0.48."
    )


def test_what_nobody_measured_is_not_in_it():
    story = told(lag_p95_ms=(), lag_before_ms=None, usd_per_hour=None)
    assert "behind" not in story.sentence and "$" not in story.sentence
    assert [row[0] for row in story._rows()] == ["calls at once", "instances"]


def test_the_table_says_what_few_and_many_instances_would_do():
    rows = {row[0]: row[1:] for row in told(knee=10)._rows()}
    assert rows["calls at once"] == (4, 14, 14, 4)
    assert rows["text behind the voice"] == ("0.04 s", "2.9 s", "0.12 s", "0.06 s")
    assert rows["always 1 instance: text"] == ("keeps up", "24 s more a minute", "24 s more a minute", "keeps up")
    assert rows["dollars an hour"] == ("$1.20", "$1.20", "$3.60", "$1.20")
    assert rows["always 3 instances: dollars"] == ("$3.60",) * 4


def test_scaled_out_is_when_the_text_had_caught_up_with_the_calls_that_were_there_until_then():
    late = told(lag_p95_ms=lags((3, 2900), (7, 2000), (8, 90)))
    assert late.after == Moment(calls=14, instances=3, lag_ms=90) and late.most == 3
    assert "grew from 1 instance to 3" in late.sentence


def test_a_text_that_never_caught_up_is_told_as_far_behind_as_it_was():
    assert told(lag_p95_ms=lags((3, 2900), (5, 2500))).after == Moment(calls=14, instances=3, lag_ms=2500)


def test_it_survives_json():
    story = told(knee=10)
    assert ScalingStory.from_dict(story.to_dict()) == story


@pytest.mark.parametrize("fleet", [running((-5, 1)), running((-5, 3), (4, 1)), running((-5, 2), (8, 2))])
def test_without_a_scale_out_there_is_no_story(fleet):
    assert ScalingStory.of(RUSH, fleet, target_value=5.0) is None


def test_without_concurrency_there_is_no_story():
    assert ScalingStory.of(RUSH.iloc[:0], FLEET, target_value=5.0) is None


@given(
    st.lists(st.floats(0, 50), min_size=2, max_size=40),
    st.lists(st.tuples(st.integers(-3, 40), st.integers(1, 9)), min_size=1, max_size=8, unique_by=lambda pair: pair[0]),
    st.sampled_from([None, 1.0, 5.0, 20.0]),
)
def test_whatever_an_endpoint_did_it_is_told_or_there_is_no_story(means, changes, target_value):
    story = ScalingStory.of(concurrency(*means), running(*sorted(changes)), target_value=target_value)
    if story is not None:
        assert story.most > 1
        assert 0 < story.instance_hours <= story.hours * story.most + 1e-9
        assert story.sentence in str(story) and story.sentence
