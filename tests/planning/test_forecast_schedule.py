"""Forecast minimums as scheduled actions of an endpoint, from Python and from a shell."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import datetime, timedelta

import numpy as np
import pandas as pd
import pytest

from dgsm_helpers.aws.endpoint import deployment, deployment_plan
from dgsm_helpers.aws.scaling import registration, scalable_target, scheduled_actions
from dgsm_helpers.cli.main import main
from dgsm_helpers.cli.options import FAILED, NO, YES
from dgsm_helpers.errors import InvalidInput, NotFound, NotReady, SpendNotConfirmed
from dgsm_helpers.planning.applying import bounds_for
from dgsm_helpers.planning.forecast_advice import advise_forecast, known_from_endpoint
from dgsm_helpers.planning.forecast_schedule import LAST, actions_of, put_forecast
from dgsm_helpers.planning.forecasting import Levels
from dgsm_helpers.planning.measured import measured
from dgsm_helpers.simulate.scaling_plan import guide

PLAN = guide(target_value=8.0, min_capacity=1, max_capacity=6)


@pytest.fixture
def registered(workbook):
    """An endpoint, registered 1 to 6 with the guide's policy at eight streams."""
    wb = workbook()
    deployment.deploy(wb, deployment_plan.plan(wb))
    registration.register(wb, 1, 6)
    return wb


def quarters(until: datetime, *, height: float = 40.0, days: float = 8.0) -> pd.Series:
    """Streams by the minute: ``height`` from eight to six every day, one at other times."""
    index = pd.date_range(until - timedelta(days=days), until, freq="min", inclusive="left")
    return pd.Series(np.where((index.hour >= 8) & (index.hour < 18), height, 1.0), index=index)


def days_ahead(wb, days: float) -> datetime:
    """Midnight so many days from now: local time runs fast, and nothing may fire while a test looks."""
    return wb.now().replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=days)


def ours(wb):
    """The minimums of the forecast actions by their schedule."""
    return {a.schedule: a.min_capacity for a in scheduled_actions.listed(wb) if a.name.startswith("forecast-")}


def test_every_step_becomes_an_action_that_fires_once_and_the_last_restores_the_minimum(registered):
    forecast = Levels(quarters(days_ahead(registered, 20))).forecast(PLAN)
    put = put_forecast(registered, forecast)
    begin = days_ahead(registered, 20)
    at = {hour: f"at({begin + timedelta(hours=hour):%Y-%m-%dT%H:%M:%S})" for hour in (0, 7.75, 18, 31.75, 42, 48)}
    assert ours(registered) == {at[0]: 1, at[7.75]: 5, at[18]: 1, at[31.75]: 5, at[42]: 1, at[48]: 1}
    assert put[-1].name == LAST
    assert all(a.max_capacity is None for a in scheduled_actions.listed(registered)), "it never removes an instance"
    assert scalable_target.require_target(registered).min_capacity == 1, "nothing has changed yet"


def test_a_forecast_made_anew_takes_the_place_of_the_one_before(registered):
    begin = days_ahead(registered, 20)
    put_forecast(registered, Levels(quarters(begin)).forecast(PLAN))
    later = Levels(quarters(begin + timedelta(hours=6), height=20.0)).forecast(PLAN)
    put_forecast(registered, later)
    assert ours(registered) == {a.schedule: a.min_capacity for a in actions_of(later)}


def test_what_stays_the_same_is_not_put_again(registered, monkeypatch):
    begin = days_ahead(registered, 20)
    forecast = Levels(quarters(begin)).forecast(PLAN)
    put_forecast(registered, forecast)
    names, really = [], scheduled_actions.put
    monkeypatch.setattr(
        scheduled_actions, "put", lambda wb, name, *a, **k: names.append(name) or really(wb, name, *a, **k)
    )
    put_forecast(registered, forecast)
    assert names == []
    put_forecast(registered, replace(forecast, end=forecast.end + timedelta(hours=1)))
    assert names == [LAST]


def test_the_ordinary_minimum_is_known_while_a_forecast_holds_another(registered):
    assert bounds_for(registered)["min_capacity"] == 1
    put_forecast(registered, Levels(quarters(days_ahead(registered, 20))).forecast(PLAN))
    registration.register(registered, 4, 6)  # as one of its actions does when it fires
    assert bounds_for(registered)["min_capacity"] == 1


