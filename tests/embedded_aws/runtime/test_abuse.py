"""What one client may do to a runtime server without the others waiting, and without keeping what it took."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import itertools
import json
import re
import socket
import ssl
import struct
from asyncio.sslproto import SSLProtocol

import h2.errors
import hpack
import pytest
from kit.raw_http2 import PCM, STREAM, RawHttp2, audio, close
from kit.runtime_sdk import WAIT_S
from kit.silent_transport import SilentTransport
from kit.waiting import until

from dgsm_helpers.rules.sample import sample_wav
from dgsm_helpers.wire import h2_bypass
from dgsm_helpers.wire.eventstream import Decoder, payload_part
from dgsm_helpers.wire.samples import MOST_CHANNELS
from dgsm_helpers.wire.sigv4 import EVENTS_PAYLOAD, Credentials, sign_request
from embedded_aws.gateway import callers
from embedded_aws.listings import ACCESS_KEY_ID, SECRET_ACCESS_KEY
from embedded_aws.runtime import bidi, runtime_server, tls_listener, turns
from embedded_aws.runtime.exchange import Exchange, Response
from embedded_aws.runtime.gate import Limits
from embedded_aws.runtime.http1_connection import Http1ServerConnection
from embedded_aws.runtime.http2_connection import Http2ServerConnection
from embedded_aws.runtime.turns import Turns

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes((0, 0, 0, 4, 0, 0, 0, 0, 0))
FILE = "/endpoints/demo/invocations"


def h2_frame(kind: int, payload: bytes, flags: int = 0, stream: int = 0) -> bytes:
    return h2_bypass.HEAD.pack(len(payload) >> 8, len(payload) & 0xFF, kind, flags, stream) + payload


def http1(running, data: bytes, *, host_header: bool = True) -> bytes:
    """Bytes on a connection that speaks HTTP/1.1; all that comes back until the server closes."""
    context = ssl.create_default_context(cafile=running.ca_file)
    context.set_alpn_protocols(["http/1.1"])
    plain = socket.create_connection(("127.0.0.1", running.port))
    with context.wrap_socket(plain, server_hostname="127.0.0.1") as sent:
        sent.settimeout(WAIT_S)
        sent.sendall(data)
        answer = b""
        with contextlib.suppress(ConnectionError, ssl.SSLError):
            while piece := sent.recv(1 << 16):
                answer += piece
    return answer


def wav(channels: int, moments: int = 1600) -> bytes:
    head = struct.pack("<HHIIHH", 1, channels, 16_000, 16_000 * channels * 2, channels * 2 & 0xFFFF, 16)
    size = moments * channels * 2
    return b"RIFF\xff\xff\xff\xffWAVEfmt \x10\0\0\0" + head + b"data" + struct.pack("<I", size) + bytes(size)


FLOODS = {
    "pings": (h2_frame(6, b"12345678"), 6),
    "settings": (h2_frame(4, b""), 4),
    "priorities": (h2_frame(2, b"\0\0\0\0\x10", stream=1), None),
    "windows": (h2_frame(8, b"\0\0\0\1"), None),
}


@pytest.mark.parametrize("flood", FLOODS)
def test_frames_are_taken_a_few_at_a_time_and_the_socket_waits_meanwhile(flood, monkeypatch):
    """Here each frame has used its turn up: the event loop comes round for every one of them."""
    monkeypatch.setattr(turns, "TURN_S", 1e-9)
    frame, answer = FLOODS[flood]

    async def rounds() -> tuple[int, SilentTransport]:
        transport = SilentTransport()
        connection = Http2ServerConnection(transport, lambda *_: Exchange(), lambda _: None, Turns())
        connection.data_received(PREFACE + frame * 500)
        assert not transport.reading
        connection.data_received(frame * 500)
        count = 0
        while not transport.reading and count < 100_000:
            await asyncio.sleep(0)
            count += 1
        await asyncio.sleep(0)
        return count, transport

    count, transport = asyncio.run(rounds())
    assert count >= 998
    assert transport.reading
    if answer is not None:
        assert transport.written.count(frame[:3] + bytes((answer, 1))) >= 1000


def test_however_many_flood_one_is_read_in_a_round_and_whoever_sends_little_at_once(monkeypatch):
    monkeypatch.setattr(turns, "TURN_S", 1e-9)
    monkeypatch.setattr(turns, "SOON_S", 0.0)
    ping, many, each = FLOODS["pings"][0], 40, 5
    pong = ping[:3] + bytes((6, 1))

    async def answered() -> tuple[list[int], list[int], bool]:
        """Of the flooders, round by round; of whoever pings once a round."""
        shared, transports = Turns(), [SilentTransport() for _ in range(many)]
        for transport in transports:
            flooder = Http2ServerConnection(transport, lambda *_: Exchange(), lambda _: None, shared)
            flooder.data_received(PREFACE + ping * each)
        seldom = SilentTransport()
        connection = Http2ServerConnection(seldom, lambda *_: Exchange(), lambda _: None, shared)
        connection.data_received(PREFACE)
        theirs, own = [], []
        for number in range(many * (each + 1)):
            connection.data_received(ping)
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            theirs.append(sum(transport.written.count(pong) for transport in transports))
            own.append(seldom.written.count(pong) - number - 1)
        return theirs, own, all(transport.reading for transport in transports)

    theirs, own, reading = asyncio.run(answered())
    assert max(after - before for before, after in itertools.pairwise(theirs)) <= 3
    assert theirs[-1] == many * each and reading
    assert set(own) == {0}


def test_a_call_that_once_waited_is_read_at_once_again_however_many_flood(monkeypatch):
    monkeypatch.setattr(turns, "TURN_S", 1e-9)
    flood, many = FLOODS["pings"][0] * 1000, 200
    head = hpack.Encoder().encode([(":method", "POST"), (":scheme", "https"), (":authority", "x"), (":path", "/")])
    heard = []

    class Call(Exchange):
        def data(self, data: bytes) -> None:
            heard.append(data)

    async def waited() -> list[int]:
        """How many rounds each piece of the call's audio waited."""
        shared = Turns()
        for _ in range(many):
            flooder = Http2ServerConnection(SilentTransport(), lambda *_: Exchange(), lambda _: None, shared)
            flooder.data_received(PREFACE + flood)
        transport = SilentTransport()
        call = Http2ServerConnection(transport, lambda *_: Call(), lambda _: None, shared)
        call.data_received(PREFACE + h2_frame(1, head, flags=4, stream=1))
        audio, found = h2_frame(0, b"audio", stream=1), []
        for number in range(10):
            call.data_received(audio)
            count = 0
            while len(heard) <= number or not transport.reading:
                await asyncio.sleep(0)
                count += 1
            found.append(count)
            await asyncio.sleep(2 * turns.SOON_S)  # the next one does not come any sooner
        return found

    first, *others = asyncio.run(waited())
    assert first >= many
    assert others == [0] * 9


