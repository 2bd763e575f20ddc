"""One streaming session over AWS's HTTP/2 client, paced like a microphone.

Chunks leave on an absolute schedule whatever the server does; after ``CloseStream`` the stream is read to its end. What
goes wrong is written in the trace, not raised; only what makes streaming impossible from here (no credentials, an
untrusted certificate, nothing listening) raises, before the client would hang on it (`stream_target.check_reachable`).
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import threading
from collections.abc import Coroutine, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dgsm_helpers.load.transport.http2_sdk import sdk_client
from dgsm_helpers.load.transport.recorder import TraceRecorder
from dgsm_helpers.load.transport.recordings import BYTES_PER_SAMPLE, Recording, bundled_recording, chunks
from dgsm_helpers.load.transport.stream_target import ListenOptions, StreamTarget, check_reachable
from dgsm_helpers.load.transport.trace import Ending, StreamTrace

if TYPE_CHECKING:
    from dgsm_helpers.session import Workbook

CLOSE_STREAM = b'{"type":"CloseStream"}'


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
    chunk_ms: int = 100,
    offset_s: float = 0.0,
    duration_s: float | None = None,
    loop: bool = False,
) -> StreamTrace:
    """Stream a recording (the bundled sample by default) to the workbook's endpoint in real time and wait for its end.

    Works inside a running event loop too (a notebook's kernel has one): the session runs in a thread of its own.

    Raises:
        StreamFailed, CredentialsProblem: nothing can be streamed from here (`check_reachable`).
        InvalidInput: impossible chunk length or duration (`recordings.chunks`).
    """
    recording = recording or bundled_recording()
    target = StreamTarget.of(wb)
    audio = chunks(recording, chunk_ms=chunk_ms, offset_s=offset_s, duration_s=duration_s, loop=loop)
    options = options or ListenOptions(sample_rate=recording.sample_rate)
    check_reachable(target)
    return run_blocking(run_stream(target, audio, options=options, chunk_ms=chunk_ms))


def run_blocking[T](work: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine to its end in a thread with its own event loop; an error or an interrupt reaches the caller."""
    outcome: list[T] = []
    failure: list[BaseException] = []
    loop = stream_loop()
    task = loop.create_task(work)

    def run() -> None:
        try:
            outcome.append(loop.run_until_complete(task))
        except BaseException as error:
            failure.append(error)
        finally:
            close_loop(loop)

    thread = threading.Thread(target=run, name="dgsm-stream", daemon=True)
    thread.start()
    try:
        thread.join()
    except BaseException:
        loop.call_soon_threadsafe(task.cancel)
        thread.join(timeout=5)
        raise
    if failure:
        raise failure[0]
    return outcome[0]


def stream_loop() -> asyncio.AbstractEventLoop:
    """A new event loop for streams: it keeps quiet about one harmless thing that AWS's client leaves behind.

    When the server ends a stream first, as it does after every CloseStream, the native client complains from a task
    that nobody awaits.
    """

    def handle(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        if "AWS_ERROR_HTTP_STREAM_HAS_COMPLETED" not in str(context.get("exception")):
            loop.default_exception_handler(context)

    loop = asyncio.new_event_loop()
    loop.set_exception_handler(handle)
    return loop


def close_loop(loop: asyncio.AbstractEventLoop) -> None:
    """Close a loop that no longer runs, with whatever the native client left pending in it."""
    pending = asyncio.all_tasks(loop)
    for left in pending:
        left.cancel()
    if pending:
        loop.run_until_complete(asyncio.wait(pending, timeout=2))
    loop.close()


class SdkTransport:
    """Streams over AWS's client, each with a connection of its own; `LeanTransport` has the same methods."""

    name = "sdk"

    def __init__(self, target: StreamTarget, *, patience: Patience = PATIENCE) -> None:
        self._target, self._patience = target, patience

    async def run(self, audio: Iterable[bytes], **how: Any) -> StreamTrace:
        """One session (`run_stream`)."""
        return await run_stream(self._target, audio, patience=self._patience, **how)

    async def close(self) -> None:
        """Nothing is shared between the streams, so nothing is left to close."""


async def run_stream(
    target: StreamTarget,
    audio: Iterable[bytes],
    *,
    options: ListenOptions | None = None,
    chunk_ms: int = 100,
    begin_in_s: float = 0.0,
    stop: asyncio.Event | None = None,
    recorder: TraceRecorder | None = None,
    patience: Patience = PATIENCE,
) -> StreamTrace:
    """One session: open, send ``audio`` in real time, ``CloseStream``, read to the end.

    The first chunk is due ``begin_in_s`` seconds from now, or when the server has accepted if that is later; every
    further chunk ``chunk_ms`` after the one before. ``stop`` ends the audio early, cleanly.
    """
    options = options or ListenOptions()
    recorder = recorder or TraceRecorder(label="stream", transport="sdk")
    begin = recorder.now() + begin_in_s
    if (session := await _open(target, options, recorder, patience)) is not None:
        await session.run(
            audio,
            sample_rate=options.sample_rate,
            chunk_s=chunk_ms / 1000,
            begin=max(begin, recorder.now()),
            stop=stop or asyncio.Event(),
        )
    return recorder.trace()


async def _open(
    target: StreamTarget, options: ListenOptions, recorder: TraceRecorder, patience: Patience
) -> _Session | None:
    """An accepted stream; None when it was refused, which the recorder then knows."""
    from aws_sdk_sagemaker_runtime_http2.models import InvokeEndpointWithBidirectionalStreamInput

    request = InvokeEndpointWithBidirectionalStreamInput(
        endpoint_name=target.endpoint_name,
        target_variant=target.variant_name,
        model_invocation_path=options.path,
        model_query_string=options.query(),
    )
    client = await sdk_client(target)
    try:
        async with asyncio.timeout(patience.open_s):
            stream = await client.invoke_endpoint_with_bidirectional_stream(request)
            _, receiver = await stream.await_output()
    except TimeoutError:
        recorder.failed(Ending.REFUSED, "OpenTimeout", f"No answer to the request within {patience.open_s:g} s.")
    except Exception as error:
        recorder.failed(Ending.REFUSED, _code(error), _text(error))
    else:
        recorder.opened()
        return _Session(client, stream.input_stream, receiver, recorder, patience.silence_s)
    with contextlib.suppress(Exception):
        await asyncio.wait_for(client.close(), 2)
    return None


class _Session:
    """A session that the server has accepted."""

    def __init__(self, client: Any, sender: Any, receiver: Any, recorder: TraceRecorder, silence_s: float) -> None:
        from aws_sdk_sagemaker_runtime_http2 import models

        self._models = models
        self._client, self._sender, self._receiver, self._recorder = client, sender, receiver, recorder
        self._silence_s = silence_s

    async def run(
        self, audio: Iterable[bytes], *, sample_rate: int, chunk_s: float, begin: float, stop: asyncio.Event
    ) -> None:
        """Send and receive until the stream has ended."""
        recorder = self._recorder
        reading = asyncio.create_task(self._read())
        sending = asyncio.create_task(
            self._send_audio(audio, sample_rate=sample_rate, chunk_s=chunk_s, begin=begin, stop=stop)
        )
        try:
            await asyncio.wait({sending, reading}, return_when=asyncio.FIRST_COMPLETED)
            while not reading.done():
                patience = recorder.last_message_s + self._silence_s - recorder.now()
                if patience <= 0:
                    recorder.failed(Ending.TIMEOUT, "Silence", f"No message for {self._silence_s:g} s and no end.")
                    break
                await asyncio.wait({reading}, timeout=patience)
        finally:
            sending.cancel()
            # After a dropped connection the client's own close can wait for ever.
            for closing in (self._sender.close(), self._client.close()):
                with contextlib.suppress(Exception):
                    await asyncio.wait_for(closing, 2)
            # Only now: the native client prints a traceback when a read that it is about to answer is cancelled.
            await asyncio.wait({sending, reading}, timeout=1)
            reading.cancel()

    async def _read(self) -> None:
        recorder = self._recorder
        try:
            while (event := await self._receiver.receive()) is not None:
                recorder.message(event.value.bytes_)
        except Exception as error:
            recorder.failed(Ending.ERROR, _code(error), _text(error))
        recorder.ended()

    async def _send_audio(
        self, audio: Iterable[bytes], *, sample_rate: int, chunk_s: float, begin: float, stop: asyncio.Event
    ) -> None:
        recorder, due, sent_bytes = self._recorder, begin, 0
        try:
            for data in audio:
                if (wait := due - recorder.now()) > 0:
                    await asyncio.sleep(wait)
                if stop.is_set():
                    break
                sent_bytes += len(data)
                recorder.chunk(due_s=due, cursor_s=sent_bytes / BYTES_PER_SAMPLE / sample_rate)
                await self._send(data, "BINARY")
                due += chunk_s
            recorder.close_sent()
            await self._send(CLOSE_STREAM, "UTF8")
        except Exception as error:
            # The reading side usually knows better why; give it a moment to say so.
            await asyncio.sleep(0.5)
            recorder.failed(Ending.DROPPED, _code(error), _text(error))

    async def _send(self, data: bytes, kind: str) -> None:
        part = self._models.RequestPayloadPart(bytes_=data, data_type=kind)
        await self._sender.send(self._models.RequestStreamEventPayloadPart(value=part))


def _code(error: BaseException) -> str:
    """AWS's name of an error: the modelled class, or what a generic call error carries in its text."""
    # "Unknown error for operation ...#InvokeEndpointWithBidirectionalStream - status: 400 - id: ...#ValidationError"
    if type(error).__name__ == "CallError" and (named := re.search(r"id: \S*#(\w+)", str(error))):
        return named[1]
    unmodelled_code = getattr(error, "error_code", "") if type(error).__name__ == "UnmodeledEventError" else ""
    return str(unmodelled_code or getattr(error, "name", "") or type(error).__name__)


def _text(error: BaseException) -> str:
    return str(getattr(error, "message", "") or error)
