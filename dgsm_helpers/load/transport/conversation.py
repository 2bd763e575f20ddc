"""Calls in which a model speaks: a turn, a pause in which the caller speaks, the next turn."""

import json
import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any, ClassVar

from dgsm_helpers.errors import InvalidInput
from dgsm_helpers.families import Family
from dgsm_helpers.load.transport.recorder import TraceRecorder
from dgsm_helpers.wire.eventstream import DataType

CHARACTERS_PER_S = 15.0
"""How fast English is read aloud (13 to 17). For think times and forecasts only; what is measured is what arrives."""
DUTY = 1 / 3
"""Share of a call in which an agent speaks. An assumption: a think time of one's own says otherwise."""
MAX_CHARACTERS = 2000
"""Deepgram's limit of one text."""
MOST_TURNS_PER_MIN = 19
"""Aura-2 ignores what goes beyond 20 Flush messages a minute."""
ANSWER_LOOK_S = 0.02
"""How often a call whose answer is on its way is looked at."""
STOP_LOOK_S = 0.5
"""How often a call in which the caller speaks is looked at: it may have to end."""

TEXTS = (
    "Of course, I can look that up.",
    "Your order left our warehouse on Tuesday morning, and it should be with you by Friday noon.",
    "I have moved your appointment to Thursday at a quarter past three, and the clinic will send you a message an hour "
    "before it begins. Please bring your insurance card with you, and the list of the medicines that you take at home "
    "every day. Goodbye!",
)
"""A short, a middling and a long turn: about 30, 90 and 250 characters."""


def read_texts(path: str | Path) -> tuple[str, ...]:
    """Turns of an agent from a UTF-8 text file, one a line; empty lines are left out.

    Raises:
        InvalidInput: it cannot be read, holds no text, or one that is longer than a model takes.
    """
    try:
        lines = Path(path).expanduser().read_text(encoding="utf-8-sig").splitlines()
    except (OSError, ValueError) as error:
        raise InvalidInput(f"The texts at {str(path)!r} cannot be read: {error}.") from error
    return checked_texts([line.strip() for line in lines if line.strip()], str(path))


def checked_texts(texts: Sequence[str], source: str = "The texts") -> tuple[str, ...]:
    """The texts, if a model takes them.

    Raises:
        InvalidInput: none, an empty one, or one that is too long.
    """
    if not texts:
        raise InvalidInput(f"{source}: no text is there.", hint="Give what the agent says, one turn a line.")
    for number, text in enumerate(texts, 1):
        if not text.strip():
            raise InvalidInput(f"{source}: text {number} is empty.", hint="Leave it out.")
        if len(text) > MAX_CHARACTERS:
            raise InvalidInput(
                f"{source}: text {number} has {len(text)} characters, and a model takes {MAX_CHARACTERS} at once.",
                hint="Cut it into turns.",
            )
    return tuple(texts)


