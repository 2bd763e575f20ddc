"""Weighted policies of a mixed pool: validated, put on the variant, and evaluated as their plain functions say."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from kit import endpoints
from kit.waiting import AT_MOST_S, until

from dgsm_helpers.aws.scaling import registration
from dgsm_helpers.aws.scaling.weighted_policy import (
    WeightedPolicy,
    capacities,
    parse_capacities,
    reading,
    weighted_policy,
)
from dgsm_helpers.aws.watch.pool_usage import usage, wait_within
from dgsm_helpers.errors import InvalidInput, NotReady
from dgsm_helpers.load.transport.background_load import Load
from dgsm_helpers.rules.weighted_metrics import FORMS, PoolMinute
from embedded_aws.cloudwatch.evaluation import Evaluation
from embedded_aws.cloudwatch.expressions import parse

POOL = {"ml.g6.2xlarge": 20.0, "ml.g6e.2xlarge": 24.0, "ml.g5.2xlarge": 8.0}
MINUTE = 1_800_000_000.0


def policy_of(form: str, by_type: dict[str, float], weights: tuple[float, ...] = ()) -> WeightedPolicy:
    return WeightedPolicy(
        form=form,
        endpoint_name="dg",
        variant_name="AllTraffic",
        capacities=tuple(by_type.items()),
        weights=weights,
        target_value=0.7,
    )


def by_cloudwatch(policy: WeightedPolicy, minutes: list[PoolMinute]) -> float | None:
    """The expression's value, from series that have a point only where a type has instances."""
    series = {}
    for number, minute in enumerate(minutes, 1):
        points = (("a", minute.average), ("s", minute.total), ("n", float(minute.samples)))
        series |= {f"{letter}{number}": {MINUTE: value} if minute.samples else {} for letter, value in points}
    minutes_math = Evaluation(values=series, metrics=series, periods=dict.fromkeys(series, 60), grid=[MINUTE])
    found = minutes_math.of(parse(policy.expression))
    value = found.get(MINUTE)
    return None if value is None or math.isnan(value) else value


@settings(max_examples=200, deadline=None)
@given(
    st.sampled_from(sorted(FORMS)),
    st.lists(st.tuples(st.integers(0, 400), st.integers(0, 12), st.integers(1, 60)), min_size=1, max_size=5),
)
def test_mixed_form_is_what_cloudwatch_makes_of_its_expression(form, types):
    minutes = [PoolMinute(float(total) if samples else 0.0, samples) for total, samples, _ in types]
    by_type = {f"ml.t{i}": float(capacity) for i, (_, _, capacity) in enumerate(types)}
    weights = tuple(round(1 / len(types), 6) for _ in types)
    policy = policy_of(form, by_type, weights if form == "weighted-streams" else ())
    expected = FORMS[form].value(minutes, list(by_type.values()), weights)
    found = by_cloudwatch(policy, minutes)
    assert (found is None) == (expected is None)
    assert found is None or found == pytest.approx(expected)


@pytest.mark.parametrize(
    ("a", "b", "mean"), [(5, 2, 0.25), (12, 5, 0.61), (18, 7, 0.89), (14, 6, 0.73)], ids=["in", "hold", "out", "hold2"]
)
def test_mixed_mean_of_ratios_gives_the_published_table(a, b, mean):
    minutes = [PoolMinute(6.0 * a, 6), PoolMinute(6.0 * b, 6)]
    assert FORMS["mean-of-ratios"].value(minutes, [20, 8], []) == pytest.approx(mean, abs=0.0051)


def test_mixed_forms_with_an_empty_fallback_pool_are_told_apart():
    alone = [PoolMinute(6 * 18.0, 6), PoolMinute()]
    value = {name: form.value(alone, [20, 8], [0.5, 0.5]) for name, form in FORMS.items()}
    assert value["mean-of-ratios"] == pytest.approx(0.45)  # half of what the fleet is
    assert value["weighted-streams"] == pytest.approx(9.0)
    assert [value[n] for n in ("max-of-ratios", "guarded-mean", "sum-over-sum")] == pytest.approx([0.9] * 3)


