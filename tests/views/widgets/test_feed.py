"""The live view's feed: few calls, only what is new, and the same picture as if all had been asked for."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta
from math import isnan

import pytest
from kit import endpoints
from kit.waiting import until

from dgsm_helpers.aws.scaling import registration
from dgsm_helpers.aws.watch.metrics import read_metrics
from dgsm_helpers.errors import CredentialsProblem, NotFound
from dgsm_helpers.places import running_server
from dgsm_helpers.views.feed import OVERLAP, Feed
from dgsm_helpers.views.live_state import points


@pytest.fixture
def calls(scaling_endpoint):
    """Counts the HTTP requests made, by operation, whatever the service; ``GetMetricData`` requests are kept."""
    made, requests = Counter(), []

    def note(operation_name, **_):
        made[operation_name] += 1

    clients = [scaling_endpoint.client(s) for s in ("sagemaker", "cloudwatch", "application-autoscaling", "pricing")]
    for client in clients:
        client.meta.events.register("request-created", note, unique_id="count")
    cloudwatch = scaling_endpoint.client("cloudwatch")
    cloudwatch.meta.events.register(
        "provide-client-params.cloudwatch.GetMetricData", lambda params, **_: requests.append(params), unique_id="keep"
    )
    made.requests = requests
    yield made
    for client in clients:
        client.meta.events.unregister("request-created", unique_id="count")
    cloudwatch.meta.events.unregister("provide-client-params.cloudwatch.GetMetricData", unique_id="keep")


def test_no_refresh_makes_more_than_three_calls_the_first_ones_included(scaling_endpoint, calls):
    feed, made = Feed(scaling_endpoint, window_s=10_800), []
    for _ in range(8):
        calls.clear()
        feed.state()
        made.append(set(calls.elements()))
        assert calls.total() <= 3
    assert made[:2] == [
        {"DescribeEndpoint", "GetMetricData", "DescribeAlarms"},
        {"DescribeScalingActivities", "DescribeEndpointConfig", "GetProducts"},
    ]
    assert all({"DescribeEndpoint", "GetMetricData"} < later for later in made[2:])


def test_alarms_and_activities_are_asked_for_in_turn(scaling_endpoint, calls):
    feed = Feed(scaling_endpoint)
    list(feed.states())
    seen = []
    for _ in range(4):
        calls.clear()
        feed.state()
        seen.append("DescribeAlarms" if calls["DescribeAlarms"] else "DescribeScalingActivities")
    assert seen == ["DescribeAlarms", "DescribeScalingActivities"] * 2


def test_the_first_refresh_claims_nothing_that_it_does_not_know(scaling_endpoint):
    first, second = Feed(scaling_endpoint).states()
    assert first.target_value == 5 and len(first.alarms) == 2
    assert first.instances == [(first.now.timestamp(), 1.0, 1.0)]
    assert (first.cost, first.marks) == ("", [])
    assert second.concurrency == first.concurrency
    assert second.instances[0][0] < first.now.timestamp() and second.cost


def test_what_may_not_be_read_is_said_and_the_rest_is_shown(scaling_endpoint, embedded):
    fault = {"kind": "denied", "operation": "DescribeScalingActivities"}
    running_server.admin(embedded.info, "POST", "faults", fault)
    feed = Feed(scaling_endpoint)
    try:
        *_, state = feed.states()
        assert "application-autoscaling:DescribeScalingActivities" in state.trouble
        assert state.alarms and state.instances[-1][1:] == (1.0, 1.0)
        assert feed.state().now > state.now
    finally:
        running_server.admin(embedded.info, "DELETE", "faults", {})
    assert [feed.state().trouble for _ in range(2)][-1] == ""


def test_only_new_metrics_are_asked_for(scaling_endpoint, calls):
    feed = Feed(scaling_endpoint, window_s=10_800)
    newest_s = list(feed.states())[-1].concurrency[-1][0]
    feed.state()
    first, second = calls.requests
    assert first["EndTime"] - first["StartTime"] > timedelta(hours=2, minutes=58)
    assert second["StartTime"] >= datetime.fromtimestamp(newest_s, UTC) - OVERLAP


def test_what_is_kept_equals_what_cloudwatch_answers_at_once(scaling_endpoint):
    feed = Feed(scaling_endpoint, window_s=10_800)
    *_, former = feed.states()
    while (state := feed.state()).concurrency[-1][0] < former.concurrency[-1][0] + 60:
        pass
    whole = read_metrics(scaling_endpoint, start=former.now - timedelta(seconds=900), end=former.now)
    frame = whole.concurrency.dropna()
    expected = {time.timestamp(): row["concurrency_mean_streams"] for time, row in frame.iterrows()}
    assert expected
    assert {p[0]: p[2] for p in state.concurrency if p[0] in expected} == expected


def test_nothing_older_than_the_window_is_kept(scaling_endpoint):
    feed = Feed(scaling_endpoint, window_s=60)
    *_, former = feed.states()
    while (state := feed.state()).now < former.now + timedelta(seconds=120):
        pass
    assert state.concurrency[0][0] >= state.now.timestamp() - 60
    assert len(state.concurrency) <= 7
    assert sum(t < state.now.timestamp() - 60 for t, _, _ in state.instances) <= 1


def test_a_change_of_the_counts_is_told_with_its_activity_at_once(scaling_endpoint):
    feed = Feed(scaling_endpoint)
    list(feed.states())
    registration.register(scaling_endpoint, min_capacity=2, max_capacity=4)
    try:
        state = until(lambda: with_desired(2, feed.state()), "two instances are desired")
        assert any("count to 2" in mark.text for mark in state.marks)
    finally:
        endpoints.settled(scaling_endpoint)
        registration.register(scaling_endpoint, min_capacity=1, max_capacity=4)


def with_desired(count, state):
    return state if state.instances[-1][1] == count else None


@pytest.mark.parametrize("kind", ["expired-credentials", "throttling"])
def test_it_goes_on_after_a_call_that_failed(scaling_endpoint, embedded, kind):
    feed = Feed(scaling_endpoint)
    *_, before = feed.states()
    fault = {"kind": kind, "count": 20} if kind == "throttling" else {"kind": kind}
    running_server.admin(embedded.info, "POST", "faults", fault)
    try:
        if kind == "expired-credentials":
            with pytest.raises(CredentialsProblem):
                feed.state()
    finally:
        running_server.admin(embedded.info, "DELETE", "faults", {})
    after = feed.state()
    assert after.now > before.now
    assert after.concurrency, "the datapoints are still there"
    still_shown = {p[0] for p in before.concurrency if p[0] >= after.concurrency[0][0]}
    assert still_shown <= {p[0] for p in after.concurrency}


def test_a_price_that_could_not_be_read_is_asked_for_again(scaling_endpoint, embedded):
    running_server.admin(embedded.info, "POST", "faults", {"kind": "denied", "service": "pricing"})
    feed = Feed(scaling_endpoint)
    try:
        *_, state = feed.states()
        assert "price unknown" in state.cost
    finally:
        running_server.admin(embedded.info, "DELETE", "faults", {})
    # In its turn, and what an instance that comes or goes makes urgent is asked for first.
    assert any("price unknown" not in feed.state().cost for _ in range(8))


def test_a_missing_endpoint_is_said_to_be_missing(workbook):
    with pytest.raises(NotFound):
        Feed(workbook(endpoint_name="never-made")).state()


def test_missing_periods_are_gaps_and_not_lines():
    values = dict.fromkeys((0.0, 10.0, 50.0), 1.0)
    rows = points([values, values, {**values, 20.0: 1.0}], 10)
    assert [row[0] for row in rows] == [0, 10, 20, 50]
    assert [isnan(row[2]) for row in rows] == [False, False, True, False]
