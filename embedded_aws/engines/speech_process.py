"""The server's side of a speech worker: hands its results to the streams' listeners."""

import json
from typing import Any

from embedded_aws.engines.base import Listener, Recognised, StreamOptions, words_of
from embedded_aws.engines.worker_frames import OPENING
from embedded_aws.engines.worker_process import WorkerProcess

MODEL = "moonshine tiny-en (word times apportioned within a line)"


def _recognised(result: dict[str, Any]) -> Recognised:
    words = tuple(w for text, start_s, end_s in result["lines"] for w in words_of(text, start_s, end_s))
    return Recognised(
        start_s=result["start"],
        duration_s=result["end"] - result["start"],
        words=words,
        is_final=result["final"],
        model=MODEL,
        speech_final=result["final"] and bool(words),
        from_finalize=result["finalize"],
        quiet_s=result["quiet"],
    )


def opening(options: StreamOptions) -> bytes:
    """How a worker is told of a stream."""
    return OPENING.pack(options.sample_rate, options.interim_every_s)


class SpeechProcess(WorkerProcess[Listener]):
    """One recogniser in a process of its own."""

    module = "embedded_aws.engines.speech_worker"

    def take_result(self, listener: Listener, body: bytes) -> None:
        result = json.loads(body)
        self.cpu_s = result["cpu_s"]
        listener.on_result(_recognised(result))
