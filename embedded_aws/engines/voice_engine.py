"""The ``spoken`` engine: a real synthesiser, whose capacity is this machine's processors.

An instance computes on one processor, in a worker process. Where no synthesiser is installed, `engine_for_spoken` has
the ``metered`` engine's hum stand in for it.
"""

import json
from functools import partial

from embedded_aws.engines.base import Engine, SpeechListener
from embedded_aws.engines.synthesisers import installed
from embedded_aws.engines.worker_frames import CPU_S
from embedded_aws.engines.worker_process import SeatedEngine, SeatedInstance, WorkerProcess


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


class SpokenInstance(SeatedInstance[VoiceProcess]):
    """One container."""

    def say(self, text: str, *, sample_rate: int, speed: float, listener: SpeechListener) -> "SpokenUtterance":
        return SpokenUtterance(self.seat.worker(), text, sample_rate, speed, listener)


SpokenEngine = partial(SeatedEngine, VoiceProcess, SpokenInstance)
"""Makes the engine: all instances and their seats."""


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
