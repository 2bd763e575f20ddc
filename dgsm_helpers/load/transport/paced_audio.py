"""Audio as a microphone delivers it: what a stream to a model that listens sends."""

import random
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from dgsm_helpers.families import NOVA, Family
from dgsm_helpers.load.transport.recorder import TraceRecorder
from dgsm_helpers.load.transport.recordings import BYTES_PER_SAMPLE, Recording, bundled_recording, chunks, common_rate
from dgsm_helpers.wire.eventstream import DataType


class AudioSender:
    """One stream's audio, a chunk every ``chunk_ms`` whatever the server does, then the request for the end.

    Args:
        audio: linear16 of ``sample_rate`` Hz, in chunks of ``chunk_ms``; the last may be shorter.
        sample_rate: what the model is told, and what the schedule is read from.
        chunk_ms: between two chunks.
        family: gives the message that asks for the end.
    """

    def __init__(
        self, audio: Iterable[bytes], *, sample_rate: int, chunk_ms: float = 100, family: Family = NOVA
    ) -> None:
        self.sample_rate = sample_rate
        self.due_s = 0.0
        self.over = False
        self._audio: Iterator[bytes] = iter(audio)
        self._next = next(self._audio, None)
        self._bytes_per_s = sample_rate * BYTES_PER_SAMPLE
        self._chunk_s = chunk_ms / 1000
        self._sent_bytes = 0
        self._end: tuple[bytes, DataType] = (family.end_message, "UTF8")

    def take(self, recorder: TraceRecorder, stopped: bool) -> Sequence[tuple[bytes, DataType]]:
        """What leaves now that `due_s` has come, written down; the next `due_s` is set."""
        data = self._next
        if data is None or stopped:
            return self._ended(recorder)
        self._sent_bytes += len(data)
        recorder.chunk(due_s=self.due_s, cursor_s=self._sent_bytes / self._bytes_per_s)
        self.due_s += self._chunk_s
        self._next = following = next(self._audio, None)
        if following is None:
            return (data, "BINARY"), *self._ended(recorder)
        return ((data, "BINARY"),)

    def _ended(self, recorder: TraceRecorder) -> Sequence[tuple[bytes, DataType]]:
        recorder.close_sent()
        self.over = True
        return (self._end,)


@dataclass(frozen=True)
class PacedAudio:
    """The workload of models that listen: each stream sends a recording round and round, from a place of its own.

    ``recordings`` are sent in turn, all of one sample rate; none: the bundled sample.
    """

    recordings: tuple[Recording, ...] = ()
    chunk_ms: int = 100
    unit: ClassVar[str] = "streams"
    turn_s: ClassVar[float] = 0.0
    longest_round_s: ClassVar[float] = 0.0
    """Audio has no turns to wait for, nor rounds of speaking and waiting."""

    def __post_init__(self) -> None:
        common_rate(self.of)
        chunks(self.of[0], chunk_ms=self.chunk_ms)  # refuses a bad chunk_ms here rather than in the background

    @property
    def of(self) -> tuple[Recording, ...]:
        return self.recordings or (bundled_recording(),)

    @property
    def sample_rate(self) -> int:
        return common_rate(self.of)

    @property
    def step_s(self) -> float:
        """Seconds between two messages of a stream."""
        return self.chunk_ms / 1000

    @property
    def heard_by_all_alike(self) -> bool:
        return len(self.of) == 1

    def recording(self, number: int) -> Recording:
        """What stream ``number`` sends."""
        return self.of[number % len(self.of)]

    def offset_s(self, number: int, seed: int) -> float:
        """Where in its recording stream ``number`` begins."""
        return random.Random(f"{seed}:{number}").uniform(0, self.recording(number).duration_s)

    def sender(self, number: int, *, seed: int, family: Family, duration_s: float | None = None) -> AudioSender:
        audio = chunks(
            self.recording(number),
            chunk_ms=self.chunk_ms,
            offset_s=self.offset_s(number, seed),
            duration_s=duration_s,
        )
        return AudioSender(audio, sample_rate=self.sample_rate, chunk_ms=self.chunk_ms, family=family)

    def to_dict(self) -> dict[str, Any]:
        audio = [{"source": r.source, "duration_s": round(r.duration_s, 1)} for r in self.of]
        return {"kind": "paced audio", "audio": audio, "chunk_ms": self.chunk_ms}
