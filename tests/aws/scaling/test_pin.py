"""Holding an endpoint still for a measurement, and putting it back whatever happens, on the embedded AWS."""

from __future__ import annotations

import signal
import subprocess
import sys
from dataclasses import astuple

import pytest
from kit import endpoints

from dgsm_helpers.aws.account import deletion
from dgsm_helpers.aws.core.money import InstanceCost, price_per_hour
from dgsm_helpers.aws.endpoint import deployment, deployment_plan, endpoint_state
from dgsm_helpers.aws.endpoint.desired_count import set_desired
from dgsm_helpers.aws.scaling import journal, registration, scalable_target, suspending
from dgsm_helpers.aws.scaling import pin as measuring
from dgsm_helpers.aws.scaling.scalable_target import Suspension
from dgsm_helpers.errors import AccessDenied, MeasurementInvalid, NotFound, NotReady, SpendNotConfirmed
from dgsm_helpers.prices import Price
from dgsm_helpers.session import open_workbook


@pytest.fixture(scope="module")
def pair(embedded):
    """An endpoint that runs two instances and is not registered."""
    wb = open_workbook("local", home=embedded.home, endpoint_name="measuring-pair")
    yield endpoints.deployed(wb, initial_count=2)
    deletion.delete(wb)


@pytest.fixture
def two_at_least(pair):
    """The endpoint of two instances, registered 2 to 3."""
    registration.register(pair, 2, 3)
    yield pair
    registration.remove(pair)


def counts(wb):
    variant = endpoint_state.status(wb).variant(wb.variant_name)
    return variant.desired, variant.running


def held(wb):
    target = scalable_target.target(wb)
    return target.min_capacity, *astuple(target.suspension)


def test_scaling_is_suspended_within_and_on_afterwards(scaled):
    with measuring.one_instance(scaled) as pinned:
        assert held(scaled) == (1, True, True, True)
        assert pinned.instance_type == "ml.g6.2xlarge"
        pinned.check()
    assert held(scaled) == (1, False, False, False)
    assert registration.verify(scaled, min_capacity=1, max_capacity=4).ok


def test_what_was_suspended_before_stays_suspended(scaled):
    suspending.resume_scaling(scaled, Suspension(scale_in=True))
    with measuring.one_instance(scaled):
        assert held(scaled) == (1, True, True, True)
    assert held(scaled) == (1, True, False, False)


def test_two_instances_become_one_and_two_again(pair):
    said = []
    with measuring.one_instance(pair, say=said.append):
        assert counts(pair) == (1, 1)
    assert counts(pair) == (2, 2)
    assert scalable_target.target(pair) is None
    assert said == [
        f"{pair.resource_id}: from 2 instances to 1.",
        f"{pair.resource_id}: from 1 instance back to 2.",
    ]


def test_minimum_above_one_is_lowered_and_raised_again(two_at_least):
    with measuring.one_instance(two_at_least):
        assert held(two_at_least) == (1, True, True, True)
        assert counts(two_at_least) == (1, 1)
        endpoints.let_beats_pass(two_at_least, 120)
        assert counts(two_at_least) == (1, 1), "the autoscaler left it alone"
    assert held(two_at_least) == (2, False, False, False)
    assert counts(two_at_least) == (2, 2)


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit])
def test_error_within_puts_everything_back(scaled, error):
    with pytest.raises(error), measuring.one_instance(scaled):
        raise error
    assert held(scaled) == (1, False, False, False)


@pytest.mark.parametrize(
    ("number", "error"), [(signal.SIGINT, KeyboardInterrupt), (signal.SIGTERM, SystemExit), (signal.SIGHUP, SystemExit)]
)
def test_signal_within_puts_everything_back(pair, number, error):
    before = signal.getsignal(number)
    with pytest.raises(error), measuring.one_instance(pair):
        signal.raise_signal(number)
        pytest.fail("the signal was ignored")
    assert counts(pair) == (2, 2)
    assert signal.getsignal(number) is before


def test_a_process_that_was_started_to_ignore_a_closed_terminal_goes_on(scaled):
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with measuring.one_instance(scaled):
            signal.raise_signal(signal.SIGHUP)
            assert held(scaled) == (1, True, True, True)
    finally:
        signal.signal(signal.SIGHUP, before)
    assert held(scaled) == (1, False, False, False)


