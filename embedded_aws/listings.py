"""What the embedded AWS starts with: its account, the one key pair it knows, and the listings of its Marketplace.

Each listing is a model package with a model package ARN of the shape AWS Marketplace hands out; the ARN picks the
engine and what the container serves.
"""

from dataclasses import dataclass

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


_NOVA_3 = ("nova-3", "nova-3-general")
_ENGLISH = ("en", "en-US", "en-AU", "en-GB", "en-IN", "en-NZ")
_FLUX = ("flux-general-en",)
_AURA_2_VOICES = """
    thalia amalthea andromeda apollo arcas aries asteria athena atlas aurora callista cora cordelia delia draco electra
    harmonia helena hera hermes hyperion iris janus juno jupiter luna mars minerva neptune odysseus ophelia orion
    orpheus pandora phoebe pluto saturn selene theia vesta zeus
"""
_AURA_2 = tuple(f"aura-2-{voice}-en" for voice in _AURA_2_VOICES.split())
"""The English voices of Deepgram's page of voices, the one of its own examples first."""
_FLUX_VOICES = tuple(f"flux-{voice}-en" for voice in ("alexis", "bruce", "cole", "haley", "heather", "jack", "rufus"))

LISTINGS: tuple[Listing, ...] = (
    Listing(
        name="metered",
        model_package_name="deepgram-stt-metered",
        description="The bundled sample's words at a capacity known in closed form: for tuning, scaling and tests",
        engine="metered",
        protocol=NOVA_LISTEN,
        models=_NOVA_3,
        languages=_ENGLISH,
    ),
    Listing(
        name="speech",
        model_package_name="deepgram-stt-speech",
        description="A real recogniser (Moonshine tiny-en); one instance computes on one processor of this machine",
        engine="speech",
        protocol=NOVA_LISTEN,
        models=_NOVA_3,
        languages=_ENGLISH,
    ),
    Listing(
        name="metered-flux",
        model_package_name="deepgram-stt-flux-metered",
        description="Flux: turns of the bundled sample's words, at the capacity of the listing metered",
        engine="metered",
        protocol=FLUX_LISTEN,
        models=_FLUX,
    ),
    Listing(
        name="speech-flux",
        model_package_name="deepgram-stt-flux-speech",
        description="Flux: turns of what the recogniser of the listing speech hears",
        engine="speech",
        protocol=FLUX_LISTEN,
        models=_FLUX,
    ),
    Listing(
        name="metered-aura",
        model_package_name="deepgram-tts-aura-metered",
        description="Aura-2: a hum as long as the text, at a capacity known in closed form",
        engine="metered",
        protocol=AURA_SPEAK,
        models=_AURA_2,
    ),
    Listing(
        name="metered-flux-tts",
        model_package_name="deepgram-tts-flux-metered",
        description="Flux TTS: a hum as long as the text, at a capacity known in closed form",
        engine="metered",
        protocol=FLUX_SPEAK,
        models=_FLUX_VOICES,
    ),
    Listing(
        name="spoken",
        model_package_name="deepgram-tts-aura-spoken",
        description="Aura-2: a real synthesiser; one instance computes on one processor of this machine",
        engine="spoken",
        protocol=AURA_SPEAK,
        models=_AURA_2,
    ),
)


def listing_for_arn(arn: str) -> Listing | None:
    """The listing behind a model package ARN of any region; None when it is not one of ours."""
    name, _, version = arn.partition(":model-package/")[2].rpartition("/")
    of_name = (listing for listing in LISTINGS if listing.model_package_name == name)
    return next(of_name, None) if version in VERSIONS else None
