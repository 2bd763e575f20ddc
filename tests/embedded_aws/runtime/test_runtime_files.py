"""Files through boto3 and through bare HTTP."""

import http.client
import io
import json
import ssl
import tracemalloc
import wave
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, datetime, timedelta
from hashlib import sha256

import boto3
import numpy as np
import pytest
import soundfile
from botocore.config import Config
from botocore.exceptions import ClientError
from deepgram.types.listen_v1response import ListenV1Response
from kit.runtime_sdk import WAIT_S
from kit.waiting import until

from dgsm_helpers.rules.sample import bundled_sample, sample_wav
from dgsm_helpers.wire.sigv4 import Credentials, sign_request
from embedded_aws.engines.metered import MeteredEngine, MeteredSettings
from embedded_aws.listings import ACCESS_KEY_ID, SECRET_ACCESS_KEY
from embedded_aws.runtime import listen_files
from embedded_aws.runtime.gate import Limits

PATH = "/endpoints/demo/invocations"
ASKED = "v1/listen?model=nova-3&punctuate=true"
BUSY_FOR_MINUTES = MeteredSettings(lanes=1, service_ms=60_000)
"""The sample takes eleven minutes."""


@pytest.fixture
def runtime(running):
    return client(running)


def client(running, region="us-east-1"):
    settings = Config(retries={"total_max_attempts": 1}, read_timeout=WAIT_S)
    # A session of its own: the default one would remember the first test's credentials.
    return boto3.Session().client("sagemaker-runtime", region_name=region, endpoint_url=running.url, config=settings)


def invoke(runtime, body=None, attributes=ASKED, endpoint="demo", **more):
    body = sample_wav() if body is None else body
    asked = {"CustomAttributes": attributes} if attributes else {}
    return runtime.invoke_endpoint(EndpointName=endpoint, Body=body, ContentType="audio/wav", **asked, **more)


def refused(runtime, **more):
    with pytest.raises(ClientError) as caught:
        invoke(runtime, **more)
    return caught.value.response


def wav(samples, *, channels=1, width=2, rate=16000):
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setparams((channels, width, rate, 0, "NONE", ""))
        file.writeframes(samples)
    return buffer.getvalue()


def test_the_sample_comes_back_in_deepgrams_shape(running, runtime):
    answer = invoke(runtime)
    assert answer["InvokedProductionVariant"] == "AllTraffic" and answer["ContentType"] == "application/json"
    document = json.loads(answer["Body"].read())
    parsed = ListenV1Response.model_validate(document)
    best = parsed.results.channels[0].alternatives[0]
    assert best.transcript == bundled_sample().transcript
    assert [w.word for w in best.words][:3] == ["and", "so", "my"]
    assert parsed.metadata.duration == 11.0 and parsed.metadata.channels == 1
    assert parsed.metadata.sha256 == sha256(sample_wav()).hexdigest()
    assert parsed.results.utterances is None
    lease = running.lease
    assert lease.released == 1 and len(lease.model_latencies) == 1 and not lease.first_chunks


def test_utterances_only_when_asked_for(runtime):
    document = json.loads(invoke(runtime, attributes=ASKED + "&utterances=true")["Body"].read())
    utterances = ListenV1Response.model_validate(document).results.utterances
    assert [u.transcript.split()[0] for u in utterances] == ["And", "ask", "what"]


def test_raw_audio_needs_to_be_described(runtime):
    raw = bundled_sample().pcm
    document = json.loads(invoke(runtime, raw, "v1/listen?encoding=linear16&sample_rate=16000")["Body"].read())
    assert document["results"]["channels"][0]["alternatives"][0]["transcript"].startswith("and so my fellow")
    assert refused(runtime, body=raw, attributes="v1/listen")["OriginalStatusCode"] == 400