def test_mixed_forms_with_unequal_counts_are_told_apart():
    four_to_one = [PoolMinute(4 * 6 * 18.0, 4 * 6), PoolMinute(6 * 2.0, 6)]
    value = {name: form.value(four_to_one, [20, 10], [0.5, 0.5]) for name, form in FORMS.items()}
    assert value["mean-of-ratios"] == value["guarded-mean"] == pytest.approx(0.55)  # hold, it says
    assert value["sum-over-sum"] == pytest.approx(74 / 90)  # and the fleet is at 0.82


def test_mixed_forms_without_any_metric_say_nothing_unless_they_fill():
    nothing = [PoolMinute(), PoolMinute()]
    value = {name: form.value(nothing, [20, 8], [0.5, 0.5]) for name, form in FORMS.items()}
    assert value == {
        "weighted-streams": None,
        "mean-of-ratios": None,
        "max-of-ratios": 0.0,
        "guarded-mean": None,
        "sum-over-sum": None,
    }


@pytest.mark.parametrize("form", FORMS)
def test_mixed_policy_is_put_and_read_back(deployed, form):
    registration.register(deployed, 1, 4)
    policy = weighted_policy(deployed, form, capacity_by_type=POOL)
    applied = registration.apply(deployed, policy)
    assert len(applied.alarm_names) == 2
    state = registration.verify(deployed, policy)
    assert state.ok, state.problems
    high = state.alarms[0]
    assert (high.period_s, high.statistic) == (60, policy.expression) or high.datapoints_to_alarm == 3
    returned = [m["Id"] for m in policy.metric()["CustomizedMetricSpecification"]["Metrics"] if m["ReturnData"]]
    assert returned == ["utilization"]
    assert len(policy.metric()["CustomizedMetricSpecification"]["Metrics"]) <= 11  # alarms take ten metrics
    assert policy.expression in str(policy)
    assert json.loads(policy.to_json()) == policy.to_request()
    registration.remove(deployed)


def test_mixed_policy_follows_the_pools_order_whatever_order_is_given(deployed):
    policy = weighted_policy(deployed, "max-of-ratios", capacity_by_type=dict(reversed(POOL.items())))
    assert dict(policy.capacities) == POOL
    assert policy.expression == "MAX([FILL(a1,0)/20, FILL(a2,0)/24, FILL(a3,0)/8])"


def test_mixed_weights_are_equal_ones_and_the_target_to_a_share_of_capacity(deployed):
    policy = weighted_policy(deployed, "weighted-streams", capacity_by_type=POOL)
    assert policy.weights == pytest.approx((1 / 3,) * 3)
    assert policy.target_value == pytest.approx(0.7 * 52 / 3, abs=1e-3)
    assert weighted_policy(deployed, "sum-over-sum", capacity_by_type=POOL).target_value == 0.7


@pytest.mark.parametrize("share", [0, 1.2, -0.5])
def test_mixed_target_share_outside_the_capacity_is_refused(deployed, share):
    with pytest.raises(InvalidInput, match="target_share"):
        weighted_policy(deployed, "sum-over-sum", capacity_by_type=POOL, target_share=share)


def test_mixed_form_that_there_is_not_is_refused(deployed):
    with pytest.raises(InvalidInput, match="no weighted form 'median'"):
        weighted_policy(deployed, "median", capacity_by_type=POOL)


def test_mixed_capacity_that_is_missing_wrong_or_of_another_pool_is_refused(deployed):
    with pytest.raises(NotReady, match=r"capacity of ml\.g6e\.2xlarge, ml\.g5\.2xlarge is neither given nor measured"):
        capacities(deployed, {"ml.g6.2xlarge": 20})
    with pytest.raises(InvalidInput, match=r"ml\.p5\.48xlarge"):
        capacities(deployed, {**POOL, "ml.p5.48xlarge": 100})
    with pytest.raises(InvalidInput, match="above zero"):
        capacities(deployed, {**POOL, "ml.g5.2xlarge": 0})


