"""What is given bytes that nobody meant: parsers of the wire, of state files, and the control plane's operations.

Each target takes any bytes. It returns how they were taken, ``taken`` or ``refused``; whatever it raises is a defect.
"""

from __future__ import annotations

import asyncio
import contextlib
import io
import json
import logging
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from werkzeug.test import EnvironBuilder, run_wsgi_app

from dgsm_helpers.places.server_info import ServerInfo
from dgsm_helpers.rules.deepgram_protocols import FLUX_LISTEN, FLUX_SPEAK, NOVA_LISTEN
from dgsm_helpers.wire import eventstream
from dgsm_helpers.wire.audio_files import read_audio
from dgsm_helpers.wire.eventstream import Decoder, FrameError
from dgsm_helpers.wire.samples import AudioUndecodable
from dgsm_helpers.wire.sigv4 import FrameVerifier, SignatureRefused, Signed, verify_request
from embedded_aws.engines.metered import MeteredEngine, MeteredSettings
from embedded_aws.fleet.instances import Instance, Lease
from embedded_aws.listings import ACCESS_KEY_ID, LISTINGS, SECRET_ACCESS_KEY
from embedded_aws.runtime.audio_input import Splitter
from embedded_aws.runtime.container import Client
from embedded_aws.runtime.exchange import Exchange, Refused, Request, Response
from embedded_aws.runtime.http1_connection import Http1ServerConnection
from embedded_aws.runtime.http2_connection import Http2ServerConnection
from embedded_aws.runtime.query_string import ContainerRefused
from embedded_aws.runtime.services import open_stream
from embedded_aws.runtime.turns import Turns
from kit.moved_aws import MovedAws
from kit.silent_transport import SilentTransport

TAKEN, REFUSED = "taken", "refused"
_PIECE = 997
_OPERATIONS = (
    *(f"SageMaker.{name}" for name in ("CreateEndpoint", "CreateEndpointConfig", "CreateModel", "DescribeEndpoint")),
    *(f"SageMaker.{name}" for name in ("ListEndpoints", "UpdateEndpoint", "UpdateEndpointWeightsAndCapacities")),
    *(
        f"AnyScaleFrontendService.{name}"
        for name in ("PutScalingPolicy", "RegisterScalableTarget", "PutScheduledAction")
    ),
    *(f"AnyScaleFrontendService.{name}" for name in ("DescribeScalableTargets", "DescribeScalingActivities")),
    *(f"GraniteServiceVersion20100801.{name}" for name in ("PutMetricAlarm", "PutMetricData", "GetMetricData")),
    *(f"GraniteServiceVersion20100801.{name}" for name in ("DescribeAlarms", "GetMetricStatistics", "ListMetrics")),
    *("ServiceQuotasV20190624.ListServiceQuotas", "AWSPriceListService.GetProducts", "Logs_20140328.FilterLogEvents"),
)


def pieces(data: bytes) -> Iterator[bytes]:
    """The bytes as a socket may hand them over."""
    return (data[at : at + _PIECE] for at in range(0, len(data), _PIECE))


def frames(data: bytes) -> str:
    """A stream's signed frames."""
    verifier = FrameVerifier(Signed(ACCESS_KEY_ID, SECRET_ACCESS_KEY, "us-east-1", "0" * 64, {}))
    decoder = Decoder()
    try:
        for piece in pieces(data):
            for frame in decoder.feed(piece):
                verifier.open(frame)
    except (FrameError, SignatureRefused):
        return REFUSED
    return TAKEN


def header_block(data: bytes) -> str:
    """A message that is whole, with any header block."""
    message = eventstream.decode(eventstream.encode(data[:2000], data[2000:]))
    try:
        json.dumps({name: str(value) for name, value in message.headers.items()})
    except FrameError:
        return REFUSED
    return TAKEN


def wav(data: bytes) -> str:
    """Audio that says itself what it is, as a stream and as a file."""
    taken = REFUSED
    for separate in (True, False):
        splitter = Splitter(None, separate=separate)
        with contextlib.suppress(AudioUndecodable):
            for piece in pieces(data):
                taken = TAKEN if splitter.feed(piece) else taken
    with contextlib.suppress(AudioUndecodable):
        read_audio(io.BytesIO(data), separate=True)
        taken = TAKEN
    return taken


def http2(data: bytes) -> str:
    """A connection that says it speaks HTTP/2."""

    async def connection() -> bool:
        transport = SilentTransport()
        served = Http2ServerConnection(transport, lambda *_: Exchange(), lambda _: None, Turns())
        for piece in pieces(data):
            if not transport.closed:
                served.data_received(piece)
        await asyncio.sleep(0)
        served.connection_lost()
        return transport.closed

    return REFUSED if asyncio.run(connection()) else TAKEN


