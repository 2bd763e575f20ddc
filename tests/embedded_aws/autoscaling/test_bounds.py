"""Bounds and scheduled actions: when they act on the count, and when they do not."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from kit.scaling_bench import REGION, START_S, TARGET, Bench

SUSPENDED = ("DynamicScalingInSuspended", "DynamicScalingOutSuspended", "ScheduledScalingSuspended")


@pytest.fixture
def bench():
    return Bench()


def by_hand(bench, count):
    bench.fleet.set_capacity(REGION, "e", {"AllTraffic": (count, None)})


def schedule(bench, name, expression=None, **given):
    """Put a scheduled action; ``start``, ``end`` in seconds from now."""
    times = {
        member: datetime.fromtimestamp(bench.clock.s + given.pop(key), UTC)
        for key, member in (("start", "StartTime"), ("end", "EndTime"))
        if key in given
    }
    request = {"ScheduledActionName": name, **({"Schedule": expression} if expression else {}), **times}
    bench.api.put_scheduled_action({**TARGET, **request, "ScalableTargetAction": given})


def bounds(bench):
    [row] = bench.api.describe_scalable_targets({"ServiceNamespace": "sagemaker"})["ScalableTargets"]
    return row["MinCapacity"], row["MaxCapacity"]


def in_s(bench, seconds):
    return (datetime.fromtimestamp(bench.clock.s, UTC) + timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%S")


def test_a_count_set_by_hand_outside_the_bounds_stays_there(bench):
    bench.register(low=2)
    bench.run(START_S + 60)
    assert bench.running == 2
    by_hand(bench, 1)
    bench.run(4 * START_S)
    assert bench.running == 1
    assert len(bench.activities()) == 1
    by_hand(bench, 5)
    bench.run(4 * START_S)
    assert bench.running == 5


def test_below_the_minimum_alarms_that_scale_in_do_nothing_and_those_that_scale_out_reach_the_bounds(bench):
    bench.register(low=2)
    bench.track()
    bench.run(START_S + 60)
    by_hand(bench, 1)
    bench.run(1500)
    [reason] = bench.activities(IncludeNotScaledActivities=True)[0]["NotScaledReasons"]
    assert (bench.running, reason["Code"]) == (1, "AlreadyAtMinCapacity")
    bench.load(6)
    bench.run(START_S + 200)
    assert bench.running == 2


@pytest.mark.parametrize("given", [{}, {"MinCapacity": 2, "MaxCapacity": 4}, {"MinCapacity": 3}], ids=str)
def test_every_registration_brings_the_count_into_the_bounds_again(bench, given):
    bench.register(low=2)
    bench.run(START_S + 60)
    by_hand(bench, 1)
    bench.run(60)
    bench.api.register_scalable_target({**TARGET, **given})
    bench.run(START_S + 60)
    assert bench.running == bounds(bench)[0]


def test_a_registration_acts_whatever_is_suspended(bench):
    bench.register(low=2, SuspendedState=dict.fromkeys(SUSPENDED, True))
    bench.run(START_S + 60)
    assert bench.running == 2
    by_hand(bench, 1)
    bench.run(START_S + 60)
    assert bench.running == 1


def test_bounds_set_while_the_endpoint_is_busy_act_when_it_no_longer_is(bench):
    by_hand(bench, 2)
    bench.run(20)
    bench.register(low=3)
    bench.run(60)
    assert (bench.status, bench.activities()) == ("Updating", [])
    bench.run(2 * START_S)
    assert bench.running == 3


def test_a_minimum_that_a_quota_refuses_is_tried_once(bench):
    bench.quotas.set(REGION, "ml.g6.2xlarge", 2)
    bench.register(low=3)
    bench.run(120)
    bench.quotas.set(REGION, "ml.g6.2xlarge", 9)
    bench.run(START_S + 60)
    assert (bench.running, len(bench.activities())) == (1, 1)
    bench.register(low=3)
    bench.run(START_S + 60)
    assert bench.running == 3


def test_a_scheduled_action_acts_on_the_count_once(bench):
    bench.register()
    schedule(bench, "peak", f"at({in_s(bench, 60)})", MinCapacity=3)
    bench.run(START_S + 120)
    assert bench.running == 3
    by_hand(bench, 1)
    bench.run(2 * START_S)
    assert (bench.running, bounds(bench)) == (1, (3, 4))


@pytest.mark.parametrize(
    ("action", "after", "count"),
    [
        ({"MaxCapacity": 3}, (0, 3), 2),
        ({"MinCapacity": 0}, (0, 4), 2),
        ({"MinCapacity": 0, "MaxCapacity": 0}, (0, 0), 1),
        ({"MaxCapacity": 0}, (0, 0), 1),
    ],
    ids=str,
)
def test_a_minimum_of_zero_stays_one_and_the_variant_keeps_an_instance(bench, action, after, count):
    by_hand(bench, 2)
    bench.run(START_S + 60)
    bench.register(low=0)
    schedule(bench, "s", f"at({in_s(bench, 20)})", **action)
    bench.run(START_S + 60)
    assert (bounds(bench), bench.running) == (after, count)
    low, high = after
    fired = bench.activities()[-1]
    assert (fired["StatusCode"], fired["Description"]) == (
        "Successful",
        f"Setting min capacity to {low} and max capacity to {high}",
    )


def test_what_has_no_end_in_awss_examples_has_none_here(bench):
    bench.register(low=1, high=1)
    bench.track()
    schedule(bench, "peak", f"at({in_s(bench, 20)})", MaxCapacity=1)
    bench.load(30)
    bench.run(200)
    rows = bench.activities(IncludeNotScaledActivities=True)
    assert len(rows) == 2
    assert not any("EndTime" in row for row in rows)


@pytest.mark.parametrize("expression", ["cron(0 12 1 1 ? *)", "rate(10 hours)"])
def test_a_recurring_action_runs_at_its_start_and_then_by_its_recurrence(bench, expression):
    bench.register()
    schedule(bench, "daily", expression, start=120, MinCapacity=2)
    bench.run(100)
    assert bounds(bench) == (1, 4)
    bench.run(40)
    assert bounds(bench) == (2, 4)
    assert [a["Cause"] for a in bench.activities()][-1] == "scheduled action name daily was triggered"


def test_a_rate_counts_from_its_start_and_without_one_from_when_it_was_made(bench):
    bench.register()
    schedule(bench, "from-now", "rate(10 minutes)", MinCapacity=2)
    bench.run(590)
    assert bounds(bench)[0] == 1
    bench.run(20)
    assert bounds(bench)[0] == 2
    bench.api.register_scalable_target({**TARGET, "MinCapacity": 1})
    bench.run(600)
    assert bounds(bench)[0] == 2


def test_after_its_end_an_action_runs_no_more(bench):
    bench.register()
    schedule(bench, "short", "rate(10 minutes)", start=60, end=700, MinCapacity=2)
    bench.run(120)
    assert bounds(bench)[0] == 2
    bench.api.register_scalable_target({**TARGET, "MinCapacity": 1})
    bench.run(600)
    assert bounds(bench)[0] == 2
    bench.api.register_scalable_target({**TARGET, "MinCapacity": 1})
    bench.run(1200)
    assert bounds(bench)[0] == 1


def test_an_update_without_times_deletes_them_and_keeps_the_rest(bench):
    bench.register()
    schedule(bench, "s", "cron(0 12 1 1 ? *)", start=3600, end=7200, MinCapacity=2)
    [before] = bench.api.describe_scheduled_actions(TARGET)["ScheduledActions"]
    bench.run(60)
    schedule(bench, "s", MinCapacity=3)
    [after] = bench.api.describe_scheduled_actions(TARGET)["ScheduledActions"]
    assert {"StartTime", "EndTime"} <= set(before)
    assert not {"StartTime", "EndTime"} & set(after)
    assert (after["Schedule"], after["ScalableTargetAction"]) == ("cron(0 12 1 1 ? *)", {"MinCapacity": 3})
    assert after["CreationTime"] == before["CreationTime"]


def test_other_namespaces_and_dimensions_have_nothing_to_list(bench):
    bench.register()
    for namespace in ("ecs", "dynamodb"):
        given = {"ServiceNamespace": namespace}
        assert bench.api.describe_scalable_targets(given) == {"ScalableTargets": []}
        assert bench.api.describe_scaling_policies(given) == {"ScalingPolicies": []}
        assert bench.api.describe_scheduled_actions(given) == {"ScheduledActions": []}
        assert bench.api.describe_scaling_activities(given) == {"ScalingActivities": []}
    other = {**TARGET, "ScalableDimension": "sagemaker:variant:DesiredProvisionedConcurrency"}
    assert bench.api.describe_scaling_policies(other) == {"ScalingPolicies": []}


def test_what_comes_and_goes_while_a_list_is_paged_shifts_nothing(bench):
    bench.register()
    for number in range(12):
        schedule(bench, f"s{number:02d}", "rate(1 day)", MinCapacity=1)
    request = {"ServiceNamespace": "sagemaker", "MaxResults": 5}
    seen, token = [], {}
    while token is not None:
        page = bench.api.describe_scheduled_actions(request | token)
        names = [action["ScheduledActionName"] for action in page["ScheduledActions"]]
        for name in names:
            bench.api.delete_scheduled_action({**TARGET, "ScheduledActionName": name})
        seen += names
        token = {"NextToken": page["NextToken"]} if "NextToken" in page else None
    assert seen == [f"s{number:02d}" for number in range(12)]


def test_a_new_activity_repeats_none_on_the_next_page(bench):
    for count in (2, 1, 2):
        bench.register(low=count, high=count)
        bench.run(START_S + 100)
    [newest] = (first := bench.api.describe_scaling_activities({**TARGET, "MaxResults": 1}))["ScalingActivities"]
    bench.register(low=1, high=1)
    bench.run(START_S + 100)
    rest = bench.activities(NextToken=first["NextToken"])
    assert [row["Description"][-2:] for row in (newest, *rest)] == ["2.", "1.", "2."]