def test_chunks_of_a_byte_are_taken_a_few_at_a_time_over_http1(monkeypatch):
    monkeypatch.setattr(turns, "TURN_S", 1e-9)
    chunks = 300

    async def rounds() -> tuple[int, bytes, SilentTransport]:
        transport, bodies = SilentTransport(), []

        async def answer(request, body):
            bodies.append(body)
            return Response(200, (), b"")

        connection = Http1ServerConnection(transport, answer, 10_000, lambda _: None, Turns())
        head = b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
        connection.data_received(head + b"1\r\nx\r\n" * chunks + b"0\r\n\r\n")
        assert not transport.reading
        count = 0
        while not bodies and count < 100_000:
            await asyncio.sleep(0)
            count += 1
        return count, bodies[0], transport

    count, body, transport = asyncio.run(rounds())
    assert count >= chunks
    assert body == b"x" * chunks and transport.reading


def test_a_client_that_never_reads_its_answers_is_cut_off():
    async def flooded() -> SilentTransport:
        transport = SilentTransport()
        connection = Http2ServerConnection(transport, lambda *_: Exchange(), lambda _: None, Turns())
        connection.data_received(PREFACE)
        transport.unread = 5 << 20
        connection.data_received(h2_frame(6, b"12345678"))
        await asyncio.sleep(0)
        return transport

    assert asyncio.run(flooded()).closed


def test_a_message_that_comes_byte_by_byte_is_copied_once(monkeypatch):
    """Whatever it is cut into, the bytes that are joined are those of the message."""
    joined = []
    message = payload_part(bytes(50_000))
    decoder = Decoder()

    class Counted(list):
        def __iter__(self):
            joined.append(1)
            return super().__iter__()

    got = []
    for at in range(0, len(message), 7):
        got += decoder.feed(message[at : at + 7])
        decoder._parts = Counted(decoder._parts)
    assert [m.payload for m in got] == [bytes(50_000)]
    assert decoder.held_bytes == 0
    assert sum(joined) < len(message) / 7 * 3


