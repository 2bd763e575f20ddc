"""One conversation out of several sessions on ``v2/listen`` (Flux): turns counted on, times continued.

A next session begins to hear where the last turn ended. That is in a pause, so no word lies across it, and what an
unfinished turn had said is heard again as a whole: each of its messages replaces the one before.
"""

from __future__ import annotations

from typing import Any

from dgsm_helpers.load.transport.listen_stitching import Message

ENDS_WITHOUT_NEWS = 3
"""After so many sessions that ended and had told nothing new, the rest of the call is taken for silence."""
HEARD_S = 0.1
"""A session that heard the call to its end has told of all but this."""
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

    def joint(self, offset_s: float) -> TurnJoint:
        return TurnJoint(self, offset_s)

    @staticmethod
    def reach_s(message: Message) -> float | None:
        return float(message["audio_window_end"]) if message.get("type") == "TurnInfo" else None


class TurnJoint:
    """Turns the messages of one session into the call's."""

    def __init__(self, transcript: TurnTranscript, offset_s: float) -> None:
        self.offset_s = offset_s
        self._transcript = transcript
        self._takes_over = transcript.shown_s > 0
        # A session counts its own turns from 0; the turn that was open is its first.
        self._first_turn = transcript.next_turn
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
        transcript = self._transcript
        event, words = str(message.get("event")), message.get("words", ())
        begin_s = round(float(message["audio_window_start"]) + self.offset_s, 4)
        end_s = round(float(message["audio_window_end"]) + self.offset_s, 4)
        index = int(message["turn_index"]) + self._first_turn
        if event == "StartOfTurn":
            if transcript.in_turn:
                return None  # it was announced by the session before
            end_s = max(end_s, transcript.shown_s)
        elif end_s <= transcript.shown_s and self._takes_over and event != "EndOfTurn":
            self.words_replayed = max(self.words_replayed, len(words))
            return None
        # Two sessions may notice a pause at moments a little apart; the caller is told of it once.
        if (event == "EagerEndOfTurn") is transcript.eager and event in ("EagerEndOfTurn", "TurnResumed"):
            event = "Update"
        transcript.shown_s = max(transcript.shown_s, end_s)
        if event == "EndOfTurn":
            transcript.next_turn, transcript.in_turn, transcript.eager = index + 1, False, False
            transcript.answered_s = transcript.replay_from_s = end_s
        elif event == "Update" and not transcript.in_turn:
            transcript.answered_s = end_s
            transcript.replay_from_s = max(transcript.replay_from_s, end_s - PAUSE_KEPT_S)
        elif event != "Update":
            transcript.in_turn, transcript.eager = True, event == "EagerEndOfTurn"
        shifted: dict[str, Any] = {"turn_index": index, "audio_window_start": begin_s, "audio_window_end": end_s}
        return {**message, **shifted, "event": event, "words": [self._shifted(word) for word in words]}

    def _shifted(self, word: dict[str, Any]) -> dict[str, Any]:
        times = {name: round(word[name] + self.offset_s, 4) for name in ("start", "end") if word.get(name) is not None}
        return {**word, **times}
