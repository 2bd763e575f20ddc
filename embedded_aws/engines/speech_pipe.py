"""What passes between the server and a speech worker: frames on the worker's standard input and output.

::

    frame = u8 kind | u32 stream | u32 length | body
"""

from __future__ import annotations

import struct
from enum import IntEnum

HEAD = struct.Struct("<BII")


class Ask(IntEnum):
    """To the worker. Bodies: OPEN's is the sample rate as u32, AUDIO's is mono linear16."""

    OPEN = 1
    AUDIO = 2
    FINALIZE = 3
    FINISH = 4
    ABORT = 5


class Tell(IntEnum):
    """From the worker. RESULT's body is JSON (see ``speech_worker``); END and FAILURE end a stream."""

    RESULT = 1
    END = 2
    FAILURE = 3


def frame(kind: int, stream: int, body: bytes = b"") -> bytes:
    """One frame."""
    return HEAD.pack(kind, stream, len(body)) + body
