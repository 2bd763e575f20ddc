"""What the embedded AWS starts with: its account, the one key pair it knows, and the listings of its Marketplace.

Each listing is a model package with a model package ARN of the shape AWS Marketplace hands out; the ARN picks the
engine and what the container serves.
"""

import tomllib
from dataclasses import dataclass
from importlib.resources import files

from dgsm_helpers.rules.deepgram_protocols import AURA_SPEAK, FLUX_LISTEN, FLUX_SPEAK, NOVA_LISTEN, DeepgramProtocol
from dgsm_helpers.rules.package_arn import partition_of

ACCOUNT_ID = "123456789012"
"""The embedded AWS's only account (moto's default, and the account of the examples in AWS's documents)."""

ACCESS_KEY_ID = "AKIADGSMLOCAL0000000"
SECRET_ACCESS_KEY = "embedded-aws-on-this-machine-only"
"""It opens nothing outside this machine: the server listens on 127.0.0.1 only."""


def make_arn(service: str, region: str, resource: str, *, of_region: bool = True) -> str:
    """The ARN of something of the account, in its region's partition; ``of_region=False`` for what no region holds."""
    return f"arn:{partition_of(region)}:{service}:{region if of_region else ''}:{ACCOUNT_ID}:{resource}"


VERSIONS = ("1", "2")
"""Of every listing's package. The second serves as the first does, for trying updates; only the first is listed."""


@dataclass(frozen=True)
class Listing:
    """One product of the local Marketplace.

    ``engine`` names what answers. ``protocol`` is the one it serves, at that protocol's path; any other path does not
    exist in its container. ``models`` are the names it answers to, the first one when a request gives none; of
    ``languages`` likewise.
    """

    name: str
    model_package_name: str
    description: str
    engine: str
    protocol: DeepgramProtocol
    models: tuple[str, ...]
    languages: tuple[str, ...] = ()

    @property
    def image(self) -> str:
        """The container image that its package names; nothing is ever pulled."""
        return f"local/{self.model_package_name}"

    @property
    def digest(self) -> str:
        """The image's digest, of AWS's shape."""
        return "sha256:" + "0" * 64

    def arn(self, region: str, version: str = "1") -> str:
        """Its model package ARN in ``region``."""
        return make_arn("sagemaker", region, f"model-package/{self.model_package_name}/{version}")


_PROTOCOLS = {"nova": NOVA_LISTEN, "flux": FLUX_LISTEN, "aura": AURA_SPEAK, "flux-tts": FLUX_SPEAK}
_TABLE = tomllib.loads((files("embedded_aws") / "data" / "listings.toml").read_text(encoding="utf-8"))


def _listing(family: str, **row: str) -> Listing:
    models, languages = (tuple(_TABLE[kind].get(family, ())) for kind in ("models", "languages"))
    return Listing(**row, protocol=_PROTOCOLS[family], models=models, languages=languages)


LISTINGS = tuple(_listing(**row) for row in _TABLE["listings"])


def listing_for_arn(arn: str) -> Listing | None:
    """The listing behind a model package ARN of any region; None when it is not one of ours."""
    name, _, version = arn.partition(":model-package/")[2].rpartition("/")
    of_name = (listing for listing in LISTINGS if listing.model_package_name == name)
    return next(of_name, None) if version in VERSIONS else None