def test_a_schedule_of_somebody_else_is_not_fought_with(registered):
    scheduled_actions.put(registered, "morning", "cron(0 7 ? * MON-FRI *)", min_capacity=2)
    with pytest.raises(InvalidInput, match="morning sets the minimum"):
        put_forecast(registered, Levels(quarters(days_ahead(registered, 20))).forecast(PLAN))
    assert not ours(registered)
    scheduled_actions.put(registered, "morning", "cron(0 7 ? * MON-FRI *)", max_capacity=5)
    scheduled_actions.remove(registered, "morning")
    scheduled_actions.put(registered, "evening", "cron(0 20 ? * MON-FRI *)", max_capacity=5)
    assert put_forecast(registered, Levels(quarters(days_ahead(registered, 20))).forecast(PLAN))


def test_a_forecast_that_begins_in_the_past_is_refused_and_so_is_one_without_a_target(registered, workbook):
    past = Levels(quarters(days_ahead(registered, -3))).forecast(PLAN)
    with pytest.raises(InvalidInput, match="begins at"):
        put_forecast(registered, past)
    with pytest.raises(NotFound):
        put_forecast(workbook(), Levels(quarters(days_ahead(registered, 20))).forecast(PLAN))


def test_raising_the_minimum_is_agreed_to_before_anything_is_scheduled(registered):
    billed = replace(registered, bills=True, confirm_spend=False)
    forecast = Levels(quarters(days_ahead(registered, 20))).forecast(PLAN)
    with pytest.raises(SpendNotConfirmed, match="Raising the minimum to 5 instances"):
        put_forecast(billed, forecast)
    assert not ours(registered)


def test_the_metric_of_an_endpoint_without_a_day_of_calls_is_too_little(registered):
    with pytest.raises(NotReady, match=r"CloudWatch has no concurrency|hours of traffic are known"):
        advise_forecast(registered, known_from_endpoint(registered), measured(registered, knee=10))


@pytest.fixture
def fortnight(tmp_path):
    """Writes two weeks of concurrency up to a moment, as a file."""

    def write(until, **changed):
        path = tmp_path / "fortnight.csv"
        series = quarters(until, days=14.0, **changed)
        series.to_csv(path, header=["streams"], index_label="time", date_format="%Y-%m-%dT%H:%M:%SZ")
        return str(path)

    return write


@pytest.fixture
def shell(embedded, monkeypatch):
    """The command on the running embedded AWS."""
    monkeypatch.setenv("DGSM_HOME", str(embedded.home))
    return lambda *words: main(["forecast", *words])


def test_the_command_forecasts_from_a_file_and_prints_its_back_test(shell, fortnight, capsys, registered):
    path = fortnight(days_ahead(registered, 0))
    assert shell(registered.endpoint_name, "--file", path, "--knee", "10") == YES
    told = " ".join(capsys.readouterr().out.split())
    assert "from fortnight.csv: season a week" in told
    assert "Back-test, simulated: over the last 6 days" in told
    assert not ours(registered)


def test_the_command_schedules_when_asked_to_and_says_so_in_json(shell, fortnight, capsys, registered):
    registration.apply(registered)
    words = (registered.endpoint_name, "--file", fortnight(days_ahead(registered, 20)), "--knee", "10")
    assert shell(*words, "--apply", "--json") == YES
    answer = json.loads(capsys.readouterr().out)
    assert answer["applied"] is True
    assert answer["policy"] == f"as applied to {registered.endpoint_name}"
    assert answer["target_value"] == 5.0
    assert {step["min_capacity"] for step in answer["minimums"]} == {1, 6}, "the registered maximum"
    assert answer["back_test"]["days"] == 6
    assert set(ours(registered).values()) == {1, 6}


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--timezone", "Berlin"), "no time zone 'Berlin'"),
        (("--columns", "time=at"), "no columns"),
        (("--file", "nowhere.csv"), "nowhere.csv"),
    ],
)
def test_bad_input_is_exit_code_2_and_says_what(shell, capsys, words, says):
    assert shell("dg-forecast", "--knee", "10", *words) == FAILED
    assert says in capsys.readouterr().err


def test_calls_without_dates_are_refused(shell, capsys, tmp_path):
    path = tmp_path / "calls.csv"
    path.write_text("start,duration_s\n0,600\n60,300\n")
    assert shell("dg-forecast", "--file", str(path), "--knee", "10") == FAILED
    assert "no dates" in capsys.readouterr().err


def test_hours_that_came_otherwise_are_a_negative_answer(shell, capsys, tmp_path, registered):
    series = quarters(days_ahead(registered, 0), days=14.0)
    series.iloc[-180:] = 60.0
    path = tmp_path / "busy night.csv"
    series.to_csv(path, header=["streams"], index_label="time", date_format="%Y-%m-%dT%H:%M:%SZ")
    assert shell(registered.endpoint_name, "--file", str(path), "--knee", "10") == NO
    assert "not trusted, no minimum is raised" in capsys.readouterr().out
