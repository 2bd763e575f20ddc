"""Clients of the embedded AWS that take what is others': one function for each, which goes on until it is ended.

Each runs in several threads of a process of its own. When the server cuts it off, it comes again at once.
"""

from __future__ import annotations

import contextlib
import gzip
import itertools
import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import boto3
from hpack import Encoder

from dgsm_helpers.rules.sample import bundled_sample, sample_wav
from dgsm_helpers.wire import h2_bypass
from dgsm_helpers.wire.eventstream import CONTENT_TYPE, payload_part
from dgsm_helpers.wire.samples import MOST_CHANNELS
from dgsm_helpers.wire.sigv4 import EVENTS_PAYLOAD, Credentials, FrameSigner, sign_request

THREADS = 4
WAIT_S = 60.0
PING, SETTINGS, RST_STREAM, WINDOW_UPDATE, CONTINUATION = 6, 4, 3, 8, 9
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes((0, 0, 0, SETTINGS, 0, 0, 0, 0, 0))
QUERY = "model=nova-3&encoding=linear16&sample_rate=16000&interim_results=true"
CUT = (OSError, ssl.SSLError)
KEPT = 300
"""Connections that one thread keeps; four of them have more than either server serves."""


@dataclass(frozen=True)
class Aim:
    """The two servers, and what a client needs for a call that is right."""

    control: tuple[str, int]
    runtime: tuple[str, int]
    ca_file: str
    endpoint: str
    region: str
    access_key_id: str
    secret_access_key: str

    @property
    def keys(self) -> Credentials:
        """What calls are signed with."""
        return Credentials(self.access_key_id, self.secret_access_key)

    @property
    def path(self) -> str:
        """Of the endpoint, for a file; a stream's has an ending."""
        return f"/endpoints/{self.endpoint}/invocations"


def frame(kind: int, payload: bytes = b"", flags: int = 0, stream: int = 0) -> bytes:
    """One HTTP/2 frame."""
    return h2_bypass.HEAD.pack(len(payload) >> 8, len(payload) & 0xFF, kind, flags, stream) + payload


def plain(address: tuple[str, int]) -> socket.socket:
    """A TCP connection."""
    return socket.create_connection(address, timeout=WAIT_S)


def secure(aim: Aim, protocol: str) -> ssl.SSLSocket:
    """A connection to the runtime: ``h2``, its preface sent, or ``http/1.1``."""
    context = ssl.create_default_context(cafile=aim.ca_file)
    context.set_alpn_protocols([protocol])
    made = context.wrap_socket(plain(aim.runtime), server_hostname=aim.runtime[0])
    if protocol == "h2":
        made.sendall(PREFACE)
    return made


def stream_block(aim: Aim, query: str = QUERY, *, right: bool = True) -> tuple[bytes, FrameSigner]:
    """The header block of a stream's request, and what signs its messages; a wrong signature unless ``right``."""
    path = f"{aim.path}-bidirectional-stream"
    host = f"{aim.runtime[0]}:{aim.runtime[1]}"
    headers = {
        "content-type": CONTENT_TYPE,
        "x-amzn-sagemaker-model-invocation-path": "v1/listen",
        "x-amzn-sagemaker-model-query-string": query,
    }
    signed = sign_request(
        method="POST",
        path=path,
        headers={"host": host, **headers},
        credentials=aim.keys,
        region=aim.region,
        payload_hash=EVENTS_PAYLOAD,
    )
    added = (
        signed.headers if right else {**signed.headers, "authorization": signed.headers["authorization"][:-4] + "0000"}
    )
    pseudo = [(":method", "POST"), (":scheme", "https"), (":authority", host), (":path", f"{path}?")]
    return Encoder().encode([*pseudo, *headers.items(), *added.items()]), FrameSigner(signed)


def opened(aim: Aim, query: str = QUERY) -> tuple[ssl.SSLSocket, FrameSigner]:
    """A connection with stream 1 asked for."""
    made = secure(aim, "h2")
    block, signer = stream_block(aim, query)
    made.sendall(frame(h2_bypass.HEADERS, block, h2_bypass.END_HEADERS, 1))
    return made, signer


def binary(data: bytes) -> bytes:
    """A message with audio."""
    return payload_part(data, "BINARY")


def in_frames(data: bytes, size: int = h2_bypass.MAX_BYTES) -> bytes:
    """``data`` as DATA frames of stream 1."""
    return b"".join(frame(h2_bypass.DATA, data[at : at + size], 0, 1) for at in range(0, len(data), size))


