"""One ``InvokeEndpointWithBidirectionalStream``: signed frames in, payload parts out.

Clients wait for the response headers before they send audio, so the request is accepted or refused when its headers
arrive. A failure in a stream's middle is told in-stream: clients take a reset or a dropped connection for a clean end.
"""

import asyncio
import logging
import uuid
from collections.abc import Callable

from h2.errors import ErrorCodes

from dgsm_helpers.errors import LocalError
from dgsm_helpers.wire import eventstream
from dgsm_helpers.wire.eventstream import Decoder, FrameError
from dgsm_helpers.wire.sigv4 import FrameVerifier, SignatureRefused
from embedded_aws.gateway.faults import Faults
from embedded_aws.runtime.container import CLOSED, Client, ContainerStream
from embedded_aws.runtime.exchange import Exchange, Request, http_date
from embedded_aws.runtime.gate import Admitted, Limits
from embedded_aws.runtime.http2_writer import Http2Stream
from embedded_aws.runtime.query_string import ContainerRefused
from embedded_aws.runtime.services import open_stream

TOO_LONG = "The connection has reached its maximum duration of {minutes:g} minutes."
"""The text is an assumption; AWS documents the limit, not the words."""

_FAULT_CHECK_EVERY = 5
_log = logging.getLogger(__name__)


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
        cut_stream_sees: str,
    ) -> None:
        self._out = out
        self._lease = admitted.lease
        self._endpoint = admitted.endpoint
        self._faults = faults
        self._limits = limits
        self._cut_stream_sees = cut_stream_sees
        self._decoder = Decoder()
        self._verifier = FrameVerifier(admitted.signed)
        self._clock = clock
        self._opened_s = self._active_s = clock()
        self._first_audio_s: float | None = None
        self._answered = False
        self._messages = 0
        self._held_bytes = 0
        self._begun_message = bytearray()
        self.over = False
        request_id = self._lease.request_id = str(uuid.uuid4())
        loop = asyncio.get_running_loop()
        try:
            self._container = self._connect(request, admitted, request_id)
            # Instances go away on the heartbeat's thread, with the fleet's lock held.
            self._lease.on_kill = lambda reason: loop.call_soon_threadsafe(self._cut, reason)
            out.send_headers(
                [
                    (":status", "200"),
                    ("content-type", eventstream.CONTENT_TYPE),
                    ("x-amzn-requestid", request_id),
                    http_date(),
                    ("x-amzn-invoked-production-variant", self._lease.variant_name),
                ]
            )
            self._container.begin()
        except BaseException:
            # A stream that is not opened must not count as load, whatever went wrong.
            self._lease.on_kill = None
            self._lease.release()
            raise

    def _connect(self, request: Request, admitted: Admitted, request_id: str) -> ContainerStream:
        path = request.headers.get("x-amzn-sagemaker-model-invocation-path", "")
        query = request.headers.get("x-amzn-sagemaker-model-query-string", "")
        instance = self._lease.instance
        if instance.engine is None or instance.listing is None:
            raise admitted.container_failed("the container has ended")
        client = Client(self._send, self._play, self._close, self._model_failed)
        try:
            return open_stream(
                path,
                query,
                client,
                engine=instance.engine,
                listing=instance.listing,
                request_id=request_id,
                lease=self._lease,
            )
        except ContainerRefused as refused:
            raise admitted.model_error(refused, request_id, "stream") from refused
        except LocalError as error:
            raise admitted.container_failed(str(error)) from error

    # From the client

    def data(self, data: bytes) -> None:
        if self.over:
            return
        try:
            frames = self._decoder.feed(data)
            self._count_held()
            for frame in frames:
                inner = self._verifier.open(frame)
                if inner is None:
                    self.end()
                else:
                    self._message(inner)
                if self.over:
                    return
            self._count_held()
        except SignatureRefused as error:
            self._fail(eventstream.error(error.code, error.message), "4xx")
        except FrameError as error:
            self._fail(eventstream.error("SerializationException", error.message), "4xx")
        except Exception:
            # One broken stream must neither take the others of its connection with it, nor keep its instance.
            _log.exception("A stream failed")
            self._instance_lost("the embedded AWS failed; its log says why")

    def _count_held(self) -> None:
        """What has come of a message that is not whole takes memory, and what waits in the container."""
        held_bytes = self._decoder.held_bytes + len(self._begun_message) + self._container.held_bytes
        if held_bytes != self._held_bytes:
            self._out.hold(held_bytes - self._held_bytes)
            self._held_bytes = held_bytes

    def _message(self, inner: eventstream.Message) -> None:
        self._messages += 1
        if self._messages % _FAULT_CHECK_EVERY == 0 and self._fault_strikes():
            return
        self._active_s = self._clock()
        # That parts up to one that is not PARTIAL are one message is an assumption: AWS names the two values only.
        if inner.headers.get("CompletionState") == "PARTIAL":
            self._begun_message += inner.payload
            return
        message = inner.payload
        if self._begun_message:
            message = bytes(self._begun_message) + message
            self._begun_message.clear()
        kind = self._container.message(message, text=inner.headers.get("DataType") == "UTF8")
        if kind == "audio" and self._first_audio_s is None:
            self._first_audio_s = self._active_s

    def _fault_strikes(self) -> bool:
        if self._faults.take("mid-stream-error", self._endpoint):
            self._model_failed(f"{CLOSED} (1011): a fault was asked for.")
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

    def _play(self, audio: bytes) -> None:
        self._send(audio, "BINARY")

    def _send(self, message: bytes, data_type: eventstream.DataType = "UTF8") -> None:
        """Text is told from binary messages as in requests: AWS documents the header for both directions alike."""
        if self.over:
            return
        # Where a greeting is the first chunk, its latency says nothing about the model; AWS measures it all the same.
        asked_s = self._opened_s if self._container.protocol.greeting else self._first_audio_s
        if not self._answered and asked_s is not None:
            self._answered = True
            self._lease.first_chunk((self._clock() - asked_s) * 1000)
        self._out.send(eventstream.payload_part(message, data_type))
        if self._out.pending_bytes > self._limits.max_unread_bytes:
            self._lease.error("midstream")
            self._release()
            self._out.reset(ErrorCodes.ENHANCE_YOUR_CALM)

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
        self._count_held()
        longest_s = self._faults.session_limit_s(self._endpoint) or self._limits.connection_s
        if now_s - self._opened_s >= longest_s:
            self._model_failed(TOO_LONG.format(minutes=longest_s / 60))
        elif self._container.busy:
            self._active_s = now_s
        elif now_s - self._active_s >= self._idle_s and not self._container.ending:
            self._container.time_out()

    @property
    def _idle_s(self) -> float:
        limit_s = self._limits.idle_s
        return self._container.protocol.idle_s if limit_s is None else limit_s

    def _cut(self, reason: str) -> None:
        """The instance goes away under the stream: what the client then sees is an assumption of the scaling model."""
        if self.over:
            return
        sees = self._faults.cut_ending(self._endpoint) or self._cut_stream_sees
        if sees == "exception":
            self._instance_lost(reason)
            return
        self._lease.error("midstream")
        if sees == "reset":
            self._release()
            self._out.reset(ErrorCodes.INTERNAL_ERROR)
        else:
            self._close()

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
            self._out.hold(-self._held_bytes)
            self._decoder, self._begun_message, self._held_bytes = Decoder(), bytearray(), 0
            self._container.abort()
