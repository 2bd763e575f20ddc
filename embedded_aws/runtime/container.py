"""What Deepgram's container does with one stream: messages in, messages out. It knows no HTTP.

Control messages and their effects are those of Deepgram's manual: ``KeepAlive``, ``Finalize``, ``CloseStream``, also
when sent as binary; an empty binary message closes the stream.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from hashlib import sha256

from dgsm_helpers.wire.samples import AudioUndecodable
from embedded_aws.engines.base import EngineInstance, EngineStream, Recognised, StreamOptions
from embedded_aws.runtime.audio_input import Splitter
from embedded_aws.runtime.listen import ListenQuery
from embedded_aws.runtime.messages import Shape, created_now, schema_error

_MAX_BINARY_CONTROL_BYTES = 256
_CONTROLS = frozenset(("KeepAlive", "Finalize", "CloseStream"))

UNDECODABLE = "Model container closed the WebSocket (1008): DATA-0000, the payload cannot be decoded as audio"


class ContainerStream:
    """One WebSocket of the container.

    It will ``send`` each message, ``close`` after the last, or ``fail`` instead of going on: then abort it.
    """

    def __init__(
        self,
        engine: EngineInstance,
        options: ListenQuery,
        request_id: str,
        *,
        send: Callable[[bytes], None],
        close: Callable[[], None],
        fail: Callable[[str], None],
    ) -> None:
        self.options = options
        self.send, self.close, self.fail = send, close, fail
        self.shape = Shape(request_id, options.punctuate, options.channels if options.multichannel else 1)
        self.model = options.model
        self._engine = engine
        self._created = created_now()
        self._splitter = Splitter(options.raw_format, separate=options.multichannel)
        self._voices: list[_Voice] = []
        self._digest = sha256()
        self._heard_bytes = 0
        self.ending = False
        self._over = False

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
            self.fail(f"{UNDECODABLE} ({error}).")
            return
        if not pieces:
            return
        if not self._voices:
            self._open(len(pieces))
        if len(pieces) != len(self._voices):
            self.fail(f"{UNDECODABLE} (its number of channels changed).")
            return
        self._digest.update(data)
        self._heard_bytes += len(pieces[0])
        for voice, piece in zip(self._voices, pieces, strict=True):
            voice.stream.audio(piece)

    def _open(self, channels: int) -> None:
        self.shape.channels = channels
        stream_options = StreamOptions(
            sample_rate=self._splitter.sample_rate,
            interim_results=self.options.interim_results,
            endpointing_s=self.options.endpointing_s,
        )
        for number in range(channels):
            voice = _Voice(self, number)
            voice.stream = self._engine.open_stream(stream_options, voice)
            self._voices.append(voice)

    def _control(self, kind: str, data: bytes) -> str:
        if kind == "Finalize":
            for voice in self._voices:
                voice.stream.finalize()
        elif kind == "CloseStream":
            self.ending = True
            for voice in self._voices:
                voice.stream.finish()
            self.finish_if_all_ended()
        elif kind != "KeepAlive":
            self.send(schema_error(data.decode(errors="replace")))
            return "unknown"
        return kind

    def finish_if_all_ended(self) -> None:
        """Send the ``Metadata`` message and close, when no channel has anything more to say."""
        if self._over or not all(voice.ended for voice in self._voices):
            return
        self._over = True
        duration_s = self._heard_bytes / 2 / self._splitter.sample_rate if self._heard_bytes else 0.0
        self.send(
            self.shape.metadata(
                model=self.model, duration_s=duration_s, sha256=self._digest.hexdigest(), created=self._created
            )
        )
        self.close()

    def abort(self) -> None:
        """The client is gone, or nothing it says matters any more."""
        if not self._over:
            self._over = True
            for voice in self._voices:
                voice.stream.abort()


class _Voice:
    """One channel of a stream: hears its engine's results and sends what Deepgram makes of them."""

    stream: EngineStream

    def __init__(self, container: ContainerStream, number: int) -> None:
        self._container = container
        self._speaking = False
        self._saw_end = True
        self._number = number
        self._last_word_end_s = 0.0
        self.ended = False

    def on_result(self, result: Recognised) -> None:
        container = self._container
        container.model = result.model
        options, send, shape = container.options, container.send, container.shape
        if options.vad_events and self._starts_speech(result):
            send(shape.speech_started(result.words[0].start_s, self._number))
        send(shape.results(result, self._number))
        if options.utterance_end_s is not None and self._ends_utterance(result, options.utterance_end_s):
            send(shape.utterance_end(self._last_word_end_s, self._number))

    def on_end(self) -> None:
        self.ended = True
        self._container.finish_if_all_ended()

    def on_failure(self, message: str) -> None:
        self._container.fail(f"Model container closed the WebSocket (1011): {message}")

    def _starts_speech(self, result: Recognised) -> bool:
        """Whether speech begins with this result."""
        began = bool(result.words) and not self._speaking
        self._speaking = bool(result.words) and not result.speech_final
        return began

    def _ends_utterance(self, result: Recognised, pause_s: float) -> bool:
        """Whether this result shows that no word has come for ``pause_s``; once per utterance."""
        if result.words and result.words[-1].end_s > self._last_word_end_s:
            self._last_word_end_s = result.words[-1].end_s
            self._saw_end = False
        if self._saw_end or result.start_s + result.duration_s - self._last_word_end_s < pause_s:
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