@pytest.mark.parametrize("width", [1, 2, 3, 4])
def test_wav_files_of_every_width_are_decoded(runtime, width):
    samples = np.frombuffer(bundled_sample().pcm, "<i2").astype(np.int32)
    shaped = {
        1: ((samples >> 8) + 128).astype(np.uint8),
        2: samples.astype("<i2"),
        3: (samples << 8).astype("<i4").view(np.uint8).reshape(-1, 4)[:, :3],
        4: (samples << 16).astype("<i4"),
    }[width].tobytes()
    document = json.loads(invoke(runtime, wav(shaped, width=width))["Body"].read())
    located = document["metadata"]["model_info"][document["metadata"]["models"][0]]["name"]
    # Eight bits are not the sample's bytes any more.
    assert ("unknown audio" in located) == (width == 1)
    assert document["metadata"]["duration"] == 11.0


def test_channels_are_told_apart_when_multichannel(runtime):
    stereo = np.repeat(np.frombuffer(bundled_sample().pcm, "<i2"), 2).tobytes()
    document = json.loads(invoke(runtime, wav(stereo, channels=2), ASKED + "&multichannel=true")["Body"].read())
    texts = [c["alternatives"][0]["transcript"] for c in document["results"]["channels"]]
    assert texts == [bundled_sample().transcript] * 2 and document["metadata"]["channels"] == 2


@pytest.mark.parametrize(
    ("more", "status", "reason"),
    [
        ({"attributes": None}, 404, "No such path"),
        ({"attributes": "v1/listen?bogus=1"}, 400, "unsupported_parameter"),
        ({"attributes": "v1/listen?interim_results=true"}, 400, "unsupported_parameter"),
        ({"attributes": "v1/listen?encoding=flac&sample_rate=16000"}, 400, "Unsupported encoding"),
        ({"body": b"no audio"}, 400, "corrupt or unsupported data"),
        ({"body": b""}, 400, "corrupt or unsupported data"),
        ({"body": sample_wav()[:44]}, 400, "corrupt or unsupported data"),
        ({"body": b'{"url":"https://example.com/a.wav"}'}, 400, "corrupt or unsupported data"),
    ],
)
def test_what_the_container_refuses_is_a_model_error(running, runtime, more, status, reason):
    response = refused(runtime, **more)
    assert response["Error"]["Code"] == "ModelError" and response["ResponseMetadata"]["HTTPStatusCode"] == 424
    assert response["OriginalStatusCode"] == status and reason in response["OriginalMessage"]
    assert "err_code" in json.loads(response["OriginalMessage"])
    assert response["Error"]["Message"].startswith(f"Received client error ({status}) from primary with message")
    assert response["LogStreamArn"].endswith("/aws/sagemaker/Endpoints/demo:log-stream:AllTraffic/i-0123456789abcdef0")
    assert running.lease.errors == ["4xx", "model"] and running.lease.released == 1


def test_unknown_endpoints_and_variants_are_validation_errors(running, runtime):
    error = refused(runtime, endpoint="nowhere")["Error"]
    assert error == {"Code": "ValidationError", "Message": "Endpoint nowhere of account 123456789012 not found."}
    assert refused(runtime, endpoint="creating")["Error"]["Code"] == "ValidationError"
    assert refused(runtime, TargetVariant="Other")["Error"]["Code"] == "ValidationError"
    assert invoke(runtime, TargetVariant="AllTraffic")["InvokedProductionVariant"] == "AllTraffic"


def test_the_region_is_that_of_the_signature(running):
    invoke(client(running, "ap-southeast-2"))
    assert running.lease.region == "ap-southeast-2"


@pytest.mark.parametrize(
    ("name", "value", "code"),
    [
        ("AWS_SECRET_ACCESS_KEY", "wrong", "InvalidSignatureException"),
        ("AWS_ACCESS_KEY_ID", "AKIAOTHER", "UnrecognizedClientException"),
    ],
)
def test_strangers_are_refused(running, monkeypatch, name, value, code):
    monkeypatch.setenv(name, value)
    response = refused(client(running))
    assert response["Error"]["Code"] == code and response["ResponseMetadata"]["HTTPStatusCode"] == 403
    assert running.placement.leases == []


