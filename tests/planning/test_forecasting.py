"""Minimums from the weeks before: what is seen again, what is not trusted, and what is only ever raised."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dgsm_helpers.errors import InvalidInput, NotReady
from dgsm_helpers.planning.forecasting import CHECKED, HORIZON, STEP, Levels
from dgsm_helpers.simulate.scaling_plan import guide

MONDAY = datetime(2026, 10, 5, tzinfo=UTC)
PLAN = guide(target_value=8.0, min_capacity=1, max_capacity=20)
HOUR = timedelta(hours=1)


def history(level, *, days=14.0, begin=MONDAY, every=timedelta(minutes=1)):
    """Streams by the minute: ``level`` of the days since the Monday, as an array."""
    count = round(timedelta(days=days) / every)
    index = pd.date_range(begin, periods=count, freq=every)
    since = (index - MONDAY) / timedelta(days=1)
    return pd.Series(np.asarray(level(since.to_numpy()), float), index=index)


def office(day):
    """Eighty streams from eight to six on weekdays, four at all other times."""
    return np.where((day % 1 >= 8 / 24) & (day % 1 < 18 / 24) & (day % 7 < 5), 80.0, 4.0)


def minimum_at(forecast, moment):
    """The minimum that holds at a moment."""
    return [step.minimum for step in forecast.steps if step.at <= moment][-1]


def test_the_morning_is_expected_a_quarter_of_an_hour_early_and_the_evening_let_go_when_it_comes():
    forecast = Levels(history(office)).forecast(PLAN)
    morning, evening = (MONDAY + timedelta(days=14, hours=h) for h in (8, 18))
    assert minimum_at(forecast, morning - timedelta(minutes=31)) == 1
    assert minimum_at(forecast, morning - timedelta(minutes=15)) == 10
    assert minimum_at(forecast, evening - timedelta(minutes=16)) == 10
    assert minimum_at(forecast, evening + timedelta(minutes=15)) == 1


def test_two_days_from_the_end_of_what_is_known_and_then_the_ordinary_minimum():
    forecast = Levels(history(office)).forecast(PLAN)
    assert forecast.start == forecast.steps[0].at == MONDAY + timedelta(days=14)
    assert forecast.end - forecast.start == HORIZON == timedelta(hours=48)
    assert all(a.minimum != b.minimum for a, b in zip(forecast.steps, forecast.steps[1:], strict=False))


def test_a_step_is_meant_for_the_highest_load_that_comes_while_it_holds():
    """The load climbs on within an instance, and to the maximum beyond what the instances take."""

    def climbing(day):
        return np.where(day % 1 < 0.5, 4.0 + 90 * (day % 1), 4.0)

    limited = guide(target_value=8.0, min_capacity=1, max_capacity=3)
    levels = Levels(history(climbing))
    forecast = levels.forecast(limited)
    ends = [step.at for step in forecast.steps[1:]] + [forecast.end]
    assert max(step.streams for step in forecast.steps) == pytest.approx(48, abs=0.5)
    for step, end in zip(forecast.steps, ends, strict=True):
        # Each minimum is there a quarter of an hour before its load.
        times = [step.at + index * STEP for index in range((end - step.at) // STEP + 1)]
        assert step.streams == np.nanmax(levels.predicted(times, known=levels.end))


def test_quarters_of_which_nothing_is_known_hide_no_load_of_their_step():
    known = history(office)
    known[(known.index.hour >= 1) & (known.index.hour < 4)] = np.nan
    known[(known.index.hour >= 4) & (known.index.hour < 5)] = 6.0
    first = Levels(known).forecast(PLAN).steps[0]
    assert (first.minimum, first.streams) == (1, 6.0)


def test_days_of_the_week_differ():
    friday = MONDAY + timedelta(days=11)
    forecast = Levels(history(office)).forecast(PLAN, start=friday)
    assert minimum_at(forecast, friday + 12 * HOUR) == 10
    assert minimum_at(forecast, friday + 36 * HOUR) == 1


def test_one_odd_day_among_fourteen_changes_nothing():
    def once_silent(day):
        return np.where((day >= 9) & (day < 10), 4.0, office(day))

    levels = Levels(history(once_silent))
    wednesday = MONDAY + timedelta(days=16)
    assert levels.predicted([wednesday + 12 * HOUR], known=levels.end)[0] >= 4.0
    assert levels.forecast(PLAN).growth == pytest.approx(1.0)
    thursday = levels.forecast(PLAN, start=levels.end)
    assert minimum_at(thursday, MONDAY + timedelta(days=14, hours=12)) == 10


def test_a_business_that_grows_is_expected_to_have_grown_again():
    forecast = Levels(history(lambda day: office(day) * np.where(day >= 7, 1.2, 1.0))).forecast(PLAN)
    assert forecast.growth == pytest.approx(1.2)
    noon = MONDAY + timedelta(days=14, hours=12)
    assert minimum_at(forecast, noon) == np.ceil(80 * 1.2**2 / 8)


def test_a_little_more_or_less_from_week_to_week_is_taken_for_chance():
    forecast = Levels(history(lambda day: office(day) * np.where(day >= 7, 1.06, 1.0))).forecast(PLAN)
    assert forecast.growth == 1.0


@pytest.mark.parametrize(("more", "used"), [(1.2, 1.18), (0.85, 0.86), (1.4, 1.25)])
def test_a_day_that_is_busier_or_quieter_than_others_is_followed_within_bounds(more, used):
    levels = Levels(history(lambda day: office(day) * np.where(day >= 14, more, 1.0), days=15))
    noon = levels.forecast(PLAN, start=MONDAY + timedelta(days=14, hours=12))
    assert noon.trusted and noon.used_share == pytest.approx(used, abs=0.01)
    night = levels.forecast(PLAN, start=MONDAY + timedelta(days=14, hours=6))
    assert abs(night.used_share - 1) < abs(used - 1), "a few calls in the night say little of the day"


def test_growth_beyond_all_measure_counts_as_doubled():
    assert Levels(history(lambda day: office(day) * np.where(day >= 7, 50, 1.0))).forecast(PLAN).growth == 2.0


def test_less_than_a_week_goes_by_the_day_before():
    levels = Levels(history(office, days=3))
    forecast = levels.forecast(PLAN)
    assert forecast.season == timedelta(days=1)
    assert minimum_at(forecast, MONDAY + timedelta(days=3, hours=12)) == 10
    assert minimum_at(forecast, MONDAY + timedelta(days=4, hours=12)) == 10, "the second day has the days before, too"


def test_what_came_three_hours_long_otherwise_is_not_trusted():
    def busy_night(day):
        return np.where(day >= 14, 84.0 - office(day), office(day))

    levels = Levels(history(busy_night, days=15))
    night, noon = (MONDAY + timedelta(days=14, hours=h) for h in (6, 12))
    at_night = levels.forecast(PLAN, start=night)
    assert at_night.used_share == 0 and at_night.error > 1
    assert [step.minimum for step in at_night.steps] == [1]
    at_noon = levels.forecast(PLAN, start=noon)
    assert 0 < at_noon.used_share < 0.1
    assert minimum_at(at_noon, noon) == 1


def test_fewer_calls_than_expected_lower_the_forecast_to_what_came_and_their_return_brings_it_back():
    def quiet_noon(day):
        return np.where((day >= 14 + 8 / 24) & (day < 14 + 12 / 24), office(day) * 0.3, office(day))

    levels = Levels(history(quiet_noon, days=15))
    lowered = levels.forecast(PLAN, start=MONDAY + timedelta(days=14, hours=12))
    assert lowered.used_share == pytest.approx(0.3)
    assert minimum_at(lowered, lowered.start) == 3
    back = levels.forecast(PLAN, start=MONDAY + timedelta(days=14, hours=12) + CHECKED)
    assert back.trusted and back.used_share == pytest.approx(1.0)


def test_a_week_ago_is_at_the_same_time_on_the_callers_clock():
    """Clocks in Berlin go back on 25 October 2026: eight o'clock there is seven in UTC afterwards, six before."""
    zone = ZoneInfo("Europe/Berlin")
    begin = datetime(2026, 10, 12, tzinfo=UTC)
    index = pd.date_range(begin, periods=14 * 1440, freq="min")
    clock = index.tz_convert(zone)
    series = pd.Series(np.where((clock.hour >= 8) & (clock.hour < 18), 80.0, 4.0), index=index)
    monday = datetime(2026, 10, 26, tzinfo=UTC)
    by_clock = Levels(series, zone=zone).forecast(PLAN, start=monday)
    by_utc = Levels(series).forecast(PLAN, start=monday)
    before_eight = datetime(2026, 10, 26, 6, 15, tzinfo=UTC)
    assert (minimum_at(by_clock, before_eight), minimum_at(by_utc, before_eight)) == (1, 10)
    last_hour = datetime(2026, 10, 26, 16, 30, tzinfo=UTC)
    assert (minimum_at(by_clock, last_hour), minimum_at(by_utc, last_hour)) == (10, 1)


