"""What differs between the families of Deepgram's models.

Source: Deepgram's "Deploy Deepgram on Amazon SageMaker" (default pools, types never to use), autumn 2026.
"""

import re
from dataclasses import dataclass

_SINGLE_GPU_SIZES = frozenset({"xlarge", "2xlarge", "4xlarge", "8xlarge", "16xlarge"})


@dataclass(frozen=True)
class Family:
    """A family of models: the pool Deepgram recommends and the types it rules out.

    ``never`` holds prefixes such as ``ml.g4dn.``; ``many_gpus`` says that one GPU is not enough.
    """

    name: str
    default_pool: tuple[str, ...]
    never: tuple[str, ...] = ()
    many_gpus: bool = False

    def objection(self, instance_type: str) -> str:
        """Why the manual rules ``instance_type`` out for this family; empty when it does not."""
        if instance_type.startswith(self.never):
            return f"{self.name} does not run on {instance_type.rpartition('.')[0]} instances"
        if self.many_gpus and instance_type.rpartition(".")[2] in _SINGLE_GPU_SIZES:
            return f"{self.name} needs 4 GPUs and {instance_type} has one"
        return ""


SPEECH_TO_TEXT = Family("Nova-3", ("ml.g6.2xlarge", "ml.g6e.2xlarge", "ml.g5.2xlarge"))
FLUX = Family("Flux", ("ml.g6.2xlarge", "ml.g6e.2xlarge", "ml.g5.2xlarge"), never=("ml.g4dn.",))
AURA = Family("Aura-2", ("ml.g6.12xlarge", "ml.g6e.12xlarge", "ml.g5.12xlarge"), many_gpus=True)
FLUX_TTS = Family("Flux TTS", ("ml.g6e.2xlarge", "ml.g6.2xlarge", "ml.g7e.2xlarge"), never=("ml.g4dn.", "ml.g5."))


def family_of(model_package_arn: str) -> Family:
    """The family a model package belongs to, judged by its name; speech-to-text when the name says nothing else."""
    words = set(re.split(r"[^a-z0-9]+", model_package_arn.rpartition("model-package/")[2].lower()))
    if any(word.startswith("aura") for word in words):
        return AURA
    if "flux" in words:
        return FLUX_TTS if "tts" in words else FLUX
    return SPEECH_TO_TEXT
