"""A server that speaks the streaming protocol and misbehaves on request; the embedded AWS is tested elsewhere."""

from __future__ import annotations

import asyncio
import json
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from email.utils import formatdate
from pathlib import Path
from typing import Any

import h2.config
import h2.connection
import h2.events
import h2.exceptions
import trustme

from dgsm_helpers.load.transport.stream_target import StreamTarget
from dgsm_helpers.wire import eventstream, sigv4

SECRET = "secret-of-the-peer"
CHUNK_S = 0.1


def results(start: float, duration: float, *, final: bool = False, text: str = "hello") -> bytes:
    """A `Results` message as Deepgram sends it."""
    return json.dumps(
        {
            "type": "Results",
            "channel_index": [0, 1],
            "start": start,
            "duration": duration,
            "is_final": final,
            "speech_final": final,
            "channel": {"alternatives": [{"transcript": text, "confidence": 0.9, "words": []}]},
        }
    ).encode()


@dataclass
class Peer:
    """The endpoint's name picks the behaviour: good, refuse, mute, instream, drop, early, silent; or a refusal.

    ``refusals`` holds (status, code, members of the body) by endpoint name. ``ahead_s`` is how far its clock is ahead.
    """

    url: str
    ca_bundle: str
    refusals: dict[str, tuple[int, str, dict]] = field(default_factory=dict)
    ahead_s: float = 0.0
    requests: list[dict[str, str]] = field(default_factory=list)
    streams: list[dict] = field(default_factory=list)
    open_streams: int = 0

    def target(self, endpoint_name: str = "good") -> StreamTarget:
        return StreamTarget(
            url=self.url,
            region="us-east-1",
            endpoint_name=endpoint_name,
            variant_name="AllTraffic",
            ca_bundle=self.ca_bundle,
            credentials=sigv4.Credentials("AKIDPEER", SECRET),
        )


class _Connection(asyncio.Protocol):
    def __init__(self, peer: Peer) -> None:
        self.peer = peer
        self.h2 = h2.connection.H2Connection(h2.config.H2Configuration(client_side=False, header_encoding="utf-8"))
        self.streams: dict[int, dict] = {}

    def connection_made(self, transport):
        self.transport = transport
        self.h2.initiate_connection()
        self.flush()

    def flush(self):
        if not self.transport.is_closing():
            self.transport.write(self.h2.data_to_send())

    def connection_lost(self, exc):
        self.peer.open_streams -= len(self.streams)

    def data_received(self, data):
        for event in self.h2.receive_data(data):
            if isinstance(event, h2.events.RequestReceived):
                self.request(event.stream_id, dict(event.headers))
            elif isinstance(event, h2.events.DataReceived):
                self.acknowledge(event)
                self.data(event.stream_id, event.data)
            elif isinstance(event, h2.events.StreamReset) and self.streams.pop(event.stream_id, None):
                self.peer.open_streams -= 1
        self.flush()

    def acknowledge(self, event):
        with suppress(h2.exceptions.StreamClosedError):
            self.h2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)

    def request(self, sid, headers):
        self.peer.requests.append(headers)
        name = [*headers[":path"].split("/"), "", ""][2]
        if name == "mute":
            return
        if name == "refuse":
            body = json.dumps(
                {"Message": "Failed to establish WebSocket connection", "OriginalStatusCode": 400}
            ).encode()
            self.h2.send_headers(sid, [(":status", "424"), ("x-amzn-errortype", "ModelError")])
            self.h2.send_data(sid, body, end_stream=True)
            return
        if name in self.peer.refusals:
            self.refuse(sid, *self.peer.refusals[name])
            return
        path, _, query = headers[":path"].partition("?")
        try:
            signed = sigv4.verify_request(
                method=headers[":method"],
                path=path,
                query=query,
                headers={**headers, "host": headers.get("host", headers[":authority"])},
                secret_for={"AKIDPEER": SECRET}.get,
                now_s=time.time() + self.peer.ahead_s,
            )
        except sigv4.SignatureRefused as error:
            self.refuse(sid, error.status, error.code, {"message": error.message})
            return
        self.peer.open_streams += 1
        self.streams[sid] = {
            "name": name,
            "headers": headers,
            "signed": signed,
            "raw": b"",
            "frames": [],
            "decoder": eventstream.Decoder(),
            "verify": sigv4.FrameVerifier(signed),
            "chunks": 0,
        }
        self.peer.streams.append(self.streams[sid])
        self.h2.send_headers(sid, [(":status", "200"), ("content-type", eventstream.CONTENT_TYPE), self.date()])

    def date(self):
        return "date", formatdate(time.time() + self.peer.ahead_s, usegmt=True)

    def refuse(self, sid, status, code, members):
        body = json.dumps(members).encode()
        length = ("content-length", str(len(body)))
        self.h2.send_headers(sid, [(":status", str(status)), ("x-amzn-errortype", code), self.date(), length])
        self.h2.send_data(sid, body, end_stream=True)

    def data(self, sid, data):
        stream = self.streams.get(sid)
        if stream is None:
            return
        stream["raw"] += data
        for message in stream["decoder"].feed(data):
            inner = stream["verify"].open(message)
            if inner is None:
                continue
            stream["frames"].append(inner.payload)
            if inner.headers.get("DataType") == "UTF8":
                self.close_stream(sid, stream)
            else:
                self.audio(sid, stream)

    def audio(self, sid, stream):
        stream["chunks"] += 1
        done = stream["chunks"]
        if stream["name"] == "silent":
            return
        self.send(sid, eventstream.payload_part(results(0, done * CHUNK_S)))
        if done == 5 and stream["name"] == "instream":
            self.send(
                sid, eventstream.exception("ModelStreamError", Message="container is gone", ErrorCode="X"), end=True
            )
            self.streams.pop(sid)
            self.peer.open_streams -= 1
        elif done == 5 and stream["name"] == "drop":
            self.flush()
            self.transport.abort()
        elif done == 5 and stream["name"] == "early":
            self.send(sid, b"", end=True)
            self.streams.pop(sid)
            self.peer.open_streams -= 1

    def close_stream(self, sid, stream):
        if stream["name"] == "silent":
            return
        self.send(sid, eventstream.payload_part(results(0, stream["chunks"] * CHUNK_S, final=True)))
        self.send(sid, eventstream.payload_part(b'{"type":"Metadata","request_id":"r","duration":1}'), end=True)
        self.streams.pop(sid)
        self.peer.open_streams -= 1

    def send(self, sid, data, *, end=False):
        # A client may reset a stream whose audio is still being read here.
        with suppress(h2.exceptions.StreamClosedError):
            self.h2.send_data(sid, data, end_stream=end)


@contextmanager
def serve(folder: Path, **certificate: Any) -> Iterator[Peer]:
    """A peer on 127.0.0.1 with a certificate of its own authority; ``certificate`` says what is special about it."""
    authority = trustme.CA()
    bundle = folder / "peer-ca.pem"
    authority.cert_pem.write_to_path(str(bundle))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1", **certificate).configure_cert(context)
    context.set_alpn_protocols(["h2"])
    loop = asyncio.new_event_loop()
    peer = Peer(url="", ca_bundle=str(bundle))
    server = loop.run_until_complete(loop.create_server(lambda: _Connection(peer), "127.0.0.1", 0, ssl=context))
    peer.url = f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    try:
        yield peer
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join(5)
        server.close()
        loop.close()
