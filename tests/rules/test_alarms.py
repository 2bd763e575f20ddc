"""Alarm evaluation against the tables of the CloudWatch user guide."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dgsm_helpers.errors import InvalidInput
from dgsm_helpers.rules.alarms import AlarmSpec, deciding_datapoints, evaluate
from dgsm_helpers.rules.model import ScalingModel
from dgsm_helpers.rules.policies import TargetTracking
from dgsm_helpers.rules.target_tracking import alarms_for

MODES = ("missing", "ignore", "breaching", "notBreaching")
OK, ALARM, INSUFFICIENT, KEEP = "OK", "ALARM", "INSUFFICIENT_DATA", None

# CloudWatch user guide, "How alarm state is evaluated when data is missing": range 5, N = 3, M = 3 and then M = 2.
THREE_OF_THREE = {
    "0 - X - X": (OK, OK, OK, OK),
    "0 - - - -": (OK, OK, OK, OK),
    "- - - - -": (INSUFFICIENT, KEEP, ALARM, OK),
    "0 X X - X": (ALARM, ALARM, ALARM, ALARM),
    "- - X - -": (ALARM, KEEP, ALARM, OK),
    # The text below the table: not ALARM yet.
    "- - - - X": (INSUFFICIENT, KEEP, ALARM, OK),
    "- - - X -": (INSUFFICIENT, KEEP, ALARM, OK),
}
TWO_OF_THREE = {
    "0 - X - X": (ALARM, ALARM, ALARM, ALARM),
    "0 0 X 0 X": (ALARM, ALARM, ALARM, ALARM),
    "0 - X - -": (OK, OK, ALARM, OK),
    "- - - - 0": (OK, OK, ALARM, OK),
    "- - - X -": (ALARM, KEEP, ALARM, OK),
}
ROWS = [(3, *row) for row in THREE_OF_THREE.items()] + [(2, *row) for row in TWO_OF_THREE.items()]


def spec(*, m: int = 3, n: int = 3, comparison: str = ">", mode: str = "missing", threshold: float = 5.0) -> AlarmSpec:
    return AlarmSpec(
        threshold=threshold,
        comparison=comparison,
        period_s=10,
        evaluation_periods=n,
        datapoints_to_alarm=m,
        treat_missing=mode,
    )


@pytest.mark.parametrize(("m", "row", "states"), ROWS)
def test_missing_data_follows_the_documented_table(m, row, states):
    points = [{"0": 1.0, "X": 9.0, "-": None}[mark] for mark in row.split()]
    assert tuple(evaluate(spec(m=m, mode=mode), points) for mode in MODES) == states


@pytest.mark.parametrize(
    ("comparison", "below", "equal", "above"),
    [(">", OK, OK, ALARM), (">=", OK, ALARM, ALARM), ("<", ALARM, OK, OK), ("<=", ALARM, ALARM, OK)],
)
def test_comparisons_are_strict_or_not_as_named(comparison, below, equal, above):
    states = [evaluate(spec(comparison=comparison), [value] * 3) for value in (4.9, 5.0, 5.1)]
    assert states == [below, equal, above]


def test_real_datapoints_older_than_the_periods_are_used_before_missing_ones():
    assert evaluate(spec(), [9.0, 9.0, None, 9.0, None]) == ALARM
    assert evaluate(spec(), [9.0, 1.0, None, 9.0, None]) == OK
    assert evaluate(spec(), [9.0, 9.0, 9.0, None, None, None]) == ALARM  # premature row: two are left in the range
    assert deciding_datapoints(spec(), [1.0, 2.0, None, 3.0, 4.0]) == (2.0, 3.0, 4.0)


def test_a_short_history_counts_as_missing():
    assert evaluate(spec(), []) == INSUFFICIENT
    assert evaluate(spec(), [9.0, 9.0]) == INSUFFICIENT
    assert evaluate(spec(), [1.0]) == OK


def test_ninety_of_ninety_needs_all_ninety():
    low = alarms_for(TargetTracking(name="p", target_value=5.0), ScalingModel())[1]
    assert evaluate(low, [4.0] * 90) == ALARM
    assert evaluate(low, [4.6] + [4.0] * 89) == OK
    assert evaluate(low, [4.0] * 89) == INSUFFICIENT


@pytest.mark.parametrize("wrong", [{"m": 4}, {"m": 0}, {"comparison": "=="}, {"mode": "whatever"}])
def test_an_alarm_that_cloudwatch_refuses_is_refused(wrong):
    with pytest.raises(InvalidInput):
        spec(**wrong)


POINTS = st.lists(st.one_of(st.none(), st.floats(0, 10)), max_size=12)


@given(POINTS, st.lists(st.floats(0, 10)), st.integers(1, 4), st.integers(0, 3), st.sampled_from(MODES))
def test_a_state_never_depends_on_what_lies_before_the_range(points, older, n, spare, mode):
    alarm = spec(m=max(1, n - spare), n=n, mode=mode)
    in_range = ([None] * alarm.evaluation_range + points)[-alarm.evaluation_range :]
    assert evaluate(alarm, older + in_range) == evaluate(alarm, in_range)


@given(st.lists(st.floats(0, 10), min_size=6, max_size=12), st.integers(1, 4), st.sampled_from(MODES))
def test_without_missing_data_the_mode_does_not_matter(points, n, mode):
    alarm = spec(m=n, n=n, mode=mode)
    assert evaluate(alarm, points) == (ALARM if min(points[-n:]) > 5 else OK)


@given(POINTS)
def test_breaching_is_the_most_and_not_breaching_the_least_alarming(points):
    order = {OK: 0, INSUFFICIENT: 1, KEEP: 1, ALARM: 2}
    rank = {mode: order[evaluate(spec(mode=mode), points)] for mode in MODES}
    assert rank["notBreaching"] <= rank["missing"] <= rank["breaching"]
    assert rank["ignore"] <= rank["missing"]


def test_r1_alarm_definitions_as_recorded():
    """R1: amazon-sagemaker-examples 2d519b52 (5), re:Post QUf450Wsd9RROGGOIwaolN9w (1500), workshop text (70 to 63)."""

    def shape(target, metric):
        alarms = alarms_for(TargetTracking(name="p", target_value=target, metric=metric), ScalingModel())
        return [(a.comparison, a.threshold, a.datapoints_to_alarm, a.evaluation_periods, a.period_s) for a in alarms]

    assert shape(5.0, "high-resolution") == [(">", 5.0, 3, 3, 10), ("<", 4.5, 90, 90, 10)]
    assert shape(1500.0, "one-minute") == [(">", 1500.0, 3, 3, 60), ("<", 1350.0, 15, 15, 60)]
    assert shape(70.0, "metric-math")[1][1] == 63.0
