"""Alarms from the inside: when they are evaluated, what they decide, what they say and remember."""

import json
from dataclasses import replace

import pytest

from dgsm_helpers.errors import InvalidInput
from dgsm_helpers.rules.alarms import AlarmSpec
from embedded_aws.cloudwatch.alarm_actions import action_line
from embedded_aws.cloudwatch.cloudwatch_service import evaluate_alarms
from embedded_aws.cloudwatch.metric_alarm import MetricAlarm, reason, reason_data, recent_datapoints
from embedded_aws.cloudwatch.queries import MetricQuery, MetricStat, period_of
from embedded_aws.gateway.refusal import AwsRefusal

WHERE = {"EndpointName": "e", "VariantName": "v"}
NAME = "ConcurrentRequestsPerModel"


def concurrency(period_s=10, stat="Average"):
    return MetricStat("AWS/SageMaker", NAME, tuple(WHERE.items()), stat, period_s)


def high(*, metric=None, metrics=(), name="high", tags=(), **changes):
    """An alarm on more than 5 concurrent requests in 3 datapoints, or as ``changes`` say."""
    metric = metric or (None if metrics else concurrency())
    rules = {"threshold": 5.0, "comparison": ">", "evaluation_periods": 3} | changes
    spec = AlarmSpec(
        period_s=metric.period_s if metric else period_of(metrics),
        statistic=metric.stat if metric else "",
        **{"datapoints_to_alarm": rules["evaluation_periods"]} | rules,
    )
    return MetricAlarm(name=name, spec=spec, metric=metric, metrics=metrics, tags=dict(tags))


def transitions(alarms, now_s):
    """Evaluate: the alarms whose state changes, as (alarm before, alarm after)."""
    before = {status.alarm.name: status for status in alarms.describe()}
    alarms.evaluate(now_s)
    return [(before[s.alarm.name], s) for s in alarms.describe() if s.state != before[s.alarm.name].state]


class Beat:
    """Moves the clock by ten seconds, publishes what is given for them, evaluates, and returns the transitions."""

    def __init__(self, here, clock):
        self._here, self._clock = here, clock

    def __call__(self, *values):
        start_s = self._clock.time_s
        if values:
            self._here.store.put("AWS/SageMaker", NAME, WHERE, timestamp_s=start_s, values=values, resolution_s=10)
        self._clock.time_s += 10
        return transitions(self._here.alarms, self._clock.time_s)


@pytest.fixture
def beat(here, clock):
    return Beat(here, clock)


def test_a_new_alarm_has_insufficient_data(here, clock):
    here.alarms.put(high())
    status = here.alarms.get("high")
    assert (status.state, status.reason) == ("INSUFFICIENT_DATA", "Unchecked: Initial alarm creation")
    assert status.configured_s == clock.time_s


def test_three_datapoints_above_the_threshold_alarm_and_one_below_ends_it(here, beat):
    here.alarms.put(high())
    states = []
    for value in (6, 7, 8, 9, 4, 6):
        beat(value)
        states.append(here.alarms.get("high").state)
    # CloudWatch's own table has `X X -` and older gaps end in ALARM only with enough breaching points in range.
    assert states[2:] == ["ALARM", "ALARM", "OK", "OK"]


def test_the_transition_says_what_crossed_in_cloudwatch_words(here, beat):
    here.alarms.put(high())
    for _ in range(3):
        beat(1)
    assert here.alarms.get("high").state == "OK"
    [(before, after)] = [t for value in (6, 7.5, 6) for t in beat(value)]
    assert (before.state, after.state, after.datapoints) == ("OK", "ALARM", (6.0, 7.5, 6.0))
    assert after.reason == (
        "Threshold Crossed: 3 out of the last 3 datapoints [6.0 (24/11/26 12:00:50), 7.5 (24/11/26 12:00:40), "
        "6.0 (24/11/26 12:00:30)] were greater than the threshold (5.0) "
        "(minimum 3 datapoints for OK -> ALARM transition)."
    )
    data = json.loads(here.alarms.get("high").reason_data)
    assert data["recentDatapoints"] == [6.0, 7.5, 6.0]
    assert data["evaluatedDatapoints"][0] == {
        "timestamp": "2026-11-24T12:00:50.000+0000",
        "sampleCount": 1.0,
        "value": 6.0,
    }
    assert (data["statistic"], data["period"], data["threshold"]) == ("Average", 10, 5.0)
    [(_, ended)] = beat(2)
    assert ended.reason == (
        "Threshold Crossed: 1 out of the last 3 datapoints [2.0 (24/11/26 12:01:00)] was not greater than the "
        "threshold (5.0) (minimum 1 datapoint for ALARM -> OK transition)."
    )


