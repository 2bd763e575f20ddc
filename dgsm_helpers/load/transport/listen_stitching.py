"""One transcript out of several sessions on ``v1/listen``: times continued, no word lost, none twice."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

SAME_TEXT_S = 0.12
"""Seconds of difference in time that equal words outweigh: about half a spoken word."""

_COMPARED = 3


@dataclass(frozen=True, slots=True)
class HeardWord:
    """A word without case and punctuation; times in seconds of the call."""

    word: str
    start_s: float
    end_s: float


def words_said_already(said: Sequence[HeardWord], heard: Sequence[HeardWord]) -> int:
    """How many words at the beginning of ``heard`` are among ``said``, which ends where the first hearing ended.

    Of all places to cut ``heard``, the one nearest to the end of ``said`` counts; a place before which the same words
    stand as at the end of ``said`` is taken for nearer by `SAME_TEXT_S`.
    """
    if not said:
        return 0
    until_s = said[-1].end_s
    # Only places about the end of what was said come into question; the rest is decided by time alone.
    return min(
        range(len(heard) + 1), key=lambda cut: (_distance_s(heard, cut, until_s) - _bonus_s(said, heard, cut), cut)
    )


def _distance_s(heard: Sequence[HeardWord], cut: int, until_s: float) -> float:
    """Seconds from ``until_s`` to the pause before the word ``cut``, 0 within it."""
    left_s = heard[cut - 1].end_s if cut else float("-inf")
    right_s = heard[cut].start_s if cut < len(heard) else float("inf")
    first_s, last_s = min(left_s, right_s), max(left_s, right_s)
    return max(first_s - until_s, until_s - last_s, 0.0)


def _bonus_s(said: Sequence[HeardWord], heard: Sequence[HeardWord], cut: int) -> float:
    compared = min(cut, len(said), _COMPARED)
    same = sum(said[-1 - back].word == heard[cut - 1 - back].word for back in range(compared))
    return SAME_TEXT_S * same / compared if compared else 0.0


OVERLAP_WORDS = 2
"""Words that a next session hears again, so that it hears the one after them whole."""
MOST_OVERLAP_S = 3.0
"""After a pause that is longer, no word can lie across the end of the last final result."""
SAME_EVENT_S = 0.1
"""Two sessions time the same event a little apart; two events of one session are a word apart at least."""
_BEFORE_WORD_S = 0.1
_REMEMBERED_WORDS = 12

type Message = dict[str, Any]


@dataclass
class _Channel:
    """What has been handed on of one channel; seconds of the call."""

    reached_s: float = 0.0
    shown_s: float = 0.0
    utterance_s: float = -1.0
    started_s: float = -1.0
    said: list[HeardWord] = field(default_factory=list)

    @property
    def replay_from_s(self) -> float:
        earliest_s = self.reached_s - MOST_OVERLAP_S
        if not self.said:
            return max(earliest_s, 0.0)
        return max(self.said[-OVERLAP_WORDS:][0].start_s - _BEFORE_WORD_S, earliest_s, 0.0)


class ListenTranscript:
    """What the caller has been told so far, whichever session heard it."""

    ends_with = "Metadata"
    """Type of the message without which a session did not end in order."""

    def __init__(self) -> None:
        self._channels: dict[int, _Channel] = {}

    @property
    def replay_from_s(self) -> float:
        """Where a next session has to begin to hear: before the end of the last final result, by a word or two."""
        return min((channel.replay_from_s for channel in self._channels.values()), default=0.0)

    @property
    def answered_s(self) -> float:
        """Seconds of the call that final results account for."""
        return min((channel.reached_s for channel in self._channels.values()), default=0.0)

    @property
    def shown_s(self) -> float:
        """Seconds of the call that any result accounts for."""
        return min((channel.shown_s for channel in self._channels.values()), default=0.0)

    def ended_in_order(self, call_s: float, *, told_last: bool) -> bool:
        """Whether a session that ended after CloseStream was not cut before: its last message says so."""
        return told_last

    def joint(self, offset_s: float) -> ListenJoint:
        """Reads a session that began to hear ``offset_s`` seconds into the call, from what it says first to its end."""
        return ListenJoint(self, offset_s)

    def channel(self, number: int) -> _Channel:
        return self._channels.setdefault(number, _Channel())

    @staticmethod
    def reach_s(message: Message) -> float | None:
        """Seconds of its session that a message accounts for; None when it is no result."""
        if message.get("type") != "Results":
            return None
        return float(message["start"]) + float(message["duration"])


class ListenJoint:
    """Turns the messages of one session into the call's.

    Until the session has passed the end of what was said before it, its words are held against that.
    """

    def __init__(self, transcript: ListenTranscript, offset_s: float) -> None:
        self.offset_s = offset_s
        self._transcript = transcript
        self._shown_before_s = transcript.shown_s
        self._takes_over = transcript.shown_s > 0
        self._before: dict[int, _Channel] = {}
        self._passed: set[int] = set()
        self.words_replayed = 0

    def hand_on(self, message: Message) -> Message | None:
        """The message as the caller is to see it; None when it says nothing new."""
        match message.get("type"):
            case "Results":
                return self._results(message)
            case "SpeechStarted" | "UtteranceEnd":
                return self._event(message)
        return message

    def _told_before(self, number: int) -> _Channel:
        """What had been handed on of a channel when this session first said something of it."""
        return self._before.setdefault(number, replace(self._transcript.channel(number)))

    def _results(self, message: Message) -> Message | None:
        number = _channel_number(message)
        for other in range(_channels(message)):
            self._transcript.channel(other)  # one that has said nothing yet counts, too
        channel = self._transcript.channel(number)
        begin_s = round(float(message["start"]) + self.offset_s, 4)
        end_s = round(begin_s + float(message["duration"]), 4)
        alternatives = [self._shifted(alternative) for alternative in message["channel"]["alternatives"]]
        heard = heard_words(alternatives[0].get("words", ()))
        final, old = bool(message["is_final"]), 0
        before = self._told_before(number)
        if self._takes_over and number not in self._passed:
            old = words_said_already(before.said, heard)
            begin_s = min(max(begin_s, before.reached_s), end_s)
            if final and end_s > before.reached_s:
                self._passed.add(number)
        if final and begin_s < self._shown_before_s:
            self.words_replayed += sum(word.end_s <= self._shown_before_s for word in heard)
        if old:
            alternatives = [_without(alternative, old) for alternative in alternatives[:1]]
        if final and end_s <= channel.reached_s and old == len(heard):
            return None
        if not final and end_s < channel.shown_s:
            return None
        channel.shown_s = max(channel.shown_s, end_s)
        if final:
            channel.reached_s = max(channel.reached_s, end_s)
            channel.said = [*channel.said, *heard[old:]][-_REMEMBERED_WORDS:]
        heard_in = {**message["channel"], "alternatives": alternatives}
        if "search" in heard_in:
            told_s = before.reached_s if self._takes_over else 0.0
            heard_in["search"] = [{**term, "hits": self._hits(term, told_s)} for term in heard_in["search"]]
        return {**message, "start": begin_s, "duration": round(end_s - begin_s, 4), "channel": heard_in}

    def _shifted(self, alternative: Mapping[str, Any]) -> dict[str, Any]:
        return {**alternative, "words": self._in_call(alternative.get("words", ()))}

    def _hits(self, term: Mapping[str, Any], told_s: float) -> list[dict[str, Any]]:
        """Where a term of `search` was found, without what a session before has found."""
        return [hit for hit in self._in_call(term.get("hits", ())) if hit["end"] > told_s]

    def _in_call(self, timed: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
        """The same with their times in the call."""
        return [{**one, **{at: round(one[at] + self.offset_s, 4) for at in ("start", "end")}} for one in timed]

    def _event(self, message: Message) -> Message | None:
        """One that the caller was told by a session before is left out.

        When speech began says nothing about how far the results are: they have come past it by then. So a beginning is
        held against those that were told, and against the words: what goes on after a word did not begin there.
        """
        starts = message["type"] == "SpeechStarted"
        field_name = "timestamp" if starts else "last_word_end"
        at_s = float(message.get(field_name, -1))
        if at_s < 0:
            return message
        number = _channel_number(message)
        before, channel = self._told_before(number), self._transcript.channel(number)
        at_s = round(at_s + self.offset_s, 4)
        if at_s <= (before.started_s if starts else before.utterance_s) + SAME_EVENT_S:
            return None
        if starts and before.said and at_s <= before.said[-1].end_s:
            return None
        if starts:
            channel.started_s = at_s
        else:
            channel.utterance_s = at_s
        return {**message, field_name: at_s}


def _channel_number(message: Message) -> int:
    index = message.get("channel_index") or message.get("channel") or [0]
    return int(index[0])


def _channels(message: Message) -> int:
    index = message.get("channel_index") or [0, 1]
    return int(index[1])


def heard_words(words: Sequence[Mapping[str, Any]]) -> list[HeardWord]:
    """The words of a result as they are compared."""
    return [HeardWord(str(word["word"]).lower(), word["start"], word["end"]) for word in words]


def _without(alternative: Mapping[str, Any], old: int) -> dict[str, Any]:
    words = list(alternative["words"])[old:]
    transcript = " ".join(str(word.get("punctuated_word", word["word"])) for word in words)
    return {**alternative, "words": words, "transcript": transcript}