@pytest.mark.parametrize("number", [MOST_CHANNELS + 1, 255, 1025, 65_535])
@pytest.mark.parametrize("multichannel", ["true", "false"])
def test_audio_of_more_channels_than_deepgram_takes_is_refused(running, number, multichannel):
    raw = RawHttp2(running)
    stream, signer = raw.open(query=f"model=nova-3&multichannel={multichannel}")
    raw.send(stream, signer.sign(payload_part(wav(number)[:8192], "BINARY")))
    *_, last = raw.finish(stream)
    assert "DATA-0000" in json.loads(last.payload)["Message"]
    assert running.lease.released == 1
    raw.socket.close()


def test_audio_of_as_many_channels_as_deepgram_takes_is_heard(running):
    raw = RawHttp2(running)
    stream, signer = raw.open(query="model=nova-3&multichannel=true")
    raw.send(stream, signer.sign(payload_part(wav(MOST_CHANNELS), "BINARY")) + close(signer))
    *_, last = raw.finish(stream)
    assert json.loads(last.payload)["channels"] == MOST_CHANNELS
    raw.socket.close()


@pytest.mark.parametrize("name", [b"x-other", b"x-amzn-sagemaker-model-query-string"])
def test_letters_that_are_none_end_their_stream_and_no_other(running, name):
    raw = RawHttp2(running)
    good, signer = raw.open()
    raw.until(lambda: good in raw.headers)
    pseudo = [
        (b":method", b"POST"),
        (b":scheme", b"https"),
        (b":authority", raw.host.encode()),
        (b":path", STREAM.encode()),
    ]
    bad = raw.h2.get_next_available_stream_id()
    raw.h2.config.validate_outbound_headers = raw.h2.config.normalize_outbound_headers = False
    raw.h2.send_headers(
        bad, [*pseudo, (name, b"\xff\xfe"), (b"authorization", b"AWS4-HMAC-SHA256 \xe9")], end_stream=True
    )
    raw.flush()
    raw.until(lambda: bad in raw.headers or bad in raw.reset)
    raw.send(good, audio(signer) + close(signer))
    assert json.loads(raw.finish(good)[-1].payload)["type"] == "Metadata"
    raw.socket.close()


@pytest.mark.parametrize("header", ["sec-fetch-site", "origin", "host"])
@pytest.mark.parametrize("path", [STREAM, FILE])
def test_no_page_is_answered_over_http2(running, header, path):
    raw = RawHttp2(running)
    if header == "host":
        raw.host = "evil.example"
    stream, _ = raw.request(path, {} if header == "host" else {header: "same-site"})
    raw.h2.end_stream(stream)
    raw.flush()
    raw.until(lambda: stream in raw.ended)
    assert raw.headers[stream][":status"] == "403"
    assert json.loads(raw.body[stream])["Message"] == callers.REFUSAL
    assert not running.placement.leases
    raw.socket.close()


@pytest.mark.parametrize("line", ["Origin: https://evil.example", "Sec-Fetch-Site: cross-site", "Host: evil.example"])
@pytest.mark.parametrize("path", [FILE, STREAM, "/", "/ping"])
def test_no_page_is_answered_over_http1(running, line, path):
    host = "" if line.startswith("Host") else "Host: 127.0.0.1\r\n"
    answer = http1(running, f"GET {path} HTTP/1.1\r\n{host}{line}\r\nConnection: close\r\n\r\n".encode())
    assert answer.startswith(b"HTTP/1.1 403") and callers.REFUSAL.encode() in answer


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS", "DELETE", "TRACE", "PATCH", "BREW"])
def test_every_method_is_answered_over_http1(running, method, caplog):
    answer = http1(running, f"{method} / HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n".encode())
    assert answer.startswith(b"HTTP/1.1 404")
    assert (b"No operation for" in answer.partition(b"\r\n\r\n")[2]) == (method != "HEAD")
    assert not caplog.records