def test_no_data_for_long_is_insufficient_data(here, beat):
    here.alarms.put(high())
    for _ in range(4):
        beat(9)
    [(before, after)] = [t for _ in range(6) for t in beat()]
    assert (before.state, after.state) == ("ALARM", "INSUFFICIENT_DATA")
    assert after.reason == "Insufficient Data: 3 datapoints were unknown."


def test_missing_data_can_be_treated_as_breaching(here, beat):
    here.alarms.put(high(treat_missing="breaching"))
    [(_, after)] = beat()
    assert after.state == "ALARM"
    assert after.reason == (
        "Threshold Crossed: no datapoints were received for 3 periods "
        "and 3 missing datapoints were treated as [Breaching]."
    )


def test_m_of_n(here, beat):
    here.alarms.put(high(evaluation_periods=5, datapoints_to_alarm=3))
    for value in (1, 6, 1, 6, 1):
        beat(value)
    assert here.alarms.get("high").state == "OK"
    [(_, after)] = beat(6)
    assert after.state == "ALARM"
    assert "3 out of the last 5 datapoints" in after.reason
    [(_, ended)] = beat(1)
    assert ended.reason.endswith("(minimum 3 datapoints for ALARM -> OK transition).")


def test_ninety_datapoints_below_the_threshold(here, beat):
    here.alarms.put(high(name="low", threshold=4.5, comparison="<", evaluation_periods=90))
    for _ in range(89):
        beat(1)
    beat(1)
    status = here.alarms.get("low")
    assert status.state == "ALARM"
    assert len(status.datapoints) == 90
    assert len(status.reason) <= 1023
    assert (
        "...] were less than the threshold (4.5) (minimum 90 datapoints for OK -> ALARM transition)." in status.reason
    )
    assert len(status.reason_data) <= 4000
    assert len(json.loads(status.reason_data)["recentDatapoints"]) == 90


def test_periods_below_a_minute_are_evaluated_every_ten_seconds_others_every_minute(here, beat, clock):
    here.alarms.put(high(name="fine", evaluation_periods=1))
    here.alarms.put(high(name="coarse", evaluation_periods=1, metric=concurrency(60)))
    changed = {}
    for tick in range(13):
        for _, after in beat(9):
            changed[after.alarm.name] = tick
    # The first full minute (12:00) is seen at the first evaluation of the next one, the sixth beat.
    assert changed == {"fine": 0, "coarse": 5}


def test_a_second_evaluation_in_the_same_ten_seconds_does_nothing(here, beat, clock):
    here.alarms.put(high(evaluation_periods=1))
    beat(1)
    here.store.put("AWS/SageMaker", NAME, WHERE, timestamp_s=clock.time_s - 10, values=[99, 99], resolution_s=10)
    assert transitions(here.alarms, clock.time_s + 5) == []
    assert [after.state for _, after in transitions(here.alarms, clock.time_s + 10)] == ["ALARM"]


def test_metric_math_over_pools(here, clock):
    queries = (
        MetricQuery("a", metric=MetricStat("N", "m", (("InstanceType", "x"),), "Average", 60), return_data=False),
        MetricQuery("b", metric=MetricStat("N", "m", (("InstanceType", "y"),), "Average", 60), return_data=False),
        MetricQuery("load", expression="MAX([FILL(a, 0) / 20, FILL(b, 0) / 8])"),
    )
    here.alarms.put(high(name="math", metrics=queries, threshold=0.7))
    for _ in range(6):
        here.store.put("N", "m", {"InstanceType": "x"}, timestamp_s=clock.time_s, values=[18.0])
        clock.time_s += 60
        here.alarms.evaluate(clock.time_s)
    status = here.alarms.get("math")
    assert (status.state, status.datapoints) == ("ALARM", (0.9, 0.9, 0.9))
    assert "statistic" not in json.loads(status.reason_data)


