"""What the embedded AWS starts with: its account, the one key pair it knows, and the listings of its Marketplace.

Each listing is a model package with a model package ARN of the shape AWS Marketplace hands out; the ARN picks the
engine.
"""

from dataclasses import dataclass

from dgsm_helpers.rules.package_arn import partition_of

ACCOUNT_ID = "123456789012"
"""The embedded AWS's only account (moto's default, and the account of the examples in AWS's documents)."""

ACCESS_KEY_ID = "AKIADGSMLOCAL0000000"
SECRET_ACCESS_KEY = "embedded-aws-on-this-machine-only"
"""It opens nothing outside this machine: the server listens on 127.0.0.1 only."""


def make_arn(service: str, region: str, resource: str, *, of_region: bool = True) -> str:
    """The ARN of something of the account, in its region's partition; ``of_region=False`` for what no region holds."""
    return f"arn:{partition_of(region)}:{service}:{region if of_region else ''}:{ACCOUNT_ID}:{resource}"


@dataclass(frozen=True)
class Listing:
    """One product of the local Marketplace; ``name`` is also that of the engine that answers."""

    name: str
    model_package_name: str
    description: str

    @property
    def image(self) -> str:
        """The container image that its package names; nothing is ever pulled."""
        return f"local/{self.model_package_name}"

    @property
    def digest(self) -> str:
        """The image's digest, of AWS's shape."""
        return "sha256:" + "0" * 64

    def arn(self, region: str) -> str:
        """Its model package ARN in ``region``."""
        return make_arn("sagemaker", region, f"model-package/{self.model_package_name}/1")


LISTINGS: tuple[Listing, ...] = (
    Listing(
        name="metered",
        model_package_name="deepgram-stt-metered",
        description="The bundled sample's words at a capacity known in closed form: for tuning, scaling and tests",
    ),
    Listing(
        name="speech",
        model_package_name="deepgram-stt-speech",
        description="A real recogniser (Moonshine tiny-en); one instance computes on one processor of this machine",
    ),
)


def listing_for_arn(arn: str) -> Listing | None:
    """The listing behind a model package ARN of any region; None when it is not one of ours."""
    name = arn.partition(":model-package/")[2].removesuffix("/1")
    return next((listing for listing in LISTINGS if listing.model_package_name == name), None)
