"""Deepgram's ``v1/listen`` for a whole recording: one document."""

import asyncio
import io
from hashlib import sha256

from dgsm_helpers.wire.audio_files import read_audio
from dgsm_helpers.wire.samples import AudioUndecodable
from embedded_aws.engines.base import Recogniser
from embedded_aws.runtime.audio_input import Splitter
from embedded_aws.runtime.listen import ListenQuery
from embedded_aws.runtime.messages import Shape
from embedded_aws.runtime.query_string import bad_request


async def transcribe(options: ListenQuery, body: bytes, engine: Recogniser, request_id: str) -> bytes:
    """Deepgram's pre-recorded document.

    Raises:
        ContainerRefused: the audio cannot be decoded.
        LocalError: the recogniser failed.
    """
    # In a thread: minutes of compressed audio take a second, in which no stream of the server would be heard.
    rate, channels = await asyncio.to_thread(_decode, options, body)
    transcripts = await asyncio.gather(*(engine.transcribe(pcm, rate) for pcm in channels))
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
        raise bad_request(f"Bad Request: failed to process audio: corrupt or unsupported data ({error})") from error
