"""Who asks the control plane, and with what: pages, back doors, broken bodies, wrong signatures, too many of them."""

from __future__ import annotations

import contextlib
import gzip
import io
import json
import socket
import tracemalloc
from contextlib import closing

import cbor2
import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials
from botocore.exceptions import ClientError
from hypothesis import given
from hypothesis import strategies as st
from kit.stepped_plane import running_plane
from kit.waiting import until

from embedded_aws.gateway import callers, control_server, request_body
from embedded_aws.held_bytes import HeldBytes
from embedded_aws.listings import ACCESS_KEY_ID, SECRET_ACCESS_KEY

RIGHT = Credentials(ACCESS_KEY_ID, SECRET_ACCESS_KEY)
JSON = {"Content-Type": "application/x-amz-json-1.1", "X-Amz-Target": "SageMaker.ListModels"}
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
CBOR = {"Content-Type": "application/cbor", "smithy-protocol": "rpc-v2-cbor"}
ALARMS = "/service/GraniteServiceVersion20100801/operation/DescribeAlarms"
PAGES = {
    "a page of elsewhere": {"Origin": "https://evil.example"},
    "a page of another server of this machine": {"Origin": "http://localhost:9999"},
    "a page of the same address": {"Origin": "http://127.0.0.1:8442"},
    "a file": {"Origin": "null"},
    "an empty origin": {"Origin": ""},
    "an image of a page": {"Sec-Fetch-Site": "cross-site"},
    "a frame of a sibling": {"Sec-Fetch-Site": "same-site"},
    "a rebound name that says so": {"Host": "evil.example", "Sec-Fetch-Site": "same-origin"},
    "a rebound name": {"Host": "evil.example"},
    "a rebound name with a port": {"Host": "evil.example:8442"},
    "a name that ends like a host of AWS": {"Host": "evilamazonaws.com"},
    "a name that begins like this machine": {"Host": "127.0.0.1.evil.example"},
    "a name before an at-sign": {"Host": "127.0.0.1@evil.example"},
    "another address": {"Host": "10.0.0.7"},
    "no name at all": {"Host": "[::1"},
    "moto's own name": {"Host": "moto_api"},
}
PATHS = (
    "/",
    "/?Action=ListUsers&Version=2010-05-08",
    "/_dgsm/status",
    "/_dgsm/faults",
    ALARMS,
    "/moto-api/reset",
    "/latest/meta-data/",
)


@pytest.fixture(scope="module")
def plane():
    with running_plane() as running:
        yield running


@pytest.fixture(scope="module")
def strict():
    """One that checks signatures, as the embedded AWS does by itself."""
    with running_plane(check_signatures=True) as running:
        running.control.create_identity()
        yield running


def raw(plane, data: bytes) -> tuple[int, bytes]:
    """Bytes as no client would send them; the answer's status, and all of it."""
    with closing(socket.create_connection(("127.0.0.1", int(plane.url.rpartition(":")[2])))) as sent:
        sent.settimeout(60)
        sent.sendall(data)
        answer = b""
        while piece := sent.recv(1 << 16):
            answer += piece
    return int(answer.split(b" ", 2)[1]), answer


def ask(plane, path="/", *, body=b"", method="POST", service="sagemaker", keys=RIGHT, **headers):
    """A signed request, whose other headers are put over what was signed."""
    request = AWSRequest(method=method, url=plane.url + path, data=body)
    SigV4Auth(keys, service, "us-east-1").add_auth(request)
    every = {"Host": plane.url.rpartition("/")[2], **request.headers, "Content-Length": str(len(body)), **headers}
    lines = "".join(f"{name}: {value}\r\n" for name, value in every.items())
    return raw(plane, f"{method} {path} HTTP/1.1\r\n{lines}\r\n".encode("latin-1") + body)


@pytest.mark.parametrize("page", PAGES)
@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_no_page_is_answered_on_any_route(plane, page, path, method):
    status, answer = ask(plane, path, method=method, **PAGES[page])
    assert status == 403
    assert callers.REFUSAL.encode() in answer