@pytest.mark.parametrize(
    ("fault", "code", "status"),
    [
        ("throttling", "ThrottlingException", 429),
        ("denied", "AccessDeniedException", 403),
        ("expired-credentials", "ExpiredTokenException", 403),
    ],
)
def test_faults_refuse_the_call(running, runtime, fault, code, status):
    running.faults.calls = fault
    response = refused(runtime)
    assert response["Error"]["Code"] == code and response["ResponseMetadata"]["HTTPStatusCode"] == status
    assert running.faults.asked == [("sagemaker-runtime", "InvokeEndpoint")]


def test_files_over_25_mb_are_refused_with_413_and_smaller_ones_are_not(running, runtime):
    response = refused(runtime, body=bytes(26_000_000))
    assert response["ResponseMetadata"]["HTTPStatusCode"] == 413
    assert response["Error"]["Message"] == "HTTP content length exceeded 25000000 bytes."
    assert running.placement.leases == []
    silence = wav(bytes(24_000_000))
    assert json.loads(invoke(runtime, silence)["Body"].read())["metadata"]["duration"] == 750.0


def test_a_container_that_takes_too_long_is_a_model_error(serve):
    running = serve(MeteredEngine(BUSY_FOR_MINUTES), limits=Limits(response_s=0.4))
    response = refused(client(running))
    assert response["OriginalStatusCode"] == 0 and "timed out" in response["Error"]["Message"]
    assert running.lease.errors == ["5xx", "model"] and running.lease.released == 1


def silence(minutes):
    file = io.BytesIO()
    soundfile.write(file, np.zeros(16000 * 60 * minutes, "int16"), 16000, format="FLAC")
    return file.getvalue()


def test_files_are_decoded_one_after_the_other(running, runtime, monkeypatch):
    decoding, most = [], []
    decode = listen_files._decode

    def counted(*given):
        decoding.append(None)
        most.append(len(decoding))
        try:
            return decode(*given)
        finally:
            decoding.pop()

    monkeypatch.setattr(listen_files, "_decode", counted)
    body = silence(minutes=5)
    with ThreadPoolExecutor(6) as clients:
        answers = list(clients.map(lambda _: json.loads(invoke(runtime, body)["Body"].read()), range(6)))
    assert [answer["metadata"]["duration"] for answer in answers] == [300.0] * 6
    assert most == [1] * 6


def test_a_file_that_waits_for_its_answer_is_held_as_it_came(serve):
    running = serve(MeteredEngine(MeteredSettings(lanes=1, service_ms=10_000)))
    body = silence(minutes=10)
    tracemalloc.start()
    try:
        with ThreadPoolExecutor(1) as clients:
            answer = clients.submit(refused, client(running), body=body)
            until(lambda: tracemalloc.get_traced_memory()[1] > 19_000_000, "it is decoded")
            until(lambda: tracemalloc.get_traced_memory()[0] < 10_000_000, "what it was decoded to is let go")
            assert not answer.done()
            running.lose_instance("the test is over")
            assert answer.result()["Error"]["Code"] == "ServiceUnavailable"
    finally:
        tracemalloc.stop()


def test_a_file_that_has_timed_out_leaves_its_lane_to_the_next(serve):
    running = serve(MeteredEngine(MeteredSettings(lanes=1, service_ms=60)), limits=Limits(response_s=5.0))
    assert refused(client(running), body=silence(minutes=5))["OriginalStatusCode"] == 0
    assert json.loads(invoke(client(running))["Body"].read())["results"]["channels"]