def test_minutes_without_data_are_not_minutes_without_streams():
    series = history(office)
    series.iloc[8 * 60 : 12 * 60] = np.nan
    noon = MONDAY + timedelta(days=14, hours=11)
    assert minimum_at(Levels(series).forecast(PLAN), noon) == 10
    series.iloc[(7 * 24 + 8) * 60 : (7 * 24 + 12) * 60] = np.nan
    assert minimum_at(Levels(series).forecast(PLAN), noon) == 1, "where nothing is known, nothing is raised"


def test_what_comes_after_the_start_has_no_say():
    thursday = MONDAY + timedelta(days=10)
    series = history(office)
    changed = series.copy()
    changed[changed.index >= thursday] = 999.0
    assert Levels(changed).forecast(PLAN, start=thursday) == Levels(series).forecast(PLAN, start=thursday)


@given(st.lists(st.floats(0, 500), min_size=96, max_size=96), st.integers(1, 6), st.integers(6, 30))
def test_a_minimum_is_never_below_the_ordinary_one_nor_above_the_maximum(day, low, high):
    shape = np.array(day)
    plan = guide(target_value=8.0, min_capacity=low, max_capacity=high)
    levels = Levels(history(lambda at: shape[(np.round(at * 96, 6) % 96).astype(int)], days=9))
    forecast = levels.forecast(plan)
    assert all(low <= step.minimum <= high for step in forecast.steps)
    assert forecast.steps[0].at == forecast.start
    assert all((step.at - forecast.start) % STEP == timedelta() for step in forecast.steps)


@pytest.mark.parametrize(
    ("series", "error", "says"),
    [
        (pd.Series(np.ones(3000)), InvalidInput, "no dates"),
        (history(office).tz_localize(None), InvalidInput, "no dates"),
        (history(office, days=1), NotReady, "Only 24 hours"),
        (history(office).iloc[:0], NotReady, "Only 0 hours"),
    ],
)
def test_traffic_that_tells_nothing_is_refused(series, error, says):
    with pytest.raises(error, match=says):
        Levels(series)


def test_a_start_far_from_what_is_known_is_refused():
    levels = Levels(history(office))
    for start in (MONDAY + HOUR, MONDAY + timedelta(days=30)):
        with pytest.raises(InvalidInput, match="needs the traffic before it"):
            levels.forecast(PLAN, start=start)
