"""Deepgram's ``v2/speak`` (Flux TTS): turns of text in, turns of audio out, which can be interrupted."""

from typing import Any

from dgsm_helpers.rules.deepgram_protocols import FLUX_SPEAK
from embedded_aws.engines.base import CHARACTERS_PER_S, Synthesiser
from embedded_aws.runtime.container import CLOSED, Client
from embedded_aws.runtime.messages import VERSION
from embedded_aws.runtime.query_string import ContainerRefused
from embedded_aws.runtime.speak_query import SpeakQuery, require_speed
from embedded_aws.runtime.speak_stream import SpeakStream, SpokenTurn

_STEPS_PER_UNIT = 20
"""A speed changes in steps of 0.05."""


class FluxTtsStream(SpeakStream):
    """One WebSocket of ``v2/speak``."""

    protocol = FLUX_SPEAK

    def __init__(self, engine: Synthesiser, options: SpeakQuery, client: Client, request_id: str) -> None:
        super().__init__(engine, options, client, request_id)
        self._total_s = 0.0
        self._total_characters = 0
        self._last_offset_ms = -1

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
                self.add(message["text"])
            case "Flush" if not fields:
                self._flush()
            case "Interrupt" if not fields:
                self._interrupt(None)
            case "Interrupt" if fields == {"playback_offset"} and _is_offset(message["playback_offset"]):
                self._interrupt(message["playback_offset"]["value"])
            case "Configure" if fields == {"speed"}:
                self._configure(message["speed"])
            case _:
                return False
        return True

    def refuse(self, reason: str) -> None:
        self.client.say(type="Error", code="MESSAGE-0000", description=f"{reason[:1].upper()}{reason[1:]}.")
        self.abort()
        self.client.close()

    def time_out(self) -> None:
        text = "Nothing was said within the timeout window."
        self.client.say(type="Error", code="NET-0004", description=text)
        self.client.fail(f"{CLOSED} (1011): NET-0004, {text}")

    def _flush(self) -> None:
        empty = self.open_turn
        turn = self.close_turn()
        if turn is None and empty is not None:
            self._warn("NO_SYNTHESIZABLE_TEXT", "The turn has nothing that can be spoken.")
        elif turn is None:
            self._warn("NO_ACTIVE_SPEECH", "There is no turn to flush.")

    def begins(self, turn: SpokenTurn) -> None:
        self.client.say(type="SpeechStarted", speech_id=turn.speech_id)

    def closes(self, turn: SpokenTurn) -> None:
        self.client.say(type="Flushed", speech_id=turn.speech_id)

    def ends(self, turn: SpokenTurn) -> None:
        self.client.say(type="SpeechMetadata", **self._counted(turn))

    def conclude(self) -> None:
        self.client.say(
            type="SessionMetadata",
            total_audio_duration_ms=round(self._total_s * 1000),
            total_input_character_count=self._total_characters,
            total_billable_character_count=self._total_characters,
        )

    def _interrupt(self, offset_ms: int | None) -> None:
        if not self.turns or not self.turns[0].begun:
            self._warn("NO_ACTIVE_SPEECH", "Nothing is being spoken.")
            return
        turn = self.turns[0]
        sent_ms = round((self._total_s + turn.audio_s) * 1000)
        if offset_ms is not None and not self._last_offset_ms < offset_ms <= sent_ms:
            self._warn(
                "INVALID_INTERRUPT_OFFSET",
                f"The offset must be above the last one and within the {sent_ms} ms of audio sent, not {offset_ms}.",
            )
            return
        heard = {} if offset_ms is None else self._heard(turn, offset_ms)
        self.forget()
        self.client.say(
            type="SpeechInterrupted",
            audio_played_ms=sent_ms if offset_ms is None else offset_ms,
            **heard,
            metadata=self._counted(turn),
        )

    def _heard(self, turn: SpokenTurn, offset_ms: int) -> dict[str, str]:
        """The turn's text up to the offset and after it, at so many characters a second (assumption)."""
        self._last_offset_ms = offset_ms
        played_s = max(0.0, offset_ms / 1000 - self._total_s)
        cut = round(played_s * CHARACTERS_PER_S * turn.speed)
        return {"text_spoken": turn.text[:cut], "text_remaining": turn.text[cut:]}

    def _counted(self, turn: SpokenTurn) -> dict[str, Any]:
        self._total_s += turn.audio_s
        self._total_characters += len(turn.text)
        return {
            "speech_id": turn.speech_id,
            "audio_duration_ms": round(turn.audio_s * 1000),
            "input_character_count": len(turn.text),
            "billable_character_count": len(turn.text),
            "controls_applied": {"pronunciations_applied": 0, "breaks_applied": 0, "pronunciation_warnings": 0},
        }

    def _configure(self, speed: object) -> None:
        """It holds for the turns that are yet to begin."""
        try:
            wanted = require_speed(self.protocol, speed)
        except ContainerRefused as refused:
            self._not_configured("SPEED_OUT_OF_RANGE", refused.message, speed)
            return
        if abs(wanted * _STEPS_PER_UNIT - round(wanted * _STEPS_PER_UNIT)) > 1e-6:
            self._not_configured("SPEED_INCREMENT_INVALID", "'speed' changes in steps of 0.05.", speed)
            return
        self.speed = wanted
        self.client.say(type="ConfigureSuccess", applied={"speed": wanted})

    def _not_configured(self, code: str, description: str, speed: object) -> None:
        value = {"value": speed} if isinstance(speed, int | float) else {}
        self.client.say(type="ConfigureFailure", code=code, field="speed", description=description, **value)

    def _warn(self, code: str, description: str) -> None:
        self.client.say(type="Warning", code=code, description=description)


def _is_offset(given: Any) -> bool:
    if not isinstance(given, dict) or given.keys() != {"type", "value"} or given["type"] != "time_ms":
        return False
    return isinstance(given["value"], int) and not isinstance(given["value"], bool)
