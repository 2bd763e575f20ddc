"""Instances from calls an hour, in Python and from a shell."""

from __future__ import annotations

import json

import numpy as np
import pytest

from dgsm_helpers.cli.main import main
from dgsm_helpers.cli.options import FAILED, NO, YES
from dgsm_helpers.errors import InvalidInput
from dgsm_helpers.planning.measured import Measured
from dgsm_helpers.planning.sizing import busiest_hour, size
from dgsm_helpers.planning.sources import traffic_from
from dgsm_helpers.prices import Price
from dgsm_helpers.simulate.conditions import Capacity
from dgsm_helpers.simulate.fixed_fleet import erlang_b
from dgsm_helpers.simulate.replay import Series, replay
from dgsm_helpers.simulate.traffic import Traffic, preset

POOLED, RANDOM = "LEAST_OUTSTANDING_REQUESTS", "RANDOM"


@pytest.fixture
def sized():
    """Sizes for instances of ten streams at a dollar an hour: 600 calls an hour of five minutes unless told."""
    instance = Measured(
        capacity=Capacity(knee=10),
        instance_type="ml.g6.2xlarge",
        source="as given",
        price=Price(amount_usd=1.0, source="a test"),
    )

    def of(**changed):
        given = {"calls_per_hour": 600, "call_s": 300, "full_share": 0.01, "routing": POOLED}
        return size(instance, **given | changed)

    return of


def test_as_many_instances_as_the_share_needs_and_no_more(sized):
    answer = sized()
    assert answer.erlangs == 50
    assert erlang_b(10 * answer.instances, 50) <= 0.01 < erlang_b(10 * (answer.instances - 1), 50)
    pooled, random = answer.fleets
    assert (pooled.pools, random.pools) == (1, random.instances)
    assert erlang_b(10, 50 / random.instances) <= 0.01 < erlang_b(10, 50 / (random.instances - 1))
    assert random.instances > pooled.instances


def test_the_simulated_calls_find_it_full_as_often_as_the_formula_says(sized):
    for fleet in sized().fleets:
        assert fleet.simulated_share == pytest.approx(fleet.full_share, abs=0.003)


def test_the_endpoints_routing_decides_and_the_other_stands_beside_it(sized):
    answer = sized(routing=RANDOM)
    assert [fleet.routing for fleet in answer.fleets] == [RANDOM, POOLED]
    assert answer.instances == answer.fleets[0].instances
    assert f"{answer.instances} times 10 places" in str(answer)
    assert f"{answer.fleets[1].instances * 10} places" in str(answer)


@pytest.mark.parametrize("calls", [1, 60, 3600])
def test_calls_that_may_find_it_full_less_often_need_more(sized, calls):
    counts = [sized(calls_per_hour=calls, full_share=share).instances for share in (0.1, 0.01, 0.001)]
    assert counts == sorted(counts) and counts[0] >= 1


def test_a_maximum_that_is_too_low_is_said_with_what_it_leads_to(sized):
    answer = sized(most=4)
    assert not answer.fits
    assert f"{erlang_b(40, 50):.2%} of" in str(answer)
    assert sized(most=answer.instances).fits


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"calls_per_hour": 0}, "above zero"),
        ({"calls_per_hour": float("nan")}, "above zero"),
        ({"calls_per_hour": float("inf")}, "above zero"),
        ({"call_s": -1}, "longer than zero"),
        ({"call_s": 300_000}, "at most a day"),
        ({"calls_per_hour": 1e9}, "at most 10000"),
        ({"full_share": 0}, "cannot be asked for"),
        ({"full_share": 1}, "cannot be asked for"),
        ({"full_share": float("nan")}, "cannot be asked for"),
    ],
)
def test_what_no_operator_means_is_refused(sized, changed, says):
    with pytest.raises(InvalidInput, match=says):
        sized(**changed)


def test_the_busiest_hour_of_the_traffic_is_what_is_sized_for():
    starts = np.concatenate((np.arange(0, 3600, 60), np.arange(3600, 7200, 6), np.arange(7200, 9000, 60)))
    durations = np.where((starts >= 3600) & (starts < 7200), 240.0, 30.0)
    traffic = Traffic(name="calls", starts_s=starts, durations_s=durations, horizon_s=9000.0)
    assert busiest_hour(traffic) == (600, 240)
    short = Traffic(name="half an hour", starts_s=np.arange(0, 1800, 6), durations_s=np.full(300, 60.0), horizon_s=1800)
    assert busiest_hour(short) == (600, 60)
    with pytest.raises(InvalidInput, match="no streams"):
        busiest_hour(Traffic(name="silence", starts_s=[], durations_s=[], horizon_s=1800))


@pytest.mark.parametrize("mean_s", [900, 1800, 3600])
@pytest.mark.parametrize("made", ["a series", "a shape"])
def test_streams_in_progress_when_the_traffic_begins_are_no_calls_of_its_first_hour(made, mean_s):
    if made == "a series":
        level = Series(name="level", start_s=0.0, period_s=60.0, values=(100.0,) * 1440)
        traffic = replay(level, mean_s=mean_s)
    else:
        traffic = preset("constant", peak=100, mean_s=mean_s)
    # The busiest of 24 hours has a few more than their mean.
    assert busiest_hour(traffic)[0] == pytest.approx(1.1 * 100 * 3600 / mean_s, rel=0.15)


def test_calls_that_are_recorded_to_begin_together_in_the_first_second_count():
    begins = "".join(f"2026-11-24T09:00:00Z,{60 + call}\n" for call in range(30))
    traffic = traffic_from(f"start,duration_s\n{begins}2026-11-24T11:00:00Z,60\n".encode(), name="calls.csv")
    assert busiest_hour(traffic) == (30, 74.5)


def test_where_no_call_begins_later_those_in_progress_are_all_that_is_known():
    held = replay(Series(name="held", start_s=0.0, period_s=60.0, values=(5.0,) * 60), mean_s=1e6)
    assert busiest_hour(held)[0] == 5


@pytest.fixture
def shell(embedded, monkeypatch):
    """The command on the running embedded AWS."""
    monkeypatch.setenv("DGSM_HOME", str(embedded.home))
    return lambda *words: main(["size", *words])


def test_the_command_answers_in_words_and_in_json(shell, capsys):
    words = ("dg-size", "--calls-per-hour", "600", "--knee", "10", "--instance-type", "ml.g6.2xlarge")
    assert shell(*words) == YES
    told = " ".join(capsys.readouterr().out.split())
    assert "600 calls an hour of 300 s are 50 streams at once on average" in told
    assert "What is pooled" in told
    assert shell(*words, "--json", "--full-percent", "5") == YES
    answer = json.loads(capsys.readouterr().out)
    assert answer["fleets"][0]["routing"] == POOLED
    assert answer["fleets"][0]["full_percent_erlang_b"] <= 5
    assert answer["max_capacity"] is None


def test_an_endpoint_that_may_not_have_so_many_is_a_negative_answer(shell, capsys, workbook):
    from dgsm_helpers.aws.endpoint import deployment, deployment_plan
    from dgsm_helpers.aws.scaling import registration

    wb = workbook()
    deployment.deploy(wb, deployment_plan.plan(wb))
    registration.register(wb, 1, 3)
    assert shell(wb.endpoint_name, "--calls-per-hour", "600", "--knee", "10") == NO
    assert "The endpoint may have 3 instances" in capsys.readouterr().out


def test_a_knee_that_was_not_measured_is_asked_for(shell, capsys):
    assert shell("dg-never-tuned", "--calls-per-hour", "600") == FAILED
    assert "--knee" in capsys.readouterr().err