def http1(data: bytes) -> str:
    """A connection that says it speaks HTTP/1.1."""

    async def answer(request: Request, body: bytes) -> Response:
        return Refused(404, "", f"{request.method} {len(body)}").response()

    async def connection() -> bool:
        transport = SilentTransport()
        served = Http1ServerConnection(transport, answer, 10_000, lambda _: None, Turns())
        for piece in pieces(data):
            if not transport.closed:
                served.data_received(piece)
            while served._task is not None:
                await served._task
        served.connection_lost()
        return transport.closed

    return REFUSED if asyncio.run(connection()) else TAKEN


def signature(data: bytes) -> str:
    """A request's headers, a line each, that are to prove who signed it."""
    lines = data.decode("latin-1").split("\n")
    headers = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    try:
        verify_request(
            method="POST",
            path="/" + lines[0],
            query=lines[-1],
            headers=headers,
            body=data,
            secret_for={ACCESS_KEY_ID: SECRET_ACCESS_KEY}.get,
        )
    except SignatureRefused:
        return REFUSED
    return TAKEN


def container(data: bytes) -> str:
    """A query, and the messages of a stream behind it: a line each, text when it begins with a brace."""
    query, *messages = data.split(b"\n")
    text, taken = query.decode("latin-1"), REFUSED

    async def streams() -> str:
        nonlocal taken
        engine = MeteredEngine(MeteredSettings()).new_instance("i-0123456789abcdef0")
        instance = Instance("i-0123456789abcdef0", 0.0, engine=engine)
        lease = Lease(instance=instance, variant_name="AllTraffic", _lock=threading.RLock(), log=lambda _: None)
        for listing in LISTINGS:
            if listing.engine != "metered":
                continue
            client = Client(lambda _: None, lambda _: None, lambda: None, lambda _: None)
            with contextlib.suppress(ContainerRefused):
                stream = open_stream(
                    listing.protocol.path, text, client, engine=engine, listing=listing, request_id="r", lease=lease
                )
                stream.begin()
                for message in messages:
                    stream.message(message, text=message[:1] == b"{")
                stream.abort()
                taken = TAKEN
        engine.close()
        return taken

    return asyncio.run(streams())


@cache
def _aws() -> MovedAws:
    return MovedAws()


@contextmanager
def _nothing_logged() -> Iterator[None]:
    logged: list[logging.LogRecord] = []
    handler = logging.Handler(logging.WARNING)
    handler.emit = logged.append  # type: ignore[method-assign]
    logger = logging.getLogger("embedded_aws")
    logger.addHandler(handler)
    try:
        yield
    finally:
        logger.removeHandler(handler)
    assert not logged, logged[0].getMessage()


def operation(data: bytes) -> str:
    """A control plane call: the first line is which operation, the rest its body in JSON or CBOR."""
    head, _, body = data.partition(b"\n")
    target = _OPERATIONS[sum(head) % len(_OPERATIONS)]
    service, name = target.split(".")
    if head[:1] == b"c":
        path, headers = f"/service/{service}/operation/{name}", {"smithy-protocol": "rpc-v2-cbor"}
    else:
        path, headers = "/", {"X-Amz-Target": target, "Content-Type": "application/x-amz-json-1.1"}
    return _asked(path, headers, body)


def form(data: bytes) -> str:
    """A control plane call in the query protocol."""
    service = ("iam", "sts", "monitoring", "sns")[sum(data[:32]) % 4]
    scope = f"x/20260101/us-east-1/{service}/aws4_request"
    signed = f"AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host, Signature=0"
    return _asked("/", {"Content-Type": "application/x-www-form-urlencoded", "Authorization": signed}, data)


def administration(data: bytes) -> str:
    """A request to the administration: the first line is its method and route, the rest its body."""
    head, _, body = data.partition(b"\n")
    method, _, route = head.decode("latin-1").partition(" ")
    return _asked(f"/_dgsm/{route}", {}, body, method=method if method.isalpha() and method.isascii() else "POST")


def _asked(path: str, headers: dict[str, str], body: bytes, method: str = "POST") -> str:
    environ = EnvironBuilder(method=method, path=path, headers=headers | {"Host": "127.0.0.1"}, data=body).get_environ()
    with _nothing_logged():
        _, status, _ = run_wsgi_app(_aws().gateway, environ, buffered=True)
    code = int(status.partition(" ")[0])
    assert code < 500, status
    return TAKEN if code < 400 else REFUSED


