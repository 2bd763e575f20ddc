"""Whatever strikes at whichever change of a command: afterwards, or after the next command, all is as it was."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from kit import endpoints
from kit.changing_commands import COMMANDS
from kit.sabotage import FAULTS, SIGNALS, signalled, struck

from dgsm_helpers.aws.account import deletion
from dgsm_helpers.aws.endpoint import deployment_plan, endpoint_state, pause, update
from dgsm_helpers.aws.scaling import (
    journal,
    registration,
    retargeting,
    scalable_target,
    scaling_setup,
    scheduled_actions,
    suspending,
)
from dgsm_helpers.aws.scaling.policy import ScalingPolicy
from dgsm_helpers.errors import DgsmError
from dgsm_helpers.rules.guide import POLICY_NAME
from dgsm_helpers.session import open_workbook
from dgsm_helpers.state import journal_files

CHANGES_OF = {"updated": 8, "measured": 4, "held_off": 2, "retargeted": 1, "planned": 2, "paused": 4}
"""How many changes each asks for when all goes well, at least; held by a test."""
STEPS = [(verb, at) for verb, count in CHANGES_OF.items() for at in range(1, count + 1)]


@pytest.fixture(scope="module")
def wb(embedded):
    made = open_workbook("local", home=embedded.home, endpoint_name="put-back")
    endpoints.scaled(made, 2, 4, initial_count=2)
    scheduled_actions.put(made, "morning", endpoints.SELDOM, min_capacity=2)
    yield made
    deletion.delete(made)


@pytest.fixture
def before(wb):
    """Scaling as it was, and again at the end: a command that did succeed is undone by it."""
    setup = scaling_of(wb)
    yield setup
    endpoints.settled(wb)
    if scaling_of(wb) != setup:
        retargeting.retarget(wb, ScalingPolicy().target_value)
        endpoints.settled(wb)
        registration.register(wb, 2, 4)
        endpoints.running(wb, 2)
    assert scaling_of(wb) == setup


def scaling_of(wb):
    """Targets, policies and scheduled actions, and that the policies' alarms are there."""
    assert not journal_files(wb) or endpoint_state.find(wb)
    setup = scaling_setup.read(wb)
    return [step for step in setup.steps if step.service == "application-autoscaling"]


def whole(wb, before):
    """It is as it was: scaling, alarms, instance count; nothing is written down any more."""
    endpoints.running(wb, 2)
    assert scaling_of(wb) == before
    assert registration.verify(wb, min_capacity=2, max_capacity=4).ok
    assert journal_files(wb) == []


def as_it_was_or_written_down(wb, before, error):
    """At once after a failure: as it was, or a page of the journal and a sentence with the way back."""
    said = "\n".join([str(error), *getattr(error, "__notes__", ())])
    if journal_files(wb):
        assert f"dgsm restore {wb.endpoint_name}" in said
    else:
        assert scaling_of(wb) == before, said


@pytest.mark.parametrize(
    "fault",
    [
        "denied",
        "expired",
        *(pytest.param(f, marks=pytest.mark.slow) for f in ("throttled", "server-error", "unreachable")),
    ],
)
@pytest.mark.parametrize("step", STEPS, ids=lambda step: "-".join(map(str, step)))
@pytest.mark.parametrize("lasting", [True, pytest.param(False, marks=pytest.mark.slow)], ids=["lasting", "once"])
def test_a_fault_ends_as_it_was_or_is_finished_by_the_next_command(wb, before, fault, step, lasting):
    (verb, at), caught = step, None
    strike, reads_too = FAULTS[fault]
    with struck(wb, strike, at=at, lasting=lasting, reads_too=reads_too):
        try:
            COMMANDS[verb](wb)
        except DgsmError as error:
            caught = error
    assert caught or not lasting
    if caught:
        endpoints.settled(wb)
        as_it_was_or_written_down(wb, before, caught)
        journal.finish(wb, say=str)
        whole(wb, before)
    elif verb == "paused":
        pause.recreate_endpoint(wb)


