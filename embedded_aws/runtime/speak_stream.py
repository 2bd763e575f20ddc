"""What Deepgram's two ways to speak have in common: turns of text that are spoken one after the other.

A turn's text grows with each ``Speak`` and is closed by ``Flush``. What has been said in whole sentences is spoken at
once, the rest when the turn is closed. The next turn waits until all of this one's audio has been sent.
"""

import re
import uuid
from abc import abstractmethod
from collections import deque
from typing import Any

from embedded_aws.engines.base import Synthesiser, Utterance
from embedded_aws.runtime.container import CLOSED, Client, ContainerStream, control_message
from embedded_aws.runtime.inline_controls import plain_text
from embedded_aws.runtime.speak_query import SpeakQuery
from embedded_aws.runtime.spoken_audio import encoded_piece

_SENTENCES = re.compile(r".*[.!?](?=\s)", re.DOTALL)


class SpokenTurn:
    """One turn: its text, what of it waits to be spoken, and how much audio has been sent."""

    def __init__(self, speed: float) -> None:
        self.speed = speed
        self.speech_id = f"dg_sp_{uuid.uuid4().hex[:12]}"
        self.text = self.waiting = ""
        self.audio_s = 0.0
        self.begun = self.closed = False

    def add(self, text: str) -> None:
        """More text."""
        self.text += text
        self.waiting += text

    @property
    def can_be_spoken(self) -> bool:
        """Whether there is more in it than blanks and punctuation."""
        return any(map(str.isalnum, self.text))

    def take(self) -> str:
        """What can be spoken now."""
        if self.closed:
            ready = self.waiting
        else:
            whole = _SENTENCES.match(self.waiting)
            ready = whole[0] if whole else ""
        self.waiting = self.waiting[len(ready) :]
        return ready


class SpeakStream(ContainerStream):
    """One WebSocket of ``v1/speak`` or ``v2/speak``."""

    def __init__(self, engine: Synthesiser, options: SpeakQuery, client: Client, request_id: str) -> None:
        super().__init__(client)
        self.request_id = request_id
        self.options = options
        self.speed = options.speed
        self.turns: deque[SpokenTurn] = deque()
        self._engine = engine
        self._speaking: Utterance | None = None

    def message(self, data: bytes, *, text: bool) -> str:
        if self.ending or self.over:
            return "late"
        message = control_message(data) if text else {}
        kind = message.get("type", "")
        if kind == self.protocol.end_message:
            self.ending = True
            if (turn := self.open_turn) and not turn.can_be_spoken:
                self.turns.pop()
            self.close_turn()
            self._finish_if_silent()
        elif kind not in self.protocol.controls or not self.obey(kind, message):
            self.refuse(f"unknown message {kind!r}" if kind else "the message cannot be parsed")
            return "unknown"
        return kind

    @abstractmethod
    def obey(self, kind: str, message: dict[str, Any]) -> bool:
        """A control message other than the last; False: it is not shaped as it should be."""

    @abstractmethod
    def refuse(self, reason: str) -> None:
        """What came cannot be understood, and the stream ends."""

    @abstractmethod
    def begins(self, turn: SpokenTurn) -> None:
        """A turn is the one being spoken from now on."""

    @abstractmethod
    def closes(self, turn: SpokenTurn) -> None:
        """A turn that has begun takes no more text."""

    @abstractmethod
    def ends(self, turn: SpokenTurn) -> None:
        """All audio of a turn has been sent."""

    @abstractmethod
    def conclude(self) -> None:
        """Before the stream ends."""

    @property
    def busy(self) -> bool:
        return self._speaking is not None

    @property
    def open_turn(self) -> SpokenTurn | None:
        """The turn that still takes text."""
        return self.turns[-1] if self.turns and not self.turns[-1].closed else None

    def add(self, text: str) -> None:
        """More of the open turn's text; the first opens one."""
        turn = self.open_turn
        if turn is None:
            turn = SpokenTurn(self.speed)
            self.turns.append(turn)
        turn.add(text)
        self._go_on()

    def close_turn(self) -> bool:
        """The open turn takes no more text; False when there is none."""
        turn = self.open_turn
        if turn is None:
            return False
        turn.closed = True
        if turn.begun:
            self.closes(turn)
        self._go_on()
        return True

    def add_empty_turn(self) -> None:
        """A turn without text: it ends when those before it have."""
        turn = SpokenTurn(self.speed)
        turn.closed = True
        self.turns.append(turn)
        self._go_on()

    def forget(self) -> None:
        """Stop speaking, and forget every turn."""
        if self._speaking is not None:
            self._speaking.cancel()
            self._speaking = None
        self.turns.clear()

    def _go_on(self) -> None:
        while self.turns and self._speaking is None:
            turn = self.turns[0]
            if not turn.begun and turn.can_be_spoken:
                turn.begun = True
                self.begins(turn)
                if turn.closed:
                    self.closes(turn)
            if turn.begun and (text := turn.take()).strip():
                self._speaking = self._engine.say(
                    plain_text(text)[0], sample_rate=self.options.sample_rate, speed=turn.speed, listener=self
                )
            elif turn.closed:
                self.turns.popleft()
                self.ends(turn)
            else:
                return

    # From the synthesiser

    def on_audio(self, pcm: bytes) -> None:
        self.turns[0].audio_s += len(pcm) / 2 / self.options.sample_rate
        self.client.play(encoded_piece(pcm, self.options))

    def on_end(self) -> None:
        self._speaking = None
        self._go_on()
        self._finish_if_silent()

    def on_failure(self, message: str) -> None:
        self.client.fail(f"{CLOSED} (1011): {message}")

    def _finish_if_silent(self) -> None:
        if self.ending and not self.turns and not self.over:
            self.conclude()
            self.over = True
            self.client.close()

    def drop(self) -> None:
        self.forget()