def state_file(data: bytes) -> str:
    """The file that says where the embedded AWS is."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "server.json"
        file.write_bytes(data)
        return REFUSED if ServerInfo.read(file) is None else TAKEN


@dataclass(frozen=True)
class Target:
    """What is fuzzed, and examples of what it takes or refuses, from which others are made."""

    run: Callable[[bytes], str]
    seeds: tuple[bytes, ...]


_SIGNED = (
    b"endpoints/demo/invocations\nhost: 127.0.0.1\nx-amz-date: 20261129T000000Z\n"
    b"authorization: AWS4-HMAC-SHA256 Credential=AKIADGSMLOCAL0000000/20261129/us-east-1/sagemaker/aws4_request, "
    b"SignedHeaders=host;x-amz-date, Signature=" + b"0" * 64
)
_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes((0, 0, 0, 4, 0, 0, 0, 0, 0))
_WAV = (
    b"RIFF\xff\xff\xff\xffWAVEfmt \x10\0\0\0\x01\0\x02\0\x80\x3e\0\0\0\xfa\0\0\x04\0\x10\0data\xff\xff\xff\xff"
    + bytes(64)
)
_BINARY = eventstream.encode(b"\x05:date\x08" + bytes(8), eventstream.payload_part(b"{}"))
TARGETS = {
    target.run.__name__: target
    for target in (
        Target(frames, (_BINARY, _BINARY * 3, eventstream.payload_part(b"x" * 300), b"\0\0\0\x10\0\0\0\0")),
        Target(header_block, (_BINARY[12:25], b"\x01a\x07\0\x01b", b"\x01a\x09" + bytes(16), b"\x00", b"\xff" * 40)),
        Target(
            wav,
            (_WAV, _WAV[:30], _WAV.replace(b"\x02\0\x80", b"\xff\xff\x80"), b"RF64" + _WAV[4:], b"fLaC" + bytes(60)),
        ),
        Target(http2, (_PREFACE, _PREFACE + bytes((0, 0, 8, 6, 0, 0, 0, 0, 0)) + b"12345678", _PREFACE + b"\xff" * 30)),
        Target(
            http1,
            (
                b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
                b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
                b"HEAD / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\nab" * 2,
                b"CONNECT x:1 HTTP/1.1\r\nHost: x\r\nUpgrade: h2c\r\n\r\n",
            ),
        ),
        Target(signature, (_SIGNED, _SIGNED.replace(b"0" * 64, b"\xe9"), _SIGNED.replace(b"us-east-1", b"\x00"), b"")),
        Target(
            container,
            (
                b"&".join(f"{name}=1".encode() for name in sorted(NOVA_LISTEN.parameters)) + b"\n" + _WAV,
                b"model=nova-3&encoding=linear16&sample_rate=16000\n" + bytes(3200) + b'\n{"type":"CloseStream"}\n',
                b"model=flux-general-en&encoding=linear16&sample_rate=16000\n"
                + b'{"type":"Configure","thresholds":{}}',
                b"model=aura-2-thalia-en\n" + b'{"type":"Speak","text":"hello"}\n{"type":"Flush"}\n{"type":"Clear"}',
                b"&".join(name.encode() for name in sorted({*FLUX_LISTEN.parameters, *FLUX_SPEAK.parameters})),
            ),
        ),
        Target(
            operation,
            (
                *(f"{chr(97 + number)}\n{{}}".encode() for number in range(len(_OPERATIONS))),
                *(b"c" + bytes((97 + number,)) + b"\n\xa0" for number in range(len(_OPERATIONS))),
                b'a\n{"EndpointName": "e", "EndpointConfigName": "c", "StartTime": 1e400, "NextToken": "x"}',
                b'b\n{"ProductionVariants": [{"VariantName": "v", "ModelName": "m", "InitialInstanceCount": 1e99}]}',
                b'm\n{"MetricDataQueries": [{"Id": "a", "Expression": "((((a+b)))"}], "StartTime": 0, "EndTime": 1e18}',
                b"c\n" + b"\x9b" + b"\x7f" * 8,
                b"a\n" + b"[" * 3000,
            ),
        ),
        Target(
            form,
            (
                *(b"Action=ListUsers&Version=2010-05-08" + bytes((97 + n,)) for n in range(4)),
                *(
                    b"Action=" + name + b"&Version=2011-06-15&x=" + bytes((97 + n,))
                    for n in range(4)
                    for name in (b"GetCallerIdentity", b"ListTopics")
                ),
                b"Action=AssumeRole&Version=2011-06-15&RoleArn=arn:aws:iam::1:role/x&RoleSessionName=session",
                b"Action=AssumeRoleWithWebIdentity&Version=2011-06-15&RoleSessionName=%ff&Tags.member.1.Key=",
                b"Action=DescribeAlarms&Version=2010-08-01&AlarmNames.member.1=%00",
            ),
        ),
        Target(
            administration,
            (
                b'POST faults\n{"kind": "crash", "endpoint": "demo", "count": 3}',
                b'POST faults\n{"kind": "slow-metrics", "seconds": 1e400}',
                b'DELETE faults\n{"kind": "crash"}',
                b'DELETE faults\n{"id": []}',
                b'PUT quotas\n{"region": [], "instance_type": "ml.g6.2xlarge", "value": NaN}',
                b"GET faults/kinds\n",
                b"GET ../../etc/passwd\n",
            ),
        ),
        Target(state_file, (b'{"schema_version": 2, "pid": 1}', b"[]", b"null", b"{" * 3000, b"\xff")),
    )
}
