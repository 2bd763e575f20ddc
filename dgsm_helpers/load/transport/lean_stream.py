"""One stream of the lean transport: its signed request and frames, and what comes back."""

import asyncio
import json
from urllib.parse import quote

from dgsm_helpers.load.transport.http2_client import Http2Client
from dgsm_helpers.load.transport.query import Query
from dgsm_helpers.load.transport.recorder import TraceRecorder
from dgsm_helpers.load.transport.stream_target import StreamTarget
from dgsm_helpers.load.transport.trace import Ending
from dgsm_helpers.load.transport.workloads import Sender
from dgsm_helpers.wire import eventstream, sigv4


class LeanStream:
    """One stream as its connection and the pacer see it."""

    def __init__(self, sender: Sender, recorder: TraceRecorder, stop: asyncio.Event | None) -> None:
        loop = asyncio.get_running_loop()
        self.answered: asyncio.Future[None] = loop.create_future()
        self.ended: asyncio.Future[None] = loop.create_future()
        self.connection: Http2Client | None = None
        self.sender, self._take = sender, sender.take
        self._recorder, self._stop = recorder, stop or asyncio.Event()
        self._id = 0
        self._signer: sigv4.FrameSigner | None = None
        self._decoder = eventstream.Decoder()
        self._refusal: tuple[int, str] | None = None
        self._body = b""

    @property
    def clock_due(self) -> float:
        """When there is next something to do, on the monotonic clock."""
        return self._recorder.reading(self.sender.due_s)

    def open(self, connection: Http2Client, target: StreamTarget, query: Query) -> None:
        """Send the signed request."""
        headers, self._signer = signed_request(target, query.path, query.text(self.sender.sample_rate))
        self.connection = connection
        self._id = connection.open(headers, self)

    def send_next(self) -> bool:
        """Send what is due; False when nothing is left to send."""
        recorder, sender = self._recorder, self.sender
        if recorder.done:
            return False
        try:
            for data, kind in self._take(recorder, self._stop.is_set()):
                self._send(data, kind)
        except Exception as error:
            # One stream's trouble (its audio's, most likely) must not stop the pacer that serves them all.
            recorder.failed(Ending.DROPPED, type(error).__name__, str(error))
            self._over()
            return False
        return not sender.over

    def _send(self, data: bytes, kind: eventstream.DataType) -> None:
        assert self.connection is not None and self._signer is not None, "opened before anything is sent"
        self.connection.send(self._id, self._signer.sign(eventstream.payload_part(data, kind)))

    def give_up(self) -> None:
        """Let go of the stream; nothing happens if it has ended."""
        if self.connection is not None and self._id:
            self.connection.cancel(self._id)
            self.connection.flush()

    def on_headers(self, status: int, headers: dict[str, str]) -> None:
        """Accepted, or refused with a body to come."""
        if status == 200:
            self._recorder.opened()
            self._settle(self.answered)
        else:
            self._refusal = (status, headers.get("x-amzn-errortype", "").split(":")[0] or f"HTTP{status}")

    def on_data(self, data: bytes) -> None:
        """Messages, or the text of a refusal."""
        if self._refusal is not None:
            self._body += data
            return
        try:
            for message in self._decoder.feed(data):
                self._on_message(message)
        except eventstream.FrameError as error:
            self._recorder.failed(Ending.ERROR, "FrameError", str(error))

    def _on_message(self, message: eventstream.Message) -> None:
        headers = message.headers
        match headers.get(":message-type"):
            case "event":
                self._recorder.message(message.payload)
            case "exception":
                name = str(headers.get(":exception-type", "exception"))
                self._recorder.failed(Ending.ERROR, name, error_text(message.payload))
            case _:
                name = str(headers.get(":error-code", "error"))
                self._recorder.failed(Ending.ERROR, name, str(headers.get(":error-message", "")))

    def on_end(self) -> None:
        """The server is done."""
        if self._refusal is not None:
            self._recorder.failed(Ending.REFUSED, self._refusal[1], error_text(self._body))
        self._recorder.ended()
        self._over()

    def on_lost(self, reason: str) -> None:
        """Reset, or the connection is gone."""
        if not self.answered.done():
            self._recorder.failed(Ending.REFUSED, "ConnectionDropped", reason)
        self._recorder.failed(Ending.DROPPED, "ConnectionDropped", reason)
        self._over()

    def _over(self) -> None:
        self._settle(self.answered)
        self._settle(self.ended)

    @staticmethod
    def _settle(future: asyncio.Future[None]) -> None:
        if not future.done():
            future.set_result(None)


def signed_request(
    target: StreamTarget, model_path: str, model_query: str
) -> tuple[list[tuple[str, str]], sigv4.FrameSigner]:
    """The headers that open a stream on a path of the model, and what signs its frames."""
    path = f"{target.path}/endpoints/{quote(target.endpoint_name, safe='')}/invocations-bidirectional-stream"
    headers = {
        "host": f"{target.host}:{target.port}",
        "content-type": eventstream.CONTENT_TYPE,
        "x-amzn-sagemaker-model-invocation-path": model_path,
        "x-amzn-sagemaker-model-query-string": model_query,
    }
    if target.variant_name:
        headers["x-amzn-sagemaker-target-variant"] = target.variant_name
    signed = sigv4.sign_request(
        method="POST",
        path=path,
        headers=headers,
        credentials=target.credentials,
        region=target.region,
        payload_hash=sigv4.EVENTS_PAYLOAD,
    )
    authority = headers.pop("host")
    pseudo = [(":method", "POST"), (":scheme", "https"), (":authority", authority), (":path", path)]
    return [*pseudo, *headers.items(), *signed.headers.items()], sigv4.FrameSigner(signed)


def error_text(body: bytes) -> str:
    """The message in an error's JSON body."""
    try:
        content = json.loads(body)
    except ValueError:
        return body.decode(errors="replace")
    if not isinstance(content, dict):
        return str(content)
    return str(content.get("Message") or content.get("message") or content)
