"""Something goes wrong at the n-th change that a workbook asks AWS for: refused, cut off, interrupted, killed."""

from __future__ import annotations

import os
import re
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import botocore.exceptions

from dgsm_helpers.session import Workbook, open_workbook
from kit.call_counter import emitters

CHANGES = re.compile(r"(Create|Update|Delete|Put|Register|Deregister)[A-Z]")
"""Operations that change something."""

type Strike = Callable[[], Any]
"""What happens in place of a call: nothing, an error, or an answer as botocore's ``before-call`` takes it."""


def refusal(code: str, message: str, status: int = 400) -> Strike:
    """AWS refuses the call."""
    parsed = {
        "Error": {"Code": code, "Message": message},
        "ResponseMetadata": {"HTTPStatusCode": status, "HTTPHeaders": {}, "RequestId": "struck"},
    }
    return lambda: (SimpleNamespace(status_code=status), parsed)


def unreachable() -> None:
    """There is no network."""
    raise botocore.exceptions.EndpointConnectionError(endpoint_url="https://aws")


def signalled(number: int) -> Strike:
    """The process gets a signal."""
    return lambda: signal.raise_signal(number)


FAULTS: dict[str, tuple[Strike, bool]] = {
    "denied": (refusal("AccessDeniedException", "User is not authorized to perform this"), False),
    "throttled": (refusal("ThrottlingException", "Rate exceeded"), False),
    "server-error": (refusal("InternalFailure", "Try again", 500), False),
    "expired": (refusal("ExpiredTokenException", "The security token included in the request is expired", 403), True),
    "unreachable": (unreachable, True),
}
"""Faults that may last: what strikes, and whether it strikes reading calls as well."""
SIGNALS = {"SIGINT": signal.SIGINT, "SIGTERM": signal.SIGTERM, "SIGHUP": signal.SIGHUP}


@contextmanager
def struck(
    wb: Workbook, strike: Strike, *, at: int, lasting: bool = False, reads_too: bool = False, every: bool = False
) -> Iterator[list[str]]:
    """Within it the change number ``at`` is struck, and all later ones if it is ``lasting``.

    Yields the operations of all changes that were asked for, struck or not; of ``every`` call if so wished, with
    which nothing is struck.
    """
    asked: list[str] = []

    def met(model: Any, **_: Any) -> Any:
        changes = CHANGES.match(model.name) is not None
        if changes or every:
            asked.append(model.name)
        if every:
            return None
        begun, later = len(asked) >= at, len(asked) > at
        if not begun or (later and not lasting) or (not changes and not (lasting and reads_too)):
            return None
        return strike()

    for events in emitters(wb):
        events.register("before-call", met, unique_id="struck")
    try:
        yield asked
    finally:
        for events in emitters(wb):
            events.unregister("before-call", unique_id="struck")


def killed_in(home: str, endpoint: str, at: int, verb: Callable[[Workbook], object]) -> None:
    """For a process of its own: the verb, killed at that change."""
    wb = open_workbook("local", home=home, endpoint_name=endpoint)
    with struck(wb, lambda: os.kill(os.getpid(), signal.SIGKILL), at=at):
        verb(wb)
    sys.exit(0)
