"""Requests and responses between the two HTTP versions and what answers them."""

import json
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from email.utils import formatdate


@dataclass(frozen=True)
class Request:
    """A request. Header names are lower-case, ``host`` among them whatever the HTTP version; ``path`` is as sent."""

    method: str
    path: str
    query: str
    headers: Mapping[str, str]


@dataclass(frozen=True)
class Response:
    """A whole response; ``headers`` in order, ``content-length`` included."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes


class Refused(Exception):
    """The request is answered with an error.

    ``code`` goes into ``x-amzn-errortype``, ``members`` into the JSON document; an empty code leaves the header out.
    """

    def __init__(self, status: int, code: str, message: str, **members: str | int) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.members = {"Message": message, **members}

    def response(self) -> Response:
        """The error as SageMaker's REST-JSON clients read it."""
        body = json.dumps(self.members).encode()
        kind = (("x-amzn-errortype", self.code),) if self.code else ()
        return respond(self.status, body, *kind)


def respond(status: int, body: bytes, *headers: tuple[str, str], content_type: str = "application/json") -> Response:
    """A whole response."""
    return Response(
        status,
        (
            ("x-amzn-requestid", str(uuid.uuid4())),
            http_date(),
            *headers,
            ("content-type", content_type),
            ("content-length", str(len(body))),
        ),
        body,
    )


def http_date() -> tuple[str, str]:
    """The header that says when an answer was made, which every server with a clock sends (RFC 9110, 6.6.1).

    It is wall time, as signatures are dated by it too.
    """
    return "date", formatdate(usegmt=True)


def merge_headers(pairs: Iterable[tuple[str, str]]) -> dict[str, str]:
    """One value per lower-case name; repeated ones are joined, as signatures have it."""
    merged: dict[str, str] = {}
    for name, value in pairs:
        merged[name] = f"{merged[name]},{value}" if name in merged else value
    return merged


class Exchange:
    """What answers one HTTP/2 stream. This one drops whatever comes: its request was refused on its headers."""

    def data(self, data: bytes) -> None:
        """A piece of the request's body."""

    def end(self) -> None:
        """The request is whole."""

    def lost(self) -> None:
        """The stream or its connection is gone; nothing can be sent."""

    def stop(self) -> None:
        """The server goes down: say so, and end."""
