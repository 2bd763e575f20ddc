"""Planning in one call, from Python and from a shell, and putting the result into the account."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace

import pytest

from dgsm_helpers.aws.endpoint import deployment, deployment_plan
from dgsm_helpers.aws.scaling import registration, scheduled_actions
from dgsm_helpers.cli.main import main
from dgsm_helpers.cli.options import FAILED, NO, YES
from dgsm_helpers.errors import InvalidInput
from dgsm_helpers.planning.advice import advise
from dgsm_helpers.planning.applying import active_plan, apply_settings, settings_for
from dgsm_helpers.planning.calibrating import calibrate
from dgsm_helpers.planning.candidates import FleetLimits, presets_for
from dgsm_helpers.planning.comparing import step_like
from dgsm_helpers.planning.measured import measured
from dgsm_helpers.rules.model import ScalingModel
from dgsm_helpers.simulate.scaling_plan import guide, scheduled_minimum
from dgsm_helpers.simulate.traffic import Traffic


@pytest.fixture
def shell(embedded, monkeypatch):
    """The command on the running embedded AWS."""
    monkeypatch.setenv("DGSM_HOME", str(embedded.home))

    def run(*words):
        return main(["plan", *words])

    return run


def test_a_foreign_export_of_calls_is_planned_and_what_was_left_out_is_noted(shell, tmp_path, capsys):
    path = tmp_path / "calls [2026].csv"
    rows = "".join(f"Line {n};24.11.2026 {n // 60:02d}:{n % 60:02d}:00;{60 * (n % 9)}\n" for n in range(240))
    path.write_bytes(f"Agent Jürgen;Beginn;Gespräch\n{rows}".encode("cp1252"))
    named = ("--columns", "start=Beginn,duration_s=Gespräch,zone=Europe/Berlin")
    words = ("nowhere", "--traffic", str(path), "--knee", "4", "--instance-type", "ml.g6.2xlarge")
    assert shell(*words, *named) in (YES, NO)
    told = " ".join(capsys.readouterr().out.split())
    assert "27 of 240 calls lasted no time: nobody answered, so they are left out." in told
    assert "its letters were read as Windows-1252" in told
    assert shell(*words) == FAILED
    assert "has no column start; it has Agent Jürgen, Beginn, Gespräch" in " ".join(capsys.readouterr().err.split())


def test_half_a_foreign_export_is_refused_and_says_how_to_get_the_rest(shell, tmp_path, capsys):
    """Case: what ``--max-datapoints`` and ``--no-paginate`` leave out was planned in silence."""
    result = {"Id": "m1", "Timestamps": [0, 60], "Values": [30.0, 30.0], "StatusCode": "PartialData"}
    (tmp_path / "half.json").write_text(json.dumps({"MetricDataResults": [result], "NextToken": "eyJ0IjoxfQ=="}))
    assert shell("nowhere", "--traffic", str(tmp_path / "half.json"), "--knee", "4") == FAILED
    told = " ".join(capsys.readouterr().err.split())
    assert "half.json is not complete" in told and "--no-paginate" in told


def test_the_advice_names_a_plan_a_reason_a_runner_up_and_what_detection_gains(workbook, day):
    wb = workbook()
    advice = advise(wb, day, measured(wb, knee=10))
    best = advice.recommendation.best
    assert best in advice.study.outcomes
    assert best.merits.over_capacity_share <= 0.001
    assert advice.recommendation.runner_up.plan.name in str(advice)
    assert 4 <= advice.detection.detection_factor <= 6.5
    assert 1 < advice.detection.total_factor < advice.detection.detection_factor
    assert {best.plan, advice.recommendation.runner_up.plan} <= {item.plan for item in advice.played}
    assert any("rules are assumed" in note for note in advice.notes)
    assert "In brackets: if the alarms follow the instances' Maximum" in str(advice)
    assert "What being wrong costs" in str(advice)
    answer = json.loads(json.dumps(advice.to_dict(), allow_nan=False))
    assert {row["assumption"] for row in answer["if_wrong"]} >= {"statistic", "provision_cached_s", "capacity_rounding"}


def test_calls_that_are_cut_stand_beside_cost_and_overload_and_first_in_the_reason(workbook, day):
    wb = workbook()
    advice = advise(wb, day, measured(wb, knee=10))
    best, sparing = advice.recommendation.best, advice.recommendation.sparing
    assert best.merits.streams_cut > 0
    assert advice.recommendation.reason.startswith(f"It cuts {best.merits.streams_cut} calls")
    assert sparing.merits.streams_cut <= best.merits.streams_cut / 5
    assert sparing.plan in {item.plan for item in advice.played}
    assert len({item.plan for item in advice.played}) == len(advice.played)
    table, answer = str(advice), advice.to_dict()
    assert table.index("over capacity") < table.index("calls cut") < table.index("words at risk")
    assert f"Sparing calls: {sparing.plan.name}" in table
    names = list(answer["recommended"])
    assert names.index("calls_cut") == names.index("over_capacity_percent") + 1
    assert answer["recommended"]["words_at_risk"] == 10 * best.merits.streams_cut
    assert answer["recommended"]["words_at_risk_handed_over"] == 0
    assert answer["sparing"]["plan"] == sparing.plan.name
    assert {"words_per_second", "speech_at_risk_s", "hand_over"} <= {row["name"] for row in answer["assumptions"]}


def test_an_endpoint_yet_to_be_deployed_is_routed_as_the_workbook_deploys_it(workbook, day):
    wb = workbook()
    routing = deployment_plan.plan(wb).endpoint_config_request()["ProductionVariants"][0]["RoutingConfig"][
        "RoutingStrategy"
    ]
    advice = advise(wb, day, measured(wb, knee=10))
    assert advice.study.model.routing == routing
    assert advice.rerouted is None


def test_random_routing_is_shown_beside_the_other(workbook, day, monkeypatch):
    wb = workbook()
    seen = calibrate(ScalingModel(), source="an endpoint with SageMaker's default routing")
    monkeypatch.setattr("dgsm_helpers.planning.advice.model_for", lambda wb: seen)
    advice = advise(wb, day, measured(wb, knee=10))
    assert advice.rerouted.over_capacity_share < advice.recommendation.best.merits.over_capacity_share
    assert "Routing: with LEAST_OUTSTANDING_REQUESTS" in str(advice)


def test_the_step_is_as_high_as_the_traffic(day):
    step = step_like(day)
    assert step.concurrency()[300:].mean() == pytest.approx(day.concurrency().max(), rel=0.25)


def test_an_endpoint_that_is_there_is_read(workbook, day):
    wb = workbook()
    deployment.deploy(wb, deployment_plan.plan(wb))
    registration.register(wb)
    registration.apply(wb)
    advice = advise(wb, day, measured(wb, knee=10))
    assert dict(advice.study.model.evidence).keys() >= {"statistic", "high_periods", "low_periods"}
    assert all(item.other is None for item in advice.played)
    assert advice.played[0].plan.name == f"as applied to {wb.endpoint_name}"
    assert advice.played[0].plan.policies[0].target_value == 5.0


def test_traffic_without_streams_is_refused(workbook):
    silent = Traffic(name="silence", starts_s=[], durations_s=[], horizon_s=3600.0)
    wb = workbook()
    with pytest.raises(InvalidInput, match="no streams"):
        advise(wb, silent, measured(wb, knee=10))


def test_json_begins_with_the_recommendation(shell, capsys):
    assert shell("dg-plan", "--traffic", "diurnal", "--knee", "10", "--json") == 0
    answer = json.loads(capsys.readouterr().out)
    assert next(iter(answer)) == "recommended"
    assert answer["simulated"] is True
    assert answer["recommended"]["settings"]["target_value"] >= 1
    assert answer["capacity"]["knee_streams"] == 10
    assert {answer["recommended"]["plan"], answer["runner_up"]["plan"]} < {plan["plan"] for plan in answer["plans"]}
    assert {"name", "value", "unit", "grade", "source"} == set(answer["assumptions"][0])
    assert any("No --peak" in note for note in answer["notes"])


def test_the_same_call_gives_the_same_answer(shell, capsys):
    words = ("dg-plan", "--traffic", "step", "--hours", "6", "--knee", "10", "--json")
    shell(*words)
    first = capsys.readouterr().out
    shell(*words)
    assert capsys.readouterr().out == first


def test_the_evidence_of_tuning_is_used(shell, capsys, tuned, workbook):
    wb = workbook()
    tuned(wb)
    assert shell(wb.endpoint_name, "--traffic", "step", "--hours", "6") in (0, 1)
    assert "sustains 10 streams (measured 2026-11-24" in capsys.readouterr().out


def test_a_knee_that_was_not_measured_is_asked_for_and_nothing_is_printed(shell, capsys):
    assert shell("dg-never-tuned", "--traffic", "diurnal", "--json") == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert "--knee" in err


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--traffic", "weekly"), "no traffic 'weekly'"),
        (("--traffic", "diurnal", "--knee", "0"), "sustains 0 streams"),
        (("--traffic", "diurnal", "--peak", "-4"), "peak above zero"),
        (("--traffic", "diurnal", "--hours", "0.05"), "no longer than the cooldown"),
        (("--traffic", "step", "--min", "9", "--max", "3"), "9"),
        (("--traffic", "recorded", "--peak", "9"), "own height"),
        (("--traffic", "step", "--stream-seconds", "0"), "above zero"),
        (("--traffic", "step", "--stream-seconds", "inf"), "not a finite number"),
        (("--traffic", "step", "--hours", "0"), "longer than 0"),
        (("--traffic", "step", "--hours", "inf"), "not a finite number"),
        (("--traffic", "step", "--peak", "nan"), "not a finite number"),
        (("--traffic", "step", "--hours", "1e6"), "at most 92"),
        (("--traffic", "step", "--peak", "1e9"), "at most 2,000,000"),
        (("--traffic", "step", "--max", "0"), "MaxCapacity 0"),
        (("--traffic", "step", "--min", "0"), "MinCapacity must be at least 1"),
        (("--traffic", "step", "--seed", "-1"), "seed must not be negative"),
        (("--traffic", "step", "--cluster", "tcp://127.0.0.1:1"), "--sweep"),
        (("--traffic", "step", "--sweep", "--cluster", "nowhere://"), "No Dask scheduler"),
    ],
)
def test_bad_input_is_exit_code_2_and_says_what(shell, capsys, words, says):
    given = words if "--knee" in words else (*words, "--knee", "10")
    assert shell("dg-plan", *given) == 2
    assert says in capsys.readouterr().err


def test_no_tolerable_plan_is_a_negative_answer(shell, capsys):
    words = ("dg-plan", "--traffic", "constant", "--hours", "3", "--peak", "80", "--knee", "10", "--max", "2")
    assert shell(*words) == 1
    assert "No plan keeps" in capsys.readouterr().out


def test_a_reader_that_has_gone_is_no_error(embedded):
    words = "plan --traffic constant --hours 3 --peak 20 --knee 100 --json"
    script = f"{sys.executable} -m dgsm_helpers.cli.main {words} | true; exit ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", script], env=embedded.env, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_a_sweep_adds_the_grid_and_shows_its_progress(shell, capsys):
    words = ("dg-plan", "--traffic", "step", "--hours", "3", "--peak", "15", "--knee", "10", "--sweep", "--json")
    shell(*words)
    out, err = capsys.readouterr()
    answer = json.loads(out)
    assert answer["plans_simulated"] > 80
    assert "policies simulated" in err
    assert answer["front"]


def test_the_chosen_plan_is_put_into_the_account_and_read_back(workbook, day):
    wb = workbook()
    deployment.deploy(wb, deployment_plan.plan(wb))
    limits = FleetLimits(knee=10, instance_type="ml.g6.2xlarge")
    _, at_target, sparing, _, scheduled = presets_for(day, limits)
    settings = settings_for(scheduled)
    assert "cron(45 7 * * ? *)" in str(settings)
    assert apply_settings(wb, settings).ok
    assert {a.name: a.min_capacity for a in scheduled_actions.listed(wb)} == {"peak-minimum": 3, "off-peak-minimum": 1}
    assert apply_settings(wb, settings_for(at_target)).ok
    assert not scheduled_actions.listed(wb)
    assert apply_settings(wb, settings_for(sparing)).ok
    begin = wb.now().replace(hour=0, minute=0, second=0, microsecond=0)
    there = active_plan(wb, begin=begin, horizon_s=day.horizon_s)
    assert (there.policies, there.most_cut) == (sparing.policies, 2)
    two = replace(at_target, policies=(at_target.tracking, replace(at_target.tracking, name="two")))
    with pytest.raises(InvalidInput, match="more than one"):
        settings_for(two)


def test_a_schedule_made_for_dated_calls_is_applied_at_their_hours_of_the_day():
    """Calls that begin at 20:00 UTC and are busy from their fifth hour to the end of their day."""
    busy = scheduled_minimum(guide(), minimum=3, from_s=5 * 3600, to_s=24 * 3600, horizon_s=86_400)
    daily = settings_for(busy, midnight_utc_s=20 * 3600).daily
    assert [(d.name, d.schedule, d.min_capacity) for d in daily] == [
        ("peak-minimum", "cron(0 1 * * ? *)", 3),
        ("off-peak-minimum", "cron(0 20 * * ? *)", 1),
    ]


def test_a_sweep_on_a_dask_cluster_of_separate_processes_gives_what_this_machine_gives(shell, capsys):
    distributed = pytest.importorskip("distributed")
    words = ("dg-plan", "--traffic", "step", "--hours", "1", "--peak", "12", "--knee", "10", "--sweep", "--json")
    shell(*words)
    here = capsys.readouterr().out
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None, host="127.0.0.1"
    ) as cluster:
        shell(*words, "--cluster", cluster.scheduler_address)
    out, err = capsys.readouterr()
    assert out == here
    assert "policies simulated" in err
