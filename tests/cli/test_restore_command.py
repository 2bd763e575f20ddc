"""``dgsm restore``: what was cut off is put back, a pause is ended, and with nothing left it says so."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from kit import endpoints
from kit.sabotage import FAULTS, struck

from dgsm_helpers.aws.doctor.examine import examine
from dgsm_helpers.aws.doctor.snapshot import Expected
from dgsm_helpers.aws.endpoint import deployment_plan, pause, update
from dgsm_helpers.aws.scaling import journal, registration, scaling_setup
from dgsm_helpers.cli.options import YES
from dgsm_helpers.errors import DgsmError, SpendNotConfirmed


@pytest.fixture
def cut_off(workbook):
    """An endpoint whose update was refused everything half-way, and its scaling before."""
    wb = endpoints.scaled(workbook(), 1, 3)
    before = scaling_setup.read(wb).of("PutScalingPolicy")
    strike, reads_too = FAULTS["expired"]
    plan = deployment_plan.plan(wb, download_timeout_s=1800)
    with struck(wb, strike, at=4, lasting=True, reads_too=reads_too), pytest.raises(DgsmError) as failed:
        update.update_endpoint(wb, plan, on_warning=str)
    assert any(f"`dgsm restore {wb.endpoint_name}` puts it back" in note for note in failed.value.__notes__)
    endpoints.settled(wb)
    assert not registration.verify(wb).ok
    return wb, before


def test_restore_puts_a_cut_off_update_back_and_the_doctor_says_so_before(run, cut_off):
    wb, before = cut_off
    finding = examine(wb, Expected())["nothing-unfinished"]
    assert finding.verdict == "STOP" and "the update of" in finding.evidence and "dgsm restore" in finding.fix
    restored = run("restore", wb.endpoint_name, "--json")
    assert restored.exit_code == YES
    (done,) = json.loads(restored.stdout)["put_back"]
    assert "the update of" in done and "1 to 3 instances" in done
    assert scaling_setup.read(wb).of("PutScalingPolicy") == before
    assert examine(wb, Expected())["nothing-unfinished"].verdict == "OK"
    again = run("restore", wb.endpoint_name)
    assert (again.exit_code, again.stdout) == (YES, f"Nothing of {wb.endpoint_name} is to be put back.\n")


def test_restore_needs_the_users_agreement_where_it_bills(cut_off):
    wb, _ = cut_off
    with pytest.raises(SpendNotConfirmed, match="Putting back what the update of"):
        journal.finish(replace(wb, bills=True, confirm_spend=False), say=str)
    assert len(journal.finish(wb, say=str)) == 1


def test_restore_ends_a_pause(run, workbook):
    wb = endpoints.scaled(workbook(), 1, 3)
    before = scaling_setup.read(wb)
    pause.pause_endpoint(wb)
    assert "is back after" in run("restore", wb.endpoint_name).stdout
    assert scaling_setup.read(wb) == before
    assert "Nothing of" in run("restore", wb.endpoint_name).stdout


def test_a_paused_endpoint_that_is_deployed_anew_is_said_to_be_paused_and_scales_again_with_the_next_change(
    run, workbook
):
    wb = endpoints.scaled(workbook(), 1, 3)
    before = scaling_setup.read(wb).of("PutScalingPolicy")
    pause.pause_endpoint(wb)
    deployed = run("deploy", wb.endpoint_name)
    assert (
        f"paused since {journal.latest(wb, 'pause').began:%F %R} UTC: dgsm resume {wb.endpoint_name}" in deployed.stderr
    )
    said = []
    journal.finish(wb, say=said.append)
    assert len(said) == 1 and "made again without it" in said[0] and "cut off" not in said[0]
    assert scaling_setup.read(wb).of("PutScalingPolicy") == before
