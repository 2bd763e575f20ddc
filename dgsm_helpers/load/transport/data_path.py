"""Follows the way of a stream from here to the model, step by step, until a step is barred: what bars it has a name.

Name, port, proxy, TLS with HTTP/2, credentials, then one real stream with a fifth of a second of silence: the listing
may count it as a second of audio, or as nothing. What each step may show is in `rules.path_steps`.

AWS's HTTP/2 client says nothing for tens of seconds when the certificate is not trusted, and never returns when
credentials are missing or port 8443 is closed, so all of it is asked first.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from dgsm_helpers.errors import AccessDenied, CredentialsProblem, DgsmError, InvalidInput, NotFound, StreamFailed
from dgsm_helpers.load.transport.path_walk import PathWalk
from dgsm_helpers.load.transport.stream_loops import run_blocking
from dgsm_helpers.load.transport.stream_target import StreamTarget
from dgsm_helpers.rules.path_steps import Cause, PathStep
from dgsm_helpers.wire.sigv4 import Credentials

if TYPE_CHECKING:
    from dgsm_helpers.session import Workbook


@dataclass(frozen=True)
class DataPath:
    """What was seen on the way, in order; ``left_s`` of the time is left."""

    steps: tuple[PathStep, ...]
    left_s: float

    def require(self) -> None:
        """Stop when the way is barred.

        Raises:
            CredentialsProblem, AccessDenied, NotFound, StreamFailed: by its cause, with what to do.
        """
        for step in self.steps:
            if step.ends_the_way:
                kind = _ERRORS.get(step.cause, StreamFailed)
                raise kind(f"No stream can be opened ({step.cause}): {step.saw}.", hint=step.fix)


_ERRORS: dict[Cause | None, type[DgsmError]] = {
    Cause.CREDENTIALS: CredentialsProblem,
    Cause.ACTION: AccessDenied,
    Cause.ENDPOINT: NotFound,
}


def follow(wb: Workbook, *, opening: bool = True) -> DataPath:
    """Follow the way of the workbook's streams to its end or to where it is barred; in at most `path_walk.TOTAL_S`.

    Works inside a running event loop too. Raises nothing for what it finds. Without ``opening`` it ends where a stream
    would be opened, so that no endpoint is needed.
    """
    return run_blocking(follow_path(StreamTarget.unsigned(wb), wb.credentials if opening else None))


def require_open(wb: Workbook) -> None:
    """Make sure that a stream can be opened, before many are: once for a workbook.

    The whole way where streams cost; elsewhere to where the server speaks HTTP/2, since there the streams themselves
    say at once what else is wrong, and one more of them would be in the endpoint's metrics.

    Raises:
        CredentialsProblem, AccessDenied, NotFound, StreamFailed: by what bars the way, with what to do.
    """
    if not wb.bills:
        check_reachable(StreamTarget.of(wb))
    elif _OPEN not in wb.readings:
        follow(wb).require()
        wb.readings[_OPEN] = True


_OPEN = "data path is open"


def check_reachable(target: StreamTarget) -> None:
    """Make sure that a stream can be asked for: address, credentials, trusted certificate, HTTP/2. Opens none.

    Raises:
        InvalidInput: the address is not ``https://``.
        CredentialsProblem: key or secret missing.
        StreamFailed: the way is barred; says by what.
    """
    if urlsplit(target.url).scheme != "https":
        raise InvalidInput(f"The stream address {target.url!r} is not https.", hint="Streams need HTTP/2 over TLS.")
    if not target.credentials:
        raise CredentialsProblem("The stream has no credentials.", hint="Sign in (aws sso login) or set a profile.")
    run_blocking(follow_path(target)).require()


async def follow_path(target: StreamTarget, read_credentials: Callable[[], Credentials] | None = None) -> DataPath:
    """Follow the way to ``target``; without ``read_credentials``, as far as no credentials are needed."""
    walk = PathWalk(target)
    if (connection := await walk.connect()) is not None:
        try:
            if read_credentials and (keys := await walk.sign_in(read_credentials)):
                await walk.stream(connection, keys)
        finally:
            connection.abort()
    for _ in range(3):  # what was dropped is closed in the loop's next rounds
        await asyncio.sleep(0)
    return DataPath(tuple(walk.steps), walk.left_s)
