"""Deepgram's ``v1/listen`` (Nova-3): one stream of audio in, results out.

Control messages and their effects are those of Deepgram's manual: ``KeepAlive``, ``Finalize``, ``CloseStream`` and
``Configure`` (keyterms, numerals on or off), also when sent as binary; an empty binary message closes the stream.
"""

from dataclasses import replace
from hashlib import sha256
from typing import Any

from dgsm_helpers.rules.deepgram_protocols import NOVA_LISTEN
from dgsm_helpers.wire.samples import AudioUndecodable
from embedded_aws.engines.base import EngineStream, Recognised, Recogniser, SpokenWord, StreamOptions
from embedded_aws.fleet.instances import Lease
from embedded_aws.runtime.audio_input import Splitter
from embedded_aws.runtime.callbacks import Callback
from embedded_aws.runtime.container import CLOSED, UNDECODABLE, Client, ContainerStream, control_message
from embedded_aws.runtime.listen import ListenQuery
from embedded_aws.runtime.messages import Shape, created_now, schema_error
from embedded_aws.runtime.text_features import TextFeatures

_MOST_KEYTERM_WORDS = 500
"""Deepgram's limit is of tokens, and a word is one at least."""


class NovaStream(ContainerStream):
    """One WebSocket of ``v1/listen``."""

    protocol = NOVA_LISTEN

    def __init__(self, engine: Recogniser, options: ListenQuery, client: Client, request_id: str, lease: Lease) -> None:
        super().__init__(client)
        self._lease = lease
        self.options = options
        self.shape = Shape(request_id, options.punctuate, options.channels if options.multichannel else 1)
        self.model = options.model
        self.features = options.features
        self._engine = engine
        self._created = created_now()
        self._splitter = Splitter(options.raw_format, separate=options.multichannel)
        self._voices: list[_Voice] = []
        self._digest = sha256()
        self._heard_bytes = 0

    def begin(self) -> None:
        """Nothing is said before there is audio, but where results go elsewhere."""
        if self.options.callback:
            self.client.say(request_id=self.shape.request_id)
            self.client = self.client._replace(send=Callback(*self.options.callback, self._lease).send)

    def message(self, data: bytes, *, text: bool) -> str:
        if self.ending or self.over:
            return "late"
        if text:
            return self._control(control_message(data), data)
        if message := self.binary_control(data):
            return self._control(message, data)
        if data:
            self._audio(data)
            return "audio"
        # Deepgram takes an empty binary message as the end.
        return self._control({"type": "CloseStream"}, data)

    def _audio(self, data: bytes) -> None:
        try:
            pieces = self._splitter.feed(data)
        except AudioUndecodable as error:
            self.client.fail(f"{UNDECODABLE} ({error}).")
            return
        if not pieces:
            return
        if not self._voices:
            self._open(len(pieces))
        if len(pieces) != len(self._voices):
            self.client.fail(f"{UNDECODABLE} (its number of channels changed).")
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

    def _control(self, message: dict[str, Any], data: bytes) -> str:
        kind = str(message.get("type", ""))
        if kind == "Finalize":
            for voice in self._voices:
                voice.stream.finalize()
        elif kind == "CloseStream":
            self.ending = True
            for voice in self._voices:
                voice.stream.finish()
            self.finish_if_all_ended()
        elif kind == "Configure" and _is_configuration(message):
            self._configure(message)
        elif kind != "KeepAlive":
            self.client.send(schema_error(data.decode(errors="replace")))
            return "unknown"
        return kind

    def _configure(self, message: dict[str, Any]) -> None:
        """It is answered by one message, and all of it is taken or nothing. Keyterms change nothing here."""
        keyterms, features = message.get("keyterms"), message.get("features") or {}
        failure: dict[str, Any] = {}
        if sum(len(term.split()) for term in keyterms or ()) > _MOST_KEYTERM_WORDS:
            text = f"The keyterms have more than {_MOST_KEYTERM_WORDS} words."
            failure = {"code": "CONFIGURE_KEYTERM_LIMIT_EXCEEDED", "description": text}
        elif other := sorted(features.keys() - {"numerals"}):
            # No code is published for a feature that cannot be switched; this one is of what could not be applied.
            text = f"'{other[0]}' cannot be switched under way."
            failure = {"code": "CONFIGURE_INTERNAL_ERROR", "description": text}
        if failure:
            self.client.say(type="ConfigureFailure", request_id=self.shape.request_id, **failure)
            return
        self.features = replace(self.features, numerals=features.get("numerals", self.features.numerals))
        listed = {} if keyterms is None else {"keyterms": keyterms}
        self.client.say(type="ConfigureSuccess", request_id=self.shape.request_id, **listed)

    def finish_if_all_ended(self) -> None:
        """Send the ``Metadata`` message and close, when no channel has anything more to say."""
        if self.over or not all(voice.ended for voice in self._voices):
            return
        self.over = True
        duration_s = self._heard_bytes / 2 / self._splitter.sample_rate if self._heard_bytes else 0.0
        self.client.send(
            self.shape.metadata(
                model=self.model, duration_s=duration_s, sha256=self._digest.hexdigest(), created=self._created
            )
        )
        self.client.close()

    def drop(self) -> None:
        for voice in self._voices:
            voice.stream.abort()


class _Voice:
    """One channel of a stream: hears its engine's results and sends what Deepgram makes of them."""

    stream: EngineStream

    def __init__(self, container: NovaStream, number: int) -> None:
        self._container = container
        self._speaking = False
        self._saw_end = True
        self._number = number
        self._last_word_end_s = 0.0
        self._features: TextFeatures | None = None
        self._heard: tuple[SpokenWord, ...] = ()
        self._words: tuple[SpokenWord, ...] = ()
        self.ended = False

    def on_result(self, result: Recognised) -> None:
        container = self._container
        container.model = result.model
        options, send, shape = container.options, container.client.send, container.shape
        if options.vad_events and self._starts_speech(result):
            send(shape.speech_started(result.words[0].start_s, self._number))
        send(shape.results(self._shown(result), self._number))
        if options.utterance_end_s is not None and self._ends_utterance(result, options.utterance_end_s):
            send(shape.utterance_end(self._last_word_end_s, self._number))

    def _shown(self, result: Recognised) -> Recognised:
        """With the words as they are to be read. Most interim results have no new word, so the last ones are kept."""
        features = self._container.features
        if result.words is not self._heard or features is not self._features:
            self._heard, self._features = result.words, features
            self._words = features.applied(result.words)
        return result if self._words is result.words else result._replace(words=self._words)

    def on_end(self) -> None:
        self.ended = True
        self._container.finish_if_all_ended()

    def on_failure(self, message: str) -> None:
        self._container.client.fail(f"{CLOSED} (1011): {message}")

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


def _is_configuration(message: dict[str, Any]) -> bool:
    """Whether its fields are of Deepgram's types."""
    keyterms, features = message.get("keyterms") or [], message.get("features") or {}
    if not isinstance(keyterms, list) or not isinstance(features, dict):
        return False
    return all(isinstance(term, str) for term in keyterms) and all(isinstance(on, bool) for on in features.values())
