"""Tokens of paged answers: where the next page begins, in a form that callers cannot mistake for anything else."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable, Sequence
from typing import Any

from embedded_aws.cloudwatch.refusals import bad_token


def token(position: Any) -> str:
    """A NextToken that stands for a position (JSON types)."""
    return base64.urlsafe_b64encode(json.dumps(position).encode()).decode()


def position(token_given: str | None) -> Any:
    """The position of a NextToken, None without one.

    Raises:
        ServiceException: InvalidNextToken, when it is not one of ours.
    """
    if not token_given:
        return None
    try:
        return json.loads(base64.b64decode(token_given, altchars=b"-_", validate=True))
    except (binascii.Error, ValueError):
        raise bad_token() from None


def page[T](
    items: Sequence[T], token_given: str | None, *, size: int, key: Callable[[T], Any]
) -> tuple[Sequence[T], dict[str, str]]:
    """One page of items that are sorted by ``key``, and the NextToken member if there are more.

    The page begins behind the key of the last item shown, so that items which come or go meanwhile shift nothing.
    """
    after = position(token_given)
    try:
        rest = items if after is None else [item for item in items if key(item) > after]
    except TypeError:
        raise bad_token() from None
    shown = rest[:size]
    more = {"NextToken": token(key(shown[-1]))} if len(rest) > size else {}
    return shown, more
