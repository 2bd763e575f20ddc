"""The ``spoken`` engine: a real synthesiser, whose capacity is this machine's processors.

An instance computes on one processor, in a worker process. Where no synthesiser is installed, `engine_for_spoken` has
the ``metered`` engine's hum stand in for it.
"""

import json

from embedded_aws.engines.base import Engine, SpeechListener
from embedded_aws.engines.synthesisers import installed
from embedded_aws.engines.voice_worker import CPU_S
from embedded_aws.engines.worker_process import IDLE_S, SeatedInstance, Seats, WorkerProcess


def engine_for_spoken(metered: Engine) -> tuple[Engine, str]:
    """The engine of the ``spoken`` listing, and a sentence about it: "" where Piper and its voice are installed."""
    match installed():
        case "piper":
            return SpokenEngine(), ""
        case "espeak-ng":
            return SpokenEngine(), "Piper is not installed, so the spoken listing speaks with eSpeak NG."
    return metered, (
        "No synthesiser is installed, so the spoken listing hums; "
        '`pip install "dgsm-helpers[voice]"` and then `dgsm local down` bring one.'
    )


class VoiceProcess(WorkerProcess[SpeechListener]):
    """One synthesiser in a process of its own."""

    module = "embedded_aws.engines.voice_worker"

    def take_result(self, listener: SpeechListener, body: bytes) -> None:
        (self.cpu_s,) = CPU_S.unpack_from(body)
        listener.on_audio(body[CPU_S.size :])


class SpokenEngine:
    """All instances and the seats they have.

    Args:
        workers: most worker processes; None for one per processor, up to a few.
        idle_s: how long a worker outlives its last text.
    """

    def __init__(self, *, workers: int | None = None, idle_s: float = IDLE_S) -> None:
        self._seats = Seats(VoiceProcess, workers, idle_s)

    def new_instance(self, instance_id: str) -> "SpokenInstance":
        """A container; it starts no process yet."""
        return self._seats.take(SpokenInstance)

    @property
    def workers(self) -> tuple[VoiceProcess, ...]:
        """The workers that run now."""
        return self._seats.workers

    def close(self) -> None:
        self._seats.close()


class SpokenInstance(SeatedInstance[VoiceProcess]):
    """One container."""

    def say(self, text: str, *, sample_rate: int, speed: float, listener: SpeechListener) -> "SpokenUtterance":
        return SpokenUtterance(self.seat.worker(), text, sample_rate, speed, listener)


class SpokenUtterance:
    """A text on its way to becoming audio."""

    def __init__(
        self, worker: VoiceProcess, text: str, sample_rate: int, speed: float, listener: SpeechListener
    ) -> None:
        self._worker = worker
        wanted = {"text": text, "sample_rate": sample_rate, "speed": speed}
        self._id = worker.open(listener, json.dumps(wanted).encode())

    def cancel(self) -> None:
        """The sentence that is being made still takes its time; it is not heard."""
        self._worker.abort(self._id)
