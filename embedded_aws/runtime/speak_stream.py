"""What Deepgram's two ways to speak have in common: turns of text that are spoken one after the other.

A turn's text grows with each ``Speak`` and is closed by ``Flush``. What has been said in whole sentences is spoken at
once, the rest when the turn is closed. The next turn waits until all of this one's audio has been sent.
"""

import re
import sys
import uuid
from abc import abstractmethod
from collections import deque
from typing import Any

from embedded_aws.engines.base import Synthesiser, Utterance
from embedded_aws.runtime.container import CLOSED, Client, ContainerStream, control_message
from embedded_aws.runtime.inline_controls import LONGEST, plain_text
from embedded_aws.runtime.speak_query import SpeakQuery
from embedded_aws.runtime.spoken_audio import encoded_piece

_SENTENCES = re.compile(r".*[.!?](?=\s)", re.DOTALL)


_TURN_BYTES = 1000
"""About what a turn takes beside its texts."""


class SpokenTurn:
    """One turn: its text, what of it waits to be spoken, and how much audio has been sent.

    Its texts are joined when they are wanted, and none is looked through twice: it may be told of in thousands.
    """

    def __init__(self, speed: float) -> None:
        self.speed = speed
        self.speech_id = f"dg_sp_{uuid.uuid4().hex[:12]}"
        self.held_bytes = _TURN_BYTES
        self.audio_s = 0.0
        self.begun = self.closed = False
        self.can_be_spoken = False
        """Whether there is more in it than blanks and punctuation."""
        self.newest = ""
        """The end of its text, in which a control may have begun."""
        self._texts: list[str] = []
        self._whole: list[str] = []
        """Whole sentences that are yet to be spoken; ``_rest`` follows them."""
        self._rest: list[str] = []

    @property
    def text(self) -> str:
        """All of it."""
        return "".join(self._texts)

    def add(self, text: str) -> None:
        """More text."""
        if not text:
            return
        self.held_bytes += sys.getsizeof(text)
        self.can_be_spoken = self.can_be_spoken or any(map(str.isalnum, text))
        self.newest = (self.newest + text)[-LONGEST:]
        self._texts.append(text)
        before = self._rest[-1][-1] if self._rest else ""
        if whole := _SENTENCES.match(before + text):
            end = whole.end() - len(before)
            self._whole += (*self._rest, text[:end])
            self._rest = [text[end:]]
        else:
            self._rest.append(text)

    def take(self) -> str:
        """What can be spoken now."""
        if self.closed:
            self._whole += self._rest
            self._rest = []
        ready, self._whole = "".join(self._whole), []
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
                self.held_bytes -= self.turns.pop().held_bytes
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
        turn = self.open_turn or self._new_turn()
        before_bytes = turn.held_bytes
        turn.add(text)
        self.held_bytes += turn.held_bytes - before_bytes
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
        self._new_turn().closed = True
        self._go_on()

    def _new_turn(self) -> SpokenTurn:
        turn = SpokenTurn(self.speed)
        self.turns.append(turn)
        self.held_bytes += turn.held_bytes
        return turn

    def forget(self) -> None:
        """Stop speaking, and forget every turn."""
        if self._speaking is not None:
            self._speaking.cancel()
            self._speaking = None
        self.turns.clear()
        self.held_bytes = 0

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
                self.held_bytes -= self.turns.popleft().held_bytes
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
