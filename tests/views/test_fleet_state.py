"""Instances and calls as the live view is told of them, and what they cost."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from types import SimpleNamespace

import pytest

from dgsm_helpers.aws.endpoint.endpoint_state import VariantState
from dgsm_helpers.families import NOVA
from dgsm_helpers.load.transport.call_progress import OngoingCall
from dgsm_helpers.views.fleet_state import FleetState, ShownInstance, counted, limit_ms, money, read_instances

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
END_S = NOW.timestamp()


def variant(running, desired, by_type=(), status=()):
    return VariantState("AllTraffic", running, desired, 1.0, dict(by_type), tuple(status))


def told(**changes):
    arn = "arn:aws:sagemaker:us-east-1:1:model-package/deepgram-stt-metered/2"
    usual = {"id": "i-1", "variant": "AllTraffic", "type": "ml.g6.2xlarge", "model_package_arn": arn}
    return {**usual, "phase": "serving", "since_s": END_S - 60, "requests": [], **changes}


def fleet(*instances, calls=(), **more):
    return FleetState(instances=instances, calls=tuple(calls), **more)


def test_where_the_place_tells_of_its_instances_each_is_known_with_what_it_holds():
    rows = [told(requests=["a", "b"]), told(id="i-2", phase="procuring"), told(id="i-3", variant="Shadow")]
    asked = []
    wb = SimpleNamespace(administer=lambda *given: asked.append(given) or rows, region="us-east-1", endpoint_name="dg")
    first, second = read_instances(wb, variant(1, 2), NOW)
    assert asked == [("GET", "instances", {"region": "us-east-1", "endpoint": "dg"})]
    assert (first.phase, first.version, first.age_s, first.requests) == ("serving", "2", 60, ("a", "b"))
    assert (second.instance_id, second.phase) == ("i-2", "requested")


@pytest.mark.parametrize(
    ("given", "phases"),
    [
        (variant(2, 2, {"ml.g6.2xlarge": 2}), ["serving"] * 2),
        (variant(1, 3, {"ml.g6.2xlarge": 1}), ["serving", "starting", "starting"]),
        (variant(1, 2, status=["Creating: waiting for ml.g6.2xlarge capacity"]), ["serving", "requested"]),
        (variant(3, 1), ["serving"] * 3),
        (variant(0, 0), []),
    ],
)
def test_on_aws_there_are_as_many_instances_as_are_counted_and_nobody_claims_to_know_which(given, phases):
    instances = counted(given)
    assert [instance.phase for instance in instances] == phases
    assert not fleet(*instances).placed


def test_a_call_stands_on_the_instance_that_holds_its_session():
    calls = [OngoingCall(label="stream-1", request_id="a", lag_ms=100), OngoingCall(label="stream-2", request_id="x")]
    here = ShownInstance(phase="serving", requests=("b", "a"))
    state = fleet(here, calls=calls)
    assert state.on(here) == [calls[0], None]
    assert state.elsewhere == [calls[1]]
    assert state.placed


def test_a_call_without_a_name_stands_on_no_instance():
    anonymous = OngoingCall(label="stream-1")
    here = ShownInstance(phase="serving", requests=("",))
    assert fleet(here, calls=[anonymous]).on(here) == [None]


@pytest.mark.parametrize(("lag_ms", "late"), [(None, 0), (500, 0), (500.1, 1)])
def test_a_call_is_late_beyond_the_limit_of_its_family(lag_ms, late):
    assert fleet(calls=[OngoingCall(label="a", lag_ms=lag_ms)], limit_ms=500).late == late
    assert limit_ms(SimpleNamespace(family=NOVA)) == 500


def test_money_is_what_ran_beside_as_many_as_ran_at_most_all_the_time():
    changes = [(END_S - 7200, 1, 1), (END_S - 1800, 3, 1), (END_S - 900, 3, 3)]
    told_usd = money(changes, 6.0, end_s=END_S, window_s=3600)
    assert told_usd["usd_per_hour"] == 6.0
    assert (told_usd["most"], told_usd["always_usd_per_hour"]) == (3, 6.0)
    assert math.isclose(told_usd["spent_usd"], 0.75 * 2 + 0.25 * 6)
    assert math.isclose(told_usd["always_usd"], 6.0)


@pytest.mark.parametrize("changes", [[], [(END_S, 1, math.nan)], [(END_S - 60, 1, 0)]])
def test_where_nothing_ran_or_no_price_is_known_no_sum_is_made_up(changes):
    assert "spent_usd" not in money(changes, None, end_s=END_S, window_s=3600)
    assert "spent_usd" not in money(changes, 6.0, end_s=END_S, window_s=3600)