def test_losing_the_instance_fails_the_file(serve):
    running = serve(MeteredEngine(BUSY_FOR_MINUTES))
    with ThreadPoolExecutor(1) as pool:
        request = pool.submit(refused, client(running))
        running.lose_instance("crash")
        response = request.result(WAIT_S)
    assert response["Error"]["Code"] == "ServiceUnavailable" and "crash" in response["Error"]["Message"]
    assert running.lease.released == 1


# Bare HTTP/1.1


def connection(running):
    return http.client.HTTPSConnection(
        "127.0.0.1", running.port, context=ssl.create_default_context(cafile=running.ca_file), timeout=WAIT_S
    )


def signed(running, body, path=PATH, **more):
    headers = {"host": f"127.0.0.1:{running.port}", "x-amzn-sagemaker-custom-attributes": ASKED, **more}
    result = sign_request(
        method="POST",
        path=path,
        headers=headers,
        credentials=Credentials(ACCESS_KEY_ID, SECRET_ACCESS_KEY),
        region="us-east-1",
        payload_hash=sha256(body).hexdigest(),
    )
    return headers | result.headers


def test_chunked_bodies_are_read_and_connections_kept(running):
    body, pieces = sample_wav(), [sample_wav()[at : at + 10_000] for at in range(0, len(sample_wav()), 10_000)]
    channel, ports = connection(running), set()
    for _ in range(2):
        channel.request("POST", PATH, body=iter(pieces), headers=signed(running, body), encode_chunked=True)
        answer = channel.getresponse()
        assert answer.status == 200
        assert json.loads(answer.read())["metadata"]["duration"] == 11.0
        ports.add(channel.sock.getsockname())
    assert len(ports) == 1


def test_expect_100_continue_is_granted_and_refused_for_a_body_that_is_too_long(running):
    body = sample_wav()

    def first_line(length):
        with closing(connection(running)) as channel:
            channel.putrequest("POST", PATH, skip_host=True, skip_accept_encoding=True)
            for name, value in signed(running, body, expect="100-continue").items():
                channel.putheader(name, value)
            channel.putheader("content-length", str(length))
            channel.endheaders()
            line = channel.sock.recv(4096).split(b"\r\n")[0]
            if b"100" in line:
                channel.send(body)
                line = channel.sock.recv(4096).split(b"\r\n")[0]
            return line

    assert first_line(len(body)).startswith(b"HTTP/1.1 200")
    assert first_line(30_000_000).startswith(b"HTTP/1.1 413")


@pytest.mark.parametrize(("method", "path"), [("GET", "/ping"), ("POST", "/"), ("GET", PATH)])
def test_other_paths_and_methods_are_unknown_operations(running, method, path):
    channel = connection(running)
    channel.request(method, path)
    answer = channel.getresponse()
    assert answer.status == 404 and answer.getheader("x-amzn-errortype") == "UnknownOperationException"


def test_streaming_over_http_1_is_refused(running):
    channel = connection(running)
    path = "/endpoints/demo/invocations-bidirectional-stream"
    channel.request("POST", path, body=b"", headers=signed(running, b"", path))
    answer = channel.getresponse()
    assert answer.status == 400 and answer.getheader("x-amzn-errortype") == "InputValidationError"


def test_a_stale_signature_is_refused(running, monkeypatch):
    stale = datetime.now(UTC) - timedelta(seconds=400)
    monkeypatch.setattr("botocore.auth.get_current_datetime", lambda: stale)
    channel = connection(running)
    channel.request("POST", PATH, body=b"", headers=signed(running, b""))
    answer = channel.getresponse()
    assert answer.status == 403 and b"Signature expired" in answer.read()


def test_garbage_closes_that_connection_only(running):
    channel = connection(running)
    channel.connect()
    channel.sock.sendall(b"\x00\x01garbage\r\n\r\n")
    assert channel.sock.recv(100).startswith(b"HTTP/1.1 400")
    again = connection(running)
    again.request("GET", "/ping")
    assert again.getresponse().status == 404
