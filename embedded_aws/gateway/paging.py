"""Lists a page at a time; a token says where the next page starts, in a form that callers cannot mistake for more."""

import base64
import json
from collections.abc import Callable, Sequence
from typing import Any

from embedded_aws.gateway.refusal import AwsRefusal
from embedded_aws.gateway.regions import Params


def one_page[Row](
    rows: Sequence[Row],
    p: Params,
    result: str,
    *,
    size: int,
    refusal: AwsRefusal,
    key: Callable[[Row], Any] | None = None,
    descending: bool = False,
) -> dict[str, Any]:
    """The page that a request's NextToken asks for, as the answer ``{result: rows, "NextToken": …}``.

    Args:
        rows: all rows in order.
        result: name of the answer's list.
        refusal: raised when the token is none of ours.
        key: what the rows are sorted by, in JSON's types and no two alike. A page then begins behind the key of the
            last row shown, so that rows which come or go meanwhile shift nothing; without it, for rows that stay, a
            page begins at the row of a number.
        descending: whether they are sorted from the largest key to the smallest.
    """
    start = _first_row(rows, read_token(p.get("NextToken"), refusal), key, descending, refusal)
    page = list(rows[start : start + size])
    answer: dict[str, Any] = {result: page}
    if start + size < len(rows):
        answer["NextToken"] = make_token(start + size if key is None else key(page[-1]))
    return answer


def make_token(position: object) -> str:
    """A NextToken that stands for a position (JSON types)."""
    return base64.urlsafe_b64encode(json.dumps(position).encode()).decode()


def read_token(token: str | None, refusal: AwsRefusal) -> Any:
    """The position of a NextToken, None without one; raises ``refusal`` when it is none of ours."""
    if not token:
        return None
    try:
        return json.loads(base64.b64decode(token, altchars=b"-_", validate=True))
    except ValueError:
        raise refusal from None


def _first_row[Row](
    rows: Sequence[Row], position: Any, key: Callable[[Row], Any] | None, descending: bool, refusal: AwsRefusal
) -> int:
    if position is None:
        return 0
    try:
        if key is not None:
            return sum(key(row) >= position if descending else key(row) <= position for row in rows)
        if 0 <= position <= len(rows):
            return int(position)
    except TypeError:
        pass
    raise refusal