@pytest.mark.parametrize(
    "host",
    ["localhost", "127.0.0.1", "[::1]:8442", "127.0.0.7", "api.sagemaker.us-east-1.amazonaws.com", "a.localhost"],
)
def test_programs_are_answered_under_every_name_of_this_machine(plane, host):
    assert ask(plane, **JSON, Host=host)[0] == 200
    assert ask(plane, "/_dgsm/faults", method="GET", Host=host, **{"Sec-Fetch-Site": "none"})[0] == 200


@pytest.mark.parametrize(
    "path",
    ["/moto-api/reset", "/Moto-API/reset", "/x/../moto-api/reset", "/%6doto-api/data.json", "/latest/meta-data/", "/"],
)
@pytest.mark.parametrize("method", ["GET", "POST", "HEAD", "OPTIONS"])
def test_there_is_no_back_door(plane, path, method):
    plane.make_model("kept") if not plane.client("sagemaker").list_models()["Models"] else None
    status, _ = ask(plane, path, method=method, service="nothing")
    assert 400 <= status < 500
    assert plane.client("sagemaker").list_models()["Models"]


DEEP = b"[" * 100_000
BODIES = {
    "JSON of depth": (JSON, "/", b'{"a":' * 100_000),
    "a list of depth": (JSON, "/", DEEP),
    "gzip cut off": ({**JSON, "Content-Encoding": "gzip"}, "/", gzip.compress(b"{}" * 999)[:-9]),
    "gzip of nothing": ({**JSON, "Content-Encoding": "gzip"}, "/", b""),
    "a bad deflate": ({**JSON, "Content-Encoding": "gzip"}, "/", gzip.compress(b"{}")[:10] + b"\xff" * 40),
    "gzip and more": ({**JSON, "Content-Encoding": "gzip"}, "/", gzip.compress(b"{}") + b"x"),
    "a list as a key": (CBOR, ALARMS, b"\xa1\x80\x01"),
    "an object as a key": (CBOR, ALARMS, b"\xa1\xa0\x01"),
    "indefinite bytes of numbers": (CBOR, ALARMS, b"\x5f\x01\x02\xff"),
    "a length beyond the body": (CBOR, ALARMS, b"\x9b" + b"\x7f" * 8),
    "text that is none": (CBOR, ALARMS, b"\xa1\x61\xff\x01"),
    "CBOR of depth": (CBOR, ALARMS, b"\x81" * 100_000),
    "a tag of depth": (CBOR, ALARMS, b"\xc1" * 100_000 + b"\x01"),
    "a date beyond the calendar": (CBOR, ALARMS, b"\xc1\xfb\x7f\xef" + b"\xff" * 6),
    "no JSON for the administration": ({}, "/_dgsm/faults", b"{"),
    "depth for the administration": ({}, "/_dgsm/faults", DEEP),
    "no end of a count": ({}, "/_dgsm/faults", b'{"kind": "crash", "count": 1e400}'),
    "no number of seconds": ({}, "/_dgsm/faults", b'{"kind": "slow-metrics", "seconds": NaN}'),
    "text that is no text": ({}, "/_dgsm/faults", b'{"kind": "crash\xff"}'),
    "a list for a name": ({}, "/_dgsm/faults", b'{"kind": "shortage", "instance_type": []}'),
    "a length that is negative": ({**JSON, "Content-Length": "-1"}, "/", b""),
    "a length that is none": ({**JSON, "Content-Length": "abc"}, "/", b""),
    "a length in other digits": ({**JSON, "Content-Length": "\xb2"}, "/", b""),
    "a chunk that is none": ({**JSON, "Transfer-Encoding": "chunked", "Content-Length": "0"}, "/", b"zz\r\n"),
}
ANSWERED = {"gzip of nothing"}


@pytest.mark.parametrize("kind", BODIES)
def test_a_body_that_cannot_be_read_is_refused_and_nothing_logged(plane, kind, caplog):
    headers, path, body = BODIES[kind]
    status, answer = ask(plane, path, body=body, service="monitoring" if path == ALARMS else "sagemaker", **headers)
    assert 400 <= status < 500, answer
    assert not caplog.records
    assert ask(plane, **JSON)[0] == 200


ASKED = [
    f"{method} {{}} HTTP/1.1\r\n{sdk}" for method in ("GET", "POST") for sdk in ("", "amz-sdk-invocation-id: 1\r\n")
]
NO_PATHS = (
    *("http://[", "http://a:b/", "http://127.0.0.1:99999/", "http://127.0.0.1/_dgsm/status"),
    *("*", "x", "?a", "a:b", "#/"),
)


