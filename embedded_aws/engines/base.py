"""What the embedded AWS asks of an engine: a recogniser or a synthesiser, with a capacity (when it answers).

An ``Engine`` stands for a listing, an ``EngineInstance`` for one of its containers. Streams are fed on the event loop's
thread; ``new_instance``, ``busy_share`` and ``close`` may be called from any thread.
"""

from dataclasses import dataclass
from typing import NamedTuple, Protocol

UNKNOWN_CONFIDENCE = 1.0
"""Neither engine estimates confidence, and Deepgram's messages must carry one: a placeholder, not a measurement."""

CHARACTERS_PER_S = 15.0
"""What people speak: 13 to 17 characters a second."""


@dataclass(frozen=True, slots=True)
class SpokenWord:
    """A word in a stream or file; times in seconds from its beginning."""

    word: str
    punctuated_word: str
    start_s: float
    end_s: float


def words_of(text: str, start_s: float, end_s: float) -> tuple[SpokenWord, ...]:
    """The words of a text, its time shared out by letters."""
    pieces = text.split()
    letters = sum(map(len, pieces))
    word_start_s, words = start_s, []
    for piece in pieces:
        word_end_s = word_start_s + (end_s - start_s) * len(piece) / letters
        plain = "".join(c for c in piece.lower() if c.isalnum() or c in "'-")
        if plain:
            words.append(SpokenWord(plain, piece, word_start_s, word_end_s))
        word_start_s = word_end_s
    return tuple(words)


class Recognised(NamedTuple):
    """What was heard between ``start_s`` and ``start_s + duration_s``; ``model`` says by what.

    ``quiet_s`` is for how long nobody has spoken at its end: a word that has begun but not ended is no pause.
    """

    start_s: float
    duration_s: float
    words: tuple[SpokenWord, ...]
    is_final: bool
    model: str
    speech_final: bool = False
    from_finalize: bool = False
    quiet_s: float = 0.0


@dataclass(frozen=True, slots=True)
class StreamOptions:
    """How a stream is to be heard.

    ``endpointing_s`` is the pause that ends an utterance, None for none. ``interim_every_s`` is the least audio between
    two interim results for an engine to which they are dear.
    """

    sample_rate: int = 16000
    interim_results: bool = False
    interim_every_s: float = 0.5
    endpointing_s: float | None = 0.01


class Listener(Protocol):
    """Who hears a stream's results; called on the event loop's thread, never after ``abort``."""

    def on_result(self, result: Recognised) -> None:
        """One interim or final result."""

    def on_end(self) -> None:
        """Everything sent before ``finish`` has been answered."""

    def on_failure(self, message: str) -> None:
        """The recogniser failed; nothing more follows."""


class EngineStream(Protocol):
    """One live stream."""

    def audio(self, pcm: bytes) -> None:
        """Mono linear16 audio at the stream's sample rate, whole samples."""

    def finalize(self) -> None:
        """Answer with a final result for everything so far."""

    def finish(self) -> None:
        """No more audio: answer what is left, then ``on_end``."""

    def abort(self) -> None:
        """Forget the stream; nothing is heard of it again."""


class SpeechListener(Protocol):
    """Who hears a text's audio; called on the event loop's thread, never after ``cancel``, never within ``say``."""

    def on_audio(self, pcm: bytes) -> None:
        """The next piece: mono linear16 at the rate asked for, whole samples."""

    def on_end(self) -> None:
        """All of it has been heard."""

    def on_failure(self, message: str) -> None:
        """The synthesiser failed; nothing more follows."""


class Utterance(Protocol):
    """A text on its way to becoming audio."""

    def cancel(self) -> None:
        """Nothing more is heard of it."""


class EngineInstance(Protocol):
    """One container."""

    @property
    def knee(self) -> int | None:
        """Streams that it sustains; None where nobody knows."""

    def busy_share(self) -> float:
        """Share of its capacity in use since the last call, 0 to 1."""

    def close(self) -> None:
        """The container ends."""


class Recogniser(EngineInstance, Protocol):
    """A container that listens."""

    def open_stream(self, options: StreamOptions, listener: Listener) -> EngineStream:
        """Start hearing a stream."""

    async def transcribe(self, pcm: bytes, sample_rate: int) -> Recognised:
        """Hear a whole mono linear16 recording."""


class Synthesiser(EngineInstance, Protocol):
    """A container that speaks."""

    def say(self, text: str, *, sample_rate: int, speed: float, listener: SpeechListener) -> Utterance:
        """Begin to speak a text; ``speed`` 2.0 takes half the time."""


class Engine(Protocol):
    """One listing's engine."""

    def new_instance(self, instance_id: str) -> EngineInstance:
        """A container on a new instance. Raises LocalError: the engine cannot run on this machine."""

    def close(self) -> None:
        """Free everything."""
