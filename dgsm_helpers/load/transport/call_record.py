"""A call as its user got it, beside what was said in it: words lost, words twice, how long nothing new came."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from dgsm_helpers.load.transport.call_progress import HeardPart
from dgsm_helpers.load.transport.continued_stream import ContinuedStream
from dgsm_helpers.load.transport.heard_recording import Caption
from dgsm_helpers.load.transport.listen_stitching import HeardWord, Message, heard_words
from dgsm_helpers.load.transport.session_leg import HandOver
from dgsm_helpers.rules.sample import BYTES_PER_SAMPLE, TIME_DIGITS, Recording, bundled_sample, plain_word

SAME_WORD_S = 0.15
"""The same word in two transcripts differs by no more than this at its end."""


@dataclass(frozen=True, kw_only=True)
class CallRecord:
    """A call of ``call_s`` seconds, ``offset_s`` into its recording; ``words`` are those of its finals, in order."""

    call_s: float
    words: tuple[HeardWord, ...]
    hand_overs: tuple[HandOver, ...] = ()
    offset_s: float = 0.0

    @property
    def sound(self) -> Recording:
        """What its caller said: a stretch of the bundled sample, which goes round."""
        sample = bundled_sample()
        rate = sample.sample_rate
        first, size = (round(seconds * rate) * BYTES_PER_SAMPLE for seconds in (self.offset_s, self.call_s))
        return Recording(sample.part(first, size), rate, source=sample.source)

    @property
    def captions(self) -> tuple[Caption, ...]:
        """Its words, each where it ends in the sound, and beside them each hand-over."""
        changes = [(change.at_s, f"({change.cause}: goes on elsewhere)") for change in self.hand_overs]
        captions, said = [], ""
        for at_s, word in sorted([*((word.end_s, word.word) for word in self.words), *changes]):
            said = f"{said} {word}".strip()
            captions.append((round(at_s, 2), said, ""))
        return tuple(captions)

    def against_sample(self) -> WordCount:
        """Held against the bundled sample, which was streamed and heard by a model that knows its words."""
        return count_words(said_in_sample(offset_s=self.offset_s, duration_s=self.call_s), self.words)


@dataclass(frozen=True, kw_only=True)
class WordCount:
    """How many words were said, how many of them never came, and how many came that nobody said (then)."""

    said: int
    lost: int
    extra: int


def count_words(said: Sequence[HeardWord], heard: Sequence[HeardWord]) -> WordCount:
    """Hold what was heard against what was said; a word that comes twice is one too many."""
    left: dict[str, list[float]] = {}
    for word in said:
        left.setdefault(word.word, []).append(word.end_s)
    extra = 0
    for word in heard:
        ends_s = left.get(word.word, [])
        nearest = min(ends_s, key=lambda end_s: abs(end_s - word.end_s), default=None)
        if nearest is None or abs(nearest - word.end_s) > SAME_WORD_S:
            extra += 1
        else:
            ends_s.remove(nearest)
    return WordCount(said=len(said), lost=sum(map(len, left.values())), extra=extra)


def said_in_sample(*, offset_s: float, duration_s: float) -> tuple[HeardWord, ...]:
    """The words that end in a stretch of the bundled sample, which goes round; times from the stretch's beginning.

    Like `recordings.chunks` it begins with the whole sample next to ``offset_s``: a word that ends with the stretch is
    otherwise said here and not there.
    """
    sample = bundled_sample()
    offset_s = round(offset_s * sample.sample_rate) / sample.sample_rate
    turns = range(int((offset_s + duration_s) // sample.duration_s) + 1)
    words = [
        HeardWord(
            word.word, word.start + turn * sample.duration_s - offset_s, word.end + turn * sample.duration_s - offset_s
        )
        for turn in turns
        for word in sample.words
    ]
    return tuple(word for word in words if 0 < round(word.end_s, TIME_DIGITS) <= duration_s)


async def hold_call(
    call: ContinuedStream,
    audio: Iterable[bytes],
    *,
    chunk_s: float = 0.1,
    stop: asyncio.Event | None = None,
    on_result: Callable[[HeardPart, float], object] = lambda part, lag_s: None,
) -> CallRecord:
    """Hold a call in real time to its end, from a microphone's point of view: audio comes whatever the server does.

    ``stop`` ends it sooner. ``on_result`` hears of each result, and by how many seconds it came after its audio was
    spoken.

    Raises:
        StreamFailed: the first session is refused, or none came for too long.
    """
    words: list[HeardWord] = []
    begin_s, chunks = time.monotonic(), 0

    async def listen() -> None:
        async for message in call:
            words.extend(final_words(message))
            if part := _heard_part(message):
                # A microphone hands a chunk over when it has been spoken, so the first was begun before.
                spoken_s = begin_s - chunk_s + part.end_s
                on_result(part, max(time.monotonic() - spoken_s, 0.0))

    async with call:
        begin_s = time.monotonic()
        listening = asyncio.create_task(listen())
        try:
            for chunk in audio:
                if listening.done() or (stop is not None and stop.is_set()):
                    break
                await asyncio.sleep(begin_s + chunks * chunk_s - time.monotonic())
                await call.send(chunk)
                chunks += 1
            await call.finish()
            await listening
        finally:
            listening.cancel()
    return CallRecord(call_s=call.length_s, words=tuple(words), hand_overs=call.hand_overs)


def final_words(message: Message) -> list[HeardWord]:
    """The words that a message says for good: of a final result, or of a turn that has ended."""
    if message.get("type") == "TurnInfo" and message["event"] == "EndOfTurn":
        # Flux's words have their punctuation, and need not have times.
        return [
            HeardWord(plain_word(word["word"]), word.get("start", end_s), word.get("end", end_s))
            for end_s in (message["audio_window_end"],)
            for word in message["words"]
        ]
    if message.get("type") == "Results" and message["is_final"]:
        return heard_words(message["channel"]["alternatives"][0].get("words", ()))
    return []


def _heard_part(message: Message) -> HeardPart | None:
    """What Nova-3's results and Flux's turns have in common."""
    if message.get("type") == "TurnInfo":
        ended = message["event"] == "EndOfTurn"
        return HeardPart(message["audio_window_end"], message["transcript"], ended, message["request_id"])
    if message.get("type") != "Results":
        return None
    request_id = str(message.get("metadata", {}).get("request_id", ""))
    text = message["channel"]["alternatives"][0].get("transcript", "")
    return HeardPart(message["start"] + message["duration"], text, bool(message["is_final"]), request_id)
