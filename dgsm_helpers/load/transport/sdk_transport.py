"""One streaming session over AWS's HTTP/2 client, paced like a microphone.

Chunks leave on an absolute schedule whatever the server does; after ``CloseStream`` the stream is read to its end. What
goes wrong is written in the trace, not raised; only what makes streaming impossible from here (no credentials, an
untrusted certificate, nothing listening) raises, before the client would hang on it (`data_path.check_reachable`).
"""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dgsm_helpers.load.transport.data_path import check_reachable
from dgsm_helpers.load.transport.http2_sdk import sdk_client
from dgsm_helpers.load.transport.recorder import TraceRecorder
from dgsm_helpers.load.transport.recordings import BYTES_PER_SAMPLE, Recording, bundled_recording, chunks
from dgsm_helpers.load.transport.stream_loops import run_blocking
from dgsm_helpers.load.transport.stream_target import CLOSE_STREAM, ListenOptions, StreamTarget
from dgsm_helpers.load.transport.trace import Ending, StreamTrace
from dgsm_helpers.rules.call_effects import LOAD_PRICE

if TYPE_CHECKING:
    from dgsm_helpers.session import Workbook


@dataclass(frozen=True)
class Patience:
    """How long a server may say nothing: ``open_s`` to the request, ``silence_s`` after CloseStream."""

    open_s: float = 15.0
    silence_s: float = 20.0


PATIENCE = Patience()


def stream_recording(
    wb: Workbook,
    recording: Recording | None = None,
    *,
    options: ListenOptions | None = None,
    duration_s: float | None = None,
) -> StreamTrace:
    """Stream a recording (the bundled sample by default) to the workbook's endpoint in real time and wait for its end.

    ``duration_s`` ends it sooner. Works inside a running event loop too (a notebook's kernel has one): the session runs
    in a thread of its own.

    Raises:
        SpendNotConfirmed: the workbook was opened without ``confirm_spend=True``.
        StreamFailed, CredentialsProblem: nothing can be streamed from here (`check_reachable`).
        InvalidInput: the duration is not positive.
    """
    wb.require_spend(f"Sending audio to {wb.endpoint_name}", price=LOAD_PRICE)
    recording = recording or bundled_recording()
    target = StreamTarget.of(wb)
    audio = chunks(recording, duration_s=duration_s, loop=False)
    check_reachable(target)
    return run_blocking(SdkTransport(target).run(audio, sample_rate=recording.sample_rate, options=options))


async def wait_for_end(ended: asyncio.Future[None], recorder: TraceRecorder, silence_s: float) -> None:
    """Wait for a stream's end; once all is sent, only until the server has said nothing for ``silence_s``."""
    while not ended.done():
        left_s = silence_s
        if recorder.close_was_sent or recorder.done:
            left_s += recorder.last_message_s - recorder.now()
        if left_s <= 0:
            recorder.failed(Ending.TIMEOUT, "Silence", f"No message for {silence_s:g} s and no end.")
            break
        await asyncio.wait({ended}, timeout=left_s)


