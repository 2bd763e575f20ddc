"""What differs between the families of Deepgram's models, and model package ARNs: the family, the form, the region.

Source: Deepgram's "Deploy Deepgram on Amazon SageMaker" (default pools, types never to use), autumn 2026.
"""

import re
from dataclasses import dataclass

from dgsm_helpers.errors import InvalidInput

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


_ARN = re.compile(
    r"arn:aws[a-z-]*:sagemaker:(?P<region>[a-z0-9-]{9,16}):(?P<account>\d{12}):model-package/"
    r"(?P<name>[a-zA-Z0-9](-*[a-zA-Z0-9]){0,62})(/(?P<version>\d{1,9}))?"
)


def require_usable_arn(arn: str | None, region: str) -> str:
    """The model package ARN, once it is well formed and of the workbook's ``region``.

    Raises:
        InvalidInput: none was given, it is not a model package ARN, or it belongs to another region (Deepgram's manual
            calls that the commonest mistake; SageMaker would only say that the package does not exist).
    """
    subscribe = "Copy it from the Marketplace subscription (Configure > CLI or API) for your region."
    if not arn:
        raise InvalidInput("No model package ARN was given.", hint=f"Pass listing=. {subscribe}")
    match = _ARN.fullmatch(arn)
    if not match:
        raise InvalidInput(f"{arn!r} is not a model package ARN.", hint=subscribe)
    if match["region"] != region:
        raise InvalidInput(
            f"The model package ARN is of region {match['region']} and the workbook of {region}: {arn}",
            hint=f"Open the workbook with region={match['region']!r}, or copy the ARN for {region}.",
        )
    return arn
