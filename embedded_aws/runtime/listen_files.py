"""Deepgram's ``v1/listen`` for a whole recording: one document."""

import asyncio
import io
import json
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256

from dgsm_helpers.errors import LocalError
from dgsm_helpers.wire.audio_files import read_audio
from dgsm_helpers.wire.samples import AudioUndecodable
from embedded_aws.engines.base import Recogniser
from embedded_aws.fleet.instances import Lease
from embedded_aws.runtime.audio_input import Splitter
from embedded_aws.runtime.callbacks import Callback
from embedded_aws.runtime.listen import ListenQuery
from embedded_aws.runtime.messages import Shape
from embedded_aws.runtime.query_string import bad_request

_decoding = ThreadPoolExecutor(1, "decoding")
_for_callbacks: set[asyncio.Task[None]] = set()


async def transcribe(options: ListenQuery, body: bytes, engine: Recogniser, request_id: str, lease: Lease) -> bytes:
    """Deepgram's pre-recorded document; with a callback only the request's id, and the document goes there.

    Raises:
        ContainerRefused: the audio cannot be decoded.
        LocalError: the recogniser failed.
    """
    # In a thread: minutes of compressed audio take a second, in which no stream of the server would be heard. In one:
    # some hundred kilobytes of silence become hundreds of megabytes.
    loop = asyncio.get_running_loop()
    rate, channels = await loop.run_in_executor(_decoding, _decode, options, body)
    digest = sha256(body).hexdigest()

    async def document() -> bytes:
        # Taken out of the list, so that the engine can let them go.
        heard = await asyncio.gather(*[engine.transcribe(channels.pop(0), rate) for _ in range(len(channels))])
        shown = [one._replace(words=options.features.applied(one.words)) for one in heard]
        split_s = options.utterance_split_s if options.utterances else None
        return Shape(request_id, options.punctuate, len(shown)).document(
            shown, utterance_split_s=split_s, sha256=digest
        )

    if options.callback is None:
        return await document()
    callback = Callback(*options.callback, lease)

    async def call_back() -> None:
        try:
            callback.send(await document())
        except LocalError as error:
            lease.log(f"ERROR request {request_id} failed: {error}")

    task = loop.create_task(call_back())
    _for_callbacks.add(task)
    task.add_done_callback(_for_callbacks.discard)
    return json.dumps({"request_id": request_id}).encode()


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
        raise bad_request(f"Bad Request: failed to process audio: corrupt or unsupported data ({error})") from error
