"""One conversation out of several sessions on ``v2/listen`` (Flux): turns counted on, times continued.

A next session begins to hear where the last turn ended. That is in a pause, so no word lies across it, and what an
unfinished turn had said is heard again as a whole: each of its messages replaces the one before.
"""

from __future__ import annotations

import math
from collections import deque
from typing import Any

from dgsm_helpers.load.transport.listen_stitching import Message

ENDS_WITHOUT_NEWS = 3
"""After so many sessions that ended and had told nothing new, the rest of the call is taken for silence."""
HEARD_S = 0.1
"""A session that heard the call to its end has told of all but this."""
REMEMBERED_TURNS = 32
PAUSE_KEPT_S = 2.0
"""Of silence without a turn, what a next session hears again: the first sounds of a turn that nobody has noticed."""


class TurnTranscript:
    """What the caller has been told so far, whichever session heard it."""

    ends_with = ""
    """A session on ``v2/listen`` ends without a last word."""

    def __init__(self) -> None:
        self.replay_from_s = 0.0
        self.answered_s = 0.0
        self.shown_s = 0.0
        self.turn_ended_s = -1.0
        self.turns: deque[tuple[float, int]] = deque(maxlen=REMEMBERED_TURNS)
        """When the newest turns ended, and how many words they had."""
        self.next_turn = 0
        self.next_sequence = 0
        self.connected = False
        self._ends_without_news, self._ended_at_s = 0, -1.0
        self.in_turn = self.eager = False
        """Whether the caller has been told that somebody speaks, and that they may have finished."""

    def ended_in_order(self, call_s: float, *, told_last: bool) -> bool:
        """Whether a session that ended after CloseStream was not cut before it had told all: no message says so."""
        self._ends_without_news = self._ends_without_news + 1 if self.answered_s == self._ended_at_s else 1
        self._ended_at_s = self.answered_s
        return call_s - self.answered_s <= HEARD_S or self._ends_without_news >= ENDS_WITHOUT_NEWS

    def told(self, event: str, end_s: float, words: int) -> None:
        """The caller has been told of an event with so many words, and of the call up to ``end_s``."""
        self.shown_s = max(self.shown_s, end_s)
        if event == "EndOfTurn":
            self.next_turn, self.in_turn, self.eager = self.next_turn + 1, False, False
            self.turn_ended_s = self.answered_s = self.replay_from_s = end_s
            self.turns.append((end_s, words))
        elif event != "Update":
            self.in_turn, self.eager = True, event == "EagerEndOfTurn"
        elif not self.in_turn:
            self.answered_s = end_s
            self.replay_from_s = max(self.replay_from_s, end_s - PAUSE_KEPT_S)

    def joint(self, offset_s: float) -> TurnJoint:
        return TurnJoint(self, offset_s)

    @staticmethod
    def reach_s(message: Message) -> float | None:
        return float(message["audio_window_end"]) if message.get("type") == "TurnInfo" else None


class TurnJoint:
    """Turns the messages of one session into the call's.

    The next session begins to hear while the one before it goes on, so its first turns may have been told already.
    """

    def __init__(self, transcript: TurnTranscript, offset_s: float) -> None:
        self.offset_s = offset_s
        self._transcript = transcript
        self._takes_over = transcript.shown_s > 0
        self._began_s = math.inf
        self._words_of_turns = 0
        self.words_replayed = 0

    def hand_on(self, message: Message) -> Message | None:
        transcript = self._transcript
        match message.get("type"):
            case "Connected":
                if transcript.connected:
                    return None
                transcript.connected = True
            case "TurnInfo":
                if (turn := self._turn(message)) is None:
                    return None
                message = turn
        if "sequence_id" in message:
            message = {**message, "sequence_id": transcript.next_sequence}
            transcript.next_sequence += 1
        return message

    def _turn(self, message: Message) -> Message | None:
        transcript, event = self._transcript, str(message.get("event"))
        begin_s = round(float(message["audio_window_start"]) + self.offset_s, 4)
        end_s = round(float(message["audio_window_end"]) + self.offset_s, 4)
        heard = words = [self._shifted(word) for word in message.get("words", ())]
        text, self._began_s = message.get("transcript", ""), min(self._began_s, end_s if heard else math.inf)
        if self._takes_over:
            begin_s = max(transcript.turn_ended_s, 0.0)
            if self._began_s <= transcript.turn_ended_s:
                # It began in a turn that was told to its end: what goes on after that is another turn of the call.
                words = self._new_words(heard)
                text = " ".join(word["word"] for word in words)
        told = (bool(heard) and not words) or self._was_told(event, end_s)
        if event == "EndOfTurn":
            self._began_s = math.inf
        if told:
            self.words_replayed = max(self.words_replayed, self._words_of_turns + len(heard))
            if event == "EndOfTurn":
                self._words_of_turns += len(heard)
            return None
        if event == "StartOfTurn":
            end_s = max(end_s, transcript.shown_s)
        # Two sessions may notice a pause at moments a little apart; the caller is told of it once.
        if (event == "EagerEndOfTurn") is transcript.eager and event in ("EagerEndOfTurn", "TurnResumed"):
            event = "Update"
        if words and event == "Update" and not transcript.in_turn:
            event = "StartOfTurn"
        transcript.told(event, end_s, len(words))
        index = transcript.next_turn - (event == "EndOfTurn")
        shifted: dict[str, Any] = {"turn_index": index, "audio_window_start": begin_s, "audio_window_end": end_s}
        return {**message, **shifted, "event": event, "transcript": text, "words": words}

    def _new_words(self, heard: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Those of a turn that come after the turns that were told; by their number where the model gives no times."""
        ended_s = self._transcript.turn_ended_s
        if any("end" in word for word in heard):
            return [word for word in heard if word.get("end", 0.0) > ended_s]
        return heard[sum(count for end_s, count in self._transcript.turns if end_s >= self._began_s) :]

    def _was_told(self, event: str, end_s: float) -> bool:
        """Whether the caller has been told of a turn's beginning, or of what is up to ``end_s`` of its going on."""
        if event == "StartOfTurn":
            return self._transcript.in_turn
        return self._takes_over and event != "EndOfTurn" and end_s <= self._transcript.shown_s

    def _shifted(self, word: dict[str, Any]) -> dict[str, Any]:
        times = {name: round(word[name] + self.offset_s, 4) for name in ("start", "end") if word.get(name) is not None}
        return {**word, **times}
