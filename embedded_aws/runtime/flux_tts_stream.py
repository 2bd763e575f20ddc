"""Deepgram's ``v2/speak`` (Flux TTS): turns of text in, turns of audio out, which can be interrupted."""

from typing import Any

from dgsm_helpers.rules.deepgram_protocols import FLUX_SPEAK
from embedded_aws.engines.base import CHARACTERS_PER_S, Synthesiser
from embedded_aws.runtime.container import CLOSED, Client
from embedded_aws.runtime.inline_controls import has_pause, plain_text
from embedded_aws.runtime.messages import VERSION
from embedded_aws.runtime.query_string import ContainerRefused
from embedded_aws.runtime.speak_query import SpeakQuery, require_speed
from embedded_aws.runtime.speak_stream import SpeakStream, SpokenTurn

_ECHOED_BELOW = 1e6


class FluxTtsStream(SpeakStream):
    """One WebSocket of ``v2/speak``."""

    protocol = FLUX_SPEAK

    def __init__(self, engine: Synthesiser, options: SpeakQuery, client: Client, request_id: str) -> None:
        super().__init__(engine, options, client, request_id)
        self._total_s = 0.0
        self._total_characters = self._billable_characters = 0
        self._played_ms = -1

    def begin(self) -> None:
        self.client.say(
            type="Connected",
            request_id=self.request_id,
            model_name=self.options.model,
            model_version=VERSION,
            model_uuids=[self.request_id],
        )

    def obey(self, kind: str, message: dict[str, Any]) -> bool:
        fields = message.keys() - {"type"}
        match kind:
            case "Speak" if fields == {"text"} and isinstance(message["text"], str):
                self._speak(message["text"])
            case "Flush" if not fields:
                self._flush()
            case "Interrupt" if not fields:
                self._interrupt(None)
            case "Interrupt" if fields == {"playback_offset"} and _is_offset(message["playback_offset"]):
                self._interrupt(message["playback_offset"]["value"])
            case "Configure" if fields <= {"speed"}:
                given = message.get("speed")
                self._configure(self.speed if given is None else given)
            case _:
                return False
        return True

    def refuse(self, reason: str) -> None:
        self._end_with("MESSAGE-0000", f"{reason[:1].upper()}{reason[1:]}.")

    def _end_with(self, code: str, description: str) -> None:
        self.client.say(type="Error", code=code, description=description)
        self.abort()
        self.client.close()

    def _speak(self, text: str) -> None:
        turn = self.open_turn
        controls = (turn.newest if turn else "") + text
        if has_pause(controls):
            self._end_with("DATA-0002", "Pauses can be set in whole requests only.")
        elif (turn.speed if turn else self.speed) != 1 and plain_text(controls)[1]:
            self._end_with("DATA-0002", "Pronunciations cannot be combined with a speed other than 1.0.")
        else:
            self.add(text)

    def time_out(self) -> None:
        text = "Nothing was said within the timeout window."
        self.client.say(type="Error", code="NET-0004", description=text)
        self.client.fail(f"{CLOSED} (1011): NET-0004, {text}")

    def _flush(self) -> None:
        if not self.close_turn():
            self._warn("NO_ACTIVE_SPEECH", "There is no turn to flush.")

    def begins(self, turn: SpokenTurn) -> None:
        self.client.say(type="SpeechStarted", speech_id=turn.speech_id)

    def closes(self, turn: SpokenTurn) -> None:
        self.client.say(type="Flushed", speech_id=turn.speech_id)

    def ends(self, turn: SpokenTurn) -> None:
        if not turn.begun:
            self._warn("NO_SYNTHESIZABLE_TEXT", "The turn has nothing that can be spoken.")
            self.closes(turn)
        self.client.say(type="SpeechMetadata", **self._counted(turn))

    def conclude(self) -> None:
        self.client.say(
            type="SessionMetadata",
            total_audio_duration_ms=round(self._total_s * 1000),
            total_input_character_count=self._total_characters,
            total_billable_character_count=self._billable_characters,
        )

    def _interrupt(self, offset_ms: int | None) -> None:
        if not self.turns or not self.turns[0].begun:
            self._warn("NO_ACTIVE_SPEECH", "Nothing is being spoken.")
            return
        turn = self.turns[0]
        sent_ms = round((self._total_s + turn.audio_s) * 1000)
        if not sent_ms:
            self._warn("NO_AUDIO_GENERATED", "There is no audio yet that could be interrupted.")
            return
        if offset_ms is not None and not self._played_ms < offset_ms <= sent_ms:
            self._warn(
                "INVALID_INTERRUPT_OFFSET",
                f"The offset must be above the last one and within the {sent_ms} ms of audio sent, not {offset_ms}.",
            )
            return
        heard = {} if offset_ms is None else self._heard(turn, offset_ms)
        self.forget()
        counted = self._counted(turn)
        # What the session has spoken is from now on what was played of it.
        self._played_ms = sent_ms if offset_ms is None else offset_ms
        self._total_s = self._played_ms / 1000
        self.client.say(type="SpeechInterrupted", audio_played_ms=self._played_ms, **heard, metadata=counted)

    def _heard(self, turn: SpokenTurn, offset_ms: int) -> dict[str, str]:
        """The turn's text up to the offset and after it, at so many characters a second (assumption)."""
        played_s = max(0.0, offset_ms / 1000 - self._total_s)
        cut = round(played_s * CHARACTERS_PER_S * turn.speed)
        return {"text_spoken": turn.text[:cut], "text_remaining": turn.text[cut:]}

    def _counted(self, turn: SpokenTurn) -> dict[str, Any]:
        spoken, pronounced = plain_text(turn.text)
        self._total_s += turn.audio_s
        self._total_characters += len(turn.text)
        self._billable_characters += len(spoken)
        controls = {"pronunciations_applied": pronounced, "breaks_applied": 0, "pronunciation_warnings": 0}
        return {
            "speech_id": turn.speech_id,
            "audio_duration_ms": round(turn.audio_s * 1000),
            "input_character_count": len(turn.text),
            "billable_character_count": len(spoken),
            "controls_applied": controls,
        }

    def _configure(self, speed: object) -> None:
        """It holds for the turns that are yet to begin."""
        try:
            wanted = require_speed(self.protocol, speed)
        except ContainerRefused as refused:
            # No document of JSON holds NaN or infinity.
            value = {"value": speed} if isinstance(speed, int | float) and abs(speed) < _ECHOED_BELOW else {}
            about = {"code": refused.code, "field": "speed", "description": refused.message}
            self.client.say(type="ConfigureFailure", **about, **value)
            return
        self.speed = wanted
        self.client.say(type="ConfigureSuccess", applied={"speed": wanted})

    def _warn(self, code: str, description: str) -> None:
        self.client.say(type="Warning", code=code, description=description)


def _is_offset(given: Any) -> bool:
    if not isinstance(given, dict) or given.keys() != {"type", "value"} or given["type"] != "time_ms":
        return False
    return isinstance(given["value"], int) and not isinstance(given["value"], bool)
