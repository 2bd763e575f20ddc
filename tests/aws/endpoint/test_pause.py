"""Pausing and resuming: the endpoint comes back with everything it had, or nothing is lost."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta

import pytest
from kit import endpoints
from kit.waiting import until

from dgsm_helpers.aws.account import deletion
from dgsm_helpers.aws.account.inventory import is_ours
from dgsm_helpers.aws.core.money import price_per_hour
from dgsm_helpers.aws.endpoint import deployment, deployment_plan, endpoint_state, pause
from dgsm_helpers.aws.endpoint.desired_count import set_desired
from dgsm_helpers.aws.endpoint.pause_recipe import recipe
from dgsm_helpers.aws.scaling import registration, scalable_target, scaling_setup, scheduled_actions
from dgsm_helpers.errors import AwsCallFailed, DeployFailed, InvalidInput, NotFound, NotReady


@pytest.fixture
def scaled(workbook, tmp_path):
    wb = endpoints.scaled(replace(workbook(), home=tmp_path), 1, 3, provision_timeout_s=endpoints.PATIENT_S)
    scheduled_actions.put(wb, "morning", endpoints.SELDOM, min_capacity=2, timezone="Europe/Berlin")
    return wb


def test_pause_deletes_and_resume_makes_the_same_again(scaled):
    before = scaling_setup.read(scaled)
    soon = endpoints.schedule_soon(scaled, "once", min_capacity=1)
    paused = pause.pause_endpoint(scaled)
    assert "g6.2xlarge" in json.dumps([dict(s.request) for s in paused.setup.steps])
    assert deletion.prove_empty(scaled) == ()
    assert (paused.instances, paused.usd_per_hour > 1) == (1, True)
    assert f"${paused.usd_per_hour:.2f} per hour" in str(paused)
    assert "not measured yet" in paused._repr_html_()
    with pytest.raises(NotReady, match="has been paused since"):
        pause.pause_endpoint(scaled)
    with pytest.raises(NotFound, match=r"no endpoint.*It is paused: cleanup.resume\(wb\)"):
        endpoint_state.status(scaled)
    until(lambda: scaled.now() > soon, "the one-off action is over", sleep=scaled.sleep_s)
    back = pause.recreate_endpoint(scaled)
    assert scaling_setup.read(scaled) == before  # the one-off action is over
    assert registration.verify(scaled, min_capacity=1, max_capacity=3).ok
    assert is_ours(scaled, back.state.arn)
    assert back.took_s > 60
    assert 0 < back.saved_usd <= paused.saved_usd(scaled.now())
    assert paused.saved_usd(paused.paused_at + timedelta(hours=2)) == pytest.approx(2 * paused.usd_per_hour)
    assert "policy deepgram-streaming-concurrency-policy" in str(back)
    with pytest.raises(NotFound, match="no record"):
        pause.recreate_endpoint(scaled)
    assert f"{back.took_s:.0f} s the last time" in str(pause.pause_endpoint(scaled))


def test_an_endpoint_that_was_resumed_and_deleted_is_not_called_paused(scaled):
    pause.pause_endpoint(scaled)
    pause.recreate_endpoint(scaled)
    endpoints.deleted(scaled)
    until(lambda: endpoint_state.find(scaled) is None, "it is gone", sleep=scaled.sleep_s)
    with pytest.raises(NotFound, match="Deploy it first"):
        endpoint_state.status(scaled)


def test_pause_survives_a_clean_up_of_model_and_config(scaled):
    before = scaling_setup.read(scaled)
    pause.pause_endpoint(scaled)
    deletion.delete(scaled)
    pause.recreate_endpoint(scaled)
    assert scaling_setup.read(scaled) == before


def test_pause_that_is_refused_puts_scaling_back(scaled, operator):
    before = scaling_setup.read(scaled)
    operator.fault("denied", service="sagemaker", operation="DeleteEndpoint", count=1)
    with pytest.raises(AwsCallFailed) as refused:
        pause.pause_endpoint(scaled)
    assert "The endpoint is as before" in refused.value.__notes__[0]
    assert scaling_setup.read(scaled) == before
    with pytest.raises(NotFound):
        pause.paused(scaled)


def test_pause_while_updating_is_refused_and_changes_nothing(scaled, operator):
    before = scaling_setup.read(scaled)
    operator.hold_starts()
    set_desired(scaled, 2)
    with pytest.raises(NotReady, match="is Updating"):
        pause.pause_endpoint(scaled)
    assert replace(scaling_setup.read(scaled), notes=()) == before
    with pytest.raises(NotFound, match="no record"):
        pause.paused(scaled)
    operator.undo()
    endpoints.settled(scaled)


def test_resume_that_failed_or_was_interrupted_is_simply_repeated(scaled, operator):
    before = scaling_setup.read(scaled)
    pause.pause_endpoint(scaled)
    operator.fault("failed-start", instance_type="ml.g6.2xlarge", failure="container-failed")
    with pytest.raises(DeployFailed, match=r"is Failed: .*did not pass the ping health check"):
        pause.recreate_endpoint(scaled)
    operator.undo()

    def interrupt(progress):
        if progress.status == "Creating":
            raise KeyboardInterrupt

    operator.hold_starts()
    with pytest.raises(KeyboardInterrupt):
        pause.recreate_endpoint(scaled, on_progress=interrupt)
    operator.undo()
    back = pause.recreate_endpoint(scaled)
    assert scaling_setup.read(scaled) == before
    assert back.took_s > 120  # from its creation, not from the second call
    with pytest.raises(NotFound, match="no record"):
        pause.recreate_endpoint(scaled)


def test_resume_does_not_touch_another_endpoint_that_took_the_name_meanwhile(scaled):
    pause.pause_endpoint(scaled)
    deployment.deploy(scaled, deployment_plan.plan(scaled, ("ml.g6e.2xlarge", "ml.g5.2xlarge")))
    with pytest.raises(NotReady, match="the one that was paused had"):
        pause.recreate_endpoint(scaled)
    assert scalable_target.target(scaled) is None
    assert pause.paused(scaled).endpoint_name == scaled.endpoint_name


def test_pause_states_what_each_type_costs(workbook, tmp_path, operator):
    wb = endpoints.deployed(replace(workbook(), home=tmp_path))
    operator.fault("shortage", instance_type="ml.g6.2xlarge")
    set_desired(wb, 3)
    state = endpoints.settled(wb)
    assert state.instances_by_type == {"ml.g6.2xlarge": 1, "ml.g6e.2xlarge": 2, "ml.g5.2xlarge": 0}
    prices = {t: price_per_hour(wb, t).amount_usd for t in state.instances_by_type}
    paused = pause.pause_endpoint(wb)
    assert paused.usd_per_hour == pytest.approx(prices["ml.g6.2xlarge"] + 2 * prices["ml.g6e.2xlarge"])


def test_what_a_pause_wrote_down_is_private_and_set_aside_when_it_cannot_be_read(scaled):
    pause.pause_endpoint(scaled)
    (path,) = scaled.state_path(f"journal/{scaled.key}/x").parent.glob("*.json")
    assert path.stat().st_mode & 0o077 == 0
    content = json.loads(path.read_text())
    assert content["schema"] == 1
    for text in (json.dumps({**content, "schema": 2}), "{", "[]", "null", json.dumps({"schema": 1, "what": "pause"})):
        path.write_text(text)
        with pytest.warns(UserWarning, match="set aside as"), pytest.raises(NotFound, match="no record"):
            pause.paused(scaled)
        assert path.with_suffix(".aside").read_text() == text
    path.write_text(json.dumps(content))
    assert pause.paused(scaled).endpoint_name == scaled.endpoint_name


def test_resume_without_a_record_and_pause_without_an_endpoint_are_not_found(workbook):
    wb = workbook()
    with pytest.raises(NotFound, match="There is no record"):
        pause.recreate_endpoint(wb)
    with pytest.raises(NotFound, match="no endpoint"):
        pause.pause_endpoint(wb)


def test_pause_recipe_takes_scaling_off_first_and_puts_it_on_last(scaled):
    made = recipe(scaled, pause_at="20:00", resume_at="06:45", timezone="Europe/Berlin")
    steps = [(s["ScheduleExpression"], s["Target"]["Arn"].rpartition(":")[2]) for s in made.schedules]
    assert steps == [
        ("cron(0 20 ? * MON-FRI *)", "deregisterScalableTarget"),
        ("cron(2 20 ? * MON-FRI *)", "deleteEndpoint"),
        ("cron(45 6 ? * MON-FRI *)", "createEndpoint"),
        ("cron(5 7 ? * MON-FRI *)", "registerScalableTarget"),
        ("cron(7 7 ? * MON-FRI *)", "putScalingPolicy"),
        ("cron(7 7 ? * MON-FRI *)", "putScheduledAction"),
    ]
    inputs = [json.loads(s["Target"]["Input"]) for s in made.schedules]
    assert inputs[2]["EndpointConfigName"].startswith("${endpoint_name}")
    assert inputs[3]["MaxCapacity"] == 3
    assert "123456789012" not in made.to_json()
    assert "sagemaker:DeleteEndpoint" in made.policy["Statement"][0]["Action"]
    assert "putScalingPolicy" in str(made)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"pause_at": "8pm"}, "not a time of day"),
        ({"pause_at": "25:00"}, "not a time of day"),
        ({"resume_at": "23:50"}, "past midnight"),
        ({"resume_at": "20:05"}, "5 minutes after"),
        ({"days": "MON-FRY"}, "MON-FRY"),
        ({"timezone": "Berlin"}, "Unknown time zone"),
    ],
)
def test_pause_recipe_refuses_what_cannot_be_read(deployed, given, said):
    registration.register(deployed)
    with pytest.raises(InvalidInput, match=said):
        recipe(deployed, **{"pause_at": "20:00", "resume_at": "07:00", **given})