@pytest.mark.parametrize("number", SIGNALS)
@pytest.mark.parametrize(("verb", "at"), STEPS)
@pytest.mark.slow
def test_a_signal_at_any_change_puts_everything_back_at_once(wb, before, number, verb, at):
    with struck(wb, signalled(SIGNALS[number]), at=at), pytest.raises((KeyboardInterrupt, SystemExit)):
        COMMANDS[verb](wb)
    if verb == "paused" and endpoint_state.find(wb) is None:
        pause.recreate_endpoint(wb)
    whole(wb, before)


@pytest.mark.parametrize(("verb", "at"), STEPS)
def test_a_killed_command_is_finished_by_the_next_one(wb, before, embedded, verb, at):
    killed(wb, embedded, verb, at)
    journal.finish(wb, say=str)
    whole(wb, before)


def killed(wb, embedded, verb, at):
    """A process of its own carries the command out and is killed at that change."""
    where = (str(embedded.home), wb.endpoint_name, at)
    code = f"from kit import changing_commands as c, sabotage; sabotage.killed_in(*{where!r}, c.COMMANDS[{verb!r}])"
    tests = Path(__file__).parents[1]
    env = {**os.environ, "PYTHONPATH": os.pathsep.join([str(tests), str(tests.parent)])}
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, env=env)
    assert ended.returncode == -signal.SIGKILL, ended.stderr


def set_up_by_hand(wb):
    """What somebody at the console makes of the scaling, whatever is there."""
    tags = {} if scalable_target.target(wb) else {"Tags": {tag["Key"]: tag["Value"] for tag in wb.tags}}
    scalable_target.change(wb, MinCapacity=2, MaxCapacity=4, **tags)
    registration.put_tracking_policy(wb, ScalingPolicy(target_value=11))


def held_by_hand(wb):
    (policy,) = (one for one in scalable_target.policies(wb) if one.name == POLICY_NAME)
    return policy.configuration["TargetValue"] == 11


@pytest.mark.parametrize(
    ("verb", "at"), [("updated", 1), ("updated", 4), ("updated", 6), ("retargeted", 1), ("planned", 2)]
)
def test_what_somebody_set_up_after_a_killed_command_is_left_and_said(wb, before, embedded, verb, at):
    killed(wb, embedded, verb, at)
    endpoints.settled(wb)
    set_up_by_hand(wb)
    (said,) = journal.finish(wb, say=str)
    assert held_by_hand(wb) and f"somebody put policy {POLICY_NAME}, which was left" in said
    assert journal_files(wb) == []


def test_what_somebody_set_up_during_an_update_is_left_and_said(wb, before):
    in_motion = []

    def meddle():
        if not in_motion:
            in_motion.append(True)
            set_up_by_hand(wb)

    with struck(wb, meddle, at=4):
        updated = update.update_endpoint(wb, deployment_plan.plan(wb, download_timeout_s=901), on_warning=str)
    assert held_by_hand(wb) and any(POLICY_NAME in warning for warning in updated.warnings)


def test_a_suspension_that_somebody_ended_is_left_and_said(wb, before):
    with pytest.warns(UserWarning, match="somebody changed what is suspended"), suspending.suspended(wb):
        scalable_target.change(wb, SuspendedState={"DynamicScalingInSuspended": False})
    scalable_target.change(wb, SuspendedState=scalable_target.Suspension().to_request())


@pytest.mark.parametrize("verb", COMMANDS)
def test_each_command_asks_for_as_many_changes_as_are_struck(wb, before, verb):
    with struck(wb, lambda: None, at=1) as asked:
        COMMANDS[verb](wb)
    if verb == "paused":
        pause.recreate_endpoint(wb)
    assert len(asked) >= CHANGES_OF[verb], asked
