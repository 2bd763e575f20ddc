"""The data-path doctor on the embedded AWS: each cause that takes the account's view, found by name; no false alarm."""

from __future__ import annotations

import threading
import time
from dataclasses import replace

import pytest
from kit import barred_ways, endpoints
from kit.waiting import until

from dgsm_helpers import monitor
from dgsm_helpers.aws.doctor import data_path_findings
from dgsm_helpers.aws.doctor.snapshot import RuleVerdict
from dgsm_helpers.aws.endpoint import deployment, deployment_plan, endpoint_state
from dgsm_helpers.errors import CredentialsProblem, NotReady
from dgsm_helpers.load.transport import path_walk
from dgsm_helpers.load.transport.background_load import Load
from dgsm_helpers.rules.path_steps import Cause, PathStep, Refusal
from dgsm_helpers.session import open_workbook

MISSING = Refusal(400, "ValidationError", "Endpoint dg of account 123456789012 not found.")


@pytest.fixture
def patient(monkeypatch):
    """Time for a busy machine, where nothing hangs; that ten seconds are kept to is tested with the clock itself."""
    monkeypatch.setattr(path_walk, "TOTAL_S", 120.0)


def found(wb):
    """The one finding that bars the way, after its cause's name."""
    diagnosis = monitor.examine(wb, data_path=True)
    worst = diagnosis.findings[0]
    assert worst.verdict is RuleVerdict.STOP and worst.fix and worst.source, diagnosis
    assert all(finding.verdict is RuleVerdict.OK for finding in diagnosis.findings[1:]), diagnosis
    return worst


@pytest.mark.usefixtures("patient")
def test_no_false_alarm_on_the_data_path_of_a_healthy_endpoint(deployed):
    diagnosis = monitor.examine(deployed, data_path=True)
    assert diagnosis.worst is RuleVerdict.OK, diagnosis
    assert {finding.rule for finding in diagnosis.findings} == {"name", "port", "certificate", "clock", "stream"}


@pytest.mark.usefixtures("patient")
@pytest.mark.parametrize(
    "variables",
    [
        {"HTTPS_PROXY": "http://127.0.0.1:1", "https_proxy": "http://127.0.0.1:1"},
        {"AWS_PROFILE": "nosuch"},
        {"AWS_ENDPOINT_URL_SAGEMAKER_RUNTIME": "https://elsewhere.invalid"},
        {"AWS_CA_BUNDLE": "/no/such/bundle.pem", "SSL_CERT_FILE": "/no/such/bundle.pem"},
        {"AWS_REGION": "eu-west-1", "AWS_DEFAULT_REGION": "ap-south-1"},
    ],
    ids=lambda variables: next(iter(variables)),
)
@pytest.mark.usefixtures("patient")
def test_no_false_alarm_on_the_data_path_of_the_embedded_aws_in_any_environment(
    deployed, embedded, monkeypatch, variables
):
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    wb = open_workbook("local", home=embedded.home, endpoint_name=deployed.endpoint_name)
    diagnosis = monitor.examine(wb, data_path=True)
    assert diagnosis.worst is RuleVerdict.OK, diagnosis


@pytest.mark.usefixtures("patient")
def test_a_wrong_name_is_found_with_what_it_may_mean_data_path_case(deployed):
    worst = found(replace(deployed, endpoint_name=deployed.endpoint_name + "x"))
    assert (worst.rule, deployed.endpoint_name in worst.fix) == (Cause.ENDPOINT, True)


@pytest.mark.usefixtures("patient")
def test_a_wrong_variant_is_found_with_those_there_are_data_path_case(deployed):
    worst = found(replace(deployed, variant_name="Blue"))
    assert (worst.rule, deployed.variant_name in worst.fix) == (Cause.ENDPOINT, True)


@pytest.mark.usefixtures("patient")
def test_a_wrong_region_is_found_with_the_right_one_data_path_environment(deployed, embedded):
    there = {"endpoint_name": deployed.endpoint_name, "region": "eu-west-1"}
    worst = found(open_workbook("local", home=embedded.home, **there))
    assert (worst.rule, 'region="us-east-1"' in worst.fix) == (Cause.REGION, True)


@pytest.mark.usefixtures("patient")
def test_a_region_that_is_none_is_found_rather_than_bad_dns_data_path_environment(deployed):
    wb = replace(deployed, region="us-est-1", stream_url="https://runtime.sagemaker.us-est-1.amazonaws.invalid:8443")
    worst = found(wb)
    assert (worst.rule, "us-east-1" in worst.fix) == (Cause.REGION, True)


@pytest.mark.usefixtures("patient")
def test_an_address_that_does_not_resolve_in_a_right_region_is_dns_data_path_environment(deployed):
    worst = found(replace(deployed, stream_url="https://runtime.sagemaker.us-east-1.amazonaws.invalid:8443"))
    assert worst.rule == Cause.DNS


@pytest.mark.usefixtures("patient")
@pytest.mark.parametrize("name", ["-x", "-y-in-the-other-account"])
def test_a_wrong_account_is_found_by_the_roles_data_path_environment(deployed, name):
    role = "arn:aws:iam::210987654321:role/DeepgramEndpoint"
    worst = found(replace(deployed, endpoint_name=deployed.endpoint_name + name, role_arn=role))
    assert (worst.rule, "210987654321" in worst.fix, "123456789012" in worst.evidence) == (Cause.ACCOUNT, True, True)