class SdkTransport:
    """Streams over AWS's client, each with a connection of its own; `LeanTransport` has the same methods."""

    name = "sdk"

    def __init__(self, target: StreamTarget, *, patience: Patience = PATIENCE) -> None:
        self._target, self._patience = target, patience

    async def run(
        self,
        audio: Iterable[bytes],
        *,
        sample_rate: int,
        options: ListenOptions | None = None,
        chunk_ms: int = 100,
        begin_in_s: float = 0.0,
        stop: asyncio.Event | None = None,
        recorder: TraceRecorder | None = None,
    ) -> StreamTrace:
        """One session: open, send ``audio`` in real time, ``CloseStream``, read to the end.

        ``audio`` is linear16 of ``sample_rate`` Hz, which is what the model is told and what the schedule is read from.
        The first chunk is due ``begin_in_s`` seconds from now, or when the server has accepted if that is later; every
        further chunk ``chunk_ms`` after the one before. ``stop`` ends the audio early, cleanly.
        """
        options = options or ListenOptions()
        recorder = recorder or TraceRecorder(label="stream", transport=self.name)
        begin = recorder.now() + begin_in_s
        client = await sdk_client(self._target)
        ends = await self._open(client, options, sample_rate, recorder)
        if ends is None:
            await _close(client)
            return recorder.trace()
        sender, receiver = ends
        due = max(begin, recorder.now())
        reading = asyncio.create_task(_read(receiver, recorder))
        bytes_per_s = sample_rate * BYTES_PER_SAMPLE
        sending = asyncio.create_task(
            _send(sender, audio, recorder, bytes_per_s=bytes_per_s, due_s=due, chunk_s=chunk_ms / 1000, stop=stop)
        )
        try:
            await wait_for_end(reading, recorder, self._patience.silence_s)
        finally:
            sending.cancel()
            await _close(sender)
            await _close(client)
            # Only now: the native client prints a traceback when a read that it is about to answer is cancelled.
            await asyncio.wait({sending, reading}, timeout=1)
            reading.cancel()
        return recorder.trace()

    async def close(self) -> None:
        """Nothing is shared between the streams, so nothing is left to close."""

    async def _open(
        self, client: Any, options: ListenOptions, sample_rate: int, recorder: TraceRecorder
    ) -> tuple[Any, Any] | None:
        """Both ends of an accepted stream; None when it was refused, which the recorder then knows."""
        from aws_sdk_sagemaker_runtime_http2.models import InvokeEndpointWithBidirectionalStreamInput

        request = InvokeEndpointWithBidirectionalStreamInput(
            endpoint_name=self._target.endpoint_name,
            target_variant=self._target.variant_name,
            model_invocation_path=options.path,
            model_query_string=options.query(sample_rate),
        )
        open_s = self._patience.open_s
        try:
            async with asyncio.timeout(open_s):
                stream = await client.invoke_endpoint_with_bidirectional_stream(request)
                _, receiver = await stream.await_output()
        except TimeoutError:
            recorder.failed(Ending.REFUSED, "OpenTimeout", f"No answer to the request within {open_s:g} s.")
        except Exception as error:
            recorder.failed(Ending.REFUSED, _code(error), _text(error))
        else:
            recorder.opened()
            return stream.input_stream, receiver
        return None


async def _close(closing: Any) -> None:
    """Close a stream or a client; after a dropped connection the client's own close can wait for ever."""
    with contextlib.suppress(Exception):
        await asyncio.wait_for(closing.close(), 2)


async def _read(receiver: Any, recorder: TraceRecorder) -> None:
    try:
        while (event := await receiver.receive()) is not None:
            recorder.message(event.value.bytes_)
    except Exception as error:
        recorder.failed(Ending.ERROR, _code(error), _text(error))
    recorder.ended()


async def _send(
    sender: Any,
    audio: Iterable[bytes],
    recorder: TraceRecorder,
    *,
    bytes_per_s: int,
    due_s: float,
    chunk_s: float,
    stop: asyncio.Event | None,
) -> None:
    from aws_sdk_sagemaker_runtime_http2.models import RequestPayloadPart, RequestStreamEventPayloadPart

    async def send(data: bytes, kind: str) -> None:
        await sender.send(RequestStreamEventPayloadPart(value=RequestPayloadPart(bytes_=data, data_type=kind)))

    sent_bytes = 0
    try:
        for data in audio:
            if (wait := due_s - recorder.now()) > 0:
                await asyncio.sleep(wait)
            if stop is not None and stop.is_set():
                break
            sent_bytes += len(data)
            recorder.chunk(due_s=due_s, cursor_s=sent_bytes / bytes_per_s)
            await send(data, "BINARY")
            due_s += chunk_s
        recorder.close_sent()
        await send(CLOSE_STREAM, "UTF8")
    except Exception as error:
        # The reading side usually knows better why; give it a moment to say so.
        await asyncio.sleep(0.5)
        recorder.failed(Ending.DROPPED, _code(error), _text(error))


def _code(error: BaseException) -> str:
    """AWS's name of an error: the modelled class, or what a generic call error carries in its text."""
    # "Unknown error for operation ...#InvokeEndpointWithBidirectionalStream - status: 400 - id: ...#ValidationError"
    if type(error).__name__ == "CallError" and (named := re.search(r"id: \S*#(\w+)", str(error))):
        return named[1]
    unmodelled_code = getattr(error, "error_code", "") if type(error).__name__ == "UnmodeledEventError" else ""
    return str(unmodelled_code or getattr(error, "name", "") or type(error).__name__)


def _text(error: BaseException) -> str:
    return str(getattr(error, "message", "") or error)
