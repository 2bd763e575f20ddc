"""One ``InvokeEndpoint``: a whole file in, Deepgram's pre-recorded document out."""

import asyncio
import io
import time
import uuid
from hashlib import sha256
from typing import Any

from dgsm_helpers.errors import LocalError
from dgsm_helpers.wire.audio_files import read_audio
from dgsm_helpers.wire.samples import AudioUndecodable
from embedded_aws.engines.base import EngineInstance, Recognised
from embedded_aws.runtime.audio_input import Splitter
from embedded_aws.runtime.exchange import Refused, Request, Response, respond
from embedded_aws.runtime.gate import FILE, STREAM, Admitted, Gate, Limits, route
from embedded_aws.runtime.listen import ListenQuery, ListenRefused, parse_listen
from embedded_aws.runtime.messages import Shape


async def invoke(gate: Gate, limits: Limits, request: Request, body: bytes) -> Response:
    """Answer one whole request, whatever it asks for. Never raises what a client could cause."""
    try:
        operation, endpoint = route(request)
        if operation == STREAM:
            raise Refused(
                400, "InputValidationError", "Bidirectional streaming needs HTTP/2.", ErrorCode="HTTP2_REQUIRED"
            )
        admitted = gate.admit(request, FILE, endpoint, body=body)
        lease = admitted.lease
        try:
            started_s = time.monotonic()
            document = await _transcribe(admitted, limits, request, body)
            lease.model_latency((time.monotonic() - started_s) * 1000)
            return respond(200, document, ("x-amzn-invoked-production-variant", lease.variant_name))
        finally:
            lease.on_kill = None
            lease.release()
    except Refused as refused:
        return refused.response()


async def _transcribe(admitted: Admitted, limits: Limits, request: Request, body: bytes) -> bytes:
    request_id = str(uuid.uuid4())
    path, _, query = request.headers.get("x-amzn-sagemaker-custom-attributes", "").partition("?")
    try:
        options = parse_listen(path, query, "file")
        # In a thread: minutes of compressed audio take a second, in which no stream of the server would be heard.
        rate, channels = await asyncio.to_thread(_decode, options, body)
    except ListenRefused as refused:
        raise admitted.model_error(refused, request_id, "file") from refused
    engine = admitted.lease.instance.engine
    if engine is None:
        raise admitted.container_failed("the container has ended")
    transcripts = await _within(admitted, limits, engine, channels, rate)
    shape = Shape(request_id, options.punctuate, len(transcripts))
    return shape.document(transcripts, utterances=options.utterances, sha256=sha256(body).hexdigest())


def _decode(options: ListenQuery, body: bytes) -> tuple[int, list[bytes]]:
    """Sample rate and linear16 of each channel."""
    try:
        if options.raw_format is None:
            return read_audio(io.BytesIO(body), separate=options.multichannel)
        splitter = Splitter(options.raw_format, separate=options.multichannel)
        if channels := splitter.feed(body):
            return splitter.sample_rate, channels
        raise AudioUndecodable("no audio")
    except AudioUndecodable as error:
        raise ListenRefused(
            400, "Bad Request", f"Bad Request: failed to process audio: corrupt or unsupported data ({error})"
        ) from error


async def _within(
    admitted: Admitted, limits: Limits, engine: EngineInstance, channels: list[bytes], rate: int
) -> list[Recognised]:
    """Transcribe all channels, unless time runs out or the instance goes away first."""
    loop = asyncio.get_running_loop()
    gone: asyncio.Future[str] = loop.create_future()
    admitted.lease.on_kill = lambda reason: loop.call_soon_threadsafe(_settle, gone, reason)
    work = asyncio.gather(*(engine.transcribe(pcm, rate) for pcm in channels))
    try:
        awaited: set[asyncio.Future[Any]] = {work, gone}
        done, _ = await asyncio.wait(awaited, timeout=limits.response_s, return_when=asyncio.FIRST_COMPLETED)
        if work in done:
            return list(work.result())
        if gone in done:
            admitted.lease.error("5xx")
            raise Refused(503, "ServiceUnavailable", f"The instance that held this request is gone: {gone.result()}.")
        raise admitted.timed_out()
    except LocalError as error:
        raise admitted.container_failed(str(error)) from error
    finally:
        work.cancel()


def _settle(future: asyncio.Future[str], reason: str) -> None:
    if not future.done():
        future.set_result(reason)
