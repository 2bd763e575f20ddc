"""The HTTP/2 side of a runtime server met with a bare `h2` client: it does what no well-behaved SDK does."""

from __future__ import annotations

import socket
import ssl

import h2.config
import h2.connection
import h2.events
import h2.settings

from dgsm_helpers.rules.sample import bundled_sample
from dgsm_helpers.wire.eventstream import CONTENT_TYPE, Decoder, payload_part
from dgsm_helpers.wire.sigv4 import EVENTS_PAYLOAD, Credentials, FrameSigner, sign_request
from embedded_aws.listings import ACCESS_KEY_ID, SECRET_ACCESS_KEY
from kit.runtime_sdk import QUERY, WAIT_S

KEYS = Credentials(ACCESS_KEY_ID, SECRET_ACCESS_KEY)
STREAM = "/endpoints/demo/invocations-bidirectional-stream"
PCM = bundled_sample().pcm
DATA, HEADERS, END_STREAM = 0, 1, 1


class RawHttp2:
    """One connection, blocking."""

    def __init__(self, running, *, window=None):
        self.host = f"127.0.0.1:{running.port}"
        context = ssl.create_default_context(cafile=running.ca_file)
        context.set_alpn_protocols(["h2"])
        plain = socket.create_connection(("127.0.0.1", running.port))
        self.socket = context.wrap_socket(plain, server_hostname="127.0.0.1")
        self.socket.settimeout(WAIT_S)
        self.h2 = h2.connection.H2Connection(h2.config.H2Configuration(header_encoding="utf-8"))
        self.h2.initiate_connection()
        if window is not None:
            self.h2.update_settings({h2.settings.SettingCodes.INITIAL_WINDOW_SIZE: window})
        self.headers, self.body, self.ended, self.reset = {}, {}, set(), {}
        self.goaway = None
        self.pongs = 0
        self.acknowledge = True
        self.settings = None
        self.flush()

    def flush(self):
        self.socket.sendall(self.h2.data_to_send())

    def request(self, path, headers, *, payload_hash=EVENTS_PAYLOAD, query=""):
        every = {"host": self.host, **headers}
        signed = sign_request(
            method="POST", path=path, headers=every, credentials=KEYS, region="us-east-1", payload_hash=payload_hash
        )
        stream = self.h2.get_next_available_stream_id()
        pseudo = [(":method", "POST"), (":scheme", "https"), (":authority", self.host), (":path", path + query)]
        self.h2.send_headers(stream, [*pseudo, *((k, v) for k, v in (headers | signed.headers).items())])
        self.flush()
        return stream, FrameSigner(signed)

    def open(self, path=STREAM, query=QUERY, container_path="v1/listen"):
        return self.request(
            path,
            {
                "content-type": CONTENT_TYPE,
                "x-amzn-sagemaker-model-invocation-path": container_path,
                "x-amzn-sagemaker-model-query-string": query,
            },
            query="?",
        )

    def send(self, stream, data, *, end=False):
        view = memoryview(data)
        while view:
            room = min(self.h2.local_flow_control_window(stream), self.h2.max_outbound_frame_size)
            if room == 0:
                self.read()
                continue
            self.h2.send_data(stream, bytes(view[:room]))
            view = view[room:]
            self.flush()
        if end:
            self.h2.end_stream(stream)
            self.flush()

    def read(self):
        data = self.socket.recv(1 << 16)
        if not data:
            raise ConnectionError("closed")
        for event in self.h2.receive_data(data):
            match event:
                case h2.events.ResponseReceived():
                    self.headers[event.stream_id] = dict(event.headers)
                case h2.events.DataReceived():
                    self.body.setdefault(event.stream_id, bytearray()).extend(event.data)
                    if self.acknowledge and event.flow_controlled_length:
                        self.h2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
                case h2.events.StreamEnded():
                    self.ended.add(event.stream_id)
                case h2.events.StreamReset():
                    self.reset[event.stream_id] = event.error_code
                case h2.events.ConnectionTerminated():
                    self.goaway = event.error_code
                case h2.events.PingAckReceived():
                    self.pongs += 1
                case h2.events.RemoteSettingsChanged():
                    self.settings = {c.setting: c.new_value for c in event.changed_settings.values()}
        self.flush()

    def until(self, wanted):
        while not wanted():
            self.read()

    def roundtrip(self):
        """Returns when the server has read all that was sent before."""
        wanted = self.pongs + 1
        self.h2.ping(b"12345678")
        self.flush()
        self.until(lambda: self.pongs >= wanted)

    def frame(self, kind, stream, payload, flags=0):
        """Past `h2`, which would refuse to send what these tests have to."""
        head = len(payload).to_bytes(3, "big") + bytes((kind, flags)) + stream.to_bytes(4, "big")
        self.socket.sendall(head + payload)

    def messages(self, stream):
        return Decoder().feed(bytes(self.body.get(stream, b"")))

    def finish(self, stream):
        self.until(lambda: stream in self.ended)
        return self.messages(stream)


def audio(signer, number=0):
    return signer.sign(payload_part(PCM[number * 3200 : (number + 1) * 3200], "BINARY"))


def close(signer):
    return signer.sign(payload_part(b'{"type":"CloseStream"}'))
