"""The workbook: where it runs, on which endpoint, with which clients and clock.

Everything that differs between the user's AWS account and the embedded AWS is decided here once, when the workbook is
opened. No other module asks where it is.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import boto3

from dgsm_helpers import local
from dgsm_helpers.errors import DeletionNotConfirmed, InvalidInput, SpendNotConfirmed
from dgsm_helpers.families import FAMILIES, Family, require_family
from dgsm_helpers.places.clients import Clients
from dgsm_helpers.places.opening import account_parts, embedded_parts
from dgsm_helpers.rules.names import require_name, require_region
from dgsm_helpers.settings import settings_file
from dgsm_helpers.settings.parameters import as_declared, notebook_parameters, require_type
from dgsm_helpers.wire.sigv4 import Credentials

DEFAULT_ENDPOINT = "deepgram-demo"
AWS: Mapping[str, Any] = {"where": "aws", "place": "AWS", "place_in_full": "AWS", "bills": True}
"""What a `Workbook` on the user's account says of its place."""
EMBEDDED: Mapping[str, Any] = {
    "where": "local",
    "place": "the embedded AWS",
    "place_in_full": "the embedded AWS (simulated)",
    "bills": False,
}
"""What one on the embedded AWS says of its."""


@dataclass(frozen=True, kw_only=True)
class Workbook:
    """One endpoint in one place, and all that is needed to work on it. Made by `open_workbook`.

    Attributes:
        where: ``local`` (the embedded AWS) or ``aws``. For showing only: nothing may branch on it.
        place: what captions call it; ``place_in_full`` is for pages that are read far from where they were made.
        bills: whether running instances cost money; where they do not, waiting is the only cost.
        now_s: reads the place's clock, in Unix seconds; ``speed`` is seconds of that clock in one wall second.
        sleep_s: waits for wall seconds, or less where the place's time can be moved on.
        administer: asks the place's own administration (faults, the instances behind an endpoint) by HTTP method,
            route and JSON body; None on AWS, which has none.
        region: AWS region name.
        endpoint_name, variant_name: the endpoint and production variant this workbook works on.
        model_package_arn: the listing's model package ARN, or None when none was given.
        role_arn: the execution role that was given for the endpoint, or None (`aws.account.execution_role` finds one).
        settings: what was chosen, by the keys of `settings.settings_file`; ``""`` or missing where nothing was.
        confirm_spend, confirm_delete: True when the user agreed to calls that start billing, to deleting.
        home: state folder (``$DGSM_HOME``): measured capacity with its evidence, nothing that AWS can be asked for.
        clients: makes the boto3 clients, which reach the right place.
        stream_url: base URL of the runtime's HTTP/2 streams.
        ca_bundle: file of certificate authorities to trust, None for the system's.
        proxy_url: HTTP proxy that streams ask for a tunnel, None for none.
        readings: what was read from AWS and may be used again for some minutes, by the name its reader gives it.
    """

    where: str
    place: str
    place_in_full: str
    bills: bool
    now_s: Callable[[], float] = field(default=time.time, repr=False)
    speed: float = 1.0
    sleep_s: Callable[[float], object] = field(default=time.sleep, repr=False)
    administer: Callable[..., Any] | None = field(default=None, repr=False)
    region: str
    endpoint_name: str
    variant_name: str
    model_package_arn: str | None
    role_arn: str | None
    settings: Mapping[str, Any] = field(default_factory=dict, repr=False)
    confirm_spend: bool
    confirm_delete: bool = False
    home: Path
    clients: Clients = field(repr=False)
    stream_url: str
    ca_bundle: str | None
    proxy_url: str | None = field(default=None, repr=False)
    readings: dict[str, Any] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        require_type(bool, confirm_spend=self.confirm_spend, confirm_delete=self.confirm_delete)

    @property
    def key(self) -> str:
        """Tells this endpoint from every other, of any place and region; fit for a file's name."""
        return f"{self.where}-{self.region}-{self.endpoint_name}"

    @property
    def resource_id(self) -> str:
        """Application Auto Scaling's name of the variant: ``endpoint/NAME/variant/VARIANT``."""
        return f"endpoint/{self.endpoint_name}/variant/{self.variant_name}"

    @property
    def listing(self) -> str:
        """What was asked for: a model package ARN, or the embedded AWS's name for one."""
        return str(self.settings.get("listing", ""))

    @property
    def family(self) -> Family:
        """Which of Deepgram's models it is about: the setting ``family``, else as the model package's name says.

        Raises:
            InvalidInput: the package's name says that it is none that can be spoken to (`families.require_family`).
        """
        if name := self.settings.get("family"):
            return FAMILIES[name]
        return require_family(self.model_package_arn or "")

    @property
    def bounds(self) -> tuple[int | None, int | None]:
        """The fewest and the most instances that the settings ask for, None where they do not."""
        return self.settings.get("bounds.min"), self.settings.get("bounds.max")

    @property
    def tags(self) -> list[dict[str, str]]:
        """Tags of every resource the workbook makes; clean-up finds by them."""
        return [
            {"Key": "dgsm:workbook", "Value": "deepgram-autoscaling"},
            {"Key": "dgsm:endpoint", "Value": self.endpoint_name},
        ]

    @property
    def session(self) -> boto3.Session:
        """The boto3 session that the clients are made from."""
        return self.clients.session

    def client(self, service: str) -> Any:
        """The boto3 client of ``service``, made once."""
        return self.clients.get(service)

    def credentials(self) -> Credentials:
        """The session's credentials as they are now.

        Raises:
            CredentialsProblem: there are none, or they cannot be refreshed.
        """
        return self.clients.credentials()

    def renew_credentials(self) -> None:
        """After a refusal: read keys anew from the file or the environment they came from."""
        self.clients.renew_credentials()
        self.readings.clear()

    def now(self) -> datetime:
        """The time that metrics and activities carry: an aware UTC datetime."""
        return datetime.fromtimestamp(self.now_s(), UTC)

    def sleep(self, seconds: float) -> None:
        """Wait while ``seconds`` of that time pass."""
        self.sleep_s(self.wall_seconds(seconds))

    def wall_seconds(self, seconds: float) -> float:
        """How long the user waits while ``seconds`` of the workbook's time pass."""
        return seconds / self.speed

    def require_spend(self, purchase: str, usd_per_hour: float | None = None, *, price: str = "") -> None:
        """Stop unless the user agreed to pay for ``purchase`` (the subject of a sentence).

        ``price`` says in words what it costs, where that is not instances by the hour.

        Raises:
            SpendNotConfirmed: it would start billing and ``confirm_spend`` is False; the message states the price.
        """
        if self.bills and self.confirm_spend is not True:
            hourly = "an unknown price" if usd_per_hour is None else f"${usd_per_hour:.2f} per hour"
            price = price or f"{hourly}, plus the Marketplace software fee, as long as it runs"
            raise SpendNotConfirmed(
                f"{purchase} costs {price}.",
                hint="Set confirm_spend=True to go ahead.",
            )

    def require_delete(self, what: str) -> None:
        """Stop unless the user agreed to delete ``what`` (the subject of a sentence) from the account.

        Raises:
            DeletionNotConfirmed: the place is the user's account and ``confirm_delete`` is False.
        """
        if self.bills and self.confirm_delete is not True:
            raise DeletionNotConfirmed(
                f"{what} would be deleted from your account, in {self.region}.",
                hint="Set confirm_delete=True to go ahead.",
            )

    def write_settings(self) -> Path:
        """Write ``dgsm.toml`` in the working folder, from which every notebook and ``dgsm`` read this place.

        Raises:
            InvalidInput: there is one with other settings; it stays as it is.
        """
        return settings_file.write({**self.settings, "region": self.region})

    def state_path(self, name: str) -> Path:
        """A file of the workbook's own state; its folder exists. InvalidInput when it would lie outside."""
        return local.state_file(self.home, name)


