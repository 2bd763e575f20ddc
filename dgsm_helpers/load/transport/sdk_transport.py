"""One streaming session over AWS's HTTP/2 client.

What a sender hands out leaves when it is due; after the request for the end the stream is read to its end. What
goes wrong is written in the trace, not raised; only what makes streaming impossible from here (no credentials, an
untrusted certificate, nothing listening) raises, before the client would hang on it (`data_path.check_reachable`).
"""

from __future__ import annotations

import asyncio
import contextlib
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dgsm_helpers.errors import InvalidInput
from dgsm_helpers.load.transport.data_path import check_reachable
from dgsm_helpers.load.transport.heard_recording import HeardRecording
from dgsm_helpers.load.transport.http2_sdk import sdk_client
from dgsm_helpers.load.transport.paced_audio import AudioSender
from dgsm_helpers.load.transport.query import Query
from dgsm_helpers.load.transport.recorder import TraceRecorder
from dgsm_helpers.load.transport.recordings import Recording, bundled_recording, chunks
from dgsm_helpers.load.transport.stream_loops import run_blocking
from dgsm_helpers.load.transport.stream_target import StreamTarget
from dgsm_helpers.load.transport.trace import Ending, StreamTrace
from dgsm_helpers.load.transport.workloads import Sender
from dgsm_helpers.progress.progress_line import ProgressLine
from dgsm_helpers.rules.call_effects import LOAD_PRICE

if TYPE_CHECKING:
    from dgsm_helpers.session import Workbook


@dataclass(frozen=True)
class Patience:
    """How long a server may say nothing: ``open_s`` to the request, ``silence_s`` where it owes something."""

    open_s: float = 15.0
    silence_s: float = 20.0


PATIENCE = Patience()


def stream_recording(
    wb: Workbook,
    recording: Recording | None = None,
    *,
    query: Query | str | None = None,
    duration_s: float | None = None,
) -> HeardRecording:
    """Stream a recording (the bundled sample by default) to the workbook's endpoint in real time and wait for its end.

    A notebook shows what comes of it as a player with captions.

    ``query`` is what the model is asked for, as ``language=es&diarize=true``; ``duration_s`` ends it sooner. Works
    inside a running event loop too (a notebook's kernel has one): the session runs in a thread of its own, and what is
    heard stands below the cell as it comes.

    Raises:
        SpendNotConfirmed: the workbook was opened without ``confirm_spend=True``.
        StreamFailed, CredentialsProblem: nothing can be streamed from here (`check_reachable`).
        InvalidInput: the duration is not positive, the query is none (`Query.parse`), or the model does not listen.
    """
    wb.require_spend(f"Sending audio to {wb.endpoint_name}", price=LOAD_PRICE)
    recording = recording or bundled_recording()
    target = StreamTarget.of(wb)
    if target.family.speaks:
        raise InvalidInput(f"{target.family.title} speaks and does not listen.", hint="Give it a text (deploy.speak).")
    asked = Query.of(query, target.family)
    chunk_ms = target.family.chunk_ms
    audio = chunks(recording, chunk_ms=chunk_ms, duration_s=duration_s, loop=False)
    check_reachable(target)
    sender = AudioSender(audio, sample_rate=recording.sample_rate, chunk_ms=chunk_ms, family=target.family)
    recorder = TraceRecorder(label="stream", transport=SdkTransport.name, family=target.family)
    with ProgressLine() as line:

        def tell() -> None:
            heard = recorder.ongoing("stream")
            line.show(f"{heard.said} {heard.guess}".strip() or "listening")

        trace = run_blocking(SdkTransport(target).run(sender, query=asked, recorder=recorder), tell)
    return HeardRecording.of(trace, recording)


async def wait_for_end(ended: asyncio.Future[None], recorder: TraceRecorder, silence_s: float) -> None:
    """Wait for a stream's end; while the server owes something, only until it has been silent for ``silence_s``."""
    while not ended.done():
        left_s = silence_s
        if recorder.awaits_answer:
            left_s += recorder.quiet_since_s - recorder.now()
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
        sender: Sender,
        *,
        query: Query | None = None,
        begin_in_s: float = 0.0,
        stop: asyncio.Event | None = None,
        recorder: TraceRecorder | None = None,
    ) -> StreamTrace:
        """One session: open, send what the sender hands out when it is due, read to the end.

        The first of it is due ``begin_in_s`` seconds from now, or when the server has accepted if that is later.
        ``query`` is what the model is asked for, by default its family's defaults. ``stop`` ends the session early,
        cleanly.
        """
        family = self._target.family
        query = query or Query(family)
        recorder = recorder or TraceRecorder(label="stream", transport=self.name, family=family)
        begin = recorder.now() + begin_in_s
        client = await sdk_client(self._target)
        ends = await self._open(client, query, sender.sample_rate, recorder)
        if ends is None:
            await _close(client)
            return recorder.trace()
        input_stream, receiver = ends
        sender.due_s = max(begin, recorder.now())
        reading = asyncio.create_task(_read(receiver, recorder))
        sending = asyncio.create_task(_send(input_stream, sender, recorder, stop=stop))
        try:
            await wait_for_end(reading, recorder, self._patience.silence_s)
        finally:
            sending.cancel()
            await _close(input_stream)
            await _close(client)
            # Only now: the native client prints a traceback when a read that it is about to answer is cancelled.
            await asyncio.wait({sending, reading}, timeout=1)
            reading.cancel()
        return recorder.trace()

    async def close(self) -> None:
        """Nothing is shared between the streams, so nothing is left to close."""

    async def _open(
        self, client: Any, query: Query, sample_rate: int, recorder: TraceRecorder
    ) -> tuple[Any, Any] | None:
        """Both ends of an accepted stream; None when it was refused, which the recorder then knows."""
        from aws_sdk_sagemaker_runtime_http2.models import InvokeEndpointWithBidirectionalStreamInput

        request = InvokeEndpointWithBidirectionalStreamInput(
            endpoint_name=self._target.endpoint_name,
            target_variant=self._target.variant_name,
            model_invocation_path=query.path,
            model_query_string=query.text(sample_rate),
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


async def _send(input_stream: Any, sender: Sender, recorder: TraceRecorder, *, stop: asyncio.Event | None) -> None:
    from aws_sdk_sagemaker_runtime_http2.models import RequestPayloadPart, RequestStreamEventPayloadPart

    try:
        while not sender.over:
            if (wait := sender.due_s - recorder.now()) > 0:
                await asyncio.sleep(wait)
            for data, kind in sender.take(recorder, stop is not None and stop.is_set()):
                part = RequestPayloadPart(bytes_=data, data_type=kind)
                await input_stream.send(RequestStreamEventPayloadPart(value=part))
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
