"""One ``InvokeEndpointWithBidirectionalStream``: signed frames in, payload parts out.

Clients wait for the response headers before they send audio, so the request is accepted or refused when its headers
arrive. A failure in a stream's middle is told in-stream: clients take a reset or a dropped connection for a clean end.
"""

import asyncio
import uuid
from collections.abc import Callable

from dgsm_helpers.errors import LocalError
from dgsm_helpers.wire import eventstream
from dgsm_helpers.wire.eventstream import Decoder, FrameError
from dgsm_helpers.wire.sigv4 import FrameVerifier, SignatureRefused
from embedded_aws.gateway.faults import Faults
from embedded_aws.runtime.container import ContainerStream
from embedded_aws.runtime.exchange import Exchange, Request, http_date
from embedded_aws.runtime.gate import Admitted, Limits
from embedded_aws.runtime.http2_writer import Http2Stream
from embedded_aws.runtime.listen import ListenRefused, parse_listen

IDLE = (
    "Model container closed the WebSocket (1011): NET-0001, Deepgram did not receive audio data or a text message "
    "within the timeout window."
)
TOO_LONG = "The connection has reached its maximum duration of {minutes:g} minutes."
"""The text is an assumption; AWS documents the limit, not the words."""

_FAULT_CHECK_EVERY = 5


class BidiExchange(Exchange):
    """An accepted stream.

    Raises:
        Refused: the container does not accept it; the instance is released.
    """

    def __init__(
        self,
        request: Request,
        out: Http2Stream,
        admitted: Admitted,
        *,
        faults: Faults,
        limits: Limits,
        clock: Callable[[], float],
    ) -> None:
        self._out = out
        self._lease = admitted.lease
        self._endpoint = admitted.endpoint
        self._faults = faults
        self._limits = limits
        self._decoder = Decoder()
        self._verifier = FrameVerifier(admitted.signed)
        self._clock = clock
        self._opened_s = self._active_s = clock()
        self._first_audio_s: float | None = None
        self._answered = False
        self._messages = 0
        self.over = False
        request_id = str(uuid.uuid4())
        loop = asyncio.get_running_loop()
        try:
            self._container = self._connect(request, admitted, request_id)
            # Instances go away on the heartbeat's thread, with the fleet's lock held.
            self._lease.on_kill = lambda reason: loop.call_soon_threadsafe(self._instance_lost, reason)
            out.send_headers(
                [
                    (":status", "200"),
                    ("content-type", eventstream.CONTENT_TYPE),
                    ("x-amzn-requestid", request_id),
                    http_date(),
                    ("x-amzn-invoked-production-variant", self._lease.variant_name),
                ]
            )
        except BaseException:
            # A stream that is not opened must not count as load, whatever went wrong.
            self._lease.on_kill = None
            self._lease.release()
            raise

    def _connect(self, request: Request, admitted: Admitted, request_id: str) -> ContainerStream:
        path = request.headers.get("x-amzn-sagemaker-model-invocation-path", "")
        query = request.headers.get("x-amzn-sagemaker-model-query-string", "")
        engine = self._lease.instance.engine
        try:
            options = parse_listen(path, query, "stream")
            if engine is None:
                raise admitted.container_failed("the container has ended")
            return ContainerStream(
                engine, options, request_id, send=self._send, close=self._close, fail=self._model_failed
            )
        except ListenRefused as refused:
            raise admitted.model_error(refused, request_id, "stream") from refused
        except LocalError as error:
            raise admitted.container_failed(str(error)) from error

    # From the client

    def data(self, data: bytes) -> None:
        if self.over:
            return
        try:
            for frame in self._decoder.feed(data):
                inner = self._verifier.open(frame)
                if inner is None:
                    self.end()
                else:
                    self._message(inner)
                if self.over:
                    return
        except SignatureRefused as error:
            self._fail(eventstream.error(error.code, error.message), "4xx")
        except FrameError as error:
            self._fail(eventstream.error("SerializationException", error.message), "4xx")

    def _message(self, inner: eventstream.Message) -> None:
        self._messages += 1
        if self._messages % _FAULT_CHECK_EVERY == 0 and self._fault_strikes():
            return
        self._active_s = self._clock()
        kind = self._container.message(inner.payload, text=inner.headers.get("DataType") == "UTF8")
        if kind == "audio" and self._first_audio_s is None:
            self._first_audio_s = self._active_s

    def _fault_strikes(self) -> bool:
        if self._faults.take("mid-stream-error", self._endpoint):
            self._model_failed("Model container closed the WebSocket (1011): a fault was asked for.")
        elif self._faults.take("dropped-connection", self._endpoint):
            self._lease.error("midstream")
            self._release()
            self._out.drop_connection()
        return self.over

    def end(self) -> None:
        """The client ends its input. Without CloseStream the container's WebSocket closes, and the tail is lost."""
        if not self.over and not self._container.ending:
            self._close()

    def lost(self) -> None:
        self._release()

    def stop(self) -> None:
        self._instance_lost("the embedded AWS stops")

    # From the container

    def _send(self, message: bytes) -> None:
        if self.over:
            return
        if not self._answered and self._first_audio_s is not None:
            self._answered = True
            self._lease.first_chunk((self._clock() - self._first_audio_s) * 1000)
        self._out.send(eventstream.payload_part(message))
        if self._out.pending_bytes > self._limits.max_unread_bytes:
            self._lease.error("midstream")
            self._release()
            self._out.reset()

    def _close(self) -> None:
        if not self.over:
            self._release()
            self._out.send(b"", end=True)

    def _model_failed(self, message: str) -> None:
        self._fail(
            eventstream.exception("ModelStreamError", Message=message, ErrorCode="ModelStreamError"), "midstream"
        )

    # From the platform

    def check(self, now_s: float) -> None:
        """Apply the limits on time; ``now_s`` is what the clock reads."""
        if now_s - self._opened_s >= self._limits.connection_s:
            self._model_failed(TOO_LONG.format(minutes=self._limits.connection_s / 60))
        elif now_s - self._active_s >= self._limits.idle_s and not self._container.ending:
            self._model_failed(IDLE)

    def _instance_lost(self, reason: str) -> None:
        text = f"The instance that held this stream is gone: {reason}."
        self._fail(eventstream.exception("InternalStreamFailure", Message=text), "midstream")

    def _fail(self, frame: bytes, kind: str) -> None:
        if not self.over:
            self._lease.error(kind)
            self._release()
            self._out.send(frame, end=True)

    def _release(self) -> None:
        if not self.over:
            self.over = True
            # First, so that the stream stops counting as load whatever goes wrong in the container.
            self._lease.on_kill = None
            self._lease.release()
            self._container.abort()