@pytest.mark.usefixtures("patient")
def test_an_account_without_any_endpoint_is_found_data_path_case(workbook):
    worst = found(workbook(region="eu-south-1"))
    assert (worst.rule, "123456789012" in worst.evidence, "profile" in worst.fix) == (Cause.ACCOUNT, True, True)


@pytest.mark.usefixtures("patient")
def test_streams_signed_for_another_account_than_calls_are_found_data_path_case(deployed):
    refusal = replace(MISSING, text=MISSING.text.replace("123456789012", "999999999999"))
    step = PathStep("endpoint", str(refusal), Cause.ENDPOINT, "Check.", refusal=refusal)
    (told,) = data_path_findings.diagnose_path(deployed, [step], within_s=60).findings
    assert (told.rule, "999999999999" in told.evidence) == (Cause.ACCOUNT, True)


@pytest.mark.usefixtures("patient")
def test_expired_credentials_are_found_data_path_environment(deployed, operator):
    operator.fault("expired-credentials")
    assert found(deployed).rule == Cause.CREDENTIALS


@pytest.mark.usefixtures("patient")
def test_missing_credentials_are_found_data_path_environment(deployed, monkeypatch):
    def none():
        raise CredentialsProblem("No AWS credentials were found.", hint="Sign in first.")

    monkeypatch.setattr(deployed.clients, "credentials", none)
    assert found(deployed).rule == Cause.CREDENTIALS


@pytest.mark.usefixtures("patient")
@pytest.mark.parametrize("service", ["sagemaker-runtime", "*"])
def test_a_denied_action_is_found_by_its_name_data_path_case(deployed, operator, service):
    operator.fault("denied", service=service)
    worst = found(deployed)
    assert worst.rule == Cause.ACTION
    assert "sagemaker:InvokeEndpointWithBidirectionalStream" in worst.fix


@pytest.mark.usefixtures("patient")
def test_a_throttled_stream_is_a_full_instance_data_path_case(deployed, operator):
    operator.fault("throttling", service="sagemaker-runtime")
    worst = found(deployed)
    assert (worst.rule, "1 of 1 instances running" in worst.evidence) == (Cause.FULL, True)


@pytest.mark.usefixtures("patient")
def test_an_endpoint_without_capacity_is_found_data_path_case(workbook, operator):
    wb = workbook()
    operator.hold_starts()
    with pytest.raises(NotReady):
        deployment.deploy(wb, deployment_plan.plan(wb, provision_timeout_s=endpoints.PATIENT_S), timeout_s=1)
    worst = found(wb)
    operator.undo()
    endpoints.settled(wb)
    assert (worst.rule, "Creating" in worst.evidence) == (Cause.FULL, True)


@pytest.mark.usefixtures("patient")
def test_an_endpoint_that_lost_its_instance_is_found_data_path_case(workbook, operator):
    wb = endpoints.deployed(workbook(), provision_timeout_s=endpoints.PATIENT_S)
    operator.hold_starts()
    operator.fault("crash", endpoint=wb.endpoint_name)
    until(lambda: endpoint_state.status(wb).running == 0, "its instance is gone")
    worst = found(wb)
    assert (worst.rule, "0 of 1 instances running" in worst.evidence) == (Cause.FULL, True)


@pytest.mark.live
@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_an_instance_beyond_its_knee_is_found_data_path_case(endpoint):
    wb = endpoint

    def crowded():
        return next((f for f in monitor.examine(wb, data_path=True).findings if f.rule == Cause.FULL), None)

    with Load(wb) as load:
        load.set(60)
        load.wait_open(timeout_s=120)
        finding = until(crowded, "the silence waits behind the streams")
        load.set(0)
    assert finding.verdict in (RuleVerdict.WARN, RuleVerdict.STOP) and "silence" in finding.evidence


@pytest.mark.parametrize(
    ("way", "cause"),
    [
        (barred_ways.closed_port, Cause.PORT),
        (barred_ways.silent_port, Cause.PORT),
        (barred_ways.plain_port, Cause.PROXY),
    ],
)
def test_what_bars_the_network_needs_no_account_data_path_environment(deployed, monkeypatch, way, cause):
    monkeypatch.setattr(data_path_findings, "call", lambda *_, **__: pytest.fail("the account was asked"))
    with way() as port:
        assert found(replace(deployed, stream_url=f"https://127.0.0.1:{port}")).rule == cause


def test_an_account_that_does_not_answer_is_waited_for_no_longer_than_there_is_time_data_path(deployed, monkeypatch):
    over = threading.Event()
    monkeypatch.setattr(data_path_findings, "call", lambda *_, **__: over.wait())
    monkeypatch.setattr(data_path_findings, "_has", lambda *_: over.wait())
    waited = []
    clock = time.monotonic
    monkeypatch.setattr(
        data_path_findings, "_answer", lambda asked, until_s: waited.append(until_s - clock()) if asked else None
    )
    step = PathStep("endpoint", str(MISSING), Cause.ENDPOINT, "Check.", refusal=MISSING)
    (told,) = data_path_findings.diagnose_path(deployed, [step], within_s=0.2).findings
    over.set()
    assert (told.rule, told.evidence) == (Cause.ENDPOINT, f"endpoint: {MISSING}")
    assert max(waited) <= 0.2