@pytest.mark.parametrize("error", [OSError(5, "Input/output error"), ValueError("I/O operation on closed file")])
def test_a_terminal_that_is_gone_does_not_keep_anything_from_being_put_back(pair, error):
    gone = []

    def say(text):
        if gone:
            raise error

    with pytest.raises(SystemExit), measuring.one_instance(pair, say=say):
        gone.append(True)
        signal.raise_signal(signal.SIGHUP)
    assert counts(pair) == (2, 2)
    assert journal.finish(pair) == ()


def test_interrupt_while_putting_back_waits_until_that_is_done(pair):
    said = []

    def say(text):
        said.append(text)
        if "back to 2" in text:
            signal.raise_signal(signal.SIGINT)

    with pytest.raises(KeyboardInterrupt), measuring.one_instance(pair, say=say):
        pass
    assert said[-1] == "Interrupted: the endpoint is put back as it was first."
    endpoints.settled(pair)
    assert counts(pair) == (2, 2)


KILLED = """
import os, sys
from dgsm_helpers.aws.scaling import pin
from dgsm_helpers.session import open_workbook

wb = open_workbook("local", home=sys.argv[1], endpoint_name=sys.argv[2])
with pin.one_instance(wb):
    os.kill(os.getpid(), 9)
"""


def kill_while_measuring(embedded, wb):
    command = [sys.executable, "-c", KILLED, str(embedded.home), wb.endpoint_name]
    assert subprocess.run(command, capture_output=True, check=False).returncode == -signal.SIGKILL


def test_killed_measurement_is_put_back_on_demand(two_at_least, embedded):
    kill_while_measuring(embedded, two_at_least)
    assert held(two_at_least) == (1, True, True, True)
    (done,) = journal.finish(two_at_least)
    assert "the measurement of measuring-pair that" in done
    assert done.endswith("2 instances, 2 to 3, scaling on")
    assert held(two_at_least) == (2, False, False, False)
    assert counts(two_at_least) == (2, 2)
    assert journal.finish(two_at_least) == ()


def test_next_measurement_puts_a_killed_one_back(scaled, embedded):
    kill_while_measuring(embedded, scaled)
    said = []
    with measuring.one_instance(scaled, say=said.append):
        pass
    assert "cut off" in said[0]
    assert held(scaled) == (1, False, False, False)


def test_killed_measurement_that_somebody_put_back_is_forgotten(scaled, embedded):
    kill_while_measuring(embedded, scaled)
    scalable_target.change(scaled, SuspendedState=Suspension(scale_in=True).to_request())
    (done,) = journal.finish(scaled)
    assert "nothing was left to put back" in done
    assert journal.finish(scaled) == ()
    with measuring.one_instance(scaled):
        pass
    assert held(scaled) == (1, True, False, False)


def test_change_of_capacity_meanwhile_is_noticed_and_left(pair):
    with pytest.raises(MeasurementInvalid, match="somebody asked for 3 instances"), measuring.one_instance(pair) as pin:
        set_desired(pair, 3)
        with pytest.raises(MeasurementInvalid, match="somebody asked for 3 instances"):
            pin.check()
    assert counts(pair) == (3, 3)
    set_desired(pair, 2)
    assert endpoints.settled(pair).running == 2


def test_scaling_switched_on_meanwhile_is_noticed_and_left(scaled):
    with pytest.raises(MeasurementInvalid, match="somebody switched scaling on"), measuring.one_instance(scaled):
        suspending.resume_scaling(scaled)
    assert held(scaled) == (1, False, False, False)


def test_registration_meanwhile_is_noticed_and_left(deployed):
    with pytest.raises(MeasurementInvalid, match="somebody registered it"), measuring.one_instance(deployed):
        registration.register(deployed)
    assert held(deployed) == (1, False, False, False)
    registration.remove(deployed)


def test_error_within_keeps_its_kind_and_names_the_change(scaled):
    with pytest.raises(ValueError, match="mine") as caught, measuring.one_instance(scaled):
        suspending.resume_scaling(scaled)
        raise ValueError("mine")
    assert "Meanwhile somebody switched scaling on." in caught.value.__notes__