def open_workbook(
    where: str | None = None,
    *,
    region: str | None = None,
    endpoint_name: str | None = None,
    variant_name: str = "AllTraffic",
    listing: str | None = None,
    family: str | None = None,
    confirm_spend: bool | None = None,
    confirm_delete: bool | None = None,
    role_arn: str | None = None,
    profile: str | None = None,
    home: str | Path | None = None,
) -> Workbook:
    """Open the workbook on the embedded AWS (started when it does not run) or on the user's account.

    What is not given here, or given as an empty text, is the parameter of that name of the notebook that runs this,
    else the setting (`settings.settings_file`: ``DGSM_*``, then ``dgsm.toml``), else the default. In a notebook all its
    parameters are put into their declared types first, so that a text ``"False"`` never counts as yes.

    Args:
        where: ``local`` (default) or ``aws``.
        region: AWS region; default: the environment's, us-east-1 on the embedded AWS.
        endpoint_name: endpoint to work on; default ``deepgram-demo``. Empty text is refused: a shell's unset variable.
        variant_name: production variant, ``AllTraffic`` unless the endpoint was made otherwise.
        listing: a model package ARN; on the embedded AWS also a listing's name, ``metered`` by default; on aws
            "metered" means none given.
        family: ``nova``, ``flux``, ``aura`` or ``flux-tts``, where the model package's name does not say which.
        confirm_spend, confirm_delete: True to allow calls that start billing, deleting from the user's account. No
            setting stands for either.
        role_arn: execution role for the endpoint.
        profile: profile of the AWS configuration, for ``aws`` only.
        home: state folder; default ``$DGSM_HOME`` or ``~/.dgsm``.

    Raises:
        InvalidInput: a value cannot be right, is not of its type, or the AWS configuration cannot be used.
        LocalStartFailed: the embedded AWS did not come up.
    """
    here, kept = notebook_parameters(), settings_file.read()

    def chosen(name: str, given: str | None, key: str, default: str = "") -> str:
        return str(as_declared(name, given, "str | None") or here.get(name) or kept.get(key) or default)

    def agreed(name: str, given: bool | None) -> Any:
        return here.get(name, False) if given is None else given

    settings = {
        **kept,
        "where": chosen("where", where, "where", "local"),
        "region": chosen("region", region, "region"),
        "endpoint": chosen("endpoint_name", endpoint_name, "endpoint", DEFAULT_ENDPOINT),
        "listing": chosen("listing", listing, "listing", "metered"),
        "family": chosen("family", family, "family"),
        "role": chosen("role_arn", role_arn, "role"),
    }
    if settings["family"] not in ("", *FAMILIES):
        raise InvalidInput(f"family is {settings['family']!r}.", hint=f"Give one of {', '.join(FAMILIES)}.")
    require_name("endpoint", settings["endpoint"] if endpoint_name is None else endpoint_name)
    require_name("variant", variant_name)
    folder = local.home_folder(home)
    make = partial(
        Workbook,
        endpoint_name=settings["endpoint"],
        variant_name=variant_name,
        settings=settings,
        confirm_spend=agreed("confirm_spend", confirm_spend),
        confirm_delete=agreed("confirm_delete", confirm_delete),
        home=folder,
    )
    place = (settings["listing"], settings["region"] or None, settings["role"] or None)
    if settings["where"] == "local":
        require_region(settings["region"] or "us-east-1")
        return make(**EMBEDDED, **embedded_parts(local.find(folder) or local.up(folder), *place))
    if settings["where"] == "aws":
        return make(**AWS, **account_parts(*place, profile))
    raise InvalidInput(f"where is {settings['where']!r}.", hint='Give "local" or "aws".')
