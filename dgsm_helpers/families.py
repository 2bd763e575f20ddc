"""The families of Deepgram's models that are sold for SageMaker, and all that differs between them for a client.

What differs is in ``data/deepgram.toml``, with its sources; what a container speaks is in ``rules.deepgram_protocols``.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from dgsm_helpers.errors import InvalidInput
from dgsm_helpers.rules.deepgram_protocols import PROTOCOLS, TABLE, DeepgramProtocol

_SINGLE_GPU_SIZES = frozenset({"xlarge", "2xlarge", "4xlarge", "8xlarge", "16xlarge"})


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


def _family(name: str, about: Mapping[str, Any]) -> Family:
    rest = {key: value for key, value in about.items() if key not in ("path", "presets", "never_sent")}
    lists = {key: tuple(about.get(key, "").split()) for key in ("default_pool", "never")}
    return Family(
        **{**rest, **lists},
        name=name,
        protocol=PROTOCOLS[about["path"]],
        never_sent=frozenset(about["never_sent"].split()),
        presets={preset: ServiceLevel(**bounds) for preset, bounds in about["presets"].items()},
    )


FAMILIES: Mapping[str, Family] = {name: _family(name, about) for name, about in TABLE["families"].items()}
"""Every family that is sold for SageMaker, by its name."""

NOVA, FLUX, AURA, FLUX_TTS = FAMILIES.values()


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
        if word in TABLE["not_sold"]:
            raise InvalidInput(
                f"The model package's name says {word!r}, {TABLE['not_sold'][word]}: {model_package_arn}",
                hint=f"Known are {', '.join(f'{f.title} ({name})' for name, f in FAMILIES.items())}; name the family "
                "where the package is one of these all the same.",
            )
    return family_of(model_package_arn)


def _words(model_package_arn: str) -> set[str]:
    return set(re.split(r"[^a-z0-9]+", model_package_arn.rpartition("model-package/")[2].lower()))
