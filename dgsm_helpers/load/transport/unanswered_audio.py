"""The newest audio of a call: what a next session would have to hear again."""


class UnansweredAudio:
    """Raw audio from a moment that can be moved on, up to now; positions are bytes since the call began.

    Args:
        bytes_per_s: of the audio.
        frame_bytes: bytes of one moment of all channels; reading begins at whole frames.
        most_s: seconds that are kept at most: beyond them the oldest is dropped, whether it was answered or not.
    """

    def __init__(self, *, bytes_per_s: int, frame_bytes: int, most_s: float) -> None:
        self._bytes_per_s, self._frame_bytes = bytes_per_s, frame_bytes
        self._most_bytes = self._whole_frames(most_s * bytes_per_s)
        self._kept = bytearray()
        self._begin = 0

    @property
    def begin(self) -> int:
        """Position of the oldest byte that is kept."""
        return self._begin

    @property
    def end(self) -> int:
        """Position behind the newest byte: all bytes of the call so far."""
        return self._begin + len(self._kept)

    @property
    def length_s(self) -> float:
        return self.seconds(self.end)

    def append(self, audio: bytes) -> None:
        self._kept += audio
        if len(self._kept) > self._most_bytes:
            self._drop(self._whole_frames(len(self._kept) - self._most_bytes + self._frame_bytes - 1))

    def forget_before(self, at_s: float) -> None:
        """Nobody will ask for what lies before ``at_s`` seconds of the call."""
        self._drop(min(self.at(at_s), self._whole_frames(self.end)) - self._begin)

    def at(self, at_s: float) -> int:
        """Position of a moment of the call: the first byte of the frame there."""
        # Times come as decimals; without the rounding 0.3 s would lie a frame before 0.3 s.
        return self._whole_frames(round(max(at_s, 0.0) * self._bytes_per_s, 3))

    def seconds(self, position: int) -> float:
        return position / self._bytes_per_s

    def read(self, position: int, most: int) -> bytes:
        """Up to ``most`` bytes from ``position`` on, or from the oldest that is kept when it lies before that."""
        first = max(position - self._begin, 0)
        return bytes(self._kept[first : first + most])

    def _drop(self, count: int) -> None:
        if count > 0:
            del self._kept[:count]
            self._begin += count

    def _whole_frames(self, count: float) -> int:
        return int(count // self._frame_bytes) * self._frame_bytes
