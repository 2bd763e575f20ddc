"""`dgsm record` proves itself: of an embedded AWS that deviates in one thing it reports that thing, and no other."""

from __future__ import annotations

import pytest
from kit.moved_workbook import EmptyAws, MovedLoad, moved_workbook

from dgsm_helpers.recording.script import ENDPOINT, STEPS, record
from dgsm_helpers.rules.model import ScalingModel
from embedded_aws.cloudwatch.alarm_operations import AlarmOperations

MUTANTS = {
    "other-statistic": {"statistic": "Maximum"},
    "other-period": {"high_resolution_period_s": 20},
    "fewer-datapoints-out": {"high_periods": 2},
    "fewer-datapoints-in": {"low_periods": 60},
    "lower-low-threshold": {"low_factor": 0.88},
    "missing-data-are-fine": {"treat_missing": "notBreaching"},
    "longer-minutes-out": {"minute_high_periods": 5},
    "shorter-minutes-in": {"minute_low_periods": 10},
    "longer-minute": {"minute_period_s": 120},
    "idle-is-silent": {"idle_instance_emits_zero": False},
    "no-first-chunk": {"first_chunk_per_stream": False},
    "rounds-to-nearest": {"capacity_rounding": "nearest"},
    "rounds-down": {"capacity_rounding": "down"},
    "slow-reaction": {"reaction_overhead_s": 90.0},
    "cooldown-from-the-start": {"cooldown_anchor": "start"},
    "quick-start": {"provision_cached_s": 100.0},
    "slow-first-start": {"provision_uncached_s": 900.0},
    "image-kept": {"image_cache": "kept"},
    "newest-datapoint": {"capacity_metric": "latest"},
    "one-removed-at-a-time": {"scale_in_rule": "one-at-a-time"},
    "other-reason": {"dead_band_code": "AlreadyAtDesiredCapacity"},
    "slow-removal": {"scale_in_s": 180.0},
    "bounds-at-each-beat": {"bounds_act": "always"},
    "faster-sigkill": {"sigkill_after_s": 0.0},
    "routed-to-the-end": {"routed_until": "SIGKILL"},
}
"""What is planted, by what a reader would call it: values of `ScalingModel`."""
BUSY = {
    "Namespace": "AWS/SageMaker",
    "MetricName": "ConcurrentRequestsPerModel",
    "Dimensions": [{"Name": "EndpointName", "Value": ENDPOINT}, {"Name": "VariantName", "Value": "AllTraffic"}],
    "Statistic": "Maximum",
    "Period": 10,
    "EvaluationPeriods": 3,
    "Threshold": 100.0,
    "ComparisonOperator": "LessThanThreshold",
}
"""An alarm that is in ALARM while the endpoint publishes."""
SETTLED_BY = {a.name: a.settled_by.removeprefix("step ") for a in ScalingModel().assumptions()}


def recorded(tmp_path, steps, **deviation):
    """The script on an embedded AWS with one deviation."""
    aws = EmptyAws(model=ScalingModel(**deviation))
    wb = moved_workbook(aws, tmp_path, ENDPOINT)
    return record(wb, steps=steps, load_of=lambda wb: MovedLoad(aws, wb.endpoint_name), say=lambda _: None)


@pytest.mark.parametrize("deviation", MUTANTS.values(), ids=list(MUTANTS))
def test_the_step_that_settles_it_reports_a_planted_deviation_and_no_other(tmp_path, deviation):
    steps = [step for step in STEPS if step.name in {SETTLED_BY[name] for name in deviation}]
    recording = recorded(tmp_path, steps, **deviation)
    assert set(recording.deviations) == set(deviation), str(recording)


def test_of_an_embedded_aws_as_assumed_the_whole_script_reports_nothing(tmp_path):
    recording = recorded(tmp_path, STEPS)
    assert (recording.deviations, recording.unsettled) == ({}, ()), str(recording)


@pytest.mark.parametrize(("acts", "found"), [(False, "accepted"), (True, "scale")])
def test_an_aws_whose_alarms_on_promql_are_taken_or_scale_is_reported(tmp_path, monkeypatch, acts, found):
    put = AlarmOperations.put_metric_alarm

    def takes(self, p):
        """As an ordinary alarm on the endpoint's concurrency."""
        if "EvaluationCriteria" not in p:
            return put(self, p)
        assert p["EvaluationCriteria"]["PromQLCriteria"]["Query"].endswith(f'="{ENDPOINT}"}} > 0')
        return put(self, {"AlarmName": p["AlarmName"], "AlarmActions": p["AlarmActions"] if acts else [], **BUSY})

    monkeypatch.setattr(AlarmOperations, "put_metric_alarm", takes)
    recording = recorded(tmp_path, [step for step in STEPS if step.name == "promql"])
    assert recording.deviations == {"promql_alarms": found}, str(recording)


@pytest.mark.slow
@pytest.mark.parametrize("deviation", MUTANTS.values(), ids=list(MUTANTS))
def test_the_whole_script_reports_a_planted_deviation_and_no_other(tmp_path, deviation):
    recording = recorded(tmp_path, STEPS, **deviation)
    assert set(recording.deviations) == set(deviation), str(recording)