def kept(make: Callable[[], socket.socket], drip: bytes = b"") -> None:
    """Connections, more and more of them; each is sent a byte of ``drip`` again and again."""
    held: list[socket.socket] = []
    for byte in itertools.cycle(drip or b"\0"):
        with contextlib.suppress(*CUT):
            if len(held) < KEPT:
                held.append(make())
        for connection in held if drip else ():
            with contextlib.suppress(*CUT):
                connection.sendall(bytes([byte]))
        if len(held) == KEPT:
            time.sleep(0.02)


def sent(make: Callable[[], socket.socket], pieces: Iterator[bytes]) -> None:
    """``pieces`` as fast as they go; nothing that comes back is read."""
    with contextlib.closing(make()) as connection:
        for piece in pieces:
            connection.sendall(piece)


def flood(one: bytes) -> Callable[[Aim], None]:
    """The same frame without end."""
    return lambda aim: sent(lambda: secure(aim, "h2"), itertools.repeat(one * 500))


def flood_over_many(aim: Aim, one: bytes, *, calls: bool = False) -> None:
    """The same frame without end, on as many connections as they can be sent to; each with a call, or without one."""
    held = [opened(aim)[0] if calls else secure(aim, "h2") for _ in range(KEPT // 5)]
    for connection in held:
        connection.setblocking(False)
    while True:
        for connection in held:
            with contextlib.suppress(BlockingIOError, ssl.SSLWantWriteError):
                connection.send(one * 500)


def requests(aim: Aim, *, right: bool) -> None:
    """Streams that are asked for and given up at once, or that are signed by somebody else."""
    block, _ = stream_block(aim, right=right)
    give_up = struct.pack(">I", 8)

    def pieces() -> Iterator[bytes]:
        for stream in itertools.count(1, 2):
            yield frame(h2_bypass.HEADERS, block, h2_bypass.END_HEADERS, stream) + frame(RST_STREAM, give_up, 0, stream)

    sent(lambda: secure(aim, "h2"), pieces())


def audio(aim: Aim, *, query: str = QUERY, head: bytes = b"", size: int = h2_bypass.MAX_BYTES) -> None:
    """A stream's audio, as fast as it goes, in DATA frames of ``size`` bytes."""
    connection, signer = opened(aim, query)
    pcm = (bundled_sample().pcm * 4)[:400_000]
    messages = itertools.chain([head] if head else [], itertools.repeat(pcm if size > 1 else pcm[:3200]))
    sent(lambda: connection, (in_frames(signer.sign(binary(data)), size) for data in messages))


def wav_of_many_channels() -> bytes:
    """A WAV header of as many channels as Deepgram takes."""
    rate, block = 16_000, 2 * MOST_CHANNELS
    form = struct.pack("<HHIIHH", 1, MOST_CHANNELS, rate, rate * block, block, 16)
    return b"RIFF\xff\xff\xff\xffWAVEfmt \x10\0\0\0" + form + b"data\xff\xff\xff\xff"


def unread(aim: Aim) -> None:
    """Many streams in real time and faster, of whose answers nothing is read."""
    held = [opened(aim) for _ in range(30)]
    while True:
        for connection, signer in held:
            connection.sendall(in_frames(signer.sign(binary(bundled_sample().pcm[:3200]))))
        time.sleep(0.05)


def message_without_end(aim: Aim) -> None:
    """The beginning of a message of 16 MB, and as much of it as is taken."""
    connection, signer = opened(aim)
    start = signer.sign(binary(bytes(15 << 20)))
    sent(lambda: connection, itertools.chain([in_frames(start[:-1])], itertools.repeat(in_frames(bytes(1 << 20)))))


def headers_without_end(aim: Aim) -> None:
    """A header block that goes on."""
    first = frame(h2_bypass.HEADERS, stream_block(aim)[0], 0, 1)
    more = Encoder().encode([("x-more", "x" * 500)])
    sent(
        lambda: secure(aim, "h2"),
        itertools.chain([first], itertools.repeat(frame(CONTINUATION, more, 0, 1))),
    )


def come_and_go(aim: Aim) -> None:
    """Connections that are closed as soon as they are there."""
    secure(aim, "h2").close()


def file_request(aim: Aim, size: int, *, signed: bool) -> bytes:
    """The head of a file's request over HTTP/1.1."""
    host = f"{aim.runtime[0]}:{aim.runtime[1]}"
    headers = {"host": host, "x-amzn-sagemaker-custom-attributes": "v1/listen?model=nova-3"}
    if signed:
        made = sign_request(
            method="POST",
            path=aim.path,
            headers=headers,
            credentials=aim.keys,
            region=aim.region,
            payload_hash="UNSIGNED-PAYLOAD",
        )
        headers |= dict(made.headers)
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    return f"POST {aim.path} HTTP/1.1\r\n{lines}content-length: {size}\r\n\r\n".encode()


def files(aim: Aim, body: bytes, *, signed: bool) -> None:
    """A large file; whoever sent it reads the answer's beginning."""
    with contextlib.closing(secure(aim, "http/1.1")) as connection:
        connection.sendall(file_request(aim, len(body), signed=signed))
        connection.sendall(body)
        connection.recv(1000)


def chunks_of_a_byte(aim: Aim) -> None:
    """A body over HTTP/1.1 whose every byte is announced."""
    head = f"POST {aim.path} HTTP/1.1\r\nhost: {aim.runtime[0]}\r\ntransfer-encoding: chunked\r\n\r\n".encode()
    sent(lambda: secure(aim, "http/1.1"), itertools.chain([head], itertools.repeat(b"1\r\nx\r\n" * 5000)))


def control_head(aim: Aim, size: int, more: str = "") -> bytes:
    """The head of a call that nobody signed."""
    return (
        f"POST / HTTP/1.1\r\nHost: {aim.control[0]}\r\nX-Amz-Target: SageMaker.ListModels\r\n"
        f"Content-Type: application/x-amz-json-1.1\r\n{more}Content-Length: {size}\r\n\r\n"
    ).encode()


def control_call(aim: Aim, body: bytes, more: str = "") -> None:
    """A call that nobody signed, with this body."""
    with contextlib.closing(plain(aim.control)) as connection:
        connection.sendall(control_head(aim, len(body), more) + body)
        while connection.recv(1 << 16):
            pass


def slow_body(aim: Aim) -> socket.socket:
    """A call of which most is still to come."""
    connection = plain(aim.control)
    connection.sendall(control_head(aim, 1_000_000) + bytes(100_000))
    return connection


def right_calls(aim: Aim) -> None:
    """Calls that are right, one after the other."""
    client = boto3.Session(aim.access_key_id, aim.secret_access_key, region_name=aim.region).client(
        "sagemaker", endpoint_url=f"http://{aim.control[0]}:{aim.control[1]}"
    )
    while True:
        client.list_endpoints()


LARGE = bytes(24_000_000)
KINDS: dict[str, Callable[[Aim], None]] = {
    "connections that say nothing": lambda aim: kept(lambda: plain(aim.runtime)),
    "many connections": lambda aim: kept(lambda: secure(aim, "h2")),
    "connections that come and go": come_and_go,
    "headers byte by byte": lambda aim: kept(lambda: secure(aim, "http/1.1"), b"GET / HTTP/1.1\r\nX: " + b"x" * 9999),
    "headers without end": headers_without_end,
    "frames of 16 MB": lambda aim: sent(
        lambda: secure(aim, "h2"), itertools.repeat(b"\xff\xff\xff\0\0\0\0\0\1" + LARGE)
    ),
    "messages without end": message_without_end,
    "bodies before a signature": lambda aim: files(aim, LARGE, signed=False),
    "bodies in chunks of a byte": chunks_of_a_byte,
    "large files": lambda aim: files(aim, sample_wav() + LARGE, signed=True),
    "answers that nobody reads": unread,
    "pings": flood(frame(PING, b"12345678")),
    "pings on 240 connections": lambda aim: flood_over_many(aim, frame(PING, b"12345678")),
    "pings on 240 calls": lambda aim: flood_over_many(aim, frame(PING, b"12345678"), calls=True),
    "settings": flood(frame(SETTINGS)),
    "window updates": flood(frame(WINDOW_UPDATE, b"\0\0\0\1")),
    "frames with nothing": flood(frame(h2_bypass.DATA, b"", 0, 1)),
    "streams given up at once": lambda aim: requests(aim, right=True),
    "streams signed wrongly": lambda aim: requests(aim, right=False),
    "audio as fast as it goes": audio,
    "audio byte by byte": lambda aim: audio(aim, size=1),
    "audio of many channels": lambda aim: audio(
        aim, query="model=nova-3&multichannel=true", head=wav_of_many_channels()
    ),
    "control plane: connections that say nothing": lambda aim: kept(lambda: plain(aim.control)),
    "control plane: bodies byte by byte": lambda aim: kept(lambda: slow_body(aim), b"xxxx"),
    "control plane: bodies before a signature": lambda aim: control_call(aim, bytes(15_000_000)),
    "control plane: packed bodies": lambda aim: control_call(
        aim, gzip.compress(bytes(15_000_000)), "Content-Encoding: gzip\r\n"
    ),
    "control plane: brackets without end": lambda aim: control_call(aim, b"[" * 1_000_000),
    "control plane: calls that nobody signed": lambda aim: control_call(aim, b"{}"),
    "control plane: calls that are right": right_calls,
}


def abuse(name: str, aim: Aim) -> None:
    """Be one abuser, until the process is ended."""

    def again() -> None:
        while True:
            with contextlib.suppress(*CUT):
                KINDS[name](aim)

    threads = [threading.Thread(target=again, daemon=True) for _ in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
