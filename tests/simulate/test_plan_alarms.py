"""Alarms in virtual time are judged as documented, on what instances publish."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dgsm_helpers.errors import InvalidInput
from dgsm_helpers.rules.alarms import AlarmSpec, deciding_datapoints, evaluate
from dgsm_helpers.rules.model import ScalingModel
from dgsm_helpers.rules.policies import Bounds, StepAdjustment, StepScaling
from dgsm_helpers.simulate.plan_alarms import PlanAlarms
from dgsm_helpers.simulate.scaling_plan import ScalingPlan

POINTS = st.lists(st.one_of(st.none(), st.floats(0, 10), st.floats(0, 10)), max_size=30)
SPECS = st.builds(
    lambda n, spare, comparison, mode, extra: AlarmSpec(
        threshold=5.0,
        comparison=comparison,
        period_s=10,
        evaluation_periods=n,
        datapoints_to_alarm=max(1, n - spare),
        treat_missing=mode,
        extra_range_periods=extra,
    ),
    st.integers(1, 6),
    st.integers(0, 5),
    st.sampled_from(["<", "<=", ">", ">="]),
    st.sampled_from(["missing", "ignore", "breaching", "notBreaching"]),
    st.integers(0, 3),
)


def alarms_on(*specs: AlarmSpec, ticks: int = 30) -> PlanAlarms:
    policies = tuple(
        StepScaling(name=f"step {number}", alarm=spec, alarm_name="busy", steps=(StepAdjustment(adjustment=1),))
        for number, spec in enumerate(specs)
    )
    plan = ScalingPlan(name="plan", policies=policies, bounds=Bounds(min_capacity=1, max_capacity=2))
    return PlanAlarms(plan, ScalingModel(), knees={"ml.g5.2xlarge": 10}, tick_s=10.0, ticks=ticks)


@given(SPECS, POINTS)
def test_each_datapoint_gives_the_state_of_the_whole_history(spec, points):
    alarms, expected, since_s = alarms_on(spec), "INSUFFICIENT_DATA", 0.0
    for index, value in enumerate(points):
        now_s = 10.0 * (index + 1)
        changed = alarms.push(0, math.nan if value is None else value, now_s)
        state = evaluate(spec, points[: index + 1]) or expected
        assert changed == (state != expected)
        since_s = now_s if state != expected else since_s
        expected = state
        reading = alarms.signals(with_datapoints=True)["step 0 by busy"].high
        assert (reading.state, reading.since_s) == (expected, since_s)
        judged_on = deciding_datapoints(spec, points[: index + 1])
        assert reading.datapoints == (judged_on if expected == "ALARM" else ())
        assert alarms.since_s(reading.name) == since_s


def test_alarms_of_one_statistic_and_period_share_their_datapoints():
    high = AlarmSpec(threshold=5.0, comparison=">", period_s=10, evaluation_periods=1, datapoints_to_alarm=1)
    low = AlarmSpec(threshold=5.0, comparison="<", period_s=10, evaluation_periods=2, datapoints_to_alarm=1)
    minute = AlarmSpec(threshold=5.0, comparison=">", period_s=60, evaluation_periods=1, datapoints_to_alarm=1)
    alarms = alarms_on(high, low, minute)
    assert [int(feed["ticks"]) for feed in alarms.watch.feeds] == [1, 6]
    alarms.push(0, 7.0, 10.0)
    readings = [signal.high for signal in alarms.signals(with_datapoints=True).values()]
    assert [(r.state, r.datapoints) for r in readings] == [
        ("ALARM", (7.0,)),
        ("OK", ()),
        ("INSUFFICIENT_DATA", ()),
    ]
    assert alarms.since_s("no such alarm") is None


@pytest.mark.parametrize(
    ("wrong", "says"), [({"statistic": "p99"}, "not 'p99'"), ({"period_s": 15}, "multiple of 10 s, not 15 s")]
)
def test_an_alarm_that_cannot_be_simulated_is_refused(wrong, says):
    given = {"threshold": 5.0, "comparison": ">", "period_s": 10, "evaluation_periods": 1, "datapoints_to_alarm": 1}
    with pytest.raises(InvalidInput, match=says):
        alarms_on(AlarmSpec(**(given | wrong)))
