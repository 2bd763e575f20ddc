"""Model package ARNs: what is one, what a value is that is none, and where the same package is in another region.

Sources: SageMaker's pattern of ModelPackageArn; ``data/marketplace.json``.
"""

import json
import re
from functools import cache
from importlib.resources import files

from botocore.exceptions import UnknownRegionError
from botocore.loaders import create_loader
from botocore.regions import EndpointResolver

from dgsm_helpers.errors import InvalidInput

_MARKETPLACE = json.loads((files("dgsm_helpers") / "data" / "marketplace.json").read_text(encoding="utf-8"))
LISTINGS_URL: str = _MARKETPLACE["listings_url"]
"""Deepgram's listings of SageMaker models in AWS Marketplace, where one subscribes."""
SUBSCRIPTIONS_URL: str = _MARKETPLACE["subscriptions_url"]
"""An account's subscriptions, where a package's ARNs are found (Configure > AWS command line interface)."""
_ACCOUNTS: dict[str, str] = _MARKETPLACE["accounts"]

_ARN = re.compile(
    r"arn:(?P<partition>aws[a-z-]*):sagemaker:(?P<region>[a-z0-9-]{9,16}):(?P<account>\d{12}):model-package/"
    r"(?P<name>[a-zA-Z0-9](-*[a-zA-Z0-9]){0,62})(/(?P<version>\d{1,9}))?"
)
_WRAPPING = " \t\r\n\u00a0\u200b\ufeff\"'`\u2018\u2019\u201c\u201d\u00ab\u00bb<>"
_EMBEDDED = ("metered", "speech", "metered-flux", "speech-flux", "metered-aura", "metered-flux-tts", "spoken")


def require_usable_arn(given: str | None, region: str) -> str:
    """The model package ARN, once it is well formed and of ``region``.

    Raises:
        InvalidInput: none was given; it is something else, and what; it belongs to another region or partition
            (Deepgram's manual calls that the commonest mistake; SageMaker only says that the package does not exist).
    """
    needed = (
        f"Needed is arn:{partition_of(region)}:sagemaker:{region}:<account>:model-package/<name>, from the "
        f"subscription (Configure > AWS command line interface): {SUBSCRIPTIONS_URL}"
    )
    if not given:
        raise InvalidInput(
            "No model package ARN was given.", hint=f"Pass listing=. {needed} ; `dgsm listing` looks for one."
        )
    match = _ARN.fullmatch(given)
    if not match:
        plain = re.sub(r"\s", "", given.strip(_WRAPPING))
        hint = f"Pass it without: {plain}" if plain != given and _ARN.fullmatch(plain) else needed
        raise InvalidInput(f"{given!r} is no model package ARN: {_what_it_is(given)}.", hint=hint)
    if match["region"] != region:
        other = in_region(given, region)
        same = f"pass the same package's there, {other}" if other else f"copy the ARN for {region}"
        raise InvalidInput(
            f"The model package ARN is of region {match['region']} and the workbook of {region}: {given}",
            hint=f"Open the workbook with region={match['region']!r}, or {same}.",
        )
    if match["partition"] != partition_of(region):
        raise InvalidInput(
            f"The model package ARN is of partition {match['partition']}, and {region} is of {partition_of(region)}: "
            f"{given}",
            hint=needed,
        )
    return given


def in_region(arn: str, region: str) -> str | None:
    """The ARN of the same Marketplace package in another region; None where it cannot be told.

    The listing may not be offered there: DescribeModelPackage says.
    """
    match = _ARN.fullmatch(arn)
    if not match or _ACCOUNTS.get(match["region"]) != match["account"] or region not in _ACCOUNTS:
        return None
    tail = arn.partition(":model-package/")[2]
    return f"arn:{match['partition']}:sagemaker:{region}:{_ACCOUNTS[region]}:model-package/{tail}"


@cache
def partition_of(region: str) -> str:
    """``aws``, ``aws-cn`` and so on; ``aws`` for a region that botocore does not know."""
    try:
        # Not by a session, which would read the profile that the environment names.
        return str(EndpointResolver(create_loader().load_data("endpoints")).get_partition_for_region(region))
    except UnknownRegionError:
        return "aws"


def _what_it_is(given: str) -> str:
    """The rest of a sentence that says what a value is that is no model package ARN."""
    plain = given.strip(_WRAPPING)
    if not plain:
        return "nothing stands in it"
    if _ARN.fullmatch(plain):
        wrapping = given.replace(plain, "")
        return "it stands in quotes" if wrapping.strip() else "a blank stands before or behind it"
    if _ARN.fullmatch(re.sub(r"\s", "", plain)):
        return "a blank or a line's end stands within it"
    by_prefix = [text for prefix, text in _MARKETPLACE["begins_with"].items() if plain.lower().startswith(prefix)]
    if by_prefix:
        return f"it is {by_prefix[0]}"
    if plain.lower().startswith("arn:"):
        return _what_the_arn_is(plain)
    if plain in _EMBEDDED:
        return "it is a listing of the embedded AWS"
    return "it is a name, and the account and region it stands in are missing"


def _what_the_arn_is(arn: str) -> str:
    parts = arn.split(":", 5)
    if len(parts) < 6 or not parts[5]:
        return "the ARN is unfinished"
    _, partition, service, region, account, resource = parts
    kind = re.split("[/:]", resource)[0]
    if service != "sagemaker" or kind != "model-package":
        return f"it is the ARN of {kind!r} of {service}"
    if not re.fullmatch("aws[a-z-]*", partition) or not arn.startswith("arn:"):
        return f"it begins with {arn.partition(':sagemaker')[0]}"
    if not re.fullmatch("[a-z0-9-]{9,16}", region):
        return f"its region is {region!r}"
    if not re.fullmatch(r"\d{12}", account):
        return f"its account is {account!r}, not twelve digits"
    return f"the package's name in it is {resource.partition('/')[2]!r}"
