"""Connections of the control plane: an SDK's are kept from call to call, others end with their answer."""

from __future__ import annotations

import socket
from contextlib import closing
from http.client import HTTPResponse

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kit.stepped_plane import running_plane

from embedded_aws.gateway import control_server
from embedded_aws.gateway.control_server import ControlServer

LIST = {"Content-Type": "application/x-amz-json-1.1", "X-Amz-Target": "SageMaker.ListModels"}
SDK = {**LIST, "amz-sdk-invocation-id": "5d2a2f6e-4cba-4fc0-a6b1-1c1a6b9c7a10"}


@pytest.fixture(scope="module")
def plane():
    with running_plane() as running:
        yield running


def connected(plane) -> socket.socket:
    return socket.create_connection(("127.0.0.1", int(plane.url.rpartition(":")[2])), timeout=60)


def request(body: bytes = b"{}", headers=SDK) -> bytes:
    every = {"Host": "127.0.0.1", "Content-Length": str(len(body)), **headers}
    return b"POST / HTTP/1.1\r\n" + b"".join(f"{n}: {v}\r\n".encode() for n, v in every.items()) + b"\r\n" + body


def answer(connection: socket.socket) -> HTTPResponse:
    """The next answer, read to its end and no further."""
    response = HTTPResponse(connection, method="POST")
    response.begin()
    response.read()
    return response


def has_ended(connection: socket.socket) -> bool:
    return connection.recv(1) == b""


def asked(connection: socket.socket, *given, **headers) -> int:
    connection.sendall(request(*given, **headers))
    return answer(connection).status


def test_boto3_calls_on_one_connection(plane, monkeypatch):
    begun = []
    begin = ControlServer.process_request
    monkeypatch.setattr(ControlServer, "process_request", lambda *given: begun.append(given) or begin(*given))
    sagemaker = plane.session().client("sagemaker", endpoint_url=plane.url)
    for _ in range(5):
        sagemaker.list_models()
    with pytest.raises(sagemaker.exceptions.ClientError):
        sagemaker.describe_model(ModelName="none")
    sagemaker.list_models()
    assert len(begun) == 1


def test_who_is_no_sdk_may_read_to_the_end_of_the_connection(plane):
    with closing(connected(plane)) as connection:
        connection.sendall(request(headers=LIST))
        assert answer(connection).headers["Connection"] == "close"
        assert has_ended(connection)


NO_JSON = st.binary(max_size=300).map(b"\xff".__add__)


@given(bodies=st.lists(st.one_of(st.just(b"{}"), NO_JSON), min_size=1, max_size=6))
def test_calls_that_follow_each_other_are_told_apart_whatever_they_say(plane, bodies):
    with closing(connected(plane)) as connection:
        connection.sendall(b"".join(map(request, bodies)))
        whole = connection.makefile("rb")
        for body in bodies:
            status = int(whole.readline().split()[1])
            length = 0
            while (line := whole.readline()) != b"\r\n":
                name, _, value = line.partition(b":")
                length = int(value) if name.lower() == b"content-length" else length
            whole.read(length)
            assert (status == 200) == (body == b"{}"), body


def test_a_call_that_is_refused_unread_ends_its_connection(plane):
    with closing(connected(plane)) as connection:
        connection.sendall(request(b"x" * 1000, {**SDK, "Origin": "https://evil.example"}))
        refused = answer(connection)
        assert (refused.status, refused.headers["Connection"]) == (403, "close")


@pytest.mark.parametrize("length", ["-1", "abc", "\xb2", "9" * 5000, str(1 << 40)])
def test_a_length_that_is_none_ends_the_connection(plane, length):
    with closing(connected(plane)) as connection:
        connection.sendall(request(b"", SDK).replace(b"Length: 0", f"Length: {length}".encode("latin-1")))
        refused = answer(connection)
        assert refused.status in (400, 413)
        assert refused.headers["Connection"] == "close"


def test_a_connection_that_is_used_outlives_those_that_are_not(plane, monkeypatch):
    monkeypatch.setattr(control_server, "MOST_CONNECTIONS", 8)
    opened = []

    def another() -> socket.socket:
        opened.append(connected(plane))
        assert asked(opened[-1]) == 200
        return opened[-1]

    try:
        kept, unused, *_ = [another() for _ in range(7)]
        assert asked(kept) == 200
        for _ in range(6):
            another()
        assert has_ended(unused)
        assert asked(kept) == 200
    finally:
        for connection in opened:
            connection.close()


def test_kept_connections_end_with_the_server():
    with running_plane() as running:
        connection = connected(running)
        assert asked(connection) == 200
    with closing(connection):
        assert has_ended(connection)