@pytest.mark.parametrize("target", NO_PATHS)
@pytest.mark.parametrize("asked", ASKED)
def test_a_request_target_that_is_no_path_is_refused_and_nothing_logged(plane, target, asked, caplog, capfd):
    status, answer = raw(plane, f"{asked.format(target)}Host: 127.0.0.1\r\n\r\n".encode())
    assert (status, b"is no path" in answer) == (400, True)
    assert not caplog.records
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    "target", ["//[", "//a:b/", "/[", "/?[", "//a:99999/", "/%5b", "/%", "//[v1.x]/?a=[", "/;", "/#"]
)
@pytest.mark.parametrize("asked", ASKED)
def test_every_path_is_answered_and_nothing_logged(strict, target, asked, caplog, capfd):
    scope = "Credential=a/20260101/us-east-1/monitoring/aws4_request"
    signed = f"Authorization: AWS4-HMAC-SHA256 {scope}, SignedHeaders=host, Signature=0\r\n"
    head = f"{asked.format(target)}{signed}X-Amz-Target: SageMaker.ListModels\r\nConnection: close\r\n"
    assert 400 <= raw(strict, f"{head}Host: 127.0.0.1\r\n\r\n".encode())[0] < 500
    assert not caplog.records
    assert capfd.readouterr() == ("", "")


CHUNKS = {
    "a chunk that is cut off": b"5\r\nab",
    "a chunk that has no end": b"ffffffffffffffff\r\nab",
    "a length beyond all numbers": b"f" * 40 + b"\r\nab",
    "a negative length": b"-5\r\nabcde\r\n0\r\n\r\n",
    "a length with a sign": b"+2\r\n{}\r\n0\r\n\r\n",
    "a length in Python's spelling": b"0x2\r\n{}\r\n0\r\n\r\n",
    "a chunk longer than it says": b"1\r\n{}\r\n0\r\n\r\n",
    "a line of extensions without end": b"2;" + b"x" * 100_000,
    "lines without end behind the last chunk": b"2\r\n{}\r\n0\r\n" + b"a: b\r\n" * 10_000,
    "no chunk": b"",
}


@pytest.mark.parametrize("kind", CHUNKS)
def test_chunks_that_are_none_are_refused_and_the_server_stands(plane, kind, caplog):
    head = b"POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: chunked\r\n"
    head += b"".join(f"{name}: {value}\r\n".encode() for name, value in JSON.items())
    with closing(socket.create_connection(("127.0.0.1", int(plane.url.rpartition(":")[2])))) as client:
        client.settimeout(60)
        with contextlib.suppress(ConnectionError):  # it has seen enough
            client.sendall(head + b"\r\n" + CHUNKS[kind])
            client.shutdown(socket.SHUT_WR)
            assert client.recv(12) == b"HTTP/1.1 400"
    assert not caplog.records
    assert ask(plane, **JSON)[0] == 200


@given(sizes=st.lists(st.integers(1, 70_000), max_size=4), at=st.integers(1, 70_000), cut=st.integers(0, 200_000))
def test_a_body_in_chunks_is_what_was_sent_or_is_said_to_be_cut_off(sizes, at, cut):
    bodies = [bytes([number]) * size for number, size in enumerate(sizes, start=1)]
    sent = b"".join(b"%x;extension=1\r\n%b\r\n" % (len(body), body) for body in bodies) + b"0\r\na: b\r\n\r\n"
    chunks = control_server.ChunkedBody(io.BufferedReader(io.BytesIO(sent[:cut] if cut < len(sent) else sent)))
    came = bytearray()
    try:
        while piece := chunks.read(at):
            came += piece
    except OSError:
        assert cut < len(sent)
        assert b"".join(bodies).startswith(came)
    else:
        assert came == b"".join(bodies)


