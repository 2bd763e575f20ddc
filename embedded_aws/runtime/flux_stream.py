"""Deepgram's ``v2/listen`` (Flux): one stream of audio in, turns out."""

from dataclasses import replace
from typing import Any

from dgsm_helpers.rules.deepgram_protocols import FLUX_LISTEN
from dgsm_helpers.wire.samples import AudioUndecodable
from embedded_aws.engines.base import UNKNOWN_CONFIDENCE, EngineStream, Recognised, Recogniser, StreamOptions
from embedded_aws.runtime.audio_input import Splitter
from embedded_aws.runtime.container import CLOSED, UNDECODABLE, Client, ContainerStream, control_message
from embedded_aws.runtime.flux_query import FluxQuery, keyterms
from embedded_aws.runtime.query_string import ContainerRefused
from embedded_aws.runtime.turn_machine import UPDATE_S, TurnEvent, TurnMachine

FRAME_S = 0.08
"""Audio is heard in frames of this length, whatever a client sends: turns do not depend on how audio is cut."""

_DIGITS = 4


class FluxStream(ContainerStream):
    """One WebSocket of ``v2/listen``."""

    protocol = FLUX_LISTEN

    def __init__(self, engine: Recogniser, options: FluxQuery, client: Client, request_id: str) -> None:
        super().__init__(client)
        self._engine = engine
        self._request_id = request_id
        self._thresholds = options.thresholds
        self._keyterms = options.keyterms
        self._features = options.features
        self._turns = TurnMachine(options.thresholds)
        self._splitter = Splitter(options.audio, separate=False)
        self._stream: EngineStream | None = None
        self._rest = b""
        self._fed_s = 0.0
        self._sequence = 0

    def begin(self) -> None:
        self._say("Connected")

    def message(self, data: bytes, *, text: bool) -> str:
        if self.ending or self.over:
            return "late"
        message = control_message(data) if text else self.binary_control(data)
        if not text and not message:
            return self._audio(data)
        match kind := message.get("type", ""):
            case "CloseStream":
                self.ending = True
                self._feed(whole_frames=False)
                if self._stream:
                    self._stream.finish()
                else:
                    self.on_end()
            case "Configure":
                self._configure(message)
            case "ForceEndTurn":
                if ended := self._turns.force_end():
                    self._tell(ended)
                else:
                    self._say(
                        "Warning", code="FORCE_END_TURN_NO_ACTIVE_TURN", description="There is no active turn to end."
                    )
            case _:
                self._unknown(str(kind))
                return "unknown"
        return kind

    def _unknown(self, kind: str) -> None:
        """It is fatal, also for Nova-3's ``KeepAlive`` and ``Finalize``."""
        known = ", ".join(f"`{name}`" for name in sorted(self.protocol.controls))
        self._say(
            "Error",
            request=False,
            code="UNPARSABLE_CLIENT_MESSAGE",
            description=f"Could not parse the message: unknown variant `{kind}`, expected one of {known}.",
        )
        self.abort()
        self.client.close()

    def _audio(self, data: bytes) -> str:
        try:
            pieces = self._splitter.feed(data)
        except AudioUndecodable as error:
            self.client.fail(f"{UNDECODABLE} ({error}).")
            return "audio"
        if pieces:
            self._rest += pieces[0]
            self._feed(whole_frames=True)
        return "audio"

    def _feed(self, *, whole_frames: bool) -> None:
        rate = self._splitter.sample_rate
        frame_bytes = 2 * round(rate * FRAME_S)
        while self._rest and (len(self._rest) >= frame_bytes or not whole_frames):
            if self._stream is None:
                # Finals at every pause would only be put together again.
                heard_as = StreamOptions(
                    sample_rate=rate, interim_results=True, interim_every_s=UPDATE_S, endpointing_s=None
                )
                self._stream = self._engine.open_stream(heard_as, self)
            frame, self._rest = self._rest[:frame_bytes], self._rest[frame_bytes:]
            self._fed_s += len(frame) / 2 / rate
            self._stream.audio(frame)

    def _configure(self, message: dict[str, Any]) -> None:
        """All of it is taken, or nothing; what is not given, or null, stays as it is."""
        given = {name: value for name, value in message.items() if value is not None and name != "type"}
        code = "INVALID_THRESHOLD"
        try:
            if unknown := sorted(given.keys() - {"thresholds", "keyterms", "language_hints", "numerals"}):
                raise ValueError(f"Unknown field: '{unknown[0]}'.")
            asked = given.get("thresholds", {})
            thresholds = self._thresholds.changed({n: value for n, value in asked.items() if value is not None})
            code = "INVALID_KEYTERMS"
            terms = keyterms(given.get("keyterms", self._keyterms))
            code = "LANGUAGE_HINTS_NOT_SUPPORTED"
            if given.get("language_hints"):
                raise ValueError("'language_hints' cannot be changed on this model.")
            code = "INVALID_NUMERALS"
            if not isinstance(numerals := given.get("numerals", self._features.numerals), bool):
                raise ValueError("'numerals' must be true or false.")
        except (ValueError, TypeError, AttributeError, ContainerRefused) as error:
            self._say("ConfigureFailure", code=code, description=str(error))
            return
        self._thresholds, self._keyterms = thresholds, terms
        self._features = replace(self._features, numerals=numerals)
        self._turns.configure(thresholds, from_s=self._fed_s)
        told = {"numerals": numerals} if "numerals" in given else {}
        self._say("ConfigureSuccess", thresholds=thresholds.message(), keyterms=list(terms), **told)

    # From the recogniser

    def on_result(self, result: Recognised) -> None:
        for event in self._turns.hear(result):
            self._tell(event)

    def on_end(self) -> None:
        """Everything has been heard: the open turn ends with the audio."""
        if last := self._turns.finish():
            self._tell(last)
        self.over = True
        self.client.close()

    def on_failure(self, message: str) -> None:
        self.client.fail(f"{CLOSED} (1011): {message}")

    def _tell(self, turn: TurnEvent) -> None:
        words = self._features.applied(turn.words)
        trigger: dict[str, Any] = {"trigger": turn.trigger} if turn.trigger else {}
        self._say(
            "TurnInfo",
            event=turn.event,
            turn_index=turn.turn_index,
            audio_window_start=round(turn.start_s, _DIGITS),
            audio_window_end=round(turn.end_s, _DIGITS),
            transcript=" ".join(word.punctuated_word for word in words),
            words=[
                {
                    "word": word.punctuated_word,
                    "confidence": UNKNOWN_CONFIDENCE,
                    "start": round(word.start_s, _DIGITS),
                    "end": round(word.end_s, _DIGITS),
                }
                for word in words
            ],
            end_of_turn_confidence=round(turn.confidence, _DIGITS),
            **trigger,
        )

    def _say(self, kind: str, *, request: bool = True, **fields: Any) -> None:
        head = {"type": kind} | ({"request_id": self._request_id} if request else {})
        self.client.say(**head, sequence_id=self._sequence, **fields)
        self._sequence += 1

    def drop(self) -> None:
        if self._stream:
            self._stream.abort()