def test_an_alarm_that_cannot_be_evaluated_stops_no_other_and_is_logged_once(here, beat, caplog):
    here.alarms.put(high(name="broken"))
    here.alarms.put(high(name="whole"))
    array = (MetricQuery("a", metric=concurrency(), return_data=False), MetricQuery("e", expression="[a]"))
    unputtable = high(name="broken", metrics=array)
    here.alarms._by_name["broken"] = replace(here.alarms.get("broken"), alarm=unputtable)
    for value in (6, 7, 8):
        beat(value)
    assert here.alarms.get("whole").state == "ALARM"
    [logged] = caplog.records
    assert "alarm broken" in logged.getMessage()


def test_a_percentile_alarm(here, clock):
    here.alarms.put(high(metric=MetricStat("N", "m", (), "p90", 60), evaluation_periods=1))
    here.store.put("N", "m", {}, timestamp_s=clock.time_s, values=list(range(1, 11)))
    here.alarms.evaluate(clock.time_s + 60)
    assert here.alarms.get("high").datapoints == (9.0,)


def test_a_state_set_by_hand_lasts_until_the_next_evaluation(here, beat):
    here.alarms.put(high())
    for _ in range(3):
        beat(1)
    here.alarms.set_state("high", "ALARM", "a drill")
    assert here.alarms.get("high").state == "ALARM"
    assert [(before.state, after.state) for before, after in beat(1)] == [("ALARM", "OK")]
    assert [item.summary for item in here.alarms.history("high")][-2:] == [
        "Alarm updated from OK to ALARM",
        "Alarm updated from ALARM to OK",
    ]


def test_a_new_configuration_leaves_the_state(here, beat):
    here.alarms.put(high(tags={"a": "b"}))
    for _ in range(3):
        beat(9)
    here.alarms.put(high(threshold=100.0))
    status = here.alarms.get("high")
    assert (status.state, status.alarm.spec.threshold, status.tags) == ("ALARM", 100.0, {"a": "b"})
    beat(9)
    assert here.alarms.get("high").state == "OK"


def test_history_outlives_the_alarm(here, beat):
    here.alarms.put(high())
    for _ in range(3):
        beat(9)
    here.alarms.record_action("high", *action_line("arn:aws:autoscaling:policy", at_s=0.0))
    here.alarms.put(high(threshold=6.0))
    here.alarms.delete(["high", "never was"])
    items = here.alarms.history("high")
    assert [(item.kind, item.summary) for item in items] == [
        ("ConfigurationUpdate", 'Alarm "high" created'),
        ("StateUpdate", "Alarm updated from INSUFFICIENT_DATA to ALARM"),
        ("Action", "Successfully executed action arn:aws:autoscaling:policy"),
        ("ConfigurationUpdate", 'Alarm "high" updated'),
        ("ConfigurationUpdate", 'Alarm "high" deleted'),
    ]
    assert json.loads(items[1].data)["newState"]["stateValue"] == "ALARM"


@pytest.mark.parametrize(
    "changes",
    [
        {"datapoints_to_alarm": 4},
        {"comparison": "=="},
        {"treat_missing": "zero"},
        {"metrics": (MetricQuery("e", expression="FILL(m9, 0)"),)},
        {"metrics": (MetricQuery("m", metric=concurrency()), MetricQuery("n", metric=concurrency()))},
        {"metric": MetricStat("N", "m", (), "p200", 60)},
        {
            "metrics": (
                MetricQuery("m", metric=concurrency(), return_data=False),
                MetricQuery("e", expression="MAX(m)"),
            ),
        },
    ],
)
def test_an_alarm_that_cannot_be_evaluated_is_refused_and_not_kept(here, changes):
    with pytest.raises((InvalidInput, AwsRefusal)):
        here.alarms.put(high(**changes))
    assert here.alarms.describe() == []


def test_all_regions_are_evaluated_together(service, clock):
    regions = [service.regions(name).state for name in ("us-east-1", "eu-west-1")]
    for region in regions:
        region.alarms.put(high(treat_missing="breaching"))
    evaluate_alarms(service.regions, clock.time_s)
    assert [region.alarms.get("high").state for region in regions] == ["ALARM", "ALARM"]


def test_ten_alarms_over_fifteen_minutes_change_together(here, beat):
    for i in range(10):
        here.alarms.put(high(name=f"low{i}", threshold=4.5, comparison="<", evaluation_periods=90))
    changed = [[after.state for _, after in beat(4)] for _ in range(95)]
    first = next(index for index, states in enumerate(changed) if "ALARM" in states)
    assert changed[first] == ["ALARM"] * 10
    assert 88 <= first <= 91, "after ninety periods"
    assert not any(changed[first + 1 :])


