"""Each fault of `dgsm local fault`, as a client of the embedded AWS meets it."""

from __future__ import annotations

import asyncio

import pytest
from botocore.config import Config
from botocore.exceptions import ClientError
from kit import endpoints
from kit.waiting import AT_MOST_S, until, until_async

from dgsm_helpers.aws.endpoint import deployment, deployment_plan, endpoint_state
from dgsm_helpers.aws.watch import observe
from dgsm_helpers.errors import AccessDenied, CredentialsProblem, DeployFailed, Throttled
from dgsm_helpers.load.transport.background_load import Load
from dgsm_helpers.load.transport.lean_transport import LeanTransport
from dgsm_helpers.load.transport.paced_audio import AudioSender
from dgsm_helpers.load.transport.query import Query
from dgsm_helpers.load.transport.recorder import TraceRecorder
from dgsm_helpers.load.transport.recordings import bundled_recording, chunks
from dgsm_helpers.load.transport.sdk_transport import SdkTransport, stream_recording
from dgsm_helpers.load.transport.stream_loops import run_blocking
from dgsm_helpers.load.transport.stream_target import StreamTarget
from dgsm_helpers.load.transport.trace import Ending


@pytest.fixture
def fault(operator, workbook):
    """Sets a fault; all are cleared afterwards, before the workbooks are."""
    yield operator.fault
    operator.undo()


def test_throttling_is_retried_by_the_client_and_passes(fault, workbook):
    wb = workbook()
    fault("throttling", service="sagemaker", operation="ListEndpoints", count=2)
    assert wb.client("sagemaker").list_endpoints()["Endpoints"] is not None


def test_lasting_throttling_is_a_typed_error(fault, workbook, hasty_retries):
    wb = workbook()
    fault("throttling", service="sagemaker")
    with pytest.raises(Throttled, match="DescribeEndpoint"):
        endpoint_state.status(wb)


def test_a_denied_call_names_the_action(fault, workbook):
    wb = workbook()
    fault("denied", service="sagemaker", operation="DescribeEndpoint")
    with pytest.raises(AccessDenied, match="sagemaker:DescribeEndpoint"):
        endpoint_state.status(wb)


def test_expired_credentials_say_how_to_go_on(fault, workbook):
    wb = workbook()
    fault("expired-credentials")
    with pytest.raises(CredentialsProblem, match="expired"):
        endpoint_state.status(wb)


def test_expired_credentials_reach_streams_too(fault, endpoint):
    wb = endpoint
    fault("expired-credentials")
    trace = stream_recording(wb, duration_s=0.5)
    assert trace.ending is Ending.REFUSED
    assert "ExpiredToken" in f"{trace.error.code} {trace.error.message}"


def test_a_shortage_falls_back_to_the_next_type_of_the_pool(fault, workbook):
    wb = workbook()
    fault("shortage", instance_type="ml.g6.2xlarge")
    deployed = deployment.deploy(wb, deployment_plan.plan(wb, ["ml.g6.2xlarge", "ml.g5.2xlarge"]))
    assert deployed.state.instances_by_type["ml.g5.2xlarge"] == 1


def test_a_shortage_of_every_type_fails_the_deployment_as_capacity(fault, workbook):
    wb = workbook()
    fault("shortage", instance_type="*")
    with pytest.raises(DeployFailed) as failed:
        deployment.deploy(wb, deployment_plan.plan(wb, ["ml.g6.2xlarge", "ml.g5.2xlarge"]))
    assert failed.value.kind == "capacity"


@pytest.mark.parametrize("failure", ["driver", "container-failed", "container-never-started"])
def test_a_failed_start_is_classified_by_reason_and_log(fault, workbook, failure):
    wb = workbook()
    fault("failed-start", failure=failure)
    with pytest.raises(DeployFailed) as failed:
        deployment.deploy(wb, deployment_plan.plan(wb))
    assert failed.value.kind in (failure, "capacity" if failure == "container-never-started" else failure)


