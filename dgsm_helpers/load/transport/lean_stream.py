"""One stream over HTTP/2 itself: its signed request and frames, and what comes back."""

import asyncio
import json
from typing import Protocol
from urllib.parse import quote

from dgsm_helpers.load.transport.http2_client import Http2Client
from dgsm_helpers.load.transport.query import Query
from dgsm_helpers.load.transport.recorder import TraceRecorder
from dgsm_helpers.load.transport.stream_target import StreamTarget
from dgsm_helpers.load.transport.trace import Ending
from dgsm_helpers.load.transport.workloads import Sender
from dgsm_helpers.wire import eventstream, sigv4


class StreamListener(Protocol):
    """Who hears what becomes of a stream: a `TraceRecorder`, or a session."""

    def opened(self) -> None:
        """The server accepted it."""

    def message(self, raw: bytes) -> None:
        """A message of the model."""

    def failed(self, ending: Ending, code: str, message: str) -> None:
        """It ended with an error; what comes after the first does not count."""

    def ended(self) -> None:
        """The server's side ended."""


class OpenedStream:
    """One stream as its connection sees it: the request, signed frames, and what comes back.

    ``answered`` and ``ended`` are done when the server has accepted or refused it, and when it is over.
    """

    def __init__(self, listener: StreamListener) -> None:
        loop = asyncio.get_running_loop()
        self.answered: asyncio.Future[None] = loop.create_future()
        self.ended: asyncio.Future[None] = loop.create_future()
        self.connection: Http2Client | None = None
        self._listener = listener
        self._id = 0
        self._signer: sigv4.FrameSigner | None = None
        self._decoder = eventstream.Decoder()
        self._refusal = ""
        self._body = b""

    def open(self, connection: Http2Client, target: StreamTarget, model_path: str, model_query: str) -> None:
        """Send the signed request for a stream on a path of the model."""
        headers, self._signer = _signed_request(target, model_path, model_query)
        self.connection = connection
        self._id = connection.open(headers, self)
        connection.flush()

    def send(self, data: bytes, kind: eventstream.DataType) -> None:
        """Queue a signed frame."""
        assert self.connection is not None and self._signer is not None, "opened before anything is sent"
        self.connection.send(self._id, self._signer.sign(eventstream.payload_part(data, kind)))

    def give_up(self) -> None:
        """Let go of the stream; nothing happens if it has ended."""
        if self.connection is not None and self._id:
            self.connection.cancel(self._id)
            self.connection.flush()

    def on_headers(self, status: int, headers: dict[str, str]) -> None:
        if status == 200:
            self._listener.opened()
            _settle(self.answered)
        else:
            self._refusal = headers.get("x-amzn-errortype", "").split(":")[0] or f"HTTP{status}"

    def on_data(self, data: bytes) -> None:
        if self._refusal:
            self._body += data
            return
        try:
            for message in self._decoder.feed(data):
                self._on_message(message)
        except eventstream.FrameError as error:
            self._listener.failed(Ending.ERROR, "FrameError", str(error))

    def _on_message(self, message: eventstream.Message) -> None:
        headers = message.headers
        match headers.get(":message-type"):
            case "event":
                self._listener.message(message.payload)
            case "exception":
                name = str(headers.get(":exception-type", "exception"))
                self._listener.failed(Ending.ERROR, name, error_text(message.payload))
            case _:
                name = str(headers.get(":error-code", "error"))
                self._listener.failed(Ending.ERROR, name, str(headers.get(":error-message", "")))

    def on_end(self) -> None:
        if self._refusal:
            self._listener.failed(Ending.REFUSED, self._refusal, error_text(self._body))
        self._listener.ended()
        self._over()

    def on_lost(self, reason: str) -> None:
        ending = Ending.DROPPED if self.answered.done() else Ending.REFUSED
        self._listener.failed(ending, "ConnectionDropped", reason)
        self._over()

    def _over(self) -> None:
        _settle(self.answered)
        _settle(self.ended)


def _settle(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)


class LeanStream(OpenedStream):
    """A stream whose sender says when something is due, for a pacer that serves many."""

    def __init__(self, sender: Sender, recorder: TraceRecorder, stop: asyncio.Event | None) -> None:
        super().__init__(recorder)
        self.sender, self._take = sender, sender.take
        self._recorder, self._stop = recorder, stop or asyncio.Event()

    @property
    def clock_due(self) -> float:
        """When there is next something to do, on the monotonic clock."""
        return self._recorder.reading(self.sender.due_s)

    def ask(self, connection: Http2Client, target: StreamTarget, query: Query) -> None:
        """Send the request for a stream of the sender's audio."""
        self.open(connection, target, query.path, query.text(self.sender.sample_rate))

    def send_next(self) -> bool:
        """Send what is due; False when nothing is left to send."""
        recorder, sender = self._recorder, self.sender
        if recorder.done:
            return False
        try:
            for data, kind in self._take(recorder, self._stop.is_set()):
                self.send(data, kind)
        except Exception as error:
            # One stream's trouble (its audio's, most likely) must not stop the pacer that serves them all.
            recorder.failed(Ending.DROPPED, type(error).__name__, str(error))
            self._over()
            return False
        return not sender.over


def _signed_request(
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
