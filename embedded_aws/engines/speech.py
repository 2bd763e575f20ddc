"""The ``speech`` engine: a real recogniser (Moonshine tiny-en), whose capacity is this machine's processors.

An instance computes on one processor, in a worker process. Word times are apportioned by letters within a recognised
line; the model's name says that too. Where the recogniser is not installed, `engine_for_speech` has the ``metered``
engine stand in for it.
"""

from __future__ import annotations

import asyncio
import importlib.util
import platform
from collections.abc import Sequence
from functools import partial

from dgsm_helpers.errors import LocalError
from embedded_aws.engines.base import Engine, Listener, Recognised, StreamOptions
from embedded_aws.engines.speech_process import MODEL, SpeechProcess, opening
from embedded_aws.engines.worker_frames import Ask
from embedded_aws.engines.worker_process import SeatedEngine, SeatedInstance

FILE_PIECE_S = 5
"""A file is heard in pieces of this length, so that streams of the same worker do not wait for all of it."""


def engine_for_speech(metered: Engine) -> tuple[Engine, str]:
    """The engine of the ``speech`` listing, and a sentence about it: "" where the recogniser is installed."""
    if importlib.util.find_spec("moonshine_voice"):
        return SpeechEngine(), ""
    machine = f"{platform.system()}, {platform.machine()}"
    return metered, (
        f"No recogniser is installed on this machine ({machine}), so the speech listing answers with the bundled "
        "sample's known words; where there is a wheel (Linux, Windows, macOS 15 on Apple silicon), "
        '`pip install "moonshine-voice==0.1.0"` and then `dgsm local down` bring one.'
    )


class SpeechInstance(SeatedInstance[SpeechProcess]):
    """One container."""

    def open_stream(self, options: StreamOptions, listener: Listener) -> SpeechStream:
        return SpeechStream(self.seat.worker(), options, listener)

    async def transcribe(self, pcm: bytes, sample_rate: int) -> Recognised:
        """Hear a whole recording. Raises LocalError: the recogniser failed."""
        collected = _Collector()
        worker = self.seat.worker()
        stream = worker.open(collected, opening(StreamOptions(sample_rate=sample_rate)))
        piece_bytes = FILE_PIECE_S * sample_rate * 2
        try:
            for at in range(0, len(pcm), piece_bytes):
                piece = pcm[at : at + piece_bytes]
                collected.piece_done.clear()
                worker.ask(Ask.AUDIO, stream, piece)
                if len(piece) == piece_bytes:
                    await collected.piece_done.wait()
            worker.ask(Ask.FINISH, stream)
            results = await collected.done
        finally:
            worker.abort(stream)
        words = tuple(word for result in results for word in result.words)
        return Recognised(0.0, len(pcm) / 2 / sample_rate, words, is_final=True, speech_final=True, model=MODEL)


SpeechEngine = partial(SeatedEngine, SpeechProcess, SpeechInstance)
"""Makes the engine: all instances and their seats."""


class SpeechStream:
    """One live stream, pinned to a worker."""

    def __init__(self, worker: SpeechProcess, options: StreamOptions, listener: Listener) -> None:
        self._worker = worker
        self._listener = listener
        self._interim_results = options.interim_results
        self.on_end, self.on_failure = listener.on_end, listener.on_failure
        self._id = worker.open(self, opening(options))

    def audio(self, pcm: bytes) -> None:
        self._worker.ask(Ask.AUDIO, self._id, pcm)

    def finalize(self) -> None:
        self._worker.ask(Ask.FINALIZE, self._id)

    def finish(self) -> None:
        self._worker.ask(Ask.FINISH, self._id)

    def abort(self) -> None:
        self._worker.abort(self._id)

    def on_result(self, result: Recognised) -> None:
        """The worker's results; it makes interim ones whether they were asked for or not."""
        if result.is_final or self._interim_results:
            self._listener.on_result(result)


class _Collector:
    """A listener that waits for a whole file; ``piece_done`` is set by each piece's result."""

    def __init__(self) -> None:
        self.done: asyncio.Future[Sequence[Recognised]] = asyncio.get_running_loop().create_future()
        self.piece_done = asyncio.Event()
        self._finals: list[Recognised] = []

    def on_result(self, result: Recognised) -> None:
        if result.is_final:
            self._finals.append(result)
        else:
            self.piece_done.set()

    def on_end(self) -> None:
        if not self.done.done():
            self.done.set_result(self._finals)

    def on_failure(self, message: str) -> None:
        self.piece_done.set()
        if not self.done.done():
            self.done.set_exception(LocalError(f"The recogniser failed: {message}"))
