"""By how much the local time of an embedded AWS was moved on: eight bytes of a file that all its processes read."""

import mmap
import struct
from pathlib import Path

_SECONDS = struct.Struct("d")


class MovedTime:
    """Local seconds that passed at once, beside those that pass with the wall's.

    Args:
        file: the file of a running embedded AWS; None for one that nobody else sees.
    """

    def __init__(self, file: Path | None = None) -> None:
        if file is None:
            self._shared = mmap.mmap(-1, _SECONDS.size)
            return
        with file.open("r+b") as handle:
            self._shared = mmap.mmap(handle.fileno(), _SECONDS.size)

    @classmethod
    def create(cls, file: Path) -> "MovedTime":
        """None so far, in a new file."""
        file.write_bytes(_SECONDS.pack(0.0))
        return cls(file)

    @property
    def seconds(self) -> float:
        """Since the start."""
        return float(_SECONDS.unpack_from(self._shared)[0])

    def add(self, seconds: float) -> None:
        """So many more; by the embedded AWS's heartbeat alone."""
        _SECONDS.pack_into(self._shared, 0, self.seconds + seconds)
