"""Deepgram's ``v1/speak`` (Aura-2): text in, audio out.

Deepgram's limits per minute (2 400 characters, 20 ``Flush``) are of its hosted service: none is published for the
container, and none is applied here.
"""

from typing import Any

from dgsm_helpers.rules.deepgram_protocols import AURA_SPEAK
from embedded_aws.runtime.container import CLOSED
from embedded_aws.runtime.messages import VERSION
from embedded_aws.runtime.speak_stream import SpeakStream, SpokenTurn

MOST_CHARACTERS = 2000
"""Of one ``Speak`` or one whole request."""


class AuraStream(SpeakStream):
    """One WebSocket of ``v1/speak``."""

    protocol = AURA_SPEAK
    _sequence = 0

    def begin(self) -> None:
        self.client.say(
            type="Metadata",
            request_id=self.request_id,
            model_name=self.options.model,
            model_version=VERSION,
            model_uuid=self.request_id,
        )

    def obey(self, kind: str, message: dict[str, Any]) -> bool:
        match kind:
            case "Speak":
                text = message.get("text")
                if not isinstance(text, str):
                    return False
                if len(text) > MOST_CHARACTERS:
                    self.client.fail(f"{CLOSED} (1009): BIG-0001, a text has more than {MOST_CHARACTERS} characters.")
                elif self.options.has_voice:
                    self.add(text)
            case "Flush":
                if not self.close_turn() and self.options.has_voice:
                    self.add_empty_turn()
            case "Clear":
                self.forget()
                self._acknowledge("Cleared")
        return True

    def refuse(self, reason: str) -> None:
        self.client.fail(f"{CLOSED} (1008): DATA-0000, {reason}.")

    def begins(self, turn: SpokenTurn) -> None:
        """It is not told."""

    def closes(self, turn: SpokenTurn) -> None:
        """It is not told before all of it has been sent."""

    def ends(self, turn: SpokenTurn) -> None:
        self._acknowledge("Flushed")

    def conclude(self) -> None:
        """Nothing is said."""

    def _acknowledge(self, kind: str) -> None:
        self.client.say(type=kind, sequence_id=self._sequence)
        self._sequence += 1
