"""Lists a page at a time, with tokens that only say where the next page starts."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from typing import Any

from moto.core.exceptions import ServiceException


def one_page(
    rows: Sequence[Any], *, result: str, token: str | None, size: int, refusal: ServiceException
) -> dict[str, Any]:
    """The page that ``token`` asks for, as the answer ``{result: rows, "NextToken": …}``.

    Args:
        rows: all rows in order.
        result: name of the answer's list.
        token: NextToken of the page before, None for the first.
        size: rows per page.
        refusal: raised when the token is none of ours.
    """
    start = 0 if token is None else _offset(token, refusal)
    end = start + size
    answer: dict[str, Any] = {result: list(rows[start:end])}
    if end < len(rows):
        answer["NextToken"] = base64.b64encode(f"from {end}".encode()).decode()
    return answer


def _offset(token: str, refusal: ServiceException) -> int:
    try:
        word, _, number = base64.b64decode(token.encode(), validate=True).decode().partition(" ")
    except (binascii.Error, UnicodeError):
        raise refusal from None
    if word != "from" or not number.isdecimal():
        raise refusal
    return int(number)
