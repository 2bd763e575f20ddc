"""Flux's turns, made of what a recogniser hears. Pure: it is told results and answers with events.

The rules are those of Deepgram's state machine: a turn begins with ``StartOfTurn``; ``Update`` comes about every 0.25 s
of audio while nothing else does; ``TurnResumed`` follows only an ``EagerEndOfTurn``, whose text an ``EndOfTurn`` keeps;
the next turn's window begins where the last one's ended. A recogniser has no confidence that somebody has finished, so
it is made of the pause: ``1 - exp(-pause / DECAY_S)`` (assumption), which passes 0.5 after 0.17 s and 0.7 after 0.30 s.
"""

import math
from collections import deque
from dataclasses import replace
from typing import Literal, NamedTuple

from embedded_aws.engines.base import Recognised, SpokenWord
from embedded_aws.runtime.flux_query import TurnThresholds

UPDATE_S = 0.25
DECAY_S = 0.25
_ROUNDING_S = 1e-6

type Event = Literal["Update", "StartOfTurn", "EagerEndOfTurn", "TurnResumed", "EndOfTurn"]
type Trigger = Literal["model", "manual", "timeout"]


class TurnEvent(NamedTuple):
    """One ``TurnInfo``; times in seconds of the stream. ``trigger`` only with an ``EndOfTurn``."""

    event: Event
    turn_index: int
    start_s: float
    end_s: float
    words: tuple[SpokenWord, ...]
    confidence: float
    trigger: Trigger | None = None

    @property
    def transcript(self) -> str:
        """What has been said in the turn so far."""
        return " ".join(word.punctuated_word for word in self.words)


class TurnMachine:
    """Follows one stream."""

    def __init__(self, thresholds: TurnThresholds) -> None:
        self.thresholds = thresholds
        self._coming: deque[tuple[float, TurnThresholds]] = deque()
        self._index = 0
        self._start_s = self._cursor_s = self._told_s = 0.0
        self._quiet_s = 0.0
        # Words of the turn that are final, those of the segment being heard, and how many of that an earlier turn had.
        self._final: tuple[SpokenWord, ...] = ()
        self._words: tuple[SpokenWord, ...] = ()
        self._heard = self._spent = 0
        self._eager: tuple[SpokenWord, ...] | None = None
        self._started = False

    def configure(self, thresholds: TurnThresholds, *, from_s: float) -> None:
        """Judge audio after ``from_s`` by other thresholds."""
        self._coming.append((from_s, thresholds))

    def hear(self, result: Recognised) -> list[TurnEvent]:
        """What a result tells."""
        self._take(result)
        if not self._words:
            return self._update_if_due()
        if not self._started:
            self._started = True
            return [self._event("StartOfTurn")]
        events = []
        if self._eager is not None and self._eager != self._words:
            self._eager = None
            events.append(self._event("TurnResumed"))
        timed_out = self._quiet_s >= self.thresholds.eot_timeout_ms / 1000 - _ROUNDING_S
        if timed_out or self._confidence >= self.thresholds.eot_threshold:
            events += self._eager_once(self.thresholds.eager_eot_threshold is not None)
            events.append(self._end("timeout" if timed_out else "model"))
        elif (least := self.thresholds.eager_eot_threshold) is not None and self._eager is None:
            events += self._eager_once(self._confidence >= least)
        return events or self._update_if_due()

    def force_end(self) -> TurnEvent | None:
        """End the turn at what has been heard; None when nobody is speaking."""
        return self._end("manual") if self._started else None

    def finish(self) -> TurnEvent | None:
        """The audio is over, and with it the turn; without one, the rest of the silence is told."""
        if self._started:
            return self._end("model")
        return self._event("Update") if self._cursor_s > self._told_s + _ROUNDING_S else None

    def _take(self, result: Recognised) -> None:
        self._cursor_s = max(self._cursor_s, result.start_s + result.duration_s)
        self._quiet_s = result.quiet_s
        while self._coming and self._coming[0][0] < self._cursor_s - _ROUNDING_S:
            self.thresholds = self._coming.popleft()[1]
        words = self._final + result.words[self._spent :]
        # A recogniser may take back all it thought it had heard; a turn that has begun keeps its text.
        if words or not self._started:
            self._words = words
        self._heard = len(result.words)
        if result.is_final:
            self._final, self._heard, self._spent = self._words, 0, 0

    @property
    def _confidence(self) -> float:
        return 1 - math.exp(-max(self._quiet_s, 0.0) / DECAY_S) if self._words else 0.0

    def _eager_once(self, sure: bool) -> list[TurnEvent]:
        if not sure or self._eager is not None:
            return []
        self._eager = self._words
        return [self._event("EagerEndOfTurn")]

    def _update_if_due(self) -> list[TurnEvent]:
        return [self._event("Update")] if self._cursor_s - self._told_s >= UPDATE_S - _ROUNDING_S else []

    def _end(self, trigger: Trigger) -> TurnEvent:
        event = self._event("EndOfTurn", trigger)
        self._index += 1
        self._start_s = self._cursor_s
        self._final = self._words = ()
        self._spent = self._heard
        self._eager, self._started = None, False
        return event

    def _event(self, event: Event, trigger: Trigger | None = None) -> TurnEvent:
        self._told_s = self._cursor_s
        words = tuple(self._within_window(word) for word in self._words)
        return TurnEvent(event, self._index, self._start_s, self._cursor_s, words, self._confidence, trigger)

    def _within_window(self, word: SpokenWord) -> SpokenWord:
        """A word of a turn lies in its window, also one that was cut by a forced end."""
        if self._start_s <= word.start_s and word.end_s <= self._cursor_s:
            return word
        start_s = min(max(word.start_s, self._start_s), self._cursor_s)
        return replace(word, start_s=start_s, end_s=min(max(word.end_s, start_s), self._cursor_s))