def test_a_crash_cuts_the_streams_which_come_back_when_the_instance_is_replaced(fault, endpoint):
    wb = endpoint
    with Load(wb) as load:
        load.set(3)
        load.wait_open(timeout_s=AT_MOST_S)
        fault("crash", endpoint=wb.endpoint_name)
        until(lambda: load.snapshot().failed >= 3, "the streams are cut")
        until(lambda: load.snapshot().open == 3, "they come back")
    assert endpoint_state.status(wb).status == "InService"


def test_a_mid_stream_error_is_recorded_with_its_message(fault, endpoint):
    wb = endpoint
    fault("mid-stream-error", endpoint=wb.endpoint_name)
    trace = stream_recording(wb, duration_s=3)
    assert (trace.ending, trace.error.code) == (Ending.ERROR, "ModelStreamError")


def test_the_reason_of_a_refused_stream_is_in_the_containers_log(endpoint):
    wb = endpoint
    trace = stream_recording(wb, query=Query.parse("no_such_feature=true"), duration_s=0.5)
    assert (trace.ending, trace.error.code) == (Ending.REFUSED, "ModelError")
    events = wb.client("logs").filter_log_events(logGroupName=f"/aws/sagemaker/Endpoints/{wb.endpoint_name}")["events"]
    assert any("no_such_feature" in e["message"] and " 400" in e["message"] for e in events)


def test_a_dropped_connection_is_told_from_a_clean_end(fault, endpoint):
    wb = endpoint
    fault("dropped-connection", endpoint=wb.endpoint_name)
    assert stream_recording(wb, duration_s=3).ending is Ending.DROPPED
    assert stream_recording(wb, duration_s=1).ending is Ending.CLEAN


@pytest.mark.parametrize("transport", [SdkTransport, LeanTransport])
@pytest.mark.parametrize(
    ("sees", "ending"),
    [("exception", Ending.ERROR), ("reset", Ending.DROPPED), ("clean-end", Ending.DROPPED)],
)
def test_a_stream_whose_instance_goes_ends_as_was_asked_for(fault, endpoint, transport, sees, ending):
    wb = endpoint
    fault("cut-ending", endpoint=wb.endpoint_name, sees=sees)

    async def cut():
        carrier = transport(StreamTarget.of(wb))
        recorder = TraceRecorder(label="cut", transport=carrier.name)
        sender = AudioSender(chunks(bundled_recording()), sample_rate=16000)
        session = asyncio.create_task(carrier.run(sender, recorder=recorder))
        await until_async(lambda: recorder.recent_lags, "the stream is answered")
        await asyncio.to_thread(fault, "crash", endpoint=wb.endpoint_name)
        trace = await session
        await carrier.close()
        return trace

    trace = run_blocking(cut())
    assert (trace.ending, trace.metadata) == (ending, None)
    assert trace.error.code == ("InternalStreamFailure" if sees == "exception" else "ConnectionDropped")


def test_a_shorter_session_limit_ends_streams_before_aws_does(fault, endpoint):
    wb = endpoint
    fault("session-limit", endpoint=wb.endpoint_name, seconds=1)
    trace = stream_recording(wb, duration_s=30)
    assert (trace.ending, trace.error.code) == (Ending.ERROR, "ModelStreamError")
    assert "maximum duration" in trace.error.message


def test_slow_metrics_delay_the_alarm_and_leave_nothing_scaled(fault, workbook):
    # Before there is an endpoint: what its idle minutes publish would bring the low alarm on a busy machine.
    fault("slow-metrics", seconds=1e9)
    wb = endpoints.scaled(workbook(), 1, 2)
    with Load(wb) as load:
        load.set(8)
        load.wait_open(timeout_s=AT_MOST_S)
        wb.sleep(300)
        assert observe.activities(wb).empty
        assert set(observe.alarms(wb)["state"]) <= {"INSUFFICIENT_DATA", "OK"}


def test_the_guides_own_retry_settings_survive_a_burst_of_throttling(fault, embedded, workbook):
    wb = workbook()
    impatient = wb.session.client("sagemaker", config=Config(retries={"max_attempts": 0}))
    fault("throttling", service="sagemaker", count=1)
    with pytest.raises(ClientError, match="ThrottlingException"):
        impatient.list_endpoints()
    assert "Endpoints" in impatient.list_endpoints()
