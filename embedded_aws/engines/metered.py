"""The ``metered`` engine: the bundled sample's words, or a hum for a text, at a capacity known in closed form.

Each instance has ``lanes`` servers that each need ``service_ms`` for 100 ms of audio. They are busy-until times, not
work and not sleeps, so the machine's speed does not move the knee: a piece of audio takes the lane that is free first,
and its result leaves when that lane is done. Up to ``floor(lanes x 100 / service_ms)`` real-time streams keep up;
beyond, lag grows by ``streams / knee - 1`` seconds per second. Source of the queue's shape: reference stt.md section 7.
What a stream that is gone left in the queue is not worked on (assumption: a container decodes for nobody).
"""

from __future__ import annotations

import asyncio
import math
import time
from collections import deque
from collections.abc import Callable

from embedded_aws.engines.base import Listener, Recognised, SpeechListener, SpokenWord, StreamOptions
from embedded_aws.engines.known_words import KnownWords
from embedded_aws.engines.lanes import Lanes, MeteredSettings, ReleaseQueue
from embedded_aws.engines.metered_voice import MeteredUtterance

MAX_SEGMENT_S = 5.0
"""Without a pause a final result comes after this much audio (assumption: Deepgram says "every few seconds")."""

FILE_COST_SHARE = 0.1
"""A second of a whole file costs this share of a streamed second (assumption: files are decoded in large batches)."""


class MeteredEngine:
    """Makes instances of one size. ``clock`` is the event loop's, to be read from any thread."""

    def __init__(self, settings: MeteredSettings | None = None, *, clock: Callable[[], float] = time.monotonic) -> None:
        self.settings = settings or MeteredSettings()
        self.clock = clock
        self._queue: ReleaseQueue | None = None

    def new_instance(self, instance_id: str) -> MeteredInstance:
        return MeteredInstance(self, self.settings)

    def queue(self) -> ReleaseQueue:
        """The one release queue, on the running event loop."""
        if self._queue is None:
            self._queue = ReleaseQueue()
        return self._queue

    def close(self) -> None:
        """Nothing outlives the event loop."""


class MeteredInstance:
    """One container and its lanes."""

    def __init__(self, engine: MeteredEngine, settings: MeteredSettings) -> None:
        self._engine = engine
        self._lanes = Lanes(settings)
        self.knee = settings.knee
        self._count = int(settings.lanes)
        self._looked = (engine.clock(), 0.0)

    def open_stream(self, options: StreamOptions, listener: Listener) -> MeteredStream:
        return MeteredStream(self._engine.queue(), self._lanes, options, listener)

    async def transcribe(self, pcm: bytes, sample_rate: int) -> Recognised:
        """The words of a whole recording, when a lane has had time for it."""
        queue = self._engine.queue()
        known = KnownWords(sample_rate)
        # Found by its first second, so that a file which ends otherwise is recognised as far as it goes.
        known.advance(pcm[: sample_rate * 2])
        known.advance(pcm[sample_rate * 2 :])
        duration_s = len(pcm) / 2 / sample_rate
        del pcm  # a long file waits long
        cost_s = duration_s * FILE_COST_SHARE
        done_s = self._lanes.take(queue.now_s(), cost_s)
        try:
            await asyncio.sleep(done_s - queue.now_s())
        finally:
            self._lanes.give_back_rest(queue.now_s(), cost_s, done_s)
        words = tuple(known.words(0.0, duration_s))
        return Recognised(0.0, duration_s, words, is_final=True, speech_final=True, model=known.model)

    def say(self, text: str, *, sample_rate: int, speed: float, listener: SpeechListener) -> MeteredUtterance:
        return MeteredUtterance(
            self._engine.queue(), self._lanes, text, sample_rate=sample_rate, speed=speed, listener=listener
        )

    def busy_share(self) -> float:
        now_s = self._engine.clock()
        worked_s = self._lanes.worked_s(now_s)
        (then_s, before_s), self._looked = self._looked, (now_s, worked_s)
        elapsed_s = (now_s - then_s) * self._count
        return min(1.0, max(0.0, (worked_s - before_s) / elapsed_s)) if elapsed_s > 0 else 0.0

    def close(self) -> None:
        """Its streams are aborted by whoever holds them; nothing else is left."""


