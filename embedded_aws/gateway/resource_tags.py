"""What AWS asks of a resource's tags: at most fifty, and no key that begins as AWS's own (General Reference, Tags)."""

from collections.abc import Mapping

from embedded_aws.gateway.refusal import AwsRefusal

MOST_TAGS = 50
_RESERVED = "aws:"


def merged(
    tags: Mapping[str, str],
    added: Mapping[str, str],
    *,
    too_many: str = "ValidationException",
    reserved: str = "ValidationException",
) -> dict[str, str]:
    """A resource's tags with those ``added``; the codes are those with which its service refuses.

    Raises:
        AwsRefusal: a key is AWS's own, or there would be too many.
    """
    if own := next((key for key in added if key.lower().startswith(_RESERVED)), None):
        raise AwsRefusal(f"{_RESERVED} prefixed tag key names are not allowed for external use: {own}", reserved)
    both = {**tags, **added}
    if len(both) > MOST_TAGS:
        raise AwsRefusal(f"A resource can have at most {MOST_TAGS} tags, this would be {len(both)}.", too_many)
    return both