class TurnSender:
    """One call: a text, then, ``think_s`` after its audio has been played out, the next; at the end, the farewell.

    Args:
        texts: taken at random.
        think_s: seconds between two turns, on average; each lies within half of it and one and a half.
        chance: of texts and pauses.
        begin_in_s: until its first turn.
        sample_rate: of the audio that is asked for.
        family: gives the message that asks for the end.
        duration_s: after which no turn begins any more; None: only when stopped.
        most_turns: after which it ends; None: never for that.
    """

    def __init__(
        self,
        texts: Sequence[str],
        *,
        think_s: float,
        chance: random.Random,
        sample_rate: int,
        family: Family,
        begin_in_s: float = 0.0,
        duration_s: float | None = None,
        most_turns: int | None = None,
    ) -> None:
        self.sample_rate = sample_rate
        self.due_s = 0.0
        self.over = False
        self._texts, self._think_s, self._chance = texts, think_s, chance
        self._begin_in_s, self._duration_s = begin_in_s, duration_s
        self._most_turns = most_turns
        self._began_s: float | None = None
        self._turn_s: float | None = None
        self._asked_s: list[float] = []
        self._end: tuple[bytes, DataType] = (family.end_message, "UTF8")

    def take(self, recorder: TraceRecorder, stopped: bool) -> Sequence[tuple[bytes, DataType]]:
        """What leaves now, written down; the next `due_s`, when there may be something to do, is set."""
        now = recorder.now()
        if self._began_s is None:
            self._began_s = self.due_s
            self._turn_s = self.due_s + self._begin_in_s
        if stopped or (self._duration_s is not None and now >= self._began_s + self._duration_s):
            return self._ended(recorder)
        if recorder.open_turn is not None:
            self.due_s = now + ANSWER_LOOK_S
            return ()
        if self._most_turns is not None and len(self._asked_s) >= self._most_turns:
            return self._ended(recorder)
        if self._turn_s is None:
            self._turn_s = self._next_turn_s(recorder, now)
        if now < self._turn_s:
            self.due_s = min(self._turn_s, now + STOP_LOOK_S)
            return ()
        return self._speak(recorder, self._turn_s, now)

    def _ended(self, recorder: TraceRecorder) -> Sequence[tuple[bytes, DataType]]:
        recorder.close_sent()
        self.over = True
        return (self._end,)

    def _next_turn_s(self, recorder: TraceRecorder, now: float) -> float:
        played = recorder.newest_turn
        pause_s = self._think_s * self._chance.uniform(0.5, 1.5)
        due_s = (played.played_out_s if played is not None else now) + pause_s
        if len(self._asked_s) >= MOST_TURNS_PER_MIN:
            due_s = max(due_s, self._asked_s[-MOST_TURNS_PER_MIN] + 60.0)
        return max(due_s, now)

    def _speak(self, recorder: TraceRecorder, due_s: float, now: float) -> Sequence[tuple[bytes, DataType]]:
        text = self._chance.choice(self._texts)
        recorder.asked(due_s=due_s, characters=len(text))
        self._asked_s.append(now)
        self._turn_s, self.due_s = None, now + ANSWER_LOOK_S
        speak = json.dumps({"type": "Speak", "text": text}, ensure_ascii=False, separators=(",", ":"))
        return (speak.encode(), "UTF8"), (b'{"type":"Flush"}', "UTF8")


@dataclass(frozen=True)
class Conversation:
    """The workload of models that speak: calls that think for ``think_s`` between two turns, on average.

    ``think_s`` is None for as long as makes an agent speak for a third of the call (`DUTY`). With 0 every call speaks
    without a break, and what is counted is simultaneous turns.
    """

    texts: tuple[str, ...] = TEXTS
    think_s: float | None = None
    sample_rate: int = 24_000
    heard_by_all_alike: ClassVar[bool] = False
    """Each call draws its own texts."""
    step_s: ClassVar[float] = 0.1
    """How exactly a turn has to begin."""

    def __post_init__(self) -> None:
        checked_texts(self.texts)
        if self.think_s is not None and not 0 <= self.think_s <= 600:
            raise InvalidInput(f"think_s={self.think_s:g} is outside 0-600 seconds.")

    @property
    def turn_s(self) -> float:
        """Seconds that a turn is expected to last, on average."""
        return fmean(len(text) for text in self.texts) / CHARACTERS_PER_S

    @property
    def pause_s(self) -> float:
        """Seconds between two turns, on average."""
        return self.turn_s * (1 / DUTY - 1) if self.think_s is None else self.think_s

    @property
    def duty(self) -> float:
        """Share of a call in which it is expected to speak."""
        return self.turn_s / self.round_s

    @property
    def unit(self) -> str:
        return "calls" if self.pause_s else "turns"

    @property
    def longest_round_s(self) -> float:
        """Seconds within which every call has spoken; without pauses, some turns: only long ones show slow overload."""
        return self.turn_s + 1.5 * self.pause_s if self.pause_s else 3 * self.turn_s

    @property
    def round_s(self) -> float:
        return self.turn_s + self.pause_s

    def sender(self, number: int, *, seed: int, family: Family, duration_s: float | None = None) -> TurnSender:
        """What call ``number`` sends, for ``duration_s`` at most."""
        chance = random.Random(f"{seed}:{number}")
        return TurnSender(
            self.texts,
            think_s=self.pause_s,
            chance=chance,
            sample_rate=self.sample_rate,
            family=family,
            # As many speak at once as later on: the others are somewhere in their pause.
            begin_in_s=max(chance.uniform(-self.turn_s, self.pause_s), 0.0),
            duration_s=duration_s,
        )

    def to_dict(self) -> dict[str, Any]:
        lengths = sorted(len(text) for text in self.texts)
        return {
            "kind": "conversation",
            "texts": len(lengths),
            "characters": [lengths[0], round(fmean(lengths), 1), lengths[-1]],
            "think_s": round(self.pause_s, 2),
            "duty": round(self.duty, 3),
        }