def test_endpoint_deleted_meanwhile_is_said(workbook):
    wb = endpoints.deployed(workbook())
    with pytest.raises(MeasurementInvalid, match="the endpoint was deleted"), measuring.one_instance(wb):
        deletion.delete(wb)


def test_denied_change_leaves_scaling_as_it_was(two_at_least, operator):
    operator.fault("denied", service="sagemaker", operation="UpdateEndpointWeightsAndCapacities")
    with pytest.raises(AccessDenied, match="UpdateEndpointWeightsAndCapacities"), measuring.one_instance(two_at_least):
        pytest.fail("was not pinned")
    assert held(two_at_least) == (2, False, False, False)
    assert counts(two_at_least) == (2, 2)


def test_failed_restoration_says_what_was_and_can_be_repeated(scaled, operator):
    with pytest.raises(NotReady, match=r"1 instance, 1 to 4, scaling on.*dgsm restore"):  # noqa: SIM117
        with measuring.one_instance(scaled):
            operator.fault("denied", service="application-autoscaling", operation="RegisterScalableTarget", count=1)
    assert held(scaled) == (1, True, True, True)
    journal.finish(scaled)
    assert held(scaled) == (1, False, False, False)


def test_only_one_measurement_at_a_time(scaled):
    with measuring.one_instance(scaled), pytest.raises(NotReady, match="in progress in another process"):  # noqa: SIM117
        with measuring.one_instance(scaled):
            pytest.fail("measured twice")
    assert held(scaled) == (1, False, False, False)


def test_missing_endpoint_or_variant_is_not_found(workbook):
    with pytest.raises(NotFound), measuring.one_instance(workbook()):
        pytest.fail("nothing to measure")


def test_endpoint_that_is_not_in_service_is_refused(workbook, operator):
    wb = workbook()
    operator.hold_starts()
    with pytest.raises(NotReady):
        deployment.deploy(wb, deployment_plan.plan(wb, provision_timeout_s=endpoints.PATIENT_S), timeout_s=1)
    with pytest.raises(NotReady, match="is Creating"), measuring.one_instance(wb):
        pytest.fail("it cannot be measured yet")
    operator.undo()
    endpoints.settled(wb)


def test_spending_has_to_be_confirmed_before_anything_changes(scripted):
    s = scripted(confirm_spend=False)
    now = s.wb.now()
    described = {
        "EndpointName": "dg",
        "EndpointArn": "arn:aws:sagemaker:us-east-1:123456789012:endpoint/dg",
        "EndpointConfigName": "c",
        "EndpointStatus": "InService",
        "CreationTime": now,
        "LastModifiedTime": now,
        "ProductionVariants": [
            {
                "VariantName": "AllTraffic",
                "CurrentInstanceCount": 1,
                "DesiredInstanceCount": 1,
                "InstancePools": [
                    {"InstanceType": "ml.g6.2xlarge", "CurrentInstanceCount": 1},
                    {"InstanceType": "ml.g5.2xlarge", "CurrentInstanceCount": 0},
                ],
            }
        ],
    }
    s.answers("sagemaker", "describe_endpoint", described)
    s.prices(1.5)
    with pytest.raises(SpendNotConfirmed, match=r"\$1\.50 per hour"), measuring.one_instance(s.wb):
        pytest.fail("it costs")


def test_cost_states_its_price_and_source():
    price = Price(amount_usd=1.2, source="AWS Price List", as_of="2026-09-27")
    text = str(InstanceCost(5.0, "ml.g6.2xlarge", price))
    assert text == "5.0 instance-minutes of ml.g6.2xlarge at $1.2/h (AWS Price List, 2026-09-27): $0.10"
    unknown = InstanceCost(5.0, "ml.x", Price(amount_usd=None, source="no price"))
    assert unknown.usd is None
    assert "an unknown amount" in str(unknown)


def test_cost_of_a_pool_is_that_of_its_dearest_type(workbook):
    wb = workbook()
    types = ("ml.g5.xlarge", "ml.g5.2xlarge")
    amounts = {name: price_per_hour(wb, name).amount_usd for name in types}
    cost = InstanceCost.of(wb, types, 60.0)
    assert cost.instance_type == max(amounts, key=amounts.get)
    assert cost.usd == max(amounts.values())
