"""What Deepgram's container does with one stream: messages in, messages out. It knows no HTTP.

Control messages and their effects are those of Deepgram's manual: ``KeepAlive``, ``Finalize``, ``CloseStream``, also
when sent as binary; an empty binary message closes the stream.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256

from embedded_aws.engines.base import EngineInstance, EngineStream, Recognised, StreamOptions
from embedded_aws.runtime.audio_input import AudioUndecodable, Splitter, raw_format
from embedded_aws.runtime.listen import ListenOptions
from embedded_aws.runtime.messages import Shape, schema_error

_MAX_BINARY_CONTROL_BYTES = 256
_CONTROLS = frozenset(("KeepAlive", "Finalize", "CloseStream"))

UNDECODABLE = "Model container closed the WebSocket (1008): DATA-0000, the payload cannot be decoded as audio"


@dataclass(frozen=True)
class Client:
    """Where a container's words go: ``send`` a message, ``close`` after the last, ``fail`` instead of going on."""

    send: Callable[[bytes], None]
    close: Callable[[], None]
    fail: Callable[[str], None]


class ContainerStream:
    """One WebSocket of the container."""

    def __init__(
        self, engine: EngineInstance, options: ListenOptions, client: Client, *, request_id: str, created: str
    ) -> None:
        self._engine = engine
        self._options = options
        self._client = client
        self._created = created
        channels = options.channels if options.multichannel else 1
        self._shape = Shape(request_id, options.punctuate, channels)
        given = None
        if options.encoding:
            given = raw_format(options.encoding, options.sample_rate, options.channels)
        self._splitter = Splitter(given, separate=options.multichannel)
        self._voices: list[_Voice] = []
        self._digest = sha256()
        self._heard_bytes = 0
        self.ending = False
        self._over = False
        self._model = options.model

    def message(self, data: bytes, *, text: bool) -> str:
        """One message of the client; returns what it was: ``audio``, a control message's type, or ``unknown``."""
        if self.ending or self._over:
            return "late"
        if not text and not (data[:1] == b"{" and _control_type(data) in _CONTROLS):
            if data:
                self._audio(data)
                return "audio"
            # Deepgram takes an empty binary message as the end.
            return self._control("CloseStream", data)
        return self._control(_control_type(data), data)

    def _audio(self, data: bytes) -> None:
        try:
            pieces = self._splitter.feed(data)
        except AudioUndecodable as error:
            self._fail(f"{UNDECODABLE} ({error}).")
            return
        if not pieces:
            return
        if not self._voices:
            self._open(len(pieces))
        if len(pieces) != len(self._voices):
            self._fail(f"{UNDECODABLE} (its number of channels changed).")
            return
        self._digest.update(data)
        self._heard_bytes += len(pieces[0])
        for voice, piece in zip(self._voices, pieces, strict=True):
            voice.stream.audio(piece)

    def _open(self, channels: int) -> None:
        asked = self._options
        self._shape = Shape(self._shape.request_id, asked.punctuate, channels)
        heard_as = StreamOptions(
            sample_rate=self._splitter.format.sample_rate,
            interim_results=asked.interim_results,
            endpointing_s=asked.endpointing_s,
        )
        for number in range(channels):
            voice = _Voice(self, number)
            voice.stream = self._engine.open_stream(heard_as, voice)
            self._voices.append(voice)

    def _control(self, kind: str, data: bytes) -> str:
        if kind == "Finalize":
            for voice in self._voices:
                voice.stream.finalize()
        elif kind == "CloseStream":
            self.ending = True
            for voice in self._voices:
                voice.stream.finish()
            if not self._voices:
                self._finish()
        elif kind != "KeepAlive":
            self._client.send(schema_error(data.decode(errors="replace")))
            return "unknown"
        return kind

    # From the voices

    def result(self, result: Recognised, voice: _Voice) -> None:
        """A result of one channel."""
        self._model = result.model
        asked, send, shape = self._options, self._client.send, self._shape
        if asked.vad_events and voice.starts_speech(result):
            send(shape.speech_started(result.words[0].start_s, voice.number))
        send(shape.results(result, voice.number))
        if asked.utterance_end_s is not None and voice.utterance_ended(result, asked.utterance_end_s):
            send(shape.utterance_end(voice.last_word_end_s, voice.number))

    def voice_ended(self) -> None:
        """One channel has nothing more to say."""
        if all(voice.ended for voice in self._voices):
            self._finish()

    def voice_failed(self, message: str) -> None:
        """One channel's recogniser failed."""
        self._fail(f"Model container closed the WebSocket (1011): {message}")

    def _finish(self) -> None:
        self._over = True
        rate = self._splitter.format.sample_rate if self._splitter.format else 1
        self._client.send(
            self._shape.metadata(
                model=self._model,
                duration_s=self._heard_bytes / 2 / rate,
                sha256=self._digest.hexdigest(),
                created=self._created,
            )
        )
        self._client.close()

    def _fail(self, message: str) -> None:
        self.abort()
        self._client.fail(message)

    def abort(self) -> None:
        """The client is gone, or nothing it says matters any more."""
        if not self._over:
            self._over = True
            for voice in self._voices:
                voice.stream.abort()


class _Voice:
    """One channel of a stream, listening to its engine."""

    __slots__ = ("_container", "_saw_end", "_speaking", "ended", "last_word_end_s", "number", "stream")

    stream: EngineStream

    def __init__(self, container: ContainerStream, number: int) -> None:
        self._container = container
        self._speaking = False
        self._saw_end = True
        self.number = number
        self.ended = False
        self.last_word_end_s = 0.0

    def on_result(self, result: Recognised) -> None:
        self._container.result(result, self)

    def on_end(self) -> None:
        self.ended = True
        self._container.voice_ended()

    def on_failure(self, message: str) -> None:
        self._container.voice_failed(message)

    def starts_speech(self, result: Recognised) -> bool:
        """Whether speech begins with this result."""
        began = bool(result.words) and not self._speaking
        self._speaking = bool(result.words) and not result.speech_final
        return began

    def utterance_ended(self, result: Recognised, pause_s: float) -> bool:
        """Whether this result shows that no word has come for ``pause_s``; once per utterance."""
        if result.words and result.words[-1].end_s > self.last_word_end_s:
            self.last_word_end_s = result.words[-1].end_s
            self._saw_end = False
        if self._saw_end or result.start_s + result.duration_s - self.last_word_end_s < pause_s:
            return False
        self._saw_end = True
        return True


def _control_type(data: bytes) -> str:
    if len(data) > _MAX_BINARY_CONTROL_BYTES:
        return ""
    try:
        message = json.loads(data)
    except ValueError:
        return ""
    kind = message.get("type") if isinstance(message, dict) else None
    return kind if isinstance(kind, str) else ""
