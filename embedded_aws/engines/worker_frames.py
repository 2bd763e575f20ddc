"""How the server and its worker processes speak: frames on standard input and output.

::

    frame = u8 kind | u32 stream | u32 length | body
"""

import ctypes
import os
import signal
import struct
import sys
from collections.abc import Callable
from enum import IntEnum
from typing import BinaryIO

HEAD = struct.Struct("<BII")
OPENING = struct.Struct("<If")
"""OPEN's body to a speech worker: sample rate, and the least audio in seconds between two interim results. Accuracy is
the same from 0.1 to 1 s, cost is not."""
CPU_S = struct.Struct("<d")
"""Processor seconds that a worker has used so far, where a RESULT begins with them."""


class Ask(IntEnum):
    """To a worker. OPEN's body is the worker's own affair; AUDIO's, for a speech worker only, is mono linear16."""

    OPEN = 1
    AUDIO = 2
    FINALIZE = 3
    FINISH = 4
    ABORT = 5


class Tell(IntEnum):
    """From a worker. RESULT's body is the worker's own affair; END and FAILURE end a stream."""

    RESULT = 1
    END = 2
    FAILURE = 3


def frame(kind: int, stream: int, body: bytes = b"") -> bytes:
    """One frame."""
    return HEAD.pack(kind, stream, len(body)) + body


def _end_with_parent() -> None:
    """Have Linux kill this process with its parent: a closed pipe ends it only between two pieces of work."""
    if sys.platform == "linux":
        parent = os.getppid()
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)
        if os.getppid() != parent:
            sys.exit()


def run_worker(run: Callable[[BinaryIO, BinaryIO], object]) -> None:
    """The whole life of a worker process: ``run`` with its input and output, until the input ends."""
    _end_with_parent()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # Libraries print to standard output; frames get a descriptor of their own.
    sink = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    run(sys.stdin.buffer, sink)
    # Their own tear-down is not worth waiting for.
    sink.flush()
    os._exit(0)
