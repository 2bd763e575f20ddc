"""Sessions without a network whose speech is numbered: each frame says which it is, so each word says when it was said.

A word is heard whole or, where a session begins in its middle, as something else. Final results come wherever a word
is.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from dataclasses import dataclass, field
from typing import Any

from dgsm_helpers.errors import StreamFailed

FRAME_BYTES = 2
RATE = 100
"""Frames a second."""
WORD_FRAMES, PERIOD_FRAMES = 20, 30
FINAL_FRAMES = 170
"""A final result after so many frames, in the middle of a word or not."""


def speech(frames: int) -> bytes:
    """So many frames of it."""
    return b"".join(number.to_bytes(FRAME_BYTES, "big") for number in range(frames))


async def busy(passes: list[float], pass_s: float = 0.05) -> None:
    """Takes the event loop for so long again and again; writes down when."""
    while True:
        time.sleep(pass_s)
        passes.append(time.monotonic())
        await asyncio.sleep(0)


def words_of(frames: int) -> list[str]:
    """What is said in it."""
    return [f"word-{number}" for number in range(frames) if number * PERIOD_FRAMES + WORD_FRAMES <= frames]


@dataclass
class Script:
    """How one session goes: refused, or cut after so many pieces of audio in one of the ways there are.

    ``at_close`` cuts it when it is asked to end; ``lag`` keeps back so many of the newest results.
    """

    refused: bool = False
    cut_after: int | None = None
    at_close: bool = False
    way: str = "exception"
    lag: int = 0


class ScriptedSession:
    """One session."""

    def __init__(self, script: Script) -> None:
        self.script = script
        self.frames: list[int] = []
        self.left = self.was_cut = False
        self._half = b""
        self._final_at = 0
        self._pieces = 0
        self._over = False
        self._late: deque[dict[str, Any]] = deque()
        self._came: asyncio.Queue[dict[str, Any] | StreamFailed | None] = asyncio.Queue()

    async def send(self, audio: bytes) -> None:
        if self._over:
            return
        audio = self._half + audio
        whole = len(audio) // FRAME_BYTES * FRAME_BYTES
        self._half = audio[whole:]
        self.frames += [int.from_bytes(audio[i : i + FRAME_BYTES], "big") for i in range(0, whole, FRAME_BYTES)]
        self._pieces += 1
        if self._pieces == self.script.cut_after:
            self._cut()
            return
        self._answer(self._result(len(self.frames), final=False))
        if len(self.frames) - self._final_at >= FINAL_FRAMES:
            self._answer(self._result(len(self.frames), final=True))

    async def close_stream(self) -> None:
        if self._over:
            return
        if self.script.at_close:
            self._cut()
            return
        self._answer(self._result(len(self.frames), final=True))
        self._answer({"type": "Metadata", "duration": len(self.frames) / RATE})
        while self._late:
            self._came.put_nowait(self._late.popleft())
        self._end(None)

    async def receive(self) -> dict[str, Any] | None:
        came = await self._came.get()
        if isinstance(came, StreamFailed):
            raise came
        return came

    async def leave(self) -> None:
        self.left = True

    def _answer(self, message: dict[str, Any]) -> None:
        self._late.append(message)
        while len(self._late) > self.script.lag:
            self._came.put_nowait(self._late.popleft())

    def _cut(self) -> None:
        self.was_cut = True
        if self.script.way == "silence":
            self._over = True
            return
        self._end(None if self.script.way == "clean-end" else StreamFailed(f"{self.script.way}: as the script says"))

    def _end(self, how: StreamFailed | None) -> None:
        self._over = True
        self._came.put_nowait(how)

    def _result(self, upto: int, *, final: bool) -> dict[str, Any]:
        words = [word for word in self._words() if self._final_at < word["end"] * RATE <= upto + 1e-6]
        best = {"transcript": " ".join(word["word"] for word in words), "words": words}
        start_s, self._final_at = self._final_at / RATE, upto if final else self._final_at
        return {
            "type": "Results",
            "channel_index": [0, 1],
            "start": start_s,
            "duration": upto / RATE - start_s,
            "is_final": final,
            "channel": {"alternatives": [best]},
        }

    def _words(self) -> list[dict[str, Any]]:
        if not self.frames:
            return []
        first, words = self.frames[0], []
        for number in range(first // PERIOD_FRAMES, self.frames[-1] // PERIOD_FRAMES + 1):
            begin = number * PERIOD_FRAMES - first
            end = begin + WORD_FRAMES
            if 0 < end <= len(self.frames):
                text = f"word-{number}" if begin >= 0 else "garbled"
                words.append({"word": text, "start": max(begin, 0) / RATE, "end": end / RATE})
        return words


@dataclass
class ScriptedEndpoint:
    """Opens sessions, each after its script; when there is none any more, sessions go well."""

    scripts: list[Script] = field(default_factory=list)
    opened: list[ScriptedSession] = field(default_factory=list)
    refusals: int = 0

    async def __call__(self) -> ScriptedSession:
        script = self.scripts.pop(0) if self.scripts else Script()
        await asyncio.sleep(0)
        if script.refused:
            self.refusals += 1
            raise StreamFailed("ValidationError: no instance serves")
        self.opened.append(ScriptedSession(script))
        return self.opened[-1]
