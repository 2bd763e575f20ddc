"""The families of Deepgram's models that are sold for SageMaker, and all that differs between them for a client.

Sources: Deepgram's "Deploy Deepgram on Amazon SageMaker" (default pools, types never to use), its manual and API
description (queries), autumn 2026; what a container speaks is in ``rules.deepgram_protocols``.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from dgsm_helpers.errors import InvalidInput
from dgsm_helpers.rules.deepgram_protocols import (
    AURA_SPEAK,
    FLUX_LISTEN,
    FLUX_SPEAK,
    NOVA_LISTEN,
    DeepgramProtocol,
)

_SINGLE_GPU_SIZES = frozenset({"xlarge", "2xlarge", "4xlarge", "8xlarge", "16xlarge"})
_SPOKEN_RATE_HZ = 24_000


@dataclass(frozen=True, kw_only=True)
class ServiceLevel:
    """What a stream or call has to keep to, in seconds; None leaves a bound out.

    ``lag_s`` bounds the ``statistic`` of its lag: of the transcript behind the audio, or of the audio behind its
    playing. ``ending_s`` bounds how long an end takes: the last final result after the audio's end (Nova-3), the p95 of
    its turns' ends (Flux), the ``statistic`` of its turns' times to first audio (Aura-2, Flux TTS). ``slope`` bounds
    the growth of lag in seconds per second. ``beyond_alone_s``: an end may take so much longer than a single stream's,
    whatever ``ending_s`` says, because it needs the model's own time to decide.
    """

    lag_s: float
    statistic: Literal["p95", "mean"] = "p95"
    ending_s: float | None = None
    slope: float | None = None
    beyond_alone_s: float | None = None


@dataclass(frozen=True, kw_only=True)
class Family:
    """A family of models: what it runs on, how it is asked, and what is asked of it.

    Attributes:
        name: of the record in ``FAMILIES``.
        title: what Deepgram calls it.
        protocol: what its container speaks.
        unit: what a knee counts. A call speaks for a part of its time only.
        default_pool: the instance types Deepgram recommends, in order.
        never: prefixes of the types it rules out, such as ``ml.g4dn.``.
        many_gpus: one GPU is not enough.
        chunk_ms: audio in a chunk of a stream that is listened to; 0 where text goes in.
        fixed: query parameters that the measurement owns; a listener's ``sample_rate`` joins them when audio is sent.
        defaults: query parameters when nothing else is asked for.
        never_sent: query parameters that a measurement must not send, because results would go elsewhere or bundles
            and manuals differ in what they take.
        presets: what is asked of a stream or call, by name; ``strict`` is the default, ``deepgram`` the vendor's own.
    """

    name: str
    title: str
    protocol: DeepgramProtocol
    unit: Literal["streams", "calls"]
    default_pool: tuple[str, ...]
    never: tuple[str, ...] = ()
    many_gpus: bool = False
    chunk_ms: int
    fixed: Mapping[str, str]
    defaults: Mapping[str, str]
    never_sent: frozenset[str]
    presets: Mapping[str, ServiceLevel]

    @property
    def path(self) -> str:
        """ModelInvocationPath, such as ``v1/listen``."""
        return self.protocol.path

    @property
    def line(self) -> str:
        """Nova, Flux or Aura, as a model's own name begins: it does not tell whether a Flux model listens or speaks."""
        return self.name.partition("-")[0]

    @property
    def speaks(self) -> bool:
        """Whether text goes in and audio comes out."""
        return self.protocol.speaks

    @property
    def measures(self) -> tuple[str, str]:
        """What its lag and its ends are called where a verdict names what broke."""
        if self.speaks:
            return "underrun", "time to first audio"
        return "lag", "end of turn" if self.protocol.turns else "finalisation"

    @property
    def transcribes_files(self) -> bool:
        """Whether it takes whole recordings, too."""
        return not self.speaks and bool(self.protocol.file_parameters)

    @property
    def end_message(self) -> bytes:
        """The message that asks for the end of a stream."""
        return json.dumps({"type": self.protocol.end_message}, separators=(",", ":")).encode()

    @property
    def first_chunk_is_greeting(self) -> bool:
        """Whether the first part of every answer says nothing about the model: so FirstChunkLatency does not either."""
        return bool(self.protocol.greeting)

    def objection(self, instance_type: str) -> str:
        """Why the manual rules ``instance_type`` out for this family; empty when it does not."""
        if instance_type.startswith(self.never):
            return f"{self.title} does not run on {instance_type.rpartition('.')[0]} instances"
        if self.many_gpus and instance_type.rpartition(".")[2] in _SINGLE_GPU_SIZES:
            return f"{self.title} needs 4 GPUs and {instance_type} has one"
        return ""


_SPEAKING_PRESETS = {
    "strict": ServiceLevel(lag_s=0.2, ending_s=0.5),
    "deepgram": ServiceLevel(lag_s=0.2, statistic="mean", ending_s=0.4),
    "fast": ServiceLevel(lag_s=0.2, ending_s=0.2),
}
"""Lag is what a player with a buffer of 0.2 s would miss. ``deepgram`` is the 400-ms line of the vendor's k6 charts,
``fast`` what it claims for Aura-2. Growth is left out: turns are short."""

