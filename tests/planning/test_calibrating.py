"""An endpoint that scaled, read back: the model, the plan, the traffic, and the period played again."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import timedelta

import pandas as pd
import pytest
from kit import endpoints
from kit.command_line import run_line
from kit.machine import in_real_time
from kit.waiting import AT_MOST_S, until

from dgsm_helpers.aws.account import deletion
from dgsm_helpers.aws.endpoint import deployment, deployment_plan
from dgsm_helpers.aws.scaling import registration, scheduled_actions
from dgsm_helpers.aws.scaling.scalable_target import read_alarms
from dgsm_helpers.aws.watch import observe
from dgsm_helpers.errors import InvalidInput, NotFound, NotReady
from dgsm_helpers.load.transport.background_load import Load
from dgsm_helpers.planning.applying import active_plan
from dgsm_helpers.planning.back_testing import Replayed, back_test, recorded_traffic
from dgsm_helpers.planning.calibrating import Calibration, read_model, recorded_alarms
from dgsm_helpers.rules.model import ScalingModel
from dgsm_helpers.session import open_workbook
from dgsm_helpers.simulate.traffic import Traffic

STREAMS = 13


@dataclass(frozen=True)
class Recorded:
    """What was read of the endpoint while CloudWatch still had the ten-second data of its scaling."""

    calibration: Calibration
    traffic: Traffic
    ago: timedelta
    replayed: Replayed
    activities: pd.DataFrame
    printed: str


@pytest.fixture(scope="module")
def scaled(embedded):
    """A workbook whose endpoint went from one instance to three under 13 streams, and back after they ended."""
    # What CloudWatch keeps of an endpoint outlives it: a name of its own each time has nothing recorded before.
    wb = open_workbook("local", home=embedded.home, endpoint_name=f"dg-calibrate-{time.time_ns()}")
    one_type = {"instance_types": ["ml.g6.2xlarge"], "single_type_reason": "one type, as in the plan"}
    endpoints.scaled(wb, **one_type)
    endpoints.let_beats_pass(wb, 60)
    with Load(wb, session_s=1700) as load:
        load.set(STREAMS)
        load.wait_open(timeout_s=AT_MOST_S)
        begin = wb.now()
        endpoints.running(wb, 3)
        until(lambda: wb.now() > begin + timedelta(seconds=900), "a quarter of an hour")
    over = wb.now()
    endpoints.running(wb, 1)
    wb.sleep(1400 - (wb.now() - over).total_seconds())
    yield wb
    deletion.delete(wb)


@pytest.fixture(scope="module")
def recorded(scaled, embedded):
    traffic, begin = recorded_traffic(scaled, mean_s=600)
    ago = scaled.now() - begin
    replayed = back_test(scaled, mean_s=1800)
    given = ("--traffic", "recorded", "--stream-seconds", "1800", "--knee", "10")
    line = run_line(embedded.home, "plan", scaled.endpoint_name, *given)
    return Recorded(read_model(scaled), traffic, ago, replayed, observe.activities(scaled), line.stdout)


def test_alarms_routing_start_up_and_reaction_are_read_and_the_rest_is_shown_as_assumed(recorded):
    calibration = recorded.calibration
    read = {row.name: row.value for row in calibration.read}
    assert (read["statistic"], read["high_periods"], read["low_periods"], read["low_factor"]) == ("Average", 3, 90, 0.9)
    assert read["high_resolution_period_s"] == 10
    assert read["idle_instance_emits_zero"] is True
    # How long a change took in local time depends on the machine; what is read is what its activities say.
    rows = recorded.activities[recorded.activities["status"] == "Successful"]
    took = {side: rows[rows["alarm_side"] == side]["duration_s"].median() for side in ("high", "low")}
    assert read["scale_in_s"] == pytest.approx(took["low"], abs=1) and took["low"] >= 50
    assert read["provision_cached_s"] == pytest.approx(took["high"], abs=1) and took["high"] >= 120
    assert read["reaction_overhead_s"] >= 10
    assert all("dg-calibrate" in row.source for row in calibration.read)
    assumed = {row.name for row in calibration.assumed}
    assert {"sigkill_after_s", "stream_limit_s", "capacity_rounding"} <= assumed
    assert not assumed & set(read)


def test_the_active_plan_is_the_one_that_was_applied(scaled):
    plan = active_plan(scaled, begin=scaled.now(), horizon_s=3600)
    (policy,) = plan.policies
    assert (policy.target_value, policy.metric, policy.scale_out_cooldown_s) == (5.0, "high-resolution", 60)
    assert (plan.bounds.min_capacity, plan.bounds.max_capacity) == (1, 4)
    assert plan.instance_types == ("ml.g6.2xlarge",)


def test_recorded_concurrency_becomes_traffic_of_that_height(recorded):
    assert recorded.traffic.concurrency().max() == STREAMS
    assert timedelta(0) < recorded.ago < timedelta(hours=3)


def test_the_period_played_again_has_the_recorded_instances_minute_by_minute(recorded):
    replayed = recorded.replayed
    counts = replayed.counts
    assert counts["recorded_instances"].max() == counts["simulated_instances"].max() == 3
    assert len(counts) >= 35
    assert "rules read" in str(replayed)
    # Instances start in a time of their own each, of which the model knows the median.
    in_real_time(replayed.equal_share >= 0.85 and replayed.mean_error <= 0.3, str(replayed))


def test_planning_for_the_recorded_hours_says_how_well_the_model_fits_them(recorded, scaled):
    assert "Back-test of" in recorded.printed
    assert f"as applied to {scaled.endpoint_name}" in recorded.printed
    assert "Read from endpoint" in recorded.printed


def test_scheduled_actions_are_part_of_the_plan(scaled):
    midnight = scaled.now().replace(hour=0, minute=0, second=0, microsecond=0)
    scheduled_actions.put(scaled, "morning", "cron(30 7 * * ? *)", min_capacity=2)
    plan = active_plan(scaled, begin=midnight, horizon_s=86_400)
    scheduled_actions.remove(scaled, "morning")
    assert [(c.at_s, c.min_capacity, c.name) for c in plan.schedule] == [(7.5 * 3600, 2, "morning")]


def test_a_period_without_data_is_refused(scaled):
    with pytest.raises(NotReady, match="no concurrency"):
        recorded_traffic(scaled, scaled.now() - timedelta(days=9), scaled.now() - timedelta(days=8))


def test_nothing_can_be_read_of_an_endpoint_that_is_not_there(workbook):
    with pytest.raises(NotFound):
        read_model(workbook())


def test_an_endpoint_without_policy_leaves_the_model_as_assumed(workbook):
    wb = workbook()
    deployment.deploy(wb, deployment_plan.plan(wb))
    calibration = read_model(wb)
    assert {row.name for row in calibration.read} <= {"routing", "idle_instance_emits_zero"}
    assert calibration.model.statistic == ScalingModel().statistic
    with pytest.raises(NotFound, match="not registered"):
        active_plan(wb, begin=wb.now(), horizon_s=3600)
    registration.register(wb)
    with pytest.raises(NotReady, match="no scaling policy"):
        back_test(wb)


def described_alarm(**changes):
    """A row of DescribeAlarms, as target tracking makes it."""
    return {
        "AlarmName": "TargetTracking-endpoint/demo/variant/AllTraffic-AlarmHigh-1",
        "ComparisonOperator": "GreaterThanThreshold",
        "Threshold": 5.0,
        "Period": 10,
        "EvaluationPeriods": 4,
        "Statistic": "Maximum",
        "TreatMissingData": "missing",
        **changes,
    }


def test_an_alarm_as_aws_describes_it_is_read_with_all_of_its_numbers():
    (alarm,) = recorded_alarms(read_alarms([described_alarm()]))
    assert (alarm.comparison, alarm.threshold, alarm.statistic) == (">", 5.0, "Maximum")
    assert (alarm.period_s, alarm.evaluation_periods, alarm.datapoints_to_alarm) == (10, 4, 4)


def test_an_alarm_without_a_threshold_of_its_own_tells_nothing():
    assert recorded_alarms(read_alarms([described_alarm(Threshold=None)])) == []


def test_an_alarm_of_another_kind_is_refused():
    band = described_alarm(ComparisonOperator="LessThanLowerOrGreaterThanUpperThreshold")
    with pytest.raises(InvalidInput, match="Comparison must be one of"):
        recorded_alarms(read_alarms([band]))