def test_a_small_packed_body_that_is_a_large_one_is_refused(plane):
    bomb = gzip.compress(bytes(request_body.MOST_BYTES + 1))
    assert len(bomb) < 100_000
    assert ask(plane, body=bomb, **JSON, **{"Content-Encoding": "gzip"})[0] == 413
    assert ask(plane, **JSON, **{"Content-Length": str(request_body.MOST_BYTES + 1)})[0] == 413
    assert ask(plane, **JSON, **{"Content-Length": "9" * 5000})[0] == 413


_MOST = request_body.MOST_BYTES
SWELLING = {
    "a form of empty fields": (FORM, "/", b"a&" * (_MOST // 2), 400),
    "a form of one field again and again": (FORM, "/", b"a=b&" * (_MOST // 4), 400),
    "JSON of empty lists": (JSON, "/", b"[" + b"[]," * (_MOST // 3 - 1) + b"[]]", 413),
    "JSON of objects": (JSON, "/", b"[" + b'{"a":1},' * 200_000 + b"{}]", 413),
    "JSON of numbers": (JSON, "/", b"[" + b"9.5," * (_MOST // 4 - 1) + b"9]", 413),
    "CBOR of empty lists": (CBOR, ALARMS, b"\x9f" + b"\x80" * (_MOST - 2) + b"\xff", 413),
    "CBOR of maps and tags": (CBOR, ALARMS, b"\x9f" + b"\xa0\xc7\x01" * 200_000 + b"\xff", 413),
    "CBOR of text": (CBOR, ALARMS, b"\x9f" + b"\x62ab" * (_MOST // 3 - 1) + b"\xff", 413),
    "JSON for the administration": ({}, "/_dgsm/faults", b"[" + b"[]," * (_MOST // 3 - 1) + b"[]]", 413),
}


@pytest.mark.parametrize("kind", SWELLING)
def test_a_body_that_swells_when_it_is_parsed_is_refused_before(plane, kind, caplog):
    headers, path, body, refused = SWELLING[kind]
    packed, once = gzip.compress(body), gzip.compress(b"{}")
    headers = {**headers, "Content-Encoding": "gzip"}
    service = "monitoring" if path == ALARMS else "sagemaker"
    ask(plane, path, body=once, service=service, **headers)  # what is loaded with the first call counts for nobody
    tracemalloc.start()
    try:
        assert ask(plane, path, body=packed, service=service, **headers)[0] == refused
        # What came, twice while it is unpacked, and as text.
        assert tracemalloc.get_traced_memory()[1] < 5 * _MOST
    finally:
        tracemalloc.stop()
    assert not caplog.records


def test_what_is_unpacked_counts_until_it_is_answered(plane, monkeypatch):
    counted = []
    add = HeldBytes.add
    monkeypatch.setattr(HeldBytes, "add", lambda held, holder, n: (add(held, holder, n), counted.append(held.total)))
    packed = gzip.compress(b" " * 1_000_000 + b"{}")
    assert ask(plane, body=packed, **JSON, **{"Content-Encoding": "gzip"})[0] == 200
    assert counted[-1] == 1_000_002


def test_a_form_and_a_body_as_large_as_aws_takes_them_are_read(plane):
    fields = "".join(f"&MetricData.member.{n}.Value={n}" for n in range(1, 25_000)).encode()
    status, answer = ask(plane, body=b"Action=Nothing&Version=2010-08-01" + fields, service="monitoring", **FORM)
    assert (status, b"Nothing" in answer) == (400, True)
    body = json.dumps({"NameContains": "x" * 1_000_000, "Tags": [{}] * 60_000}).encode()
    status, answer = ask(plane, body=body, **JSON)
    assert (status, b"NameContains" in answer) == (400, True)


def test_no_client_holds_the_places_of_the_others(plane, monkeypatch):
    """The oldest gives way; whoever comes is served."""
    monkeypatch.setattr(control_server, "MOST_CONNECTIONS", 8)
    address = ("127.0.0.1", int(plane.url.rpartition(":")[2]))
    idle = [socket.create_connection(address) for _ in range(40)]
    try:
        assert ask(plane, **JSON)[0] == 200
        for oldest in idle[:30]:
            oldest.settimeout(60)
            assert oldest.recv(1) == b""
    finally:
        for connection in idle:
            connection.close()


CALLS = {
    "sagemaker": lambda c: c.list_models(),
    "application-autoscaling": lambda c: c.describe_scalable_targets(ServiceNamespace="sagemaker"),
    "cloudwatch": lambda c: c.describe_alarms(),
    "service-quotas": lambda c: c.list_service_quotas(ServiceCode="sagemaker"),
    "sts": lambda c: c.get_caller_identity(),
    "iam": lambda c: c.list_users(),
    "logs": lambda c: c.describe_log_groups(),
    "sns": lambda c: c.list_topics(),
    "s3": lambda c: c.list_buckets(),
}
OURS_AND_MOTOS = sorted(set(CALLS) - {"s3"})
IN_JSON = {"sagemaker", "application-autoscaling", "service-quotas", "logs"}


def called(plane, service, **keys):
    given = {"aws_access_key_id": ACCESS_KEY_ID, "aws_secret_access_key": SECRET_ACCESS_KEY, **keys}
    config = Config(retries={"max_attempts": 0})
    return CALLS[service](plane.session().client(service, endpoint_url=plane.url, config=config, **given))


@pytest.mark.parametrize("service", sorted(set(CALLS) - {"application-autoscaling", "cloudwatch"}))
def test_the_right_key_pair_is_let_in(strict, service):
    assert called(strict, service)["ResponseMetadata"]["HTTPStatusCode"] == 200


@pytest.mark.parametrize("service", OURS_AND_MOTOS)
def test_a_wrong_secret_is_learnt_here(strict, service):
    with pytest.raises(ClientError, match="signature we calculated does not match") as caught:
        called(strict, service, aws_secret_access_key="not-the-secret")
    error = caught.value.response
    assert error["Error"]["Code"] == ("InvalidSignatureException" if service in IN_JSON else "SignatureDoesNotMatch")
    assert error["ResponseMetadata"]["HTTPStatusCode"] == (400 if service in IN_JSON else 403)


@pytest.mark.parametrize("service", OURS_AND_MOTOS)
def test_an_unknown_key_is_learnt_here(strict, service):
    with pytest.raises(ClientError, match="security token included in the request is invalid") as caught:
        called(strict, service, aws_access_key_id="AKIANOBODY")
    code = caught.value.response["Error"]["Code"]
    assert code == ("UnrecognizedClientException" if service in IN_JSON else "InvalidClientTokenId")


def test_keys_that_iam_and_sts_hand_out_are_let_in(strict):
    iam, sts = strict.session().client("iam", endpoint_url=strict.url), strict.client("sts")
    iam.create_user(UserName="second")
    key = iam.create_access_key(UserName="second")["AccessKey"]
    own = {"aws_access_key_id": key["AccessKeyId"], "aws_secret_access_key": key["SecretAccessKey"]}
    assert called(strict, "sagemaker", **own)["Models"] == []
    role = strict.control.create_execution_role()
    assumed = sts.assume_role(RoleArn=role, RoleSessionName="session")["Credentials"]
    own = {"aws_access_key_id": assumed["AccessKeyId"], "aws_secret_access_key": assumed["SecretAccessKey"]}
    assert called(strict, "sagemaker", **own, aws_session_token=assumed["SessionToken"])["Models"] == []
    for token in (None, "another"):
        with pytest.raises(ClientError, match="security token included in the request is invalid"):
            called(strict, "sagemaker", **own, aws_session_token=token)
    iam.update_access_key(UserName="second", AccessKeyId=key["AccessKeyId"], Status="Inactive")
    with pytest.raises(ClientError, match="security token included in the request is invalid"):
        called(strict, "sagemaker", aws_access_key_id=key["AccessKeyId"], aws_secret_access_key=key["SecretAccessKey"])
    iam.delete_access_key(UserName="second", AccessKeyId=key["AccessKeyId"])
    iam.delete_user(UserName="second")
    iam.delete_role(RoleName=role.rpartition("/")[2])


TAMPERED = {
    "the body": {"body": b'{"NameContains": "x"}'},
    "the path": {"path": "/x"},
    "the query": {"path": "/?a=1"},
    "the target": {"X-Amz-Target": "SageMaker.ListEndpoints"},
    "the date": {"X-Amz-Date": "20200101T000000Z"},
    "the host": {"Host": "localhost"},
    "the signature": {"Authorization": "AWS4-HMAC-SHA256 Credential=x/20260101/us-east-1/sagemaker/aws4_request, "},
    "its letters": {"Authorization": "\xe9"},
    "nothing signed": {"Authorization": ""},
}


@pytest.mark.parametrize("what", TAMPERED)
def test_whatever_was_changed_after_it_was_signed_is_refused(strict, what, caplog):
    request = AWSRequest(method="POST", url=strict.url + "/", data=b"{}", headers=dict(JSON))
    SigV4Auth(RIGHT, "sagemaker", "us-east-1").add_auth(request)
    change = dict(TAMPERED[what])
    body, path = change.pop("body", b"{}"), change.pop("path", "/")
    headers = {"Host": strict.url.rpartition("/")[2], **request.headers, "Content-Length": str(len(body)), **change}
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    status, answer = raw(strict, f"POST {path} HTTP/1.1\r\n{lines}\r\n".encode("latin-1") + body)
    assert 400 <= status < 500, answer
    assert b'"Models"' not in answer
    assert not caplog.records


def test_a_signature_in_other_letters_is_a_refusal(strict, caplog):
    scope = f"{ACCESS_KEY_ID}/{{}}/us-east-1/sagemaker/aws4_request"
    request = AWSRequest(method="POST", url=strict.url + "/", data=b"{}", headers=dict(JSON))
    SigV4Auth(RIGHT, "sagemaker", "us-east-1").add_auth(request)
    date = request.headers["X-Amz-Date"][:8]
    forged = f"AWS4-HMAC-SHA256 Credential={scope.format(date)}, SignedHeaders=host;x-amz-date, Signature=\xe9\xfc"
    status, answer = ask(
        strict, body=b"{}", **{**JSON, "X-Amz-Date": request.headers["X-Amz-Date"]}, Authorization=forged
    )
    assert (status, json.loads(answer.rpartition(b"\r\n\r\n")[2])["__type"]) == (400, "InvalidSignatureException")
    assert not caplog.records


def test_what_aws_takes_unsigned_is_taken(strict):
    body = (
        b"Action=AssumeRoleWithWebIdentity&Version=2011-06-15&RoleSessionName=session&WebIdentityToken=token"
        b"&RoleArn=arn%3Aaws%3Aiam%3A%3A123456789012%3Arole%2FSome"
    )
    head = f"Host: 127.0.0.1\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: {len(body)}\r\n\r\n"
    assert raw(strict, b"POST / HTTP/1.1\r\n" + head.encode() + body)[0] == 200


def test_bodies_that_come_slowly_are_counted_and_let_go(plane):
    address = ("127.0.0.1", int(plane.url.rpartition(":")[2]))
    stuck = socket.create_connection(address)
    stuck.sendall(b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000\r\n\r\n" + bytes(200_000))
    assert ask(plane, **JSON)[0] == 200
    stuck.close()
    until(lambda: ask(plane, **JSON)[0] == 200, "it is answered on")


def test_a_cbor_call_that_is_right_is_answered(plane):
    assert ask(plane, "/_dgsm/faults", method="GET")[0] == 200
    status, answer = ask(plane, "/service/AWSPriceListService/operation/Nothing", body=cbor2.dumps({}), **CBOR)
    assert 400 <= status < 500 and b"UnknownOperation" in answer


TWICE = {
    "the operation": (b"Action=ListUsers&Action=ListRoles", "iam", 200, b"ListUsersResult"),
    "an operation that there is not": (b"Action=ListUsers&Action=Nothing", "iam", 200, b"ListUsersResult"),
    "one of another service": (b"Action=ListUsers&Action=ListTopics", "sns", 400, b"ListUsers"),
    "a value that is refused, behind": (b"Action=GetUser&UserName=nobody&UserName=%21", "iam", 404, b"nobody"),
    "a value that is refused, before": (b"Action=GetUser&UserName=%21&UserName=nobody", "iam", 400, b"pattern"),
}


@pytest.mark.parametrize("what", TWICE)
def test_what_comes_twice_is_checked_and_answered_as_it_came_first(plane, what, caplog):
    form, service, status, said = TWICE[what]
    got, answer = ask(plane, body=form + b"&Version=2010-05-08", service=service, **FORM)
    assert (got, said in answer) == (status, True), answer
    assert not caplog.records