NOVA = Family(
    name="nova",
    title="Nova-3",
    protocol=NOVA_LISTEN,
    unit="streams",
    default_pool=("ml.g6.2xlarge", "ml.g6e.2xlarge", "ml.g5.2xlarge"),
    chunk_ms=100,
    fixed={"encoding": "linear16", "channels": "1", "interim_results": "true"},
    defaults={"model": "nova-3", "language": "en", "punctuate": "true"},
    never_sent=frozenset({"callback", "callback_method", "multichannel"}),
    presets={
        "strict": ServiceLevel(lag_s=0.5, ending_s=1.0, slope=0.001),
        "deepgram": ServiceLevel(lag_s=0.4, statistic="mean"),
    },
)
"""``strict``: Deepgram expects 200 to 500 ms in all. ``deepgram``: its guide's average latency under 400 ms."""

FLUX = Family(
    name="flux",
    title="Flux",
    protocol=FLUX_LISTEN,
    unit="streams",
    default_pool=("ml.g6.2xlarge", "ml.g6e.2xlarge", "ml.g5.2xlarge"),
    never=("ml.g4dn.",),
    chunk_ms=80,
    fixed={"encoding": "linear16"},
    defaults={"model": "flux-general-en"},
    never_sent=frozenset({"profanity_filter"}),
    presets={
        "strict": ServiceLevel(lag_s=0.5, ending_s=1.0, slope=0.001, beyond_alone_s=0.3),
        "deepgram": ServiceLevel(lag_s=0.4, statistic="mean"),
    },
)
"""``strict`` adds to Nova-3's that a turn's end is told within 1 s (100 to 500 ms by the manual, and the pause)."""

AURA = Family(
    name="aura",
    title="Aura-2",
    protocol=AURA_SPEAK,
    unit="calls",
    default_pool=("ml.g6.12xlarge", "ml.g6e.12xlarge", "ml.g5.12xlarge"),
    many_gpus=True,
    chunk_ms=0,
    fixed={"encoding": "linear16", "sample_rate": str(_SPOKEN_RATE_HZ)},
    defaults={"model": "aura-2-thalia-en"},
    never_sent=frozenset({"speed"}),
    presets=_SPEAKING_PRESETS,
)
"""Some bundles drop ``speed`` and then send no audio."""

FLUX_TTS = Family(
    name="flux-tts",
    title="Flux TTS",
    protocol=FLUX_SPEAK,
    unit="calls",
    default_pool=("ml.g6e.2xlarge", "ml.g6.2xlarge", "ml.g7e.2xlarge"),
    never=("ml.g4dn.", "ml.g5."),
    chunk_ms=0,
    fixed={"encoding": "linear16", "sample_rate": str(_SPOKEN_RATE_HZ)},
    defaults={"model": "flux-alexis-en"},
    never_sent=frozenset({"speed"}),
    presets=_SPEAKING_PRESETS,
)
"""Manual and bundles differ in the range of ``speed``."""

FAMILIES: Mapping[str, Family] = {f.name: f for f in (NOVA, FLUX, AURA, FLUX_TTS)}
"""Every family that is sold for SageMaker, by its name."""

_NOT_SOLD = {
    "agent": "a voice agent",
    "intelligence": "text intelligence",
    "read": "text intelligence",
    "saga": "Saga",
    "whisper": "Whisper",
}
"""Words of a package's name, and what of Deepgram's they mean that is not sold for SageMaker."""


def family_of(model_package_arn: str) -> Family:
    """The family a model package belongs to, judged by its name; Nova-3 when the name says nothing else.

    It never refuses, so that a name which says nothing stays usable. Who is about to pin instances or to bill calls
    `requires <require_family>` a family instead, and so refuses what is known to be something else.
    """
    words = _words(model_package_arn)
    if any(word.startswith("aura") for word in words):
        return AURA
    if any(word.startswith("flux") for word in words):
        return FLUX_TTS if words & {"tts", "speak", "fluxtts"} or {"text", "to", "speech"} <= words else FLUX
    return NOVA


def require_family(model_package_arn: str) -> Family:
    """As `family_of`, for who measures.

    Raises:
        InvalidInput: the package's name says that it is another product of Deepgram's, so nothing here can speak to it.
    """
    for word in sorted(_words(model_package_arn)):
        if word in _NOT_SOLD:
            raise InvalidInput(
                f"The model package's name says {word!r}, {_NOT_SOLD[word]}: {model_package_arn}",
                hint=f"Known are {', '.join(f'{f.title} ({name})' for name, f in FAMILIES.items())}; name the family "
                "where the package is one of these all the same.",
            )
    return family_of(model_package_arn)


def _words(model_package_arn: str) -> set[str]:
    return set(re.split(r"[^a-z0-9]+", model_package_arn.rpartition("model-package/")[2].lower()))
