"""CBOR (RFC 8949) as far as AWS's rpc-v2-cbor protocol uses it: newer AWS SDKs speak it to CloudWatch.

botocore can write requests and read responses in it; a server needs the opposite pair, between bytes and plain values.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from datetime import UTC, datetime

_TIMESTAMP_TAG = 1
_SIMPLE = {20: False, 21: True, 22: None, 23: None}


def dumps(value: object) -> bytes:
    """The bytes of None, bool, int, float, str, bytes, datetime, and lists and mappings of them.

    Raises:
        TypeError: a value of another type.
    """
    match value:
        case None:
            return b"\xf6"
        case bool():
            return b"\xf5" if value else b"\xf4"
        case int():
            return _head(0, value) if value >= 0 else _head(1, -1 - value)
        case float():
            return b"\xfb" + struct.pack(">d", value)
        case str():
            data = value.encode()
            return _head(3, len(data)) + data
        case bytes():
            return _head(2, len(value)) + value
        case datetime():
            moment = value if value.tzinfo else value.replace(tzinfo=UTC)
            return _head(6, _TIMESTAMP_TAG) + dumps(moment.timestamp())
        case list() | tuple():
            return _head(4, len(value)) + b"".join(map(dumps, value))
        case Mapping():
            return _head(5, len(value)) + b"".join(dumps(k) + dumps(v) for k, v in value.items())
    raise TypeError(f"CBOR cannot hold {value!r}")


def loads(data: bytes) -> object:
    """The value; timestamps come back as numbers, which is what JSON would have held.

    Raises:
        ValueError: the bytes are not one whole CBOR value.
    """
    try:
        value, end = _item(data, 0)
    except (IndexError, struct.error, RecursionError) as error:
        raise ValueError("the CBOR value is cut short") from error
    if value is _BREAK or end != len(data):
        raise ValueError("the CBOR value does not end where it should")
    return value


def _head(major: int, size: int) -> bytes:
    if size < 24:
        return bytes([major << 5 | size])
    for info, width in ((24, 1), (25, 2), (26, 4), (27, 8)):
        if size < 1 << 8 * width:
            return bytes([major << 5 | info]) + size.to_bytes(width)
    raise TypeError(f"CBOR cannot hold the integer {size}")


_BREAK = object()


def _item(data: bytes, at: int) -> tuple[object, int]:
    major, info = data[at] >> 5, data[at] & 31
    at += 1
    if major == 7:
        return _simple_or_float(data, at, info)
    size, at = _argument(data, at, info)
    if major in (0, 1):
        return (size if major == 0 else -1 - size), at
    if major in (2, 3):
        raw, at = _bytes(data, at, size)
        return (raw if major == 2 else raw.decode()), at
    if major == 6:
        return _item(data, at)
    items: list[object] = []
    wanted = None if size is None else size * (1 if major == 4 else 2)
    while wanted is None or len(items) < wanted:
        value, at = _item(data, at)
        if value is _BREAK:
            break
        items.append(value)
    return (items if major == 4 else dict(zip(items[::2], items[1::2], strict=True))), at


def _argument(data: bytes, at: int, info: int) -> tuple[int | None, int]:
    if info < 24:
        return info, at
    if info == 31:
        return None, at
    if info > 27:
        raise ValueError(f"CBOR reserves additional information {info}")
    width = 1 << (info - 24)
    if at + width > len(data):
        raise IndexError
    return int.from_bytes(data[at : at + width]), at + width


def _bytes(data: bytes, at: int, size: int | None) -> tuple[bytes, int]:
    if size is not None:
        if at + size > len(data):
            raise IndexError
        return data[at : at + size], at + size
    parts = []
    while data[at] != 0xFF:
        part, at = _item(data, at)
        parts.append(part.encode() if isinstance(part, str) else part)
    return b"".join(parts), at + 1


def _simple_or_float(data: bytes, at: int, info: int) -> tuple[object, int]:
    if info in _SIMPLE:
        return _SIMPLE[info], at
    if info == 31:
        return _BREAK, at
    formats = {25: ">e", 26: ">f", 27: ">d"}
    if info not in formats:
        raise ValueError(f"CBOR simple value {info} has no meaning here")
    return struct.unpack_from(formats[info], data, at)[0], at + struct.calcsize(formats[info])