def test_mixed_capacity_is_read_from_the_newest_evidence_of_its_type(deployed, tmp_path):
    wb = replace(deployed, home=tmp_path)

    def measured(stamp: str, instance_type: str, streams: int, problem: str = "") -> None:
        content = {
            "schema": 1,
            "feasible_max": streams,
            "problem": problem,
            "fingerprint": {"instance_type": instance_type},
        }
        wb.state_path(f"capacity/{wb.endpoint_name}/{stamp}.json").write_text(json.dumps(content))

    measured("2026-11-01T100000Z", "ml.g6.2xlarge", 18)
    measured("2026-11-02T100000Z", "ml.g6.2xlarge", 21)
    measured("2026-11-03T100000Z", "ml.g6.2xlarge", 3, problem="interrupted")
    measured("2026-11-02T110000Z", "ml.g5.2xlarge", 9)
    found = capacities(wb, {"ml.g6e.2xlarge": 24, "ml.g5.2xlarge": 8})
    assert found == {"ml.g6.2xlarge": 21, "ml.g6e.2xlarge": 24, "ml.g5.2xlarge": 8}


def test_mixed_capacities_are_read_from_text():
    assert parse_capacities("ml.g6.2xlarge: 20, ml.g5.2xlarge :8.5,") == {"ml.g6.2xlarge": 20, "ml.g5.2xlarge": 8.5}
    assert parse_capacities("") == {}
    with pytest.raises(InvalidInput, match="is not a capacity"):
        parse_capacities("ml.g6.2xlarge")


def test_mixed_forms_read_live_streams_as_computed_by_hand(deployed):
    with Load(deployed) as load:
        load.set(4)
        load.wait_open(timeout_s=AT_MOST_S)
        policies = {form: weighted_policy(deployed, form, capacity_by_type=POOL) for form in FORMS}
        expected = {
            "weighted-streams": 4 / 3,
            "mean-of-ratios": 4 / 20 / 3,
            "max-of-ratios": 4 / 20,
            "guarded-mean": 4 / 20,
            "sum-over-sum": 4 / 20,
        }
        read = {}

        def as_computed():
            read.update({form: reading(deployed, policy) for form, policy in policies.items()})
            return read == pytest.approx(expected, rel=1e-4)

        until(as_computed, f"{expected} is read of a minute that the streams held whole; {read} is the last reading")


def test_mixed_fleet_grows_until_its_capacity_is_within_the_share_and_falls_back_when_short(workbook, operator):
    wb = workbook()
    operator.fault("shortage", instance_type="ml.g6.2xlarge")
    endpoints.deployed(wb)
    by_type = capacities(wb, dict.fromkeys(POOL, 10))
    registration.register(wb, 1, 4)
    with Load(wb) as load:
        load.set(12)
        load.wait_open(timeout_s=AT_MOST_S)

        def seen():
            found = usage(wb, by_type)
            return found if found.streams >= 12 else None

        before = until(seen, "twelve streams are seen")
        registration.apply(wb, weighted_policy(wb, "sum-over-sum", capacity_by_type=by_type))
        after = wait_within(wb, by_type, 0.7, streams=12, timeout_s=endpoints.local_seconds(wb))
    assert (before.instances, before.share) == (1, pytest.approx(1.2))
    # Two are enough; a third may come when the metric still shows the time before the second.
    preferred, fallback, last = (t.instances for t in after.types)
    assert (preferred, last, fallback in (2, 3)) == (0, 0, True)
    assert after.share == pytest.approx(12 / (10 * fallback))
    assert f"{fallback} instances, {after.share:.0%} of the capacity in use" in str(after)
    with pytest.raises(NotReady, match="at most 10%"), Load(wb) as load:
        load.set(12)
        load.wait_open(timeout_s=AT_MOST_S)
        until(seen, "twelve streams are seen again")
        wait_within(wb, by_type, 0.1, timeout_s=10)
    registration.remove(wb)
    endpoints.settled(wb)
