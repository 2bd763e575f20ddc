"""What kind of endpoint somebody made, and whether the steps work on it: a real-time variant with its own instances.

Terraform, the CDK, the console, Studio and other teams make other kinds as well. Every step asks here before it
changes anything.
"""

from dataclasses import dataclass
from enum import StrEnum

from dgsm_helpers.aws.endpoint.deployment_plan import ASYNC_REFUSAL
from dgsm_helpers.aws.endpoint.endpoint_config import EndpointConfig
from dgsm_helpers.aws.endpoint.endpoint_state import EndpointState
from dgsm_helpers.errors import UnsupportedFeature


class Hosting(StrEnum):
    """How a variant runs its model."""

    REAL_TIME = "real-time, on its own instances"
    SERVERLESS = "serverless"
    ASYNCHRONOUS = "asynchronous"
    COMPONENTS = "host of inference components"


_WHY = {
    Hosting.SERVERLESS: (
        "it has no instances to measure, hold still or scale, and AWS runs no Marketplace model on it (SageMaker "
        "guide, serverless inference)."
    ),
    Hosting.ASYNCHRONOUS: ASYNC_REFUSAL,
    Hosting.COMPONENTS: (
        "models are copies on its instances; Application Auto Scaling scales the copies "
        "(sagemaker:inference-component:DesiredCopyCount), and SageMaker the instances (ManagedInstanceScaling)."
    ),
}
ELSEWHERE = "Go on where it was made, or deploy a real-time endpoint under another name (01_deploy) and use that."
"""What to do with an endpoint of another kind."""


@dataclass(frozen=True)
class EndpointKind:
    """The kind of one variant's endpoint.

    Attributes:
        hosting: how the variant runs its model; ``detail`` says more, such as a serverless variant's size.
        beside: the endpoint's other production variants.
        shadows: its shadow variants.
    """

    endpoint_name: str
    variant_name: str
    hosting: Hosting
    detail: str = ""
    beside: tuple[str, ...] = ()
    shadows: tuple[str, ...] = ()

    @property
    def supported(self) -> bool:
        """Whether the steps work on it."""
        return self.hosting is Hosting.REAL_TIME

    @property
    def refusal(self) -> str:
        """Why they do not, in a sentence; empty when they do."""
        if self.supported:
            return ""
        what = f"{self.hosting}{f' ({self.detail})' if self.detail else ''}"
        return f"Variant {self.variant_name!r} of endpoint {self.endpoint_name!r} is {what}: {_WHY[self.hosting]}"

    def require_supported(self) -> None:
        """Raise UnsupportedFeature unless the steps work on it; says what kind it is, and what to do instead."""
        if not self.supported:
            raise UnsupportedFeature(self.refusal, hint=ELSEWHERE)


def kind_of(state: EndpointState, variant_name: str, config: EndpointConfig | None = None) -> EndpointKind:
    """The kind of the variant as AWS describes it.

    Without the config a host of inference components shows only where SageMaker scales its instances: AWS takes
    ManagedInstanceScaling for these alone.

    Raises:
        NotFound: the endpoint has no such variant.
    """
    variant = state.variant(variant_name)
    made = next((one for one in config.variants if one.name == variant_name), None) if config else None
    serverless = variant.serverless or (made.described.get("ServerlessConfig") if made else None)
    hosting, detail = Hosting.REAL_TIME, ""
    if state.asynchronous or (config and config.described.get("AsyncInferenceConfig")):
        hosting = Hosting.ASYNCHRONOUS
    elif serverless:
        hosting = Hosting.SERVERLESS
        detail = f"{serverless.get('MemorySizeInMB', '?')} MB, at most {serverless.get('MaxConcurrency', '?')} at once"
    elif variant.managed_scaling or (made and not made.model_names):
        hosting = Hosting.COMPONENTS
    return EndpointKind(
        state.name,
        variant_name,
        hosting,
        detail,
        beside=tuple(one.name for one in state.variants if one.name != variant_name),
        shadows=tuple(one.name for one in state.shadows),
    )
