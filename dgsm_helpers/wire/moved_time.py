"""By how much the local time of an embedded AWS was moved on: eight bytes of a file that all its processes read."""

import math
import os
import struct
from pathlib import Path

_SECONDS = struct.Struct("d")


class MovedTime:
    """Local seconds that passed at once, beside those that pass with the wall's.

    Whoever moves it has its own count, and whoever reads a file that is damaged or cut off has what it said before: not
    mapped into memory, where reading what was cut off ends the process.

    Args:
        file: the file of a running embedded AWS; None for one that nobody else sees.
    """

    def __init__(self, file: Path | None = None) -> None:
        self._file = None if file is None else file.open("rb", buffering=0)
        self._is_own = file is None
        self._known_s = 0.0

    @classmethod
    def create(cls, file: Path) -> "MovedTime":
        """None so far, in a new file."""
        made = cls()
        made._file = file.open("w+b", buffering=0)
        made.add(0.0)
        return made

    @property
    def seconds(self) -> float:
        """Since the start."""
        if self._file is not None and not self._is_own:
            content = os.pread(self._file.fileno(), _SECONDS.size, 0)
            if len(content) == _SECONDS.size and math.isfinite(said_s := _SECONDS.unpack(content)[0]):
                self._known_s = said_s
        return self._known_s

    def add(self, seconds: float) -> None:
        """So many more; by the embedded AWS's heartbeat alone."""
        self._known_s += seconds
        if self._file is not None:
            os.pwrite(self._file.fileno(), _SECONDS.pack(self._known_s), 0)
