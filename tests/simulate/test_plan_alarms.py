"""The incremental alarm is the documented one."""

from hypothesis import given
from hypothesis import strategies as st

from dgsm_helpers.rules.alarms import AlarmSpec, deciding_datapoints, evaluate
from dgsm_helpers.simulate.plan_alarms import AlarmTracker

POINTS = st.lists(st.one_of(st.none(), st.floats(0, 10), st.floats(0, 10)), max_size=30)
SPECS = st.builds(
    lambda n, spare, comparison, mode: AlarmSpec(
        threshold=5.0,
        comparison=comparison,
        period_s=10,
        evaluation_periods=n,
        datapoints_to_alarm=max(1, n - spare),
        treat_missing=mode,
    ),
    st.integers(1, 6),
    st.integers(0, 5),
    st.sampled_from(["<", "<=", ">", ">="]),
    st.sampled_from(["missing", "ignore", "breaching", "notBreaching"]),
)


@given(SPECS, POINTS)
def test_each_datapoint_gives_the_state_of_the_whole_history(spec, points):
    tracker, expected, since_s = AlarmTracker(spec, 0.0), "INSUFFICIENT_DATA", 0.0
    for index, value in enumerate(points):
        now_s = 10.0 * (index + 1)
        changed = tracker.push(value, now_s)
        state = evaluate(spec, points[: index + 1]) or expected
        assert changed == (state != expected)
        since_s = now_s if state != expected else since_s
        expected = state
        assert (tracker.state, tracker.since_s) == (expected, since_s)
        assert tracker.datapoints() == deciding_datapoints(spec, points[: index + 1])