@pytest.mark.parametrize(
    "more", ["", "Upgrade: h2c\r\nConnection: Upgrade\r\n", "Upgrade: websocket\r\nConnection: upgrade\r\n"]
)
@pytest.mark.parametrize("start", ["CONNECT 127.0.0.1:1", "GET /"])
def test_whoever_wants_another_protocol_is_refused(running, start, more, caplog):
    asked = (
        f"{start} HTTP/1.1\r\nHost: 127.0.0.1\r\n{more}\r\n" + "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    )
    assert re.match(rb"HTTP/1.1 (404|400)", http1(running, asked.encode()))
    assert not caplog.records


def test_a_head_request_leaves_the_connection_usable(running):
    head = b"HEAD / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
    last = b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n"
    assert http1(running, head * 3 + last).count(b"HTTP/1.1 404") == 4


def signed_file(running, body: bytes) -> bytes:
    headers = {"host": f"127.0.0.1:{running.port}", "x-amzn-sagemaker-custom-attributes": "v1/listen?model=nova-3"}
    keys = Credentials(ACCESS_KEY_ID, SECRET_ACCESS_KEY)
    signed = sign_request(
        method="POST", path=FILE, headers=headers, credentials=keys, region="us-east-1", payload_hash="UNSIGNED-PAYLOAD"
    )
    lines = "".join(f"{name}: {value}\r\n" for name, value in {**headers, **signed.headers}.items())
    return f"POST {FILE} HTTP/1.1\r\n{lines}content-length: {len(body)}\r\n\r\n".encode() + body


def test_what_comes_behind_a_file_that_is_answered_stays_in_the_socket(running):
    """Ten files at once, one after the other: all are answered, and none of them waits in the server's memory."""
    one = signed_file(running, sample_wav())
    last = b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n"
    assert http1(running, one * 10 + last).count(b"HTTP/1.1 200") == 10
    assert running.server.held.total == 0


def test_whoever_holds_most_gives_way_and_nobody_else(serve):
    running = serve(limits=Limits(held_each_bytes=8 << 20, held_bytes=12 << 20))
    small, large, third = (RawHttp2(running) for _ in range(3))
    streams = {client: client.open() for client in (small, large, third)}
    part = payload_part(bytes(20 << 20), "BINARY")

    def dribble(client, size):
        stream, signer = streams[client]
        client.send(stream, signer.sign(part)[:size])
        client.roundtrip()

    dribble(small, 2 << 20)
    dribble(large, 7 << 20)
    until(lambda: running.server.held.total >= 9 << 20, "both are counted")
    with contextlib.suppress(OSError, ssl.SSLError):
        dribble(third, 6 << 20)
    until(lambda: len(running.server.connections) == 2, "who held most is cut off")
    with pytest.raises((OSError, ssl.SSLError)):
        large.roundtrip()
    small.roundtrip()
    third.roundtrip()
    for client in (small, large, third):
        client.socket.close()
    until(lambda: running.server.held.total == 0, "nothing is held any more")
    assert all(lease.released == 1 for lease in running.placement.leases)


def test_one_connection_holds_so_much_and_no_more(serve):
    running = serve(limits=Limits(held_each_bytes=4 << 20))
    raw = RawHttp2(running)
    with pytest.raises((OSError, ssl.SSLError)):
        for _ in range(8):
            stream, signer = raw.open()
            raw.send(stream, signer.sign(payload_part(bytes(2 << 20)))[: 1 << 20])
            raw.roundtrip()
    until(lambda: running.server.held.total == 0, "nothing is held any more")
    until(lambda: all(lease.released == 1 for lease in running.placement.leases), "no stream counts as load")


def test_answers_that_nobody_reads_count_as_held(running):
    raw = RawHttp2(running)
    raw.acknowledge = False
    stream, signer = raw.open(query="model=nova-3")
    raw.until(lambda: stream in raw.headers)
    for _ in range(40):
        raw.send(stream, signer.sign(payload_part(b'{"type":"No such"' + b" " * 50_000 + b"}")))
    until(lambda: running.server.held.total > 1 << 20, "they wait")
    raw.socket.close()
    until(lambda: running.server.held.total == 0, "they are let go")


def test_there_are_not_more_connections_than_a_machine_bears(running, monkeypatch):
    monkeypatch.setattr(runtime_server, "MOST_CONNECTIONS", 4)
    busy = RawHttp2(running)
    stream, signer = busy.open()
    busy.until(lambda: stream in busy.headers)
    idle = [RawHttp2(running) for _ in range(9)]
    assert len(running.server.connections) <= 5
    busy.send(stream, audio(signer) + close(signer))
    assert json.loads(busy.finish(stream)[-1].payload)["type"] == "Metadata"
    idle[-1].roundtrip()
    for client in (busy, *idle):
        client.socket.close()


def test_whoever_says_nothing_when_tls_begins_gives_way_to_whoever_comes(running, monkeypatch):
    monkeypatch.setattr(tls_listener, "MOST_SILENT", 4)
    silent = [socket.create_connection(("127.0.0.1", running.port)) for _ in range(20)]
    raw = RawHttp2(running)
    stream, signer = raw.open()
    raw.send(stream, audio(signer) + close(signer))
    assert json.loads(raw.finish(stream)[-1].payload)["type"] == "Metadata"
    for oldest in silent[:12]:
        oldest.settimeout(WAIT_S)
        with contextlib.suppress(ConnectionError):
            assert oldest.recv(1) == b""
    for connection in (*silent, raw.socket):
        connection.close()


def test_a_handshake_gives_way_to_no_silence(running, monkeypatch):
    """A client whose machine is busy may need as long for its side as a thousand others to connect."""
    monkeypatch.setattr(tls_listener, "MOST_SILENT", 4)
    context = ssl.create_default_context(cafile=running.ca_file)
    come, go = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = context.wrap_bio(come, go, server_hostname="127.0.0.1")
    with contextlib.ExitStack() as opened:
        slow = opened.enter_context(socket.create_connection(("127.0.0.1", running.port), WAIT_S))
        with contextlib.suppress(ssl.SSLWantReadError):
            tls.do_handshake()
        slow.sendall(go.read())
        come.write(slow.recv(1 << 16))
        silent = [
            opened.enter_context(socket.create_connection(("127.0.0.1", running.port), WAIT_S)) for _ in range(20)
        ]
        with contextlib.suppress(ConnectionError):
            assert silent[0].recv(1) == b""
        tls.do_handshake()
        tls.write(b"GET / HTTP/1.1\r\n\r\n")
        slow.sendall(go.read())
        assert slow.recv(1 << 16)


def test_a_handshake_that_is_not_gone_on_with_gives_way_to_another(running, monkeypatch):
    monkeypatch.setattr(tls_listener, "MOST_HANDSHAKES", 4)
    begun = [socket.create_connection(("127.0.0.1", running.port), WAIT_S) for _ in range(20)]
    for connection in begun:
        connection.sendall(b"\x16\x03\x01")
    with contextlib.suppress(ConnectionError):
        assert begun[0].recv(1) == b""
    RawHttp2(running).socket.close()
    for connection in begun:
        connection.close()


@pytest.mark.parametrize("first", [b"GET / HTTP/1.1\r\n\r\n", b"\x16\x03\x01\xff\xff" + bytes(99), b"\0", b""])
def test_what_is_no_tls_is_closed_and_nothing_logged(running, first, caplog):
    with socket.create_connection(("127.0.0.1", running.port)) as plain:
        plain.sendall(first)
        plain.shutdown(socket.SHUT_WR)
        plain.settimeout(WAIT_S)
        with contextlib.suppress(ConnectionError):
            while plain.recv(1 << 16):
                pass
    RawHttp2(running).socket.close()
    assert not caplog.records


def test_a_connection_that_is_gone_keeps_no_memory_of_tls(running):
    """Nor until Python looks for circles: here it never does."""

    def of_tls() -> int:
        return sum(isinstance(thing, SSLProtocol) for thing in gc.get_objects())

    gc.collect()
    before = of_tls()
    gc.disable()
    try:
        for ends in (True, False):
            for _ in range(3):
                raw = RawHttp2(running)
                stream, signer = raw.open()
                raw.send(stream, audio(signer) + (close(signer) if ends else b""))
                raw.until(lambda stream=stream, seen=raw.ended if ends else raw.headers: stream in seen)
                raw.socket.close()
            http1(running, signed_file(running, sample_wav()) + b"GET / HTTP/1.1\r\nConnection: close\r\n\r\n")
        until(lambda: of_tls() <= before, "the connections are let go")
    finally:
        gc.enable()


class Broken(Exception):
    pass


def _raise(*_, **__):
    raise Broken


@pytest.mark.parametrize("breaks", ["message", "begin", "time_out", "open_stream", "decode"])
def test_a_stream_that_breaks_gives_its_instance_back_and_the_others_go_on(running, monkeypatch, breaks, caplog):
    raw = RawHttp2(running)
    other, others_signer = raw.open()
    raw.until(lambda: other in raw.headers)
    with monkeypatch.context() as patch:
        if breaks in ("begin", "open_stream"):
            name = (
                "embedded_aws.runtime.nova_stream.NovaStream.begin"
                if breaks == "begin"
                else f"{bidi.__name__}.open_stream"
            )
            patch.setattr(name, _raise)
            broken, _ = raw.open()
            raw.until(lambda: broken in raw.headers)
        else:
            broken, signer = raw.open()
            raw.until(lambda: broken in raw.headers)
            if breaks == "decode":
                patch.setattr(bidi.FrameVerifier, "open", _raise)
            elif breaks == "message":
                patch.setattr("embedded_aws.runtime.nova_stream.NovaStream.message", _raise)
            if breaks == "time_out":
                raw.h2.reset_stream(broken, h2.errors.ErrorCodes.CANCEL)
                raw.flush()
            else:
                raw.send(broken, audio(signer))
                raw.until(lambda: broken in raw.ended)
                assert raw.messages(broken)[-1].headers[":exception-type"] == "InternalStreamFailure"
        until(lambda: running.lease.released == 1, "its instance is free")
    raw.send(other, audio(others_signer) + close(others_signer))
    assert json.loads(raw.finish(other)[-1].payload)["type"] == "Metadata"
    assert all(lease.released == 1 for lease in running.placement.leases)
    raw.socket.close()


def test_a_signature_in_other_letters_is_a_refusal_over_both_versions(running, caplog):
    forged = (
        f"AWS4-HMAC-SHA256 Credential={ACCESS_KEY_ID}/20260101/us-east-1/sagemaker/aws4_request, SignedHeaders=host, "
    )
    lines = (
        f"Host: 127.0.0.1\r\nAuthorization: {forged}Signature=\xe9\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
    )
    answer = http1(running, f"POST {FILE} HTTP/1.1\r\n{lines}".encode("latin-1"))
    assert answer.startswith(b"HTTP/1.1 403")
    raw = RawHttp2(running)
    signed = sign_request(
        method="POST",
        path=STREAM,
        headers={"host": raw.host},
        credentials=Credentials(ACCESS_KEY_ID, SECRET_ACCESS_KEY),
        region="us-east-1",
        payload_hash=EVENTS_PAYLOAD,
    )
    changed = {**signed.headers, "authorization": signed.headers["authorization"][:-1] + "\xe9"}
    stream = raw.h2.get_next_available_stream_id()
    pseudo = [(":method", "POST"), (":scheme", "https"), (":authority", raw.host), (":path", STREAM)]
    raw.h2.send_headers(stream, [*pseudo, *changed.items()])
    raw.flush()
    raw.until(lambda: stream in raw.headers)
    assert raw.headers[stream][":status"] == "403"
    assert not caplog.records
    raw.socket.close()


@pytest.mark.parametrize("listing", ["metered", "metered-flux", "metered-aura", "metered-flux-tts"])
def test_json_that_is_too_deep_is_answered_as_any_other_that_cannot_be_read(serve, listing, caplog):
    running = serve(listing=listing)
    container = running.placement.host.listing
    query = f"model={container.models[0]}&encoding=linear16&sample_rate=16000"

    def answers(message: bytes) -> list[str]:
        raw = RawHttp2(running)
        stream, signer = raw.open(query=query, container_path=container.protocol.path)
        end = json.dumps({"type": container.protocol.end_message}).encode()
        raw.send(stream, signer.sign(payload_part(message)) + signer.sign(payload_part(end)))
        told = [part.payload.decode().replace(json.dumps(message.decode()), "...") for part in raw.finish(stream)]
        raw.socket.close()
        return [re.sub(r'"(request_id|model_uuid|created|transaction_key)":"[^"]*"|[0-9a-f-]{36}', "", t) for t in told]

    expected = answers(b"no JSON")
    assert expected
    for deep in (b"[" * 100_000, b'{"type":' * 50_000, b'{"type":"KeepAlive","x":' * 5_000):
        assert answers(deep) == expected
    assert not caplog.records


def test_audio_goes_on_being_heard_while_another_client_floods(running):
    """Both are served on one thread; this is about who gets an answer at all, not how fast."""
    flooder, raw = RawHttp2(running), RawHttp2(running)
    flooder.socket.sendall(FLOODS["pings"][0] * 30_000)
    stream, signer = raw.open()
    raw.send(stream, b"".join(audio(signer, n) for n in range(len(PCM) // 3200 and 5)) + close(signer))
    assert json.loads(raw.finish(stream)[-1].payload)["type"] == "Metadata"
    flooder.socket.close()
    raw.socket.close()
