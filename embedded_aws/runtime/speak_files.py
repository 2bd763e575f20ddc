"""Deepgram's ``v1/speak`` and ``v2/speak`` for a whole text: one audio file."""

import asyncio

from dgsm_helpers.errors import LocalError
from embedded_aws.engines.base import Synthesiser
from embedded_aws.runtime.aura_stream import MOST_CHARACTERS
from embedded_aws.runtime.container import read_json
from embedded_aws.runtime.inline_controls import has_pause, plain_text
from embedded_aws.runtime.query_string import ContainerRefused, bad_request
from embedded_aws.runtime.speak_query import SpeakQuery
from embedded_aws.runtime.spoken_audio import encoded_file


async def speak(options: SpeakQuery, body: bytes, engine: Synthesiser) -> tuple[str, bytes]:
    """Content type and bytes of the audio.

    Raises:
        ContainerRefused: 400 for a body without text, 413 for too long a text.
        LocalError: the synthesiser failed.
    """
    text, _ = plain_text(_text(body))
    collected = _Collected()
    utterance = engine.say(text, sample_rate=options.sample_rate, speed=options.speed, listener=collected)
    try:
        await collected.done
    finally:
        utterance.cancel()
    return await asyncio.to_thread(encoded_file, bytes(collected.pcm), options)


def _text(body: bytes) -> str:
    try:
        document = read_json(body)
    except ValueError as error:
        raise bad_request("The body is no JSON document.") from error
    text = document.get("text") if isinstance(document, dict) else None
    if not isinstance(text, str) or not text.strip():
        raise bad_request('The body must be a JSON document {"text": "..."} with a text that can be spoken.')
    if len(text) > MOST_CHARACTERS:
        raise ContainerRefused(
            413,
            "PAYLOAD_TOO_LARGE",
            f"Input text exceeds maximum character limit of {MOST_CHARACTERS}: it has {len(text)}.",
        )
    if has_pause(text):
        raise bad_request("MODEL_DOES_NOT_SUPPORT_INLINE_CONTROLS: this model has no inline controls of pauses.")
    return text


class _Collected:
    """A text's whole audio."""

    def __init__(self) -> None:
        self.pcm = bytearray()
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def on_audio(self, pcm: bytes) -> None:
        self.pcm += pcm

    def on_end(self) -> None:
        if not self.done.done():
            self.done.set_result(None)

    def on_failure(self, message: str) -> None:
        if not self.done.done():
            self.done.set_exception(LocalError(f"The synthesiser failed: {message}"))