class MeteredStream:
    """One stream: decides at once what a piece will be answered with, and releases it when a lane is done."""

    def __init__(self, queue: ReleaseQueue, lanes: Lanes, options: StreamOptions, listener: Listener) -> None:
        self._queue = queue
        self._lanes = lanes
        self._interim_results = options.interim_results
        self._pause_s = math.inf if options.endpointing_s is None else options.endpointing_s
        self._listener = listener
        self._known = KnownWords(options.sample_rate)
        self._segment_s = 0.0
        # Results share it while no word is added, so that what is made of it need not be made again.
        self._said: tuple[SpokenWord, ...] = ()
        self._voice_end_s = 0.0
        self._due_s = 0.0
        self._given: deque[tuple[float, float]] = deque()
        """Pieces that may not be done yet: seconds of audio, and when a lane will be done with them."""
        self._closed = False

    def audio(self, pcm: bytes) -> None:
        """Queue a piece of audio on a lane."""
        known = self._known
        before_s = known.cursor_s
        known.advance(pcm)
        cursor_s = known.cursor_s
        results = self._heard(before_s, cursor_s)
        # A short piece on a free lane may be done before the long one ahead of it; a stream's answers keep their order.
        now_s, audio_s = self._queue.now_s(), cursor_s - before_s
        done_s = self._lanes.take(now_s, audio_s)
        while self._given and self._given[0][1] <= now_s:
            self._given.popleft()
        self._given.append((audio_s, done_s))
        self._due_s = max(self._due_s, done_s)
        self._queue.at(self._due_s, lambda: self._emit(results))

    def _heard(self, before_s: float, cursor_s: float) -> list[Recognised]:
        results = []
        for word in self._known.words(before_s, cursor_s):
            # A long piece can hold several utterances: close each one where its pause was long enough.
            if self._said and self._pause_ended(word.start_s):
                results.append(self._result(self._said[-1].end_s + self._pause_s, speech_final=True))
            self._said += (word,)
            self._voice_end_s = word.end_s
        if self._interim_results:
            results.append(self._result(cursor_s, is_final=False))
        # A word that has begun but not ended is no pause.
        if self._said and self._pause_ended(min(cursor_s, self._known.next_start_s)):
            results.append(self._result(cursor_s, speech_final=True))
        elif cursor_s - self._segment_s >= MAX_SEGMENT_S:
            results.append(self._result(cursor_s, speech_final=False))
        return results

    def _pause_ended(self, now_s: float) -> bool:
        return now_s - self._said[-1].end_s >= self._pause_s

    def _result(
        self, to_s: float, *, is_final: bool = True, speech_final: bool = False, from_finalize: bool = False
    ) -> Recognised:
        """What was said up to ``to_s``; a final result ends the segment there."""
        speaking = to_s > self._known.next_start_s
        result = Recognised(
            start_s=self._segment_s,
            duration_s=to_s - self._segment_s,
            words=self._said,
            is_final=is_final,
            model=self._known.model,
            speech_final=speech_final,
            from_finalize=from_finalize,
            quiet_s=0.0 if speaking else to_s - self._voice_end_s,
        )
        if is_final:
            self._segment_s, self._said = to_s, ()
        return result

    def finalize(self) -> None:
        """A final result behind everything sent so far; it costs no lane anything."""
        final = self._result(self._known.cursor_s, speech_final=True, from_finalize=True)
        self._queue.at(self._due_s, lambda: self._emit([final]))

    def finish(self) -> None:
        """The rest, then the end."""
        if self._known.cursor_s > self._segment_s:
            rest = self._result(self._known.cursor_s, speech_final=bool(self._said))
            self._queue.at(self._due_s, lambda: self._emit([rest]))
        self._queue.at(self._due_s, self._end)

    def _emit(self, results: list[Recognised]) -> None:
        if not self._closed:
            for result in results:
                self._listener.on_result(result)

    def _end(self) -> None:
        if not self._closed:
            self._closed = True
            self._listener.on_end()

    def abort(self) -> None:
        """Answers that are still due are dropped, and what no lane has begun for them is given back."""
        if not self._closed:
            self._closed = True
            self._lanes.give_back(self._queue.now_s(), self._given)
            self._given.clear()
