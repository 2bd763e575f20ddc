"""A control plane request's body, read and unpacked within bounds: boto3 packs a large PutMetricData."""

import zlib
from urllib.parse import parse_qsl

from werkzeug import Request
from werkzeug.exceptions import HTTPException

from embedded_aws.held_bytes import GiveWay, HeldBytes

MOST_BYTES = 16 << 20
"""Sixteen times what CloudWatch and CloudWatch Logs take in one request."""
_MOST_PARSED_BYTES = 2 << 20
"""Twice what CloudWatch and CloudWatch Logs take: what is parsed in memory before its sender is known."""
_MOST_FIELDS = 30_000
"""More than a form of CloudWatch's megabyte has: ``MetricData.member.1.Value=1`` is a field."""
_MOST_CONTAINERS = 100_000
"""More than a PutMetricData of 1,000 metrics of 30 dimensions has."""
_NOT_OPENING_JSON = bytes(set(range(256)) - set(b"[{"))
_NOT_OPENING_CBOR = bytes(set(range(256)) - set(range(0x80, 0xE0)))
"""What begins an array, a map or a tag; letters beyond ASCII count too."""
_READ_BYTES = 1 << 16
_LONGEST_NUMBER = 18
_GZIP = 16 + zlib.MAX_WBITS


class BodyRefused(Exception):
    """A body that is not read, with the HTTP status that says so."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


def length_of(announced: str) -> int:
    """What a Content-Length says, 0 where there is none.

    Raises:
        BodyRefused: it is no number, or too long.
    """
    announced = announced or "0"
    if not (announced.isascii() and announced.isdigit()):
        raise BodyRefused(400, f"The Content-Length {announced!r} is no length.")
    if len(announced) > _LONGEST_NUMBER or int(announced) > MOST_BYTES:
        raise BodyRefused(413, f"The body is longer than {MOST_BYTES} bytes.")
    return int(announced)


def body_of(request: Request, held: HeldBytes, holder: GiveWay) -> bytes:
    """The body as its sender meant it; what of it has come counts as ``held`` by its connection.

    Raises:
        BodyRefused: its length is none (`length_of`), it is cut off, or not packed as its Content-Encoding says.
    """
    length_of(request.environ.get("CONTENT_LENGTH", ""))
    body = bytearray()
    try:
        while piece := request.stream.read(_READ_BYTES):
            held.add(holder, len(piece))
            body += piece
            if len(body) > MOST_BYTES:
                raise BodyRefused(413, f"The body is longer than {MOST_BYTES} bytes.")
    except (OSError, HTTPException) as error:  # a chunk that is none, or the client is gone
        raise BodyRefused(400, "The body ends before its end.") from error
    packed = request.headers.get("Content-Encoding", "").lower() == "gzip"
    if not packed:
        return bytes(body)
    data = _unpacked(bytes(body))
    held.add(holder, len(data) - len(body))
    return data


def form_of(body: bytes) -> list[tuple[str, str]]:
    """The fields of a form.

    Raises:
        BodyRefused: there are too many.
    """
    try:
        return parse_qsl(body.decode(errors="replace"), keep_blank_values=True, max_num_fields=_MOST_FIELDS)
    except ValueError as error:
        raise BodyRefused(400, f"The form has more than {_MOST_FIELDS} fields.") from error


def refuse_large(body: bytes, *, cbor: bool = False) -> None:
    """Refuse what would be many times its own length when it is parsed: an empty array of one byte takes 64.

    Raises:
        BodyRefused: it is too long, or holds too many arrays and objects.
    """
    opening = len(body.translate(None, _NOT_OPENING_CBOR if cbor else _NOT_OPENING_JSON))
    if len(body) > _MOST_PARSED_BYTES or opening > _MOST_CONTAINERS:
        raise BodyRefused(
            413, f"The body is longer than {_MOST_PARSED_BYTES} bytes, or of more than {_MOST_CONTAINERS} parts."
        )


def _unpacked(body: bytes) -> bytes:
    unpacking = zlib.decompressobj(_GZIP)
    try:
        data = unpacking.decompress(body, MOST_BYTES + 1)
    except zlib.error as error:
        raise BodyRefused(400, "The body is not what its Content-Encoding says.") from error
    if len(data) > MOST_BYTES:
        raise BodyRefused(413, f"The body is longer than {MOST_BYTES} bytes when it is unpacked.")
    if not unpacking.eof or unpacking.unused_data:
        raise BodyRefused(400, "The body is not what its Content-Encoding says.")
    return data