@pytest.mark.parametrize(
    ("comparison", "words"),
    [
        (">", "greater than"),
        (">=", "greater than or equal to"),
        ("<", "less than"),
        ("<=", "less than or equal to"),
    ],
)
def test_each_comparison_has_its_words(comparison, words):
    spec = AlarmSpec(threshold=1, comparison=comparison, period_s=60, evaluation_periods=1, datapoints_to_alarm=1)
    value = 0.0 if "<" in comparison else 2.0
    text = reason(spec, "ALARM", [(0.0, value)], m_of_n=True)
    assert text.startswith("Threshold Crossed: 1 out of the last 1 datapoints [")
    assert f"] was {words} the threshold (1.0) (minimum 1 datapoint for" in text
    plain = reason(spec, "ALARM", [(0.0, value)], m_of_n=False)
    assert plain == f"Threshold Crossed: 1 datapoint [{value} (01/01/70 00:00:00)] was {words} the threshold (1.0)."


def test_an_alarm_without_datapoints_to_alarm_says_no_numbers_of_a_transition():
    spec = AlarmSpec(threshold=5, comparison=">", period_s=60, evaluation_periods=2, datapoints_to_alarm=2)
    text = reason(spec, "OK", [(0.0, 1.0), (60.0, 2.0)], m_of_n=False)
    assert text == (
        "Threshold Crossed: 2 datapoints [2.0 (01/01/70 00:01:00), 1.0 (01/01/70 00:00:00)] were not greater than the "
        "threshold (5.0)."
    )


def test_the_data_of_a_reason_have_the_unit_and_the_times_of_what_is_missing():
    alarm = high(metric=MetricStat("Own", "M", (), "Average", 60, "Seconds"))
    data = json.loads(reason_data(alarm, [(60.0, 9.0)], periods=[0.0, 60.0, 120.0], now_s=180.0, sample_counts={}))
    assert (data["unit"], data["recentDatapoints"]) == ("Seconds", [9.0])
    assert data["evaluatedDatapoints"] == [
        {"timestamp": "1970-01-01T00:02:00.000+0000"},
        {"timestamp": "1970-01-01T00:01:00.000+0000", "value": 9.0},
        {"timestamp": "1970-01-01T00:00:00.000+0000"},
    ]


@pytest.mark.parametrize(
    ("data", "points"),
    [
        ("", ()),
        ("{}", ()),
        ("[]", ()),
        ('"text"', ()),
        ('{"recentDatapoints": 5}', ()),
        ('{"recentDatapoints": "12"}', ()),
        ('{"recentDatapoints": [1, 2.5, null, true, "3", NaN, 1' + "0" * 400 + "]}", (1.0, 2.5)),
    ],
)
def test_the_points_of_a_reason_are_its_numbers(data, points):
    assert recent_datapoints(data) == points


def test_a_change_of_state_is_remembered_with_the_data_of_both_sides(here, beat):
    here.alarms.put(high())
    for value in (9, 9, 9, 1, 1, 1):
        beat(value)
    told = [json.loads(item.data) for item in here.alarms.history("high") if item.kind == "StateUpdate"]
    assert [row["newState"]["stateValue"] for row in told] == ["ALARM", "OK"]
    assert "stateReasonData" not in told[0]["oldState"]
    assert told[0]["newState"]["stateReasonData"] == told[1]["oldState"]["stateReasonData"]
    assert told[1]["newState"]["stateReasonData"]["recentDatapoints"][-1] == 1.0


def test_treated_missing_datapoints_are_mentioned():
    spec = AlarmSpec(
        threshold=1,
        comparison=">",
        period_s=60,
        evaluation_periods=3,
        datapoints_to_alarm=2,
        treat_missing="notBreaching",
    )
    text = reason(spec, "ALARM", [(0.0, 2.0), (60.0, 3.0)], m_of_n=True)
    assert (
        " were greater than the threshold (1.0) and 1 missing datapoint was treated as [NonBreaching] (minimum 2"
        in text
    )
    data = json.loads(reason_data(high(), [], periods=[], now_s=0.0, sample_counts={}))
    assert data["recentDatapoints"] == data["evaluatedDatapoints"] == []
